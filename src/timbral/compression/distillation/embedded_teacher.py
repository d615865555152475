"""The embedded family as a teacher: what it speaks for its students, cached on disk."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timbral.compression.distillation.cache import Arrays, cached
from timbral.compression.distillation.texts import drawn_texts, read_texts
from timbral.compression.distillation.timbres import invented, recordings_in, timbres_of, varied
from timbral.compression.step import OnProgress
from timbral.errors import CompressionError, TextError
from timbral.inference.engine import SpeechEngine
from timbral.inference.loading import open_engine
from timbral.inference.reference_encoder import ReferenceEncoder
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import Bundle, files
from timbral.training.networks import restore_reference, restore_semantic, restore_source_filter
from timbral.training.sampled_tokens import sample_tokens, utterance_phones
from timbral.voices import DEFAULT, load

_SHARD = 48
"""Utterances that are written together."""
_INVENTED = 64
_MOST_TIMBRES = 500
"""Recordings whose timbre is taken, at most about so many."""
_RESYNTHESIS = 4
"""One utterance of so many is made of tokens alone, as the envelopes of a recording are predicted."""
_CLIPPED = 12.0
"""Largest log magnitude or log odds that is stored."""


@dataclass(frozen=True)
class Spoken:
    """An utterance that the teacher spoke.

    phones: int64 [n], durations: float [n] in tokens. tokens: int64 [T], as stage one sampled them. timed:
    int64 [S], in the timing of the duration model; spoken: int64 [S, 2], the phones of their halves.
    """

    phones: Tensor
    durations: Tensor
    tokens: Tensor
    timed: Tensor
    spoken: Tensor


@dataclass(frozen=True)
class Sounded:
    """What stage two of the teacher made of an utterance.

    tokens: int64 [S], phones: int64 [S, 2], unknown ones where tokens alone were given. timbre: float [D].
    f0: float [F], log2 Hz. envelope: float [F, points]. aperiodicity: float [F, points].
    """

    tokens: Tensor
    phones: Tensor
    timbre: Tensor
    f0: Tensor
    envelope: Tensor
    aperiodicity: Tensor


class EmbeddedTeacher:
    """A bundle of the embedded family, its networks, and the folder of what it has spoken."""

    def __init__(
        self,
        bundle: Bundle,
        folder: Path,
        *,
        texts: Path | None,
        recordings: Path | None,
        utterances: int,
        sounded: int,
        seed: int,
        on_progress: OnProgress,
        bf16: bool = False,
    ) -> None:
        """utterances: that stage one speaks; sounded: of these, those that stage two makes spectra of. bf16: whether
        stage two computes in bfloat16.
        """
        self.bundle, self.folder, self.seed, self._on_progress = bundle, folder, seed, on_progress
        self._sounded, self._bf16 = sounded, bf16
        self._texts = drawn_texts(read_texts(texts, bundle.manifest.languages), utterances, seed)
        self._recordings = recordings_in(recordings) if recordings is not None else []
        self._options = SessionOptions(device="cpu", threads=1, engine="onnxruntime")
        self.semantic = restore_semantic(bundle)
        self.latent, self.vocoder = restore_source_filter(bundle)
        self.reference = restore_reference(bundle)

    @property
    def recordings(self) -> Sequence[Path]:
        """Recordings of people, which may be none."""
        return self._recordings

    @cached_property
    def spoken(self) -> list[Spoken]:
        """Utterances of all texts that can be read. Raises CompressionError: none can."""
        shards = -(-len(self._texts) // _SHARD)
        rows = cached(
            self.folder, "spoken", shards, self._speak, lambda share: self._on_progress("speaking", share)
        )
        found = [
            Spoken(**{name: torch.from_numpy(array.copy()) for name, array in row.items()}) for row in rows
        ]
        if not found:
            raise CompressionError("none of the texts can be spoken by this model; give other texts")
        return found

    @cached_property
    def sounded(self) -> list[Sounded]:
        """The utterances, each in another timbre."""
        shards = -(-min(len(self.spoken), self._sounded) // _SHARD)
        rows = cached(
            self.folder, "sounded", shards, self._sound, lambda share: self._on_progress("sounding", share)
        )
        return [
            Sounded(**{name: torch.from_numpy(array.copy()) for name, array in row.items()}) for row in rows
        ]

    @cached_property
    def timbres(self) -> list[NDArray[np.float32]]:
        """Timbres of the recordings, or without any invented ones."""
        rows = cached(self.folder, "timbres", 1, self._find_timbres, lambda share: None)
        return [row["timbre"] for row in rows]

    def _find_timbres(self, number: int) -> list[Arrays]:
        some = self._recordings[:: max(1, len(self._recordings) // _MOST_TIMBRES)]
        found = timbres_of(some, ReferenceEncoder.open(self.bundle, self._options))
        if not found:
            voice = load(DEFAULT).timbre
            found = [voice, *invented(voice, _INVENTED, np.random.default_rng(self.seed))]
        return [{"timbre": timbre} for timbre in found]

    def _speak(self, number: int) -> list[Arrays]:
        engine = self._engine
        durations = Graph(self.bundle.path(files.DURATIONS), ("phones",), ("durations",), self._options)
        rows: list[Arrays] = []
        for language, texts in self._readable(number).items():
            for phones, tokens in sample_tokens(self.bundle, engine.semantic, texts, language):
                schedule = engine.selector.schedule(phones)
                timed = engine.selector.timed(phones, tokens, schedule)
                assert timed.phones is not None
                (predicted,) = durations({"phones": phones[None]})
                rows.append(
                    {
                        "phones": phones,
                        "durations": predicted[0],
                        "tokens": tokens,
                        "timed": timed.tokens,
                        "spoken": timed.phones,
                    }
                )
        return rows

    def _readable(self, number: int) -> dict[str, list[str]]:
        """Texts of a shard by language, without those that cannot be read."""
        found: dict[str, list[str]] = {}
        for language, text in self._texts[number * _SHARD : (number + 1) * _SHARD]:
            with suppress(TextError):
                if utterance_phones(self.bundle, text, language):
                    found.setdefault(language, []).append(text)
        return found

    @cached_property
    def _engine(self) -> SpeechEngine:
        return open_engine(self.bundle, self._options)

    @torch.no_grad()
    def _sound(self, number: int) -> list[Arrays]:
        rows: list[Arrays] = []
        first = number * _SHARD
        half = torch.autocast("cpu", torch.bfloat16, enabled=self._bf16)
        for place, one in enumerate(self.spoken[first : first + _SHARD], first):
            timbre = torch.from_numpy(varied(self.timbres, np.random.default_rng([self.seed, place])))[None]
            tokens, phones = one.timed[None], one.spoken[None]
            with half:
                if place % _RESYNTHESIS == _RESYNTHESIS - 1:
                    phones = torch.full_like(phones, self.latent.config.phonemes)
                    latent, f0 = self.latent(tokens, timbre)
                else:
                    latent, f0 = self.latent.speak(tokens, timbre, phones)
                envelope, aperiodicity = self.vocoder.envelope(latent, timbre, f0)
            rows.append(
                {
                    "tokens": tokens[0].numpy(),
                    "phones": phones[0].numpy(),
                    "timbre": timbre[0].numpy(),
                    "f0": torch.log2(f0[0].float()).numpy(),
                    "envelope": _stored(envelope[0]),
                    "aperiodicity": _stored(aperiodicity[0]),
                }
            )
        return rows

    @property
    def fingerprint(self) -> str:
        """Names what the cached speech depends on."""
        return hashlib.sha256(self.bundle.manifest.base.encode()).hexdigest()


def _stored(values: Tensor) -> NDArray[np.float16]:
    return values.float().clamp(-_CLIPPED, _CLIPPED).numpy().astype(np.float16)
