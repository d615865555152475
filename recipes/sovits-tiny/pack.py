"""Packs what stage two and the content encoder learn from, so that their trainings start within seconds.

    python pack.py FEATURES CODEBOOK.npz PAIRS.npz LISTENER SITE_PACKAGES PACK

PACK gets the sound, tokens, spoken phones and pitch of all utterances as rows, their timbre vectors, and the codebook: with
SITE_PACKAGES it is all that these two trainings need, to be carried to another machine. Which phones a token speaks is told by
the listener, as it will be in the engine; of utterances that nobody wrote down, nothing is told. A second timbre is heard in a
worse recording of the same sentence: a room, a microphone, noise.
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
from features import RATE
from packed import SAMPLES_PER_TOKEN, Utterance, read
from rooms import degraded
from runs import DEVICES, open_device
from teachers import WHISPER_RATE, embeddings
from tokens import Codebook, read_pairs

from timbral.inference.alignment.durations import halves
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.nets.timbre_encoder import TimbreEncoder

TOGETHER = 64
"""Utterances whose timbre is heard at once."""
TIMBRE = 417


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path)
    parser.add_argument("codebook", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("listener", type=Path)
    parser.add_argument("site_packages", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--worse", type=int, default=4000, help="utterances heard in a worse recording too")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    utterances = read(args.features)
    codebook = Codebook(args.codebook, device)
    listener = HmmAligner.open(args.listener)
    spoken = {
        pair.id: halves(pair.phones, listener.path(pair.phones, pair.tokens))
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
    timbre, heard = timbres(utterances, args.site_packages, device, args.worse)
    np.save(part / "timbre.npy", timbre)
    np.save(part / "heard.npy", heard)
    np.save(part / "speaker.npy", np.stack([u.speaker for u in utterances]))
    metas = [
        {"tokens": len(u.content), **{k: u.meta[k] for k in ("id", "corpus", "speaker")}} for u in utterances
    ]
    (part / "utterances.json").write_text(json.dumps(metas, ensure_ascii=False))
    shutil.copyfile(args.codebook, part / "codebook.npz")
    part.rename(args.pack)


def filled_pitch(u: Utterance) -> np.ndarray:
    """F0 [4 T] in Hz, carried over unvoiced stretches."""
    if not u.voiced.any():
        return np.full(len(u.f0), 2**u.mean_pitch, np.float32)
    at = np.flatnonzero(u.voiced)
    return np.exp(np.interp(np.arange(len(u.f0)), at, np.log(u.f0[at]))).clip(50, 700).astype(np.float32)


def timbres(
    utterances: list[Utterance], site_packages: Path, device: torch.device, worse: int
) -> tuple[np.ndarray, np.ndarray]:
    """Timbre vectors [U, 417] of all utterances, and those that so many of them have in a worse recording."""
    encoder = TimbreEncoder()
    encoder.speaker.load_resemblyzer(site_packages / "resemblyzer/pretrained.pt")
    encoder.to(device).eval()
    step = max(1, len(utterances) // max(1, worse))
    chosen = set(range(0, len(utterances), step)) if worse else set()
    timbre = np.zeros((len(utterances), TIMBRE), np.float32)
    heard = np.zeros_like(timbre)

    def low(u: Utterance) -> np.ndarray:
        return soxr.resample(u.audio.astype(np.float32) / 32768, RATE, WHISPER_RATE)

    with ThreadPoolExecutor() as pool, torch.inference_mode():
        for first in range(0, len(utterances), TOGETHER):
            group = range(first, min(first + TOGETHER, len(utterances)))
            clips = [
                torch.from_numpy(clip).to(device)
                for clip in pool.map(low, utterances[group.start : group.stop])
            ]
            for i, clip in zip(group, clips, strict=True):
                u = utterances[i]
                spectrum = encoder.spectrum(clip[None])[0].cpu().numpy()
                timbre[i] = heard[i] = np.concatenate([16 * u.speaker, spectrum, [u.mean_pitch]])
            again = [i for i in group if i in chosen]
            corrupted_tokens = [_worsened(clips[i - first], utterances[i].meta["id"]) for i in again]
            if again:
                for i, clip, vector in zip(
                    again, corrupted_tokens, embeddings(encoder.speaker, corrupted_tokens), strict=True
                ):
                    spectrum = encoder.spectrum(clip[None])[0]
                    heard[i, :-1] = torch.cat([16 * vector, spectrum]).cpu().numpy()
            if group.stop % 3200 < TOGETHER:
                print(f"{group.stop} timbres", flush=True)
    return timbre, heard


def _worsened(clip: torch.Tensor, name: str) -> torch.Tensor:
    generator = torch.Generator(clip.device).manual_seed(zlib.crc32(name.encode()))
    return degraded(clip[None], WHISPER_RATE, generator)[0]


if __name__ == "__main__":
    main()
