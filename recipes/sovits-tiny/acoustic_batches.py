"""Batches of stage two with augmentation: warped voices, spectral colour, sampled and hidden tokens, other
timbres.
"""

import math

import numpy as np
import torch
from acoustic_losses import split
from align import PHONES
from dataset import Utterances
from runs import generator
from tokens import Codebook
from torch import Tensor

from timbral.audio.mel_axis import MEL_CORNER
from timbral.nets.source_filter import SourceFilterConfig, envelope_frequencies
from timbral.nets.timbre_encoder import BANDS, SPEAKER, band_centres

RATE = SourceFilterConfig().rate
MIN_TOKENS = 40
"""Shortest crop: the speaker encoder needs 1.6 s."""
CHECKED = 24
"""Held-out utterances for validation."""
WAVES = 5
"""Cosines over the mel axis of a spectral colour."""
WARPED_SHARE, COLOUR = 0.5, 0.15
"""Share of crops with a warped voice, and deviation in nepers of the cosines of a colour."""
HIDDEN_SHARE, SPOTTED_SHARE, SAMPLED_SHARE, NO_PHONES_SHARE = 0.6, 0.35, 0.45, 0.1
"""Shares of crops without any token, with some tokens hidden, with sampled tokens, and without phones.

The sampled ones are a share of those with tokens; phones are never hidden together with tokens."""
EXCHANGED, ALIKE = 0.15, 8
"""Share of the other tokens that are replaced by one of so many nearest tokens."""
SPOTS, BREAKS = 0.45, 0.16
"""Share of hidden stretches in spotted crops, and the probability that a stretch ends at a token."""
MISALIGNED = 0.7
"""Share of sampled tokens with the phones that the aligner finds in them, in place of those of the recording.
"""
BALANCE = 0.4
"""Exponent by which utterances of speakers with many utterances become less frequent."""
DEGRADED_SHARE, OTHER_SHARE, SAME_SPEAKER = 0.2, 0.2, 0.75
"""Shares of timbres from a degraded recording and from another sentence, and the least cosine of its
embedding.
"""


class Batches:
    """Random crops of random utterances, weighted by length and speaker.

    Most random numbers come from a numpy generator for the step, those for tokens and colours from torch.
    """

    def __init__(self, utterances: Utterances, codebook: Codebook, tokens: int) -> None:
        self.utterances, self.tokens = utterances, tokens
        self.alike, self.unknown_token = codebook.alike(ALIKE), len(codebook.centroids)
        share = (
            np.minimum(200, utterances.lengths[utterances.train]) ** 0.7 / self._speaker_counts() ** BALANCE
        )
        self.shares = np.cumsum(share / share.sum())
        speakers: dict[tuple[str, str], list[int]] = {}
        for i in utterances.train:
            meta = utterances.metas[i]
            # A warped copy is a speaker of its own.
            if meta["speaker"] and not meta["id"].endswith("~"):
                speakers.setdefault((meta["corpus"], meta["speaker"]), []).append(int(i))
        self.same_speaker = {i: same for same in speakers.values() if len(same) > 1 for i in same}

    def _speaker_counts(self) -> np.ndarray:
        """For each training utterance, the number of utterances of its speaker."""
        metas = [self.utterances.metas[i] for i in self.utterances.train]
        names = [f"{meta['corpus']}/{meta['speaker']}" for meta in metas]
        _, place, counts = np.unique(names, return_inverse=True, return_counts=True)
        found: np.ndarray = counts[place]
        return found

    def draw(self, rng: np.random.Generator, size: int, clean: int) -> dict[str, Tensor]:
        """An augmented batch, in which the first `clean` rows are neither warped nor coloured."""
        data = self.utterances
        at = np.searchsorted(self.shares, rng.random(size)).clip(max=len(self.shares) - 1)
        chosen = data.train[at]
        batch = {
            **data.crops(chosen, self.tokens, rng),
            "timbre": self._timbre(chosen, rng),
            "speaker": data.vector("speaker", chosen),
        }
        own = torch.arange(size, device=data.device) < clean
        warped = torch.from_numpy(rng.random(size) < WARPED_SHARE).to(data.device) & ~own
        shift = data.vector("warp", chosen) * warped[:, None]
        batch["f0"] = batch["f0"] * torch.exp2(shift)
        others = {
            "frames": batch.pop("warped"),
            **{name: data.vector(f"warped_{name}", chosen) for name in ("timbre", "speaker")},
        }
        for name, other in others.items():
            batch[name] = other.where(warped.view(-1, *[1] * (other.ndim - 1)), batch[name])
        _colour(batch, ~own)
        self._change_tokens(batch)
        return batch

    def _change_tokens(self, batch: dict[str, Tensor]) -> None:
        """Exchanges, samples and hides tokens and phones, as at inference or worse. Removes the sampled ones."""
        recorded, phones = batch["tokens"], batch["phones"]
        (size, length), device = recorded.shape, recorded.device

        def some(share: float) -> Tensor:
            return torch.rand(size, 1, device=device) < share

        alike = self.alike[recorded].gather(2, torch.randint_like(recorded, ALIKE)[..., None])[..., 0]
        tokens = torch.where(torch.rand(recorded.shape, device=device) < EXCHANGED, alike, recorded)
        if "sampled" in batch:
            sampled, found, use = batch.pop("sampled"), batch.pop("sampled_phones"), some(SAMPLED_SHARE)
            one = torch.randint(sampled.shape[2], (size, 1, 1), device=device).expand(-1, length, 1)
            tokens = torch.where(use, sampled.gather(2, one)[..., 0], tokens)
            found = found.gather(2, one[..., None].expand(-1, -1, 1, 2))[:, :, 0]
            phones = torch.where((use & some(MISALIGNED))[..., None], found, phones)
        bare = some(HIDDEN_SHARE)
        known = phones[:, :1, 0] != PHONES
        hidden = (bare | (some(SPOTTED_SHARE) & stretches(size, length, device))) & known
        batch["tokens"] = tokens.masked_fill(hidden, self.unknown_token)
        no_phones = some(NO_PHONES_SHARE) & ~hidden.any(1, keepdim=True)
        batch["phones"] = phones.masked_fill(no_phones[..., None], PHONES)

    def held_out(self) -> dict[str, Tensor]:
        """The batch for validation."""
        data, rng = self.utterances, generator(0)
        chosen = rng.choice(data.valid, CHECKED)
        return {
            **data.crops(chosen, MIN_TOKENS, rng),
            "timbre": data.vector("timbre", chosen),
            "speaker": data.vector("speaker", chosen),
        }

    def _timbre(self, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Timbres of the utterances, of degraded recordings and of other sentences; the mean F0 is their own."""
        clean, degraded, speaker = (
            self.utterances.vectors[k] for k in ("timbre", "degraded_timbre", "speaker")
        )
        timbre = clean[chosen]
        for row, (i, chance) in enumerate(zip(chosen.tolist(), rng.random(len(chosen)), strict=True)):
            if chance < DEGRADED_SHARE:
                timbre[row] = degraded[i]
            elif chance < DEGRADED_SHARE + OTHER_SHARE and i in self.same_speaker:
                other = int(rng.choice(self.same_speaker[i]))
                # One speaker of a list may be two.
                if speaker[i] @ speaker[other] > SAME_SPEAKER:
                    timbre[row, :-1] = clean[other, :-1]
        return torch.from_numpy(timbre).to(self.utterances.device)


def _colour(batch: dict[str, Tensor], chosen: Tensor) -> None:
    """Changes the spectrum of some rows like another microphone, in the envelope and in the timbre."""
    size, device = len(chosen), chosen.device
    depth = COLOUR * torch.randn(size, WAVES, device=device) * chosen[:, None]
    phase = 2 * math.pi * torch.rand(size, WAVES, device=device)

    def curve(hertz: Tensor) -> Tensor:
        place = torch.log1p(hertz / MEL_CORNER) / math.log1p(RATE / 2 / MEL_CORNER)
        waves = torch.arange(1, WAVES + 1)[:, None] * place * math.pi
        return (depth[..., None] * torch.cos(waves.to(device) + phase[..., None])).sum(1)

    envelope, _ = split(batch["frames"])
    envelope += curve(envelope_frequencies(envelope.shape[2], RATE))[:, None]
    bands = curve(band_centres())
    batch["timbre"][:, SPEAKER : SPEAKER + BANDS] += bands - bands.mean(1, keepdim=True)


def stretches(rows: int, length: int, device: torch.device) -> Tensor:
    """Random stretches of each row, bool [rows, length], a share of `SPOTS` true."""
    number = (torch.rand(rows, length, device=device) < BREAKS).cumsum(1)
    return (torch.rand(rows, length + 1, device=device) < SPOTS).gather(1, number)
