"""Asks Kokoro how long it would speak each phone of many sentences, without letting it speak.

    python durations.py KOKORO TEXT OUT [--shard 0/2] [--most 20000]       (resumable)

Kokoro decides how long its phones last before it makes any sound, which takes a tenth of a second a sentence:
so its rhythm can be learned from far more sentences than its sound. Arguments are those of synthesize.py.
Writes OUT/durations.SHARD.jsonl: lang, phones (ours), symbols (Kokoro's) and seconds (of the symbols, with
the silence before and after them).
"""

import json
import os
import random
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is imported

import numpy as np
import onnx
import onnxruntime
from sentences import sentences
from synthesize import INITIALS, arguments, casts, equipment, phonemizers, style_of

from timbral.errors import TextError
from timbral.text import to_phones

CUT = "/encoder/Div_output_0"
"""Where the graph knows how many of its frames each symbol lasts."""
FRAME = 0.025
"""Seconds."""
TURNS = ("en", "zh", "en", "ja")
FEWEST, MOST = 5, 508
"""Symbols of a sentence."""


def predictor(kokoro: Path, folder: Path) -> onnxruntime.InferenceSession:
    """The graph up to `CUT`, kept in `folder`."""
    front = folder / "durations.onnx"
    if not front.exists():
        whole, part = folder / "durations.whole", folder / "durations.part"
        onnx.save(onnx.shape_inference.infer_shapes(onnx.load(kokoro)), whole)
        onnx.utils.extract_model(
            str(whole), str(part), ["tokens", "style", "speed"], [CUT], check_model=False
        )
        whole.unlink()
        part.rename(front)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(front, options)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--most", type=int, default=20_000)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    index, count = map(int, args.shard.split("/"))
    vocabulary, styles = equipment(args.kokoro)
    session = predictor(args.kokoro / "kokoro.onnx", args.out)
    phonemize = phonemizers()
    texts = {lang: sentences(args.text, lang, held_out=False) for lang in INITIALS}
    rng = random.Random(5)
    cast = casts(list(styles), rng)
    listing = args.out / f"durations.{index}.jsonl"
    done = len(listing.read_text().splitlines()) if listing.exists() else 0
    with listing.open("a") as log:
        for number in range(args.most):
            lang = TURNS[number % len(TURNS)]
            # As often as a language has turns, it needs another sentence.
            turn = number // len(TURNS) * TURNS.count(lang) + TURNS[: number % len(TURNS)].count(lang)
            text, blend = texts[lang][turn % len(texts[lang])], rng.choice(cast[lang])
            if number % count != index or number // count < done:
                continue
            entry: dict[str, object] = {}
            try:
                phones = to_phones(text, lang, reading="best").ids
            except TextError:
                phones = None
            symbols = [s for s in phonemize[lang](text) if s in vocabulary][:MOST]
            if phones is not None and len(symbols) >= FEWEST:
                (frames,) = session.run(
                    [CUT],
                    {
                        "tokens": np.array([[0, *(vocabulary[s] for s in symbols), 0]]),
                        "style": style_of(blend, styles, len(symbols)),
                        "speed": np.ones(1, np.float32),
                    },
                )
                entry = {
                    "lang": lang,
                    "phones": phones.tolist(),
                    "symbols": "".join(symbols),
                    "seconds": [round(float(f) * FRAME, 4) for f in frames[0]],
                }
            # A sentence that cannot be used has its line too, so that a restart goes on at the right one.
            log.write(json.dumps(entry, ensure_ascii=False) + "\n")
            log.flush()


if __name__ == "__main__":
    main()
