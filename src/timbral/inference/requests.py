"""Utterances of a text to requests for the engine: phones and features, the voice, seeds and pauses."""

import time
from collections.abc import Iterator
from itertools import chain, islice

import numpy as np

from timbral.config import GenerationConfig
from timbral.inference.frontend import Frontend
from timbral.inference.prosody import follow
from timbral.inference.request import Conditioning, UtteranceRequest
from timbral.inference.seeds import derive_seed
from timbral.models import Manifest
from timbral.text import Lexicon, Utterance
from timbral.voices import Voice

_SENTENCE_ENDS = frozenset('。｡．.！!？?…"”’」』）)》】')
_CLAUSE_ENDS = frozenset("，,、；;：:—–")
_DEFAULT_PAUSE: float = GenerationConfig.model_fields["pause"].default


class UtteranceRequests:
    """An iterator over the requests of a text, in order; utterances are pronounced when they are asked for.

    A book costs no more memory than a page, and the first sound does not wait for the last word.
    start: how many are left out at the beginning; leading_pause: seconds of the pause after these, None without any.
    seconds: spent on text so far. Raises TextError before anything is returned: nothing to speak, or a language that is
    unknown or that the model does not speak.
    """

    def __init__(
        self,
        text: str,
        language: str,
        voice: Voice,
        config: GenerationConfig,
        seed: int,
        frontend: Frontend,
        lexicon: Lexicon | None = None,
        start: int = 0,
    ) -> None:
        began = time.perf_counter()
        self._config, self._seed, self._frontend = config, seed, frontend
        self._sampling = config.sampling(frontend.manifest.semantic.sampling)
        self._conditioning = conditioning(voice, frontend.manifest)
        self._length, self._read, self._count = len(text), 0, 0
        shortest = 0.0 if config.pause != _DEFAULT_PAUSE and not _times_pauses(frontend.manifest) else None
        utterances = frontend.utterances(text, language, lexicon, shortest)
        # The first one is read now, so that a text that cannot be spoken is refused here.
        self._utterances = chain([next(utterances)], utterances)
        self.leading_pause: float | None = None
        for utterance in islice(self._utterances, start):
            self._read += len(utterance.source)
            self._count += 1
            self.leading_pause = config.pause * _pause_factor(utterance.source)
        self.seconds = time.perf_counter() - began

    def __iter__(self) -> Iterator[UtteranceRequest]:
        return self

    def __next__(self) -> UtteranceRequest:
        began = time.perf_counter()
        utterance = next(self._utterances)
        features = self._frontend.features(utterance)
        self.seconds += time.perf_counter() - began
        self._read += len(utterance.source)
        self._count += 1
        config = self._config
        return UtteranceRequest(
            phones=utterance.ids,
            voice=self._conditioning,
            languages=count_languages(utterance),
            features=features,
            sampling=self._sampling,
            seed=derive_seed(self._seed, "line", self._count),
            speed=config.speed,
            steps=config.steps,
            opens=self._count == 1,
            pause=config.pause * _pause_factor(utterance.source),
            pause_before=utterance.pause,
            pause_within=(config.pause - _DEFAULT_PAUSE)
            * config.speed,  # stage two divides it by the speed again
            progress=min(1.0, self._read / self._length),
            utterance=utterance,
        )


def _times_pauses(manifest: Manifest) -> bool:
    """Whether a duration model sets the pauses between the sentences of an utterance."""
    return manifest.acoustic.kind == "source-filter" and manifest.acoustic.phones


def conditioning(voice: Voice, manifest: Manifest) -> Conditioning:
    """A voice as the engine of a model reads it; without its prompt where the model continues none."""
    prompt = slice(None) if manifest.semantic.prompts else slice(0)
    features, residuals = voice.prompt_features, voice.residuals
    followed = follow(voice.prosody)
    return Conditioning(
        timbre=voice.timbre,
        prompt_tokens=voice.prompt_tokens[prompt],
        prompt_phones=voice.prompt_phones[prompt],
        prompt_features=None if features is None else features[prompt].astype(np.float32),
        mel=voice.mel,
        residuals=None if residuals is None else residuals.astype(np.float32),
        pace=followed.pace,
        pauses=followed.pauses,
        pitch_range=followed.pitch_range,
    )


def count_languages(utterance: Utterance) -> dict[str, int]:
    """How many phones of an utterance are of which language."""
    counts: dict[str, int] = {}
    for segment in utterance.segments:
        counts[segment.language] = counts.get(segment.language, 0) + len(segment.phones)
    return counts


def _pause_factor(sentence: str) -> float:
    """Relative length of the pause after a sentence: twice after a paragraph, less after a clause or within a phrase."""
    end = sentence.rstrip()
    breaks = sentence[len(end) :].count("\n")
    if breaks or end[-1:] in _SENTENCE_ENDS:
        return 2.0 if breaks > 1 else 1.0
    return 0.5 if end[-1:] in _CLAUSE_ENDS else 0.25
