"""Suites: which voices speak which texts."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from timbral.audio import Audio, read
from timbral.errors import DataError
from timbral.paths import sha256


@dataclass(frozen=True)
class SuiteVoice:
    """A voice to clone: its recording, and what is said in it in which language; empty where nobody knows."""

    name: str
    recording: Path
    transcript: str = ""
    language: str = "auto"


@dataclass(frozen=True)
class Case:
    """A text for a voice to speak; `id` is unique in its suite and fit for a file name."""

    id: str
    voice: SuiteVoice
    text: str
    language: str


@dataclass(frozen=True)
class Suite:
    """Cases with a name."""

    name: str
    cases: tuple[Case, ...]

    def __post_init__(self) -> None:
        if not self.cases:
            raise DataError(f"the suite {self.name} has no case: give it recordings and texts")

    @property
    def voices(self) -> dict[str, SuiteVoice]:
        """The voices by name, in the order of the cases."""
        return {case.voice.name: case.voice for case in self.cases}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of texts, voices and the content of the recordings, 16 digits."""
        recordings = {name: sha256(voice.recording) for name, voice in sorted(self.voices.items())}
        cases = [
            (
                case.id,
                case.text,
                case.language,
                recordings[case.voice.name],
                case.voice.transcript,
                case.voice.language,
            )
            for case in self.cases
        ]
        return hashlib.sha256(json.dumps(cases).encode()).hexdigest()[:16]

    @property
    def prompts(self) -> Mapping[str, Audio]:
        """The recordings of the voices by name, each read when it is asked for. Raises AudioError then."""
        return _Recordings(self.voices)

    def spoken_in(self, languages: Iterable[str]) -> "Suite":
        """The cases in these languages. Raises DataError where there is none."""
        known = set(languages)
        return Suite(self.name, tuple(case for case in self.cases if case.language in known))

    def first(self, count: int) -> "Suite":
        """`count` cases of all voices and languages in turn, so that a few stand for all."""
        turns: dict[tuple[str, str], int] = defaultdict(int)
        ranked = []
        for place, case in enumerate(self.cases):
            key = (case.language, case.voice.name)
            ranked.append((turns[key], turns[(case.language, "")], place))
            turns[key] += 1
            turns[(case.language, "")] += 1
        chosen = {place for *_, place in sorted(ranked)[:count]}
        return Suite(self.name, tuple(case for place, case in enumerate(self.cases) if place in chosen))


class _Recordings(Mapping[str, Audio]):
    """A large suite has gigabytes of them."""

    def __init__(self, voices: Mapping[str, SuiteVoice]) -> None:
        self._voices = voices

    def __getitem__(self, name: str) -> Audio:
        return Audio(*read(self._voices[name].recording))

    def __iter__(self) -> Iterator[str]:
        return iter(self._voices)

    def __len__(self) -> int:
        return len(self._voices)
