"""Packs the naist-jdic and mecab-ko-dic dictionaries for timbral.text.g2p.lattice: python build_lexicons.py JA_DIR KO_DIR OUT"""

import io
import lzma
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mecab_dictionary import characters, entries, matrix

XZ = [
    {
        "id": lzma.FILTER_LZMA2,
        "preset": 9 | lzma.PRESET_EXTREME,
        "dict_size": 1 << 25,
        "lc": 4,
        "lp": 0,
        "pb": 0,
    }
]


def text(lines: list[str]) -> np.ndarray:
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def planes(values: np.ndarray) -> np.ndarray:
    """int16 as low bytes, then high bytes: compresses better."""
    return np.ascontiguousarray(values.astype("<i2")).view(np.uint8).reshape(-1, 2).T.copy()


def pack(
    source: Path, target: Path, describe: Callable[[int, str], str], keep: Callable[[str], bool], extra=None
) -> None:
    rows = [row for row in entries(source / "sys.dic") if keep(row[0])]
    unknown = entries(source / "unk.dic")
    names, ranges = characters(source / "char.bin")
    described = [(left, right, describe(p, f)) for _, left, right, p, _, f in rows + unknown]
    classes = sorted(set(described))
    index = {c: i for i, c in enumerate(classes)}
    ids = np.array([index[c] for c in described])
    surfaces: list[str] = []
    counts: list[int] = []
    for row in rows:
        if surfaces and surfaces[-1] == row[0]:
            counts[-1] += 1
        else:
            surfaces.append(row[0])
            counts.append(1)
    connections = matrix(source / "matrix.bin")
    arrays = {
        "surfaces": text(surfaces),
        "token_counts": np.array(counts, np.uint8),
        "token_classes": planes(ids[: len(rows)]),
        "token_costs": planes(np.array([row[4] for row in rows])),
        "class_left": np.array([c[0] for c in classes], np.int16),
        "class_right": np.array([c[1] for c in classes], np.int16),
        "class_features": text([c[2] for c in classes]),
        "connections": planes(connections).reshape(2, *connections.shape),
        "unknown_classes": ids[len(rows) :].astype(np.int16),
        "unknown_costs": np.array([row[4] for row in unknown], np.int16),
        "unknown_categories": np.array([names.index(row[0]) for row in unknown], np.int16),
        "character_starts": np.array([r[0] for r in ranges], np.uint32),
        "character_infos": np.array([r[1] for r in ranges], np.uint32),
    }
    if extra:
        arrays |= extra(rows)
    for name, array in arrays.items():
        print(name, array.shape, len(lzma.compress(array.tobytes(), format=lzma.FORMAT_RAW, filters=XZ)))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    packed = lzma.compress(buffer.getvalue(), format=lzma.FORMAT_XZ, filters=XZ)
    target.write_bytes(packed)
    print(
        target, len(rows), "tokens", len(surfaces), "surfaces", len(classes), "classes", len(packed), "bytes"
    )


def japanese_class(part_of_speech: int, feature: str) -> str:
    """Part of speech with its three groups, inflected form, accent rule."""
    fields = [*feature.split(","), *[""] * 4]
    return ",".join([*fields[:4], fields[5], fields[10]])


def japanese_sounds(rows) -> dict[str, np.ndarray]:
    """Each token's pronunciation, and its reading where a rule for counters asks for it; accents."""
    prons, accents = [], []
    for _, _, _, _, _, feature in rows:
        _, _, group2, _, _, _, original, reading, pron, accent, _ = feature.split(",")
        pron = pron.replace("’", "")
        if accent.count("/") > 1:
            pron = f"{pron};{original};{accent}"
            accents.append((0, 0))
        else:
            if group2 == "助数詞" and reading != pron:
                pron = f"{pron};{reading}"
            accents.append(tuple(int(n) for n in accent.split("/")) if "*" not in accent else (0, 0))
        prons.append(pron)
    return {"prons": text(prons), "accents": np.array(accents, np.uint8).T.copy()}


PENALTIES = {120: 6000, 210: 6000} | dict.fromkeys((100, 172, 183, 184, 185, 200, 220, 221, 222, 230), 3000)


def korean_class(part_of_speech: int, feature: str) -> str:
    """Last tag of the word, and what a blank before it costs (dicrc's left-space-penalty-factor)."""
    return f"{feature.split(',')[0].split('+')[-1]},{PENALTIES.get(part_of_speech, 0)}"


if __name__ == "__main__":
    japanese, korean, out = map(Path, sys.argv[1:])
    pack(japanese, out / "ja_words.npz.xz", japanese_class, lambda s: True, japanese_sounds)
    pack(
        korean,
        out / "ko_words.npz.xz",
        korean_class,
        lambda s: not re.search("[\u2e80-\u2fff\u3400-\u9fff\uf900-\ufaff]", s),
    )
