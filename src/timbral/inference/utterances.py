"""A text on its way to the engine: sentence by sentence, as lines for one voice.

Sentences are pronounced only when the engine asks, so that a book costs no more memory than a page and the
first sound does not wait for the last word.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from timbral.inference.frontend import Frontend
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import derive_seed
from timbral.inference.semantic.sampling import Sampling
from timbral.text import Utterance
from timbral.voices.voice import Voice

_SENTENCE_ENDS = frozenset('。｡．.！!？?…"”’」』）)》】')
_CLAUSE_ENDS = frozenset("，,、；;：:—–")


@dataclass(frozen=True)
class Manner:
    """How a text is spoken.

    seed: names all that is random; pause: seconds of silence after a sentence; steps: of the solver of v3 and v4.
    """

    language: str
    sampling: Sampling
    seed: int
    speed: float
    pause: float
    steps: int | None = None


class Script:
    """An iterator over the lines of a text, in order.

    seconds: time spent on text so far. pauses: seconds of silence after each line that was handed out.
    spoken: share of the text, 0 to 1, that lies before the end of each of them.
    Raises TextError, before anything is handed out: nothing to speak, or a language that is unknown or that
    the model does not speak.
    """

    def __init__(self, text: str, voice: Voice, manner: Manner, reader: Frontend, start: int = 0) -> None:
        self.pauses: list[float] = []
        self.spoken: list[float] = []
        self._voice, self._manner, self._reader = voice, manner, reader
        heard = slice(None) if reader.manifest.semantic.prompts else slice(0)
        self._prompt_phones, self._prompt = voice.prompt_phones[heard], voice.prompt_tokens[heard]
        known = voice.prompt_features
        self._prompt_features = None if known is None else known[heard].astype(np.float32)
        lacking = voice.residuals
        self._residuals = None if lacking is None else lacking.astype(np.float32)
        self._length = len(text)
        self._at = 0
        began = time.perf_counter()
        self._utterances = reader.utterances(text, manner.language)
        self._first: Utterance | None = next(self._utterances)
        for _ in range(start):
            self._note(self._first or next(self._utterances))
            self._first = None
        self.seconds = time.perf_counter() - began

    def _note(self, utterance: Utterance) -> None:
        self._at += len(utterance.source)
        self.pauses.append(self._manner.pause * _pause_factor(utterance.source))
        self.spoken.append(min(1.0, self._at / self._length))

    def __iter__(self) -> Iterator[UtteranceRequest]:
        return self

    def __next__(self) -> UtteranceRequest:
        began = time.perf_counter()
        utterance = self._first or next(self._utterances)
        self._first = None
        features = self._reader.features(utterance)
        self.seconds += time.perf_counter() - began
        self._note(utterance)
        return UtteranceRequest(
            phones=utterance.ids,
            timbre=self._voice.timbre,
            languages=count_languages(utterance),
            prompt_phones=self._prompt_phones,
            prompt=self._prompt,
            features=features,
            prompt_features=self._prompt_features,
            mel=self._voice.mel,
            residuals=self._residuals,
            sampling=self._manner.sampling,
            seed=derive_seed(self._manner.seed, "line", len(self.pauses)),
            speed=self._manner.speed,
            steps=self._manner.steps,
            opens=len(self.pauses) == 1,
        )


def count_languages(utterance: Utterance) -> dict[str, int]:
    """How many phones of an utterance are of which language."""
    counts: dict[str, int] = {}
    for segment in utterance.segments:
        counts[segment.language] = counts.get(segment.language, 0) + len(segment.phones)
    return counts


def _pause_factor(sentence: str) -> float:
    """How long to pause after a sentence: twice after a paragraph, less after a clause or amid a phrase."""
    end = sentence.rstrip()
    breaks = sentence[len(end) :].count("\n")
    if breaks or end[-1:] in _SENTENCE_ENDS:
        return 2.0 if breaks > 1 else 1.0
    return 0.5 if end[-1:] in _CLAUSE_ENDS else 0.25
