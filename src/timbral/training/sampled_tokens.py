"""Semantic tokens sampled from stage one for given texts: input of stage two for which no recording exists."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timbral.inference.loading import open_engine
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.sequence import TokenSequence
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle
from timbral.text import to_utterances
from timbral.text.segmentation import Language

_MIN_TOKENS_PER_PHONE = 0.8
"""Words are missing from a sequence with fewer."""


@dataclass(frozen=True)
class SampledUtterance:
    """An utterance sampled from stage one: tokens int64 [T], phones int64 [T, 2] of the two halves of each
    token.
    """

    tokens: Tensor
    phones: Tensor


def utterance_phones(bundle: Bundle, text: str, language: str) -> list[NDArray[np.int64]]:
    """Phones [n] of each utterance of a text. Raises TextError: the text cannot be read."""
    manifest = bundle.manifest
    longest = manifest.semantic.longest
    utterances = to_utterances(text, language, manifest.symbols, manifest.languages, longest)
    return [utterance.ids for utterance in utterances]


def sample_tokens(
    bundle: Bundle, semantic: SemanticDecoder, texts: Sequence[str], language: str
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Phones [n] and sampled tokens [T] of every utterance of the texts, each with its own seed, without
    incomplete ones.
    """
    sampling = bundle.manifest.semantic.sampling
    utterances = [phones for text in texts for phones in utterance_phones(bundle, text, language)]
    for start in range(0, len(utterances), semantic.max_batch):
        sequences = [
            TokenSequence(phones, np.zeros(0, np.int64), sampling, start + i, limit=5 * len(phones) + 20)
            for i, phones in enumerate(utterances[start : start + semantic.max_batch])
        ]
        for sequence in sequences:
            semantic.submit(sequence)
        for sequence in sequences:
            semantic.wait([sequence], sequence.limit)
            if len(sequence.tokens) >= _MIN_TOKENS_PER_PHONE * len(sequence.phones):
                yield sequence.phones, np.asarray(sequence.tokens)


def sample_utterances(bundle: Bundle, threads: int = 0) -> Iterator[SampledUtterance]:
    """Utterances of `sentences` in all languages of a model of the embedded family, timed as its engine times
    them.
    """
    engine = open_engine(bundle, SessionOptions(device="cpu", threads=threads))
    unknown = (bundle.manifest.semantic.phonemes,) * 2
    for language, texts in sentences().items():
        if language not in bundle.manifest.languages:
            continue
        for phones, tokens in sample_tokens(bundle, engine.semantic, texts, language):
            timed = engine.selector.timed(phones, tokens, engine.selector.schedule(phones))
            halves = [unknown] * len(tokens) if timed.phones is None else timed.phones
            yield SampledUtterance(torch.from_numpy(timed.tokens), torch.as_tensor(halves))


def sentences() -> dict[Language, list[str]]:
    """Sentences to sample tokens for, by language."""
    found: dict[Language, list[str]] = {}
    rows = files(__package__).joinpath("sentences.txt").read_text(encoding="utf-8").splitlines()
    for row in rows:
        language, _, text = row.partition("|")
        assert language in get_args(Language), language
        found.setdefault(language, []).append(text)  # type: ignore[arg-type]
    return found
