"""What a bundle of an official family speaks, for its students: texts, tokens, BERT features and timbres.

Half of the utterances are two, one behind the other: so a student learns to continue a prompt, as well as to
begin without one.
"""

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
from timbral.compression.distillation.settings import SpeechSettings
from timbral.compression.distillation.texts import drawn_texts, read_texts
from timbral.compression.speech import references
from timbral.compression.step import OnProgress
from timbral.errors import CompressionError, TextError
from timbral.inference.frontend import Frontend
from timbral.inference.loading import open_semantic
from timbral.inference.reference_encoder import ReferenceEncoder
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.sequence import TokenSequence
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle

_SHARD = 16
_VOICES = 64
_LONGEST = 40
"""Tokens a second phone, at most: what is longer has no end."""


@dataclass(frozen=True)
class SpokenUtterance:
    """phones int64 [P], tokens int64 [T], BERT features float [P, 1024] or None, timbre float [D]."""

    phones: Tensor
    tokens: Tensor
    bert: Tensor | None
    timbre: Tensor


class OfficialSpeech:
    """Utterances that a bundle speaks, cached in `folder`."""

    def __init__(
        self, bundle: Bundle, folder: Path, settings: SpeechSettings, on_progress: OnProgress
    ) -> None:
        self.bundle, self.settings = bundle, settings
        self._folder, self._on_progress = folder, on_progress
        self._options = SessionOptions(device="cpu", engine="onnxruntime")
        texts = read_texts(settings.texts, bundle.manifest.languages)
        self._texts = drawn_texts(texts, settings.utterances, settings.seed)

    @cached_property
    def utterances(self) -> list[SpokenUtterance]:
        """All of them. Raises CompressionError: none of the texts can be spoken."""
        shards = -(-len(self._texts) // _SHARD)
        rows = cached(
            self._folder, "spoken", shards, self._speak, lambda share: self._on_progress("speaking", share)
        )
        found = []
        for number, row in enumerate(rows):
            bert = torch.from_numpy(row["bert"].copy()).float()
            found.append(
                SpokenUtterance(
                    torch.from_numpy(row["phones"].copy()),
                    torch.from_numpy(row["tokens"].copy()),
                    bert if len(bert) else None,
                    torch.from_numpy(self.timbres[number % len(self.timbres)].copy()),
                )
            )
        if not found:
            raise CompressionError("none of the texts can be spoken by this model; give other texts")
        return found

    @cached_property
    def timbres(self) -> list[NDArray[np.float32]]:
        """Timbres of recordings, or of voices of the embedded model."""
        rows = cached(self._folder, "timbres", 1, self._find_timbres, lambda share: None)
        return [row["timbre"] for row in rows]

    def _find_timbres(self, number: int) -> list[Arrays]:
        encoder, settings = ReferenceEncoder.open(self.bundle, self._options), self.settings
        count = min(_VOICES, settings.utterances)
        found = references(settings.recordings, encoder.rates, count, settings.seed)
        return [{"timbre": encoder.timbre([each.sounds])} for each in found]

    def _speak(self, number: int) -> list[Arrays]:
        frontend, semantic = self._frontend, self._semantic
        sampling, rows = self.bundle.manifest.semantic.sampling, list[Arrays]()
        for place, (language, text) in enumerate(self._texts[number * _SHARD : (number + 1) * _SHARD]):
            with suppress(TextError):
                for utterance in frontend.utterances(text, language):
                    phones, features = utterance.ids, frontend.features(utterance)
                    prompt = rows[-1] if rows and place % 2 else None
                    if prompt is not None and len(prompt["phones"]) + len(phones) < _LONGEST * 4:
                        phones = np.concatenate([prompt["phones"], phones])
                        features = _joined(prompt["bert"], features, len(prompt["phones"]))
                    else:
                        prompt = None
                    before = np.zeros(0, np.int64) if prompt is None else prompt["tokens"]
                    sequence = TokenSequence(
                        phones,
                        before,
                        sampling,
                        number * _SHARD + place,
                        features=features,
                        limit=5 * len(utterance.ids) + 20,
                    )
                    tokens = semantic.decode(sequence)
                    rows.append(
                        {
                            "phones": phones,
                            "tokens": np.concatenate([before, tokens]),
                            "bert": np.zeros((0, 1024), np.float16)
                            if features is None
                            else features.astype(np.float16),
                        }
                    )
        return rows

    @cached_property
    def _frontend(self) -> Frontend:
        return Frontend.open(self.bundle, self._options)

    @cached_property
    def _semantic(self) -> SemanticDecoder:
        return open_semantic(self.bundle, self._options)


def _joined(
    before: NDArray[np.float16], features: NDArray[np.float32] | None, phones: int
) -> NDArray[np.float32] | None:
    """Features of a prompt's phones and of those behind them."""
    if features is None:
        return None
    first = before.astype(np.float32) if len(before) else np.zeros((phones, features.shape[1]), np.float32)
    return np.concatenate([first, features])


def spread(utterances: Sequence[SpokenUtterance], count: int) -> list[SpokenUtterance]:
    """`count` of the utterances, evenly spaced."""
    return list(utterances[:: max(1, len(utterances) // count)])[:count]
