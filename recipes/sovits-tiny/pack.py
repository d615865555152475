"""Packs the training data of stage two and the content encoder, so that their trainings start within seconds.

    python pack.py FEATURES CODEBOOK.npz PAIRS.npz ALIGNER SITE_PACKAGES PACK

PACK gets audio, tokens, phones and F0 of all utterances as rows, timbre vectors, and the codebook. These two
trainings need nothing else but SITE_PACKAGES, so PACK can be moved to another machine. The aligner assigns
phones to tokens as at inference; utterances without a transcript have none. A second timbre is that of a
degraded copy of the recording.
"""

import argparse
import json
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soxr
import torch
from align import PHONES
from arrays import SAMPLES_PER_TOKEN, Utterance, read
from augmentation import degraded
from features import RATE
from runs import DEVICES, open_device
from teachers import WHISPER_RATE, embeddings
from tokens import Codebook, read_pairs

from timbral.inference.alignment.durations import halves
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.nets.timbre_encoder import TimbreEncoder

BATCH = 64
"""Utterances per batch of the timbre encoder."""
TIMBRE = 417


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path)
    parser.add_argument("codebook", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("aligner", type=Path)
    parser.add_argument("site_packages", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument(
        "--degraded", type=int, default=4000, help="utterances with a timbre of a degraded copy too"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    utterances = read(args.features)
    codebook = Codebook(args.codebook, device)
    aligner = HmmAligner.open(args.aligner, PHONES, len(codebook.centroids) + 1)
    spoken = {
        pair.id: halves(pair.phones, aligner.path(pair.phones, pair.tokens))
        for pair in read_pairs(args.pairs)
    }
    part = args.pack.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    count = sum(len(u.content) for u in utterances)
    rows = {
        name: np.lib.format.open_memmap(part / f"{name}.npy", "w+", kind, (count, *shape))
        for name, kind, shape in (
            ("tokens", np.int16, ()),
            ("phones", np.int16, (2,)),
            ("audio", np.int16, (SAMPLES_PER_TOKEN,)),
            ("f0", np.float32, (4,)),
            ("voiced", np.bool_, (4,)),
        )
    }
    at = 0
    for u in utterances:
        here = slice(at, at := at + len(u.content))
        rows["tokens"][here] = codebook(u)
        rows["phones"][here] = spoken.get(u.meta["id"], PHONES)
        rows["audio"][here] = u.audio.reshape(-1, SAMPLES_PER_TOKEN)
        rows["f0"][here] = filled_pitch(u).reshape(-1, 4)
        rows["voiced"][here] = u.voiced.reshape(-1, 4)
    for array in rows.values():
        array.flush()
    print(f"{len(utterances)} utterances, {count / 90_000:.2f} h", flush=True)
    timbre, degraded_timbre = timbres(utterances, args.site_packages, device, args.degraded)
    np.save(part / "timbre.npy", timbre)
    np.save(part / "degraded_timbre.npy", degraded_timbre)
    np.save(part / "speaker.npy", np.stack([u.speaker for u in utterances]))
    metas = [
        {"tokens": len(u.content), **{k: u.meta[k] for k in ("id", "corpus", "speaker")}} for u in utterances
    ]
    (part / "utterances.json").write_text(json.dumps(metas, ensure_ascii=False))
    shutil.copyfile(args.codebook, part / "codebook.npz")
    part.rename(args.pack)


def filled_pitch(u: Utterance) -> np.ndarray:
    """F0 [4 T] in Hz, interpolated over unvoiced frames."""
    if not u.voiced.any():
        return np.full(len(u.f0), 2**u.mean_pitch, np.float32)
    at = np.flatnonzero(u.voiced)
    return np.exp(np.interp(np.arange(len(u.f0)), at, np.log(u.f0[at]))).clip(50, 700).astype(np.float32)


def timbres(
    utterances: list[Utterance], site_packages: Path, device: torch.device, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Timbre vectors [U, 417] of all utterances, and of degraded copies of so many of them."""
    encoder = TimbreEncoder()
    encoder.speaker.load_resemblyzer(site_packages / "resemblyzer/pretrained.pt")
    encoder.to(device).eval()
    step = max(1, len(utterances) // max(1, count))
    chosen = set(range(0, len(utterances), step)) if count else set()
    timbre = np.zeros((len(utterances), TIMBRE), np.float32)
    degraded_timbre = np.zeros_like(timbre)

    def low(u: Utterance) -> np.ndarray:
        return soxr.resample(u.audio.astype(np.float32) / 32768, RATE, WHISPER_RATE)

    with ThreadPoolExecutor() as pool, torch.inference_mode():
        for first in range(0, len(utterances), BATCH):
            group = range(first, min(first + BATCH, len(utterances)))
            clips = [
                torch.from_numpy(clip).to(device)
                for clip in pool.map(low, utterances[group.start : group.stop])
            ]
            for i, clip in zip(group, clips, strict=True):
                u = utterances[i]
                spectrum = encoder.spectrum(clip[None])[0].cpu().numpy()
                timbre[i] = degraded_timbre[i] = np.concatenate([16 * u.speaker, spectrum, [u.mean_pitch]])
            again = [i for i in group if i in chosen]
            copies = [_degraded(clips[i - first], utterances[i].meta["id"]) for i in again]
            if again:
                for i, clip, vector in zip(again, copies, embeddings(encoder.speaker, copies), strict=True):
                    spectrum = encoder.spectrum(clip[None])[0]
                    degraded_timbre[i, :-1] = torch.cat([16 * vector, spectrum]).cpu().numpy()
            if group.stop % 3200 < BATCH:
                print(f"{group.stop} timbres", flush=True)
    return timbre, degraded_timbre


def _degraded(clip: torch.Tensor, name: str) -> torch.Tensor:
    generator = torch.Generator(clip.device).manual_seed(zlib.crc32(name.encode()))
    return degraded(clip[None], WHISPER_RATE, generator)[0]


if __name__ == "__main__":
    main()
