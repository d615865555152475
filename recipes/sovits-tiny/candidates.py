"""Samples several candidates of utterances from a model, and rates their intelligibility.

    python candidates.py BUNDLE TEXT ALIGNMENT.run SITE_PACKAGES PACK CANDIDATES [--utterances 2000] [--shard 0/1]       (resumes)

The best of eight candidates is much more intelligible than the mean; train_preference.py trains stage one on
the difference. A candidate is synthesized with a timbre of PACK, encoded by Whisper and rated by the
recogniser of align.py: the CTC log-likelihood of its phones, per phone. The texts are those of synthesize.py;
no recordings are needed. Writes CANDIDATES/SHARD-NUMBER.npz.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import soxr
import torch
from align import BLANK, read_recogniser
from arrays import write
from runs import DEVICES, generator, half, open_device
from sentences import sentences
from teachers import WHISPER_RATE, WhisperEncoder
from torch import nn
from torch.nn import functional as F

from timbral.config import SamplingConfig
from timbral.errors import TextError
from timbral.inference.acoustic.interface import TimedTokens
from timbral.inference.alignment.durations import halves
from timbral.inference.engine import SpeechEngine
from timbral.inference.loading import BATCH_SLOTS, open_engine
from timbral.inference.request import Conditioning, UtteranceRequest
from timbral.inference.semantic.sequence import Finish, TokenSequence
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, open_bundle
from timbral.training.sampled_tokens import utterance_phones

TURNS = ("en", "zh", "en", "ja")
"""Languages of the sentences in turn."""
PER_FILE = 50
"""Utterances of a file; a kill loses no more."""
FAILED = -20.0
"""Rating of a candidate that does not end or is empty."""
TOKENS_PER_PHONE = 5
"""Limit, more than any language needs."""


def phones_of(folder: Path, bundle: Bundle, shard: tuple[int, int]) -> Iterator[np.ndarray]:
    """Phones [n] of the first two utterances of each sentence of a shard."""
    texts = {lang: iter(sentences(folder, lang, held_out=False)[shard[0] :: shard[1]]) for lang in set(TURNS)}
    while True:
        for lang in TURNS:
            text = next(texts[lang], None)
            if text is None:
                return
            try:
                utterances = utterance_phones(bundle, text, lang)
            except TextError:
                continue
            yield from (phones for phones in utterances[:2] if len(phones) > 3)


class Rater:
    """Rates audio by the phones of its text."""

    def __init__(self, site_packages: Path, recogniser: Path, device: torch.device) -> None:
        self.device = device
        self.whisper = WhisperEncoder(site_packages).to(device)
        self.recogniser = read_recogniser(recogniser).to(device)

    @torch.inference_mode()
    def __call__(self, phones: np.ndarray, sounds: list[np.ndarray]) -> list[float]:
        """Log-likelihood per phone of phones [n] for samples [m] at 16 kHz; `FAILED` if they are too short."""
        counts = torch.tensor([len(sound) // 640 for sound in sounds])
        audio = torch.zeros(len(sounds), 640 * int(counts.max()))
        for row, sound, count in zip(audio, sounds, counts.tolist(), strict=True):
            row[: 640 * count] = torch.from_numpy(sound[: 640 * count])
        mel = self.whisper.log_mel(audio.to(self.device))
        with half(self.device):
            features = self.whisper(mel, 4 * counts.to(self.device)).float().unflatten(1, (-1, 2)).mean(2)
            rows = [
                self.recogniser(row[None, :count])[0]
                for row, count in zip(features, counts.tolist(), strict=True)
            ]
        # One by one: padding would change the last tokens of shorter candidates.
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


def synthesize(
    engine: SpeechEngine, phones: np.ndarray, tokens: np.ndarray, timbre: np.ndarray
) -> np.ndarray:
    """Samples [m] of a candidate [T], at the rate of the model and with its own timing."""
    aligner = engine.selector.aligner
    assert aligner is not None
    timed = TimedTokens(tokens, halves(phones, aligner.path(phones, tokens)))
    request = UtteranceRequest(phones=phones, voice=Conditioning(timbre=timbre))
    return np.concatenate(list(engine.acoustic.synthesize(request, timed)))


def sample(
    engine: SpeechEngine, phones: np.ndarray, sampling: SamplingConfig, seed: int
) -> tuple[list[np.ndarray], list[bool]]:
    """Candidates [T] for phones [n], and whether each has an end token."""
    no = np.zeros(0, np.int64)
    limit = TOKENS_PER_PHONE * len(phones) + 20
    candidates = [
        TokenSequence(phones, no, sampling, seed, limit=limit, candidate=i) for i in range(BATCH_SLOTS)
    ]
    for one in candidates:
        engine.semantic.submit(one, "candidates")
    for one in candidates:
        engine.semantic.wait(one, limit)
    tokens = [np.asarray(one.tokens, np.int64) for one in candidates]
    return tokens, [one.finished is Finish.END for one in candidates]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("recogniser", type=Path)
    parser.add_argument("site_packages", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("candidates", type=Path)
    parser.add_argument("--utterances", type=int, default=2000)
    parser.add_argument(
        "--shard", default="0/1", help="i/n: this process takes every n-th sentence, from i on"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="of the rater")
    args = parser.parse_args()
    args.candidates.mkdir(parents=True, exist_ok=True)
    place, count = map(int, args.shard.split("/"))
    bundle = open_bundle(args.bundle)
    manifest = bundle.manifest
    engine = open_engine(bundle, SessionOptions(device="cpu", threads=1))
    sampling = manifest.semantic.sampling
    rater = Rater(args.site_packages, args.recogniser, open_device(args.device))
    timbres = np.load(args.pack / "timbre.npy", mmap_mode="r")
    utterances = islice(phones_of(args.text, bundle, (place, count)), args.utterances)
    for number, some in enumerate(iter(lambda: list(islice(utterances, PER_FILE)), [])):
        file = args.candidates / f"{place}-{number:04d}.npz"
        if file.exists():
            continue
        candidates, ratings = [], []
        for i, phones in enumerate(some):
            rng = generator(place, number, i)
            tokens, ended = sample(engine, phones, sampling, int(rng.integers(1 << 30)))
            timbre = np.array(timbres[rng.integers(len(timbres))])
            sounds = [
                soxr.resample(synthesize(engine, phones, one, timbre), manifest.sample_rate, WHISPER_RATE)
                if len(one) > 3
                else np.zeros(640, np.float32)
                for one in tokens
            ]
            candidates += tokens
            ratings.append(np.where(ended, rater(phones, sounds), FAILED))
        write(
            file,
            phones=np.concatenate(some),
            phone_lengths=np.array([len(phones) for phones in some]),
            tokens=np.concatenate(candidates),
            token_lengths=np.array([len(one) for one in candidates]),
            ratings=np.array(ratings, np.float32),
        )
        print(
            f"{number * PER_FILE + len(some)} utterances, mean {np.mean(ratings):.3f}, best of {BATCH_SLOTS} "
            f"{np.max(ratings, 1).mean():.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
