"""Tokens that stage one draws for texts: what stage two will be given when it speaks, and no recording has."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.sampling import Sampling
from timbral.inference.semantic.sequence import TokenSequence
from timbral.models import Bundle
from timbral.text import to_utterances

Pair = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Phones [n] and the tokens [T] that were drawn for them."""

_FEWEST = 0.8
"""Tokens a phone; with fewer, words are missing."""


def read_pieces(bundle: Bundle, text: str, language: str) -> list[NDArray[np.int64]]:
    """Phones [n] of each piece of a text, as the model is given them. Raises TextError for what it cannot read."""
    manifest = bundle.manifest
    pieces = to_utterances(text, language, manifest.symbols, manifest.languages, manifest.semantic.longest)
    return [piece.ids for piece in pieces]


def draw_tokens(
    bundle: Bundle, semantic: SemanticDecoder, texts: Sequence[str], language: str
) -> Iterator[Pair]:
    """Every piece of the texts in turn, drawn once with a seed of its own; those that lack words are left out."""
    sampling = Sampling(**bundle.manifest.semantic.sampling.model_dump())
    pieces = [phones for text in texts for phones in read_pieces(bundle, text, language)]
    for start in range(0, len(pieces), semantic.max_batch):
        takes = [
            TokenSequence(phones, np.zeros(0, np.int64), sampling, start + i, limit=5 * len(phones) + 20)
            for i, phones in enumerate(pieces[start : start + semantic.max_batch])
        ]
        for take in takes:
            semantic.submit(take)
        for take in takes:
            semantic.wait(take, take.limit)
            if len(take.tokens) >= _FEWEST * len(take.phones):
                yield take.phones, np.asarray(take.tokens)
