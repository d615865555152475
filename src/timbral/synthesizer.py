"""The road from text to sound.

    recordings ─audio─▶ samples ─engine/reference─▶ Voice
    text ─text─▶ sentences ─text─▶ phones ─engine/semantic─▶ tokens ─engine/acoustic─▶ samples ─audio─▶ Speech

A synthesizer is immutable and may be shared by threads: what belongs to a request lives in its own stream.
"""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from timbral.audio import Reference, Source, file_name, list_sources, read_reference
from timbral.errors import AudioError, SettingError, TextError, TimbralWarning, VoiceError
from timbral.inference.acoustic.flow_matching import check_steps
from timbral.inference.acoustic.interface import check_speed
from timbral.inference.adapter_cache import AdapterCache
from timbral.inference.frontend import Frontend
from timbral.inference.loading import open_references
from timbral.inference.semantic.sampling import Sampling
from timbral.inference.sessions import Device, SessionOptions
from timbral.inference.stream import Speech, SpeechStream
from timbral.inference.utterances import Manner, Script, count_languages
from timbral.models import Bundle, open_bundle
from timbral.text.segmentation import Language, segment
from timbral.voices.voice import Consent, Prompt, Voice

if TYPE_CHECKING:
    from typing_extensions import Unpack

_GREETINGS: dict[Language, str] = {
    "zh": "你好，欢迎来到 2026 年的重庆。",
    "en": "Hello, and welcome to Timbralia in 2026.",
    "ja": "こんにちは、2026年へようこそ。",
    "ko": "안녕하세요, 2026년에 오신 것을 환영합니다.",
    "yue": "你好，歡迎嚟到 2026 年。",
}
"""A text in each language that needs its dictionaries, its numbers and its rare words."""

RATES = (24_000, 32_000, 48_000)
"""Rates of the output in Hz that may be asked for."""

LONGEST_PAUSE = 5.0
"""Seconds between two sentences that may be asked for."""


class Settings(TypedDict, total=False):
    """What `say` takes beside text and voice; `Synthesizer.stream` says what each means."""

    speed: float
    seed: int | None
    pause: float
    rate: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    repetition_penalty: float | None
    steps: int | None


def load(
    model: str | Path | None = None,
    *,
    device: Device = "auto",
    threads: int = 0,
    languages: Collection[Language] | None = None,
) -> Synthesizer:
    """Loads a model: the embedded one, or one by name or folder.

    device: "auto" takes CUDA where onnxruntime-gpu is installed. threads: of each graph, 0 for all cores.
    languages: those to make ready now, so that the first sentence does not wait for their dictionaries (up to
    1 s and 160 MB each); None for all of the model's. The others are made ready when they are first spoken.
    Raises BundleError: unknown, incomplete or altered model; SettingError: the device is not to be had.
    """
    synthesizer = Synthesizer(open_bundle(model), SessionOptions(device=device, threads=threads))
    synthesizer.warm_up(synthesizer.manifest.languages if languages is None else languages)
    return synthesizer


class Synthesizer:
    """A loaded model that clones voices and speaks with them."""

    def __init__(self, bundle: Bundle, options: SessionOptions) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self._reader = Frontend.open(bundle, options)
        self._references = open_references(bundle, options)
        self._engines = AdapterCache(bundle, options)

    def warm_up(self, languages: Collection[Language]) -> None:
        """Reads a little in each of these languages, so that all that is loaded lazily is there.

        Raises TextError for a language that the model does not speak.
        """
        if strange := set(languages) - set(self.manifest.languages):
            spoken = ", ".join(self.manifest.languages)
            raise TextError(
                f"{self.manifest.name} does not speak {', '.join(sorted(strange))}; it speaks {spoken}"
            )
        for language in languages:
            for utterance in self._reader.utterances(_GREETINGS[language], language):
                self._reader.features(utterance)
        # A graph's first run is slow; but where whole sentences are made at once, one takes longer than it saves.
        if languages and self.manifest.acoustic.kind == "source-filter":
            with self.stream("1, 2, 3.", Voice.neutral(self.manifest), seed=0) as stream:
                next(stream)

    def clone(
        self,
        *recordings: Source | Sequence[Source],
        text: str | None = None,
        language: str = "auto",
        consent: Consent | None = None,
    ) -> Voice:
        """A voice from one or several recordings (paths, or bytes of files) of 3 to 10 s of one speaker.

        text: what is said in the first recording, in `language`; with it the voice takes over the manner of
        speaking as well as the timbre, where the model can (see Semantic.prompts); v3 and v4 cannot do without.
        consent: the speaker's. Notes on recordings come as TimbralWarning.
        Raises AudioError: a recording that cannot be used; TextError: a transcript that cannot be spoken;
        VoiceError: no transcript for a model that needs one.
        """
        segment("", language)  # an unknown language is a mistake even where no transcript is read in it
        sources = list_sources(recordings)
        if not sources:
            raise AudioError("no recording given; a voice needs one or more, of 3 to 10 s")
        if text is None and self.manifest.acoustic.kind == "flow-matching":
            raise VoiceError(
                f"{self.manifest.name} goes on from what is said in the recording: give its transcript "
                "(text=, or --text, or --ref-text)"
            )
        rates = self._references.config.rates
        heard = [read_reference(source, *rates) for source in sources]
        for note in (note for reference in heard for note in reference.notes):
            warnings.warn(note, TimbralWarning, stacklevel=2)
        prompt = self._prompt(heard[0], text, language)
        sounds = [reference.sounds for reference in heard]
        timbre = self._references.timbre(sounds)
        lacking = self._references.residuals(sounds, timbre)
        return Voice(
            timbre=timbre,
            **vars(prompt),
            residuals=None if lacking is None else lacking.astype(np.float16),
            family=self.manifest.family,
            version=self.manifest.version,
            symbols=self.manifest.symbols,
            model=self.manifest.name,
            prompt_text=text or "",
            prompt_language=language,
            sources=tuple(filter(None, map(file_name, sources))),
            consent=consent,
        )

    def say(self, text: str, voice: Voice, language: str = "auto", **settings: Unpack[Settings]) -> Speech:
        """Speaks a text of any length: the sound float32 [n], its rate, and a report. See `stream`."""
        with self.stream(text, voice, language, **settings) as stream:
            return stream.collect()

    def stream(
        self,
        text: str,
        voice: Voice,
        language: str = "auto",
        *,
        speed: float = 1.0,
        seed: int | None = None,
        pause: float = 0.3,
        rate: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float | None = None,
        steps: int | None = None,
        start: int = 0,
    ) -> SpeechStream:
        """Speaks a text as chunks of Audio, the first as early as can be, in memory that does not grow.

        language: "auto", or zh, en, ja, ko, yue for what could be several. speed: divides durations.
        seed: the same one gives the same samples; None draws one (see the report). pause: seconds between
        sentences. rate: of the output in Hz, one of RATES; None for the model's own. steps: of the solver of v3
        and v4, 1 to 128; fewer are faster and rougher. The rest is for the draw of tokens (see
        engine.sampling). None is the model's default. start: utterances to leave out at the beginning, to
        resume a speech of the same seed after the `SpeechStream.finished` ones.
        Raises TextError: nothing to speak, unknown language; SettingError: a setting out of its range;
        VoiceError: a voice of another model family.
        """
        began = time.perf_counter()
        voice.check_fit(self.manifest)
        given = {
            "top_k": top_k,
            "top_p": top_p,
            "temperature": temperature,
            "repetition_penalty": repetition_penalty,
        }
        defaults = self.manifest.semantic.sampling.model_dump()
        sampling = Sampling(**defaults | {name: value for name, value in given.items() if value is not None})
        _check_settings(speed, pause, rate)
        self._check_steps(steps)
        seed = secrets.randbits(32) if seed is None else seed
        manner = Manner(language, sampling, seed, speed, pause, steps)
        script = Script(text, voice, manner, self._reader, start)
        engine = self._engines.of(voice.adapter)
        return SpeechStream(engine, script, seed, rate or self.manifest.sample_rate, began, start)

    def _check_steps(self, steps: int | None) -> None:
        if steps is None:
            return
        if self.manifest.acoustic.kind != "flow-matching":
            raise SettingError(f"{self.manifest.name} has no solver: leave steps out; they are for v3 and v4")
        check_steps(steps)

    def _prompt(self, reference: Reference, text: str | None, language: str) -> Prompt:
        """A recording and its transcript, as the model goes on from them; without prompt where they do not fit."""
        none = Prompt(np.zeros(0, np.int64), np.zeros(0, np.int64))
        if text is None:
            return none
        try:
            utterance = self._reader.transcript(text, language)
        except TextError as error:
            raise TextError(f"the transcript of the recording cannot be read: {error}") from None
        if reference.cut:
            if self.manifest.acoustic.kind == "flow-matching":
                raise AudioError(
                    f"{self.manifest.name} needs a recording of at most 10 s with its transcript"
                )
            if self.manifest.semantic.prompts:
                warnings.warn(
                    "the transcript is left out, for only a part of the recording is used; its first 10 s or less "
                    "with their words would give the manner of speaking as well",
                    TimbralWarning,
                    stacklevel=3,
                )
            return none
        tokens = self._references.tokens(reference.sounds)
        bounds = self._engines.base.guard.bounds(len(utterance.ids), count_languages(utterance))
        if not bounds.low <= len(tokens) <= bounds.high:
            warnings.warn(
                f"{text[:30]!r} does not fit {reference.duration:.1f} s of speech; is it the transcript?",
                TimbralWarning,
                stacklevel=3,
            )
        features = self._reader.features(utterance)
        return Prompt(
            tokens,
            utterance.ids,
            None if features is None else features.astype(np.float16),
            self._references.mel(reference.sounds),
        )


def _check_settings(speed: float, pause: float, rate: int | None) -> None:
    check_speed(speed)
    if not 0 <= pause <= LONGEST_PAUSE:
        raise SettingError(f"pause is {pause}: give seconds from 0 to {LONGEST_PAUSE:.0f}")
    if rate is not None and rate not in RATES:
        raise SettingError(f"rate is {rate}: give one of {', '.join(map(str, RATES))} Hz")
