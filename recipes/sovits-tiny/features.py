"""Turns a corpus into training features: content features, F0 and speaker embedding of every utterance, packed on disk.

    python features.py SITE_PACKAGES OUT CORPUS.jsonl...       (resumable: utterances already in OUT are skipped)

Each line of a CORPUS file has id, lang, speaker, text and either `file` (a path beside the list) or lies in the tar of the
same name. With --warp, a second copy of every utterance is made, resampled by a random factor and equalised at random: a new
speaker for stage two, of another length of the vocal tract and another channel.
"""

import argparse
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
import torch
from teachers import WHISPER_RATE, WhisperEncoder, pitch

from timbral.nets.tiny_timbre import SpeakerEncoder

RATE = 24_000
HOP = 240
PACK = 400
"""Utterances a shard: small enough that a kill loses little."""


def utterances(listing: Path, most: int | None) -> Iterator[tuple[dict, bytes]]:
    """Each entry of a corpus list, or `most` spread evenly over it, with the bytes of its recording."""
    entries = [json.loads(line) for line in listing.read_text().splitlines()]
    if most and most < len(entries):
        entries = [entries[i * len(entries) // most] for i in range(most)]
    tar = listing.with_suffix(".tar")
    if not tar.exists():
        for entry in entries:
            yield entry, (listing.parent / entry["file"]).read_bytes()
        return
    with tarfile.open(tar) as archive:
        members = {Path(m.name).stem: m for m in archive.getmembers() if m.isfile()}
        for entry in entries:
            if entry["id"] in members:
                yield entry, archive.extractfile(members[entry["id"]]).read()


def warped(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another speaker's version of a recording: resampled (pitch, formants and tempo together) and smoothly equalised."""
    factor = float(np.exp(rng.uniform(0.05, 0.17) * rng.choice([-1, 1])))
    audio = soxr.resample(audio, RATE * factor, RATE)
    spectrum = np.fft.rfft(audio)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(audio), 1 / RATE), 30) / 30)
    gain = sum(
        rng.normal(0, 2.5) * np.cos(np.pi * k * octaves / octaves[-1] + rng.uniform(0, 6.28))
        for k in (1, 2, 3, 4)
    )
    return np.fft.irfft(spectrum * 10 ** (gain / 20), len(audio)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site_packages", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--warp", action="store_true")
    parser.add_argument("--most", type=int, help="utterances taken of each list, spread over it")
    parser.add_argument(
        "--shard", default="0/1", help="i/n: this process takes every n-th utterance, from i on"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    whisper = WhisperEncoder(args.site_packages).eval()
    speaker = SpeakerEncoder()
    speaker.load_resemblyzer(args.site_packages / "resemblyzer/pretrained.pt")
    speaker.eval()
    torch.set_num_threads(1)
    index, count = map(int, args.shard.split("/"))
    tag = f"{index}w" if args.warp else str(index)
    done = {line for f in args.out.glob("*.ids") for line in f.read_text().splitlines()}
    shard = len(list(args.out.glob(f"{tag}-*.ids")))
    batch: list[dict] = []

    def flush() -> None:
        nonlocal shard, batch
        if not batch:
            return
        stem = args.out / f"{tag}-{shard:04d}"
        np.savez(
            stem.with_suffix(".npz"),
            meta=np.frombuffer(json.dumps([b["meta"] for b in batch], ensure_ascii=False).encode(), np.uint8),
            **{
                k: np.concatenate([b[k] for b in batch])
                for k in ("audio", "content", "f0", "confidence", "speaker")
            },
            lengths=np.array([len(b["content"]) for b in batch]),
        )
        stem.with_suffix(".ids").write_text("\n".join(b["meta"]["id"] for b in batch) + "\n")
        shard += 1
        batch = []

    position = 0
    for listing in args.corpus:
        for entry, recording in utterances(listing, args.most):
            position += 1
            name = listing.stem + "/" + entry["id"] + ("~" if args.warp else "")
            if position % count != index or name in done:
                continue
            audio, rate = sf.read(io.BytesIO(recording), dtype="float32", always_2d=True)
            audio = audio.mean(1)
            if rate != RATE:
                audio = soxr.resample(audio, rate, RATE)
            if args.warp:
                audio = warped(audio, np.random.default_rng(zlib.crc32(name.encode())))
            audio = audio * (0.5 / max(1e-3, float(np.abs(audio).max())))
            tokens = len(audio) // (4 * HOP)
            if not 10 <= tokens <= 400:
                continue
            audio = audio[: tokens * 4 * HOP]
            low = np.pad(soxr.resample(audio, RATE, WHISPER_RATE), (0, 640))[: tokens * 640]
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                content = whisper(whisper.log_mel(torch.from_numpy(low)[None]))[0].float()
            with torch.inference_mode():
                embedding = speaker(torch.from_numpy(low)[None])
            f0, confidence = pitch(low, tokens * 4)
            batch.append(
                {
                    "meta": {
                        "id": name,
                        **{k: entry.get(k) for k in ("lang", "speaker", "text")},
                        "corpus": listing.stem,
                    },
                    "audio": np.round(audio * 32767).astype(np.int16),
                    "content": content.unflatten(0, (-1, 2)).mean(1).numpy().astype(np.float16),
                    "f0": f0,
                    "confidence": confidence.astype(np.float16),
                    "speaker": embedding.numpy(),
                }
            )
            if len(batch) == PACK:
                flush()
                print(tag, shard, name, flush=True)
    flush()


if __name__ == "__main__":
    main()
