"""Turns a corpus into training features: content features, F0 and speaker embedding of every utterance,
packed on disk.

    python features.py SITE_PACKAGES OUT CORPUS.jsonl...       (resumable: utterances already in OUT are skipped)

Each line of a CORPUS file has id, lang, speaker, text and either `file` (a path beside the list) or lies in
the tar of the same name. On a GPU the networks hear utterances of like length together, while threads read
sound and find its pitch. With --warp, a second copy of every utterance is made, resampled by a random factor
and equalised at random: a new speaker for stage two, of another length of the vocal tract and another
channel.
"""

import argparse
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
import torch
from arrays import write
from runs import DEVICES, half, open_device
from teachers import WHISPER_RATE, WhisperEncoder, embeddings, pitch
from torch import Tensor, nn

from timbral.nets.timbre_encoder import SpeakerEncoder

RATE = 24_000
HOP = 240
PACK = 400
"""Utterances a shard: small enough that a kill loses little."""
TOGETHER = 20_000
"""Tokens that a GPU hears at once, padding included; a CPU gains nothing by it."""


@dataclass(frozen=True)
class Clip:
    """What is known of an utterance of T tokens before the networks heard it: samples [960 T] at 24 kHz, [640
    T] at 16 kHz.
    """

    meta: dict
    audio: np.ndarray
    low: np.ndarray
    f0: np.ndarray
    confidence: np.ndarray

    @property
    def tokens(self) -> int:
        return len(self.f0) // 4


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
    """Another speaker's version of a recording: resampled (pitch, formants and tempo together) and smoothly
    equalised.
    """
    factor = float(np.exp(rng.uniform(0.05, 0.17) * rng.choice([-1, 1])))
    audio = soxr.resample(audio, RATE * factor, RATE)
    spectrum = np.fft.rfft(audio)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(audio), 1 / RATE), 30) / 30)
    gain = sum(
        rng.normal(0, 2.5) * np.cos(np.pi * k * octaves / octaves[-1] + rng.uniform(0, 6.28))
        for k in (1, 2, 3, 4)
    )
    return np.fft.irfft(spectrum * 10 ** (gain / 20), len(audio)).astype(np.float32)


def clip(meta: dict, recording: bytes, *, warp: bool) -> Clip | None:
    """An utterance, read; None if it is too short or too long."""
    audio, rate = sf.read(io.BytesIO(recording), dtype="float32", always_2d=True)
    audio = audio.mean(1)
    if rate != RATE:
        audio = soxr.resample(audio, rate, RATE)
    if warp:
        audio = warped(audio, np.random.default_rng(zlib.crc32(meta["id"].encode())))
    audio = audio * (0.5 / max(1e-3, float(np.abs(audio).max())))
    tokens = len(audio) // (4 * HOP)
    if not 10 <= tokens <= 400:
        return None
    audio = audio[: tokens * 4 * HOP]
    low = np.pad(soxr.resample(audio, RATE, WHISPER_RATE), (0, 640))[: tokens * 640]
    return Clip(meta, audio, low, *pitch(low, tokens * 4))


class Ears:
    """Both networks on a device."""

    def __init__(self, site_packages: Path, device: torch.device) -> None:
        self.device = device
        self.whisper = WhisperEncoder(site_packages).to(device).eval()
        self.speaker = SpeakerEncoder()
        self.speaker.load_resemblyzer(site_packages / "resemblyzer/pretrained.pt")
        self.speaker.to(device).eval()

    def __call__(self, clips: list[Clip]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Content features [T, 512] and speaker embedding [256] of each."""
        heard: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        with torch.inference_mode():
            for group in self._groups(clips):
                low = [torch.from_numpy(clips[i].low).to(self.device) for i in group]
                voices = embeddings(self.speaker, low).cpu().numpy()
                content = self._content(low).cpu().numpy()
                for i, features, voice in zip(group, content, voices, strict=True):
                    heard[i] = features[: clips[i].tokens], voice
        return [heard[i] for i in range(len(clips))]

    def _groups(self, clips: list[Clip]) -> Iterator[list[int]]:
        group: list[int] = []
        for i in sorted(range(len(clips)), key=lambda i: clips[i].tokens):
            alone = self.device.type == "cpu" or clips[i].tokens * (len(group) + 1) > TOGETHER
            if group and alone:
                yield group
                group = []
            group.append(i)
        if group:
            yield group

    def _content(self, low: list[Tensor]) -> Tensor:
        mels = [self.whisper.log_mel(samples[None])[0].T for samples in low]
        mel = nn.utils.rnn.pad_sequence(mels, batch_first=True).transpose(1, 2)
        frames = torch.tensor([len(m) for m in mels], device=self.device) if len(mels) > 1 else None
        # A GPU has the time for float32: in bfloat16 the features are off by a tenth of their deviation.
        with half(self.device, enabled=self.device.type == "cpu"):
            heard = self.whisper(mel, frames)
        return heard.float().unflatten(1, (-1, 2)).mean(2).half()


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
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    device = open_device(args.device)
    torch.set_num_threads(1)
    ears = Ears(args.site_packages, device)
    index, count = map(int, args.shard.split("/"))
    tag = f"{index}w" if args.warp else str(index)
    done = {line for f in args.out.glob("*.ids") for line in f.read_text().splitlines()}
    shard = len(list(args.out.glob(f"{tag}-*.ids")))

    def entries() -> Iterator[tuple[dict, bytes]]:
        position = 0
        for listing in args.corpus:
            for entry, recording in utterances(listing, args.most):
                position += 1
                name = listing.stem + "/" + entry["id"] + ("~" if args.warp else "")
                if position % count == index and name not in done:
                    meta = {"id": name, **{k: entry.get(k) for k in ("lang", "speaker", "text")}}
                    yield {**meta, "corpus": listing.stem}, recording

    waiting = entries()
    with ThreadPoolExecutor(1 if device.type == "cpu" else None) as pool:
        while some := list(islice(waiting, PACK)):
            clips = [c for c in pool.map(lambda entry: clip(*entry, warp=args.warp), some) if c is not None]
            if clips:
                pack(args.out / f"{tag}-{shard:04d}", clips, ears(clips))
                shard += 1
                print(tag, shard, clips[-1].meta["id"], flush=True)


def pack(stem: Path, clips: list[Clip], heard: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Writes a shard, and the ids in it when it is whole."""
    write(
        stem.with_suffix(".npz"),
        meta=np.frombuffer(json.dumps([c.meta for c in clips], ensure_ascii=False).encode(), np.uint8),
        audio=np.concatenate([np.round(c.audio * 32767).astype(np.int16) for c in clips]),
        content=np.concatenate([content for content, _ in heard]),
        f0=np.concatenate([c.f0 for c in clips]),
        confidence=np.concatenate([c.confidence.astype(np.float16) for c in clips]),
        speaker=np.concatenate([voice for _, voice in heard]),
        lengths=np.array([c.tokens for c in clips]),
    )
    stem.with_suffix(".ids").write_text("\n".join(c.meta["id"] for c in clips) + "\n")


if __name__ == "__main__":
    main()
