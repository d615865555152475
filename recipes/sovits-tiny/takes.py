"""Lets a model speak pieces of sentences in several takes, and rates how well each take is understood.

    python takes.py BUNDLE TEXT ALIGNMENT.ctc.pt SITE_PACKAGES PACK TAKES [--pieces 2000] [--shard 0/1]       (resumable)

Of eight takes the best is far clearer than the mean, so stage one knows more than it mostly says: train_preference.py teaches it
what the best ones do. A take is spoken by stage two with a timbre of PACK, heard by Whisper's encoder, and rated by the
recogniser that align.py learned: the log-likelihood of the phones by CTC, per phone. The texts are those of synthesize.py; no
recording of them is needed. Writes TAKES/SHARD-NUMBER.npz.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import soxr
import torch
from align import BLANK, Recogniser
from packed import write
from runs import DEVICES, chance, half, open_device
from sentences import sentences
from teachers import WHISPER_RATE, WhisperEncoder
from torch import nn
from torch.nn import functional as F

from timbral.errors import TextError
from timbral.inference.alignment.durations import halves
from timbral.inference.engine import SpeechEngine
from timbral.inference.loading import ROWS, open_engine
from timbral.inference.request import UtteranceRequest
from timbral.inference.semantic.sampling import Sampling
from timbral.inference.semantic.sequence import Finish, TokenSequence
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, open_bundle
from timbral.training.sampled_tokens import utterance_phones

TURNS = ("en", "zh", "en", "ja")
"""Languages of the sentences in turn."""
TOGETHER = 50
"""Pieces of a file: a kill loses no more."""
FAILED = -20.0
"""Rating of a take that does not end, or says nothing."""
TOKENS_PER_PHONE = 5
"""More than any language needs."""


def phones_of(folder: Path, bundle: Bundle, shard: tuple[int, int]) -> Iterator[np.ndarray]:
    """Phones [n] of the first two pieces of each sentence that belongs to a shard."""
    texts = {lang: iter(sentences(folder, lang, held_out=False)[shard[0] :: shard[1]]) for lang in set(TURNS)}
    while True:
        for lang in TURNS:
            text = next(texts[lang], None)
            if text is None:
                return
            try:
                pieces = utterance_phones(bundle, text, lang)
            except TextError:
                continue
            yield from (phones for phones in pieces[:2] if len(phones) > 3)


class Judge:
    """Rates sounds by the phones that they should say."""

    def __init__(self, site_packages: Path, recogniser: Path, device: torch.device) -> None:
        self.device = device
        self.whisper = WhisperEncoder(site_packages).to(device)
        self.recogniser = Recogniser().to(device).eval()
        self.recogniser.load_state_dict(torch.load(recogniser, map_location="cpu", weights_only=True))

    @torch.inference_mode()
    def __call__(self, phones: np.ndarray, sounds: list[np.ndarray]) -> list[float]:
        """Log-likelihood a phone of phones [n] in each of the samples [m] at 16 kHz; `FAILED` where they are too short."""
        counts = torch.tensor([len(sound) // 640 for sound in sounds])
        audio = torch.zeros(len(sounds), 640 * int(counts.max()))
        for row, sound, count in zip(audio, sounds, counts.tolist(), strict=True):
            row[: 640 * count] = torch.from_numpy(sound[: 640 * count])
        mel = self.whisper.log_mel(audio.to(self.device))
        with half(self.device):
            heard = self.whisper(mel, 4 * counts.to(self.device)).float().unflatten(1, (-1, 2)).mean(2)
            rows = [
                self.recogniser(row[None, :count])[0]
                for row, count in zip(heard, counts.tolist(), strict=True)
            ]
        # Each by itself: what lies behind a shorter take would be heard in its last tokens.
        scores = nn.utils.rnn.pad_sequence(rows)
        wanted = torch.from_numpy(phones)[None].expand(len(sounds), -1)
        lost = F.ctc_loss(
            scores.cpu(),
            wanted,
            2 * counts,
            torch.full((len(sounds),), len(phones)),
            blank=BLANK,
            reduction="none",
        )
        return torch.where(lost.isfinite(), -lost / len(phones), FAILED).tolist()


def spoken(engine: SpeechEngine, phones: np.ndarray, take: np.ndarray, timbre: np.ndarray) -> np.ndarray:
    """Samples [m] of a take [T] by stage two, at its own rate and in its own time."""
    assert engine.guard.listener is not None
    path = engine.guard.listener.path(phones, take)
    stream = engine.acoustic.stream(UtteranceRequest(phones=phones, timbre=timbre, languages={}, seed=0), 0)
    pieces = [
        stream.push(token, (first, second))
        for token, (first, second) in zip(take.tolist(), halves(phones, path).tolist(), strict=True)
    ]
    return np.concatenate([*(piece for piece in pieces if piece is not None), *stream.finish()])


def drawn(
    engine: SpeechEngine, phones: np.ndarray, sampling: Sampling, seed: int
) -> tuple[list[np.ndarray], list[bool]]:
    """Takes [T] of phones [n], and whether each ended by itself."""
    no = np.zeros(0, np.int64)
    limit = TOKENS_PER_PHONE * len(phones) + 20
    takes = [TokenSequence(phones, no, sampling, seed, limit=limit, take=i) for i in range(ROWS)]
    for take in takes:
        engine.semantic.submit(take, "takes")
    for take in takes:
        engine.semantic.wait(take, limit)
    return [np.asarray(take.tokens, np.int64) for take in takes], [t.finished is Finish.END for t in takes]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("recogniser", type=Path)
    parser.add_argument("site_packages", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("takes", type=Path)
    parser.add_argument("--pieces", type=int, default=2000)
    parser.add_argument(
        "--shard", default="0/1", help="i/n: this process takes every n-th sentence, from i on"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="of the judge")
    args = parser.parse_args()
    args.takes.mkdir(parents=True, exist_ok=True)
    place, count = map(int, args.shard.split("/"))
    bundle = open_bundle(args.bundle)
    manifest = bundle.manifest
    engine = open_engine(bundle, SessionOptions(device="cpu", threads=1))
    sampling = Sampling(**manifest.semantic.sampling.model_dump())
    judge = Judge(args.site_packages, args.recogniser, open_device(args.device))
    timbres = np.load(args.pack / "timbre.npy", mmap_mode="r")
    pieces = islice(phones_of(args.text, bundle, (place, count)), args.pieces)
    for number, some in enumerate(iter(lambda: list(islice(pieces, TOGETHER)), [])):
        file = args.takes / f"{place}-{number:04d}.npz"
        if file.exists():
            continue
        takes, ratings = [], []
        for i, phones in enumerate(some):
            rng = chance(place, number, i)
            tokens, ended = drawn(engine, phones, sampling, int(rng.integers(1 << 30)))
            timbre = np.array(timbres[rng.integers(len(timbres))])
            sounds = [
                soxr.resample(spoken(engine, phones, take, timbre), manifest.sample_rate, WHISPER_RATE)
                if len(take) > 3
                else np.zeros(640, np.float32)
                for take in tokens
            ]
            takes += tokens
            ratings.append(np.where(ended, judge(phones, sounds), FAILED))
        write(
            file,
            phones=np.concatenate(some),
            phone_lengths=np.array([len(phones) for phones in some]),
            tokens=np.concatenate(takes),
            token_lengths=np.array([len(take) for take in takes]),
            ratings=np.array(ratings, np.float32),
        )
        print(
            f"{number * TOGETHER + len(some)} pieces, a take {np.mean(ratings):.3f}, the best of {ROWS} "
            f"{np.max(ratings, 1).mean():.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
