"""The road from text to sound.

    recordings → samples → tokens, timbre → Voice
    text → utterances → phones → semantic tokens → samples → SpeechStream

A synthesizer is immutable and may be shared by threads: what belongs to a request lives in its own stream.
"""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Collection, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from timbral.audio import Reference, Source, file_name, list_sources, read_reference
from timbral.audio.joining import Joiner
from timbral.audio.levels import limit
from timbral.audio.reading import RECORDING_SUFFIXES
from timbral.audio.resampling import ChunkResampler
from timbral.config import GenerationConfig, GenerationSettings
from timbral.errors import AudioError, SettingError, TextError, TimbralWarning, VoiceError
from timbral.inference.adapter_cache import CAPACITY, AdapterCache
from timbral.inference.engine import EngineStats, SpeechEngine
from timbral.inference.frontend import Frontend
from timbral.inference.reference_encoder import ReferenceEncoder
from timbral.inference.requests import UtteranceRequests, count_languages
from timbral.inference.sessions import Device, Engine, SessionOptions
from timbral.inference.stream import Speech, SpeechChunk, SpeechStream, StreamStats
from timbral.inference.timestamps import SpokenUtterance, timestamps
from timbral.models import Bundle, files, open_bundle
from timbral.text import Lexicon
from timbral.text.segmentation import Language, segment
from timbral.voices import DEFAULT, Consent, Prompt, Voice, names, open_voice

if TYPE_CHECKING:
    from typing_extensions import Unpack

_WARM_UP_TEXTS: dict[Language, str] = {
    "zh": "你好，欢迎来到 2026 年的重庆。",
    "en": "Hello, and welcome to Timbralia in 2026.",
    "ja": "こんにちは、2026年へようこそ。",
    "ko": "안녕하세요, 2026년에 오신 것을 환영합니다.",
    "yue": "你好，歡迎嚟到 2026 年。",
}
"""A text in each language that needs its dictionaries, its numbers and its rare words."""


def load(
    model: str | Path | None = None,
    *,
    device: Device = "auto",
    threads: int = 0,
    languages: Collection[Language] | None = None,
    engine: Engine = "auto",
) -> Synthesizer:
    """Loads a model: the embedded one, or one by name, folder or .timbral file.

    device: "auto" takes CUDA where onnxruntime-gpu is installed. threads: of each graph, 0 for all cores.
    languages: those to make ready now, so that the first sentence does not wait for their dictionaries (up to
    1 s and 160 MB each); None for all of the model's. The others are made ready when they are first spoken.
    engine: what runs stage two: "auto" takes the fastest of compiled kernels, OpenVINO and onnxruntime that is installed and
    fits the model; "native", "openvino", "onnxruntime".
    Raises BundleError: unknown, incomplete or altered model; SettingError: the device or engine is not to be had;
    InstallationError: the engine is not installed.
    """
    options = SessionOptions(device=device, threads=threads, engine=engine)
    synthesizer = Synthesizer(open_bundle(model), options)
    synthesizer.warm_up(synthesizer.manifest.languages if languages is None else languages)
    return synthesizer


class Synthesizer:
    """A loaded model that clones voices and speaks with them."""

    def __init__(self, bundle: Bundle, options: SessionOptions, fine_tuned: int = CAPACITY) -> None:
        """fine_tuned: voices with weights of their own that stay ready."""
        self.bundle = bundle
        self.manifest = bundle.manifest
        self._frontend = Frontend.open(bundle, options)
        self._references = ReferenceEncoder.open(bundle, options)
        self._engines = AdapterCache(bundle, options, fine_tuned)

    @property
    def engine(self) -> str:
        """What runs stage two."""
        return self._engines.base.acoustic.engine

    def say(
        self,
        text: str,
        voice: Voice | str | Path = DEFAULT,
        language: str = "auto",
        config: GenerationConfig | None = None,
        *,
        lexicon: Lexicon | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> Speech:
        """Speaks a text of any length: samples float32 [n], their rate, a report, and times of words. See `stream`."""
        with self.stream(text, voice, language, config, lexicon=lexicon, **settings) as stream:
            return stream.collect()

    def stream(
        self,
        text: str,
        voice: Voice | str | Path = DEFAULT,
        language: str = "auto",
        config: GenerationConfig | None = None,
        *,
        lexicon: Lexicon | None = None,
        start: int = 0,
        **settings: Unpack[GenerationSettings],
    ) -> SpeechStream:
        """Speaks a text as chunks of sound, the first as early as can be, in memory that does not grow.

        The chunk with which an utterance ends says when it and its words and phones were spoken (`SpeechChunk.spoken`).

        voice: a Voice, its name, or the path of its file or of a recording; by default the voice that comes with the package.
        language: "auto", or zh, en, ja, ko, yue for what could be several.
        config: see GenerationConfig; settings: its fields, which take precedence.
        lexicon: words with their readings, beside those in `lexicon.tsv` of the folders of model and voice file.
        start: utterances to leave out at the beginning, to resume a speech of the same seed after its
        `SpeechStream.finished` ones.
        Raises TextError: nothing to speak, unknown language; SettingError: a setting out of its range;
        VoiceError: a voice of another model family.
        """
        began = time.perf_counter()
        segment("", language)
        if lexicon is not None and not isinstance(lexicon, Lexicon):
            raise TextError(
                f"the lexicon is a {type(lexicon).__name__}: give Lexicon.read(path) or Lexicon.of(...)"
            )
        lexicon = _with_lexicon_beside(voice, lexicon)
        voice = self._voice(voice)
        config = self._config(config, settings)
        if not isinstance(start, int) or start < 0:
            raise SettingError(f"start is {ascii(start)[:40]}: give a count of utterances, 0 or more")
        seed = secrets.randbits(32) if config.seed is None else config.seed
        rate = config.rate or self.manifest.sample_rate
        requests = UtteranceRequests(
            _text(text), language, voice, config, seed, self._frontend, lexicon, start
        )
        stats = StreamStats(EngineStats(), finished=start)
        chunks = self._speak(requests, self._engines.of(voice.adapter), stats, rate)
        return SpeechStream(chunks, stats, seed, rate, began)

    @staticmethod
    def _speak(
        requests: UtteranceRequests, engine: SpeechEngine, stats: StreamStats, rate: int
    ) -> Generator[SpeechChunk, None, None]:
        """Requests hold the phones of utterances; the engine makes tokens of them, and samples of these."""
        joiner = Joiner(engine.acoustic.sample_rate, requests.leading_pause)
        resampler = ChunkResampler(engine.acoustic.sample_rate, rate)
        request, spoken = None, list[SpokenUtterance]()
        for chunk in engine.speak(requests, stats.engine, stats.cancelled.is_set):
            if chunk.request is not request and chunk.request.pause_before is not None:
                joiner.pause(chunk.request.pause_before)
            request = chunk.request
            joined = joiner.push(chunk.samples, last=chunk.last, pause=chunk.request.pause)
            stats.text_s = requests.seconds
            if chunk.last:
                stats.progress = chunk.request.progress
                stats.finished += 1
                if request.utterance is not None:
                    spoken.append(timestamps(request.utterance, joiner.heard, chunk.borders, joiner.origin))
            samples = limit(resampler.push(joined))
            if len(samples):
                yield SpeechChunk(samples, rate, tuple(spoken))
                spoken.clear()
        rest = limit(resampler.push(np.zeros(0, np.float32), last=True))
        if len(rest) or spoken:
            yield SpeechChunk(rest, rate, tuple(spoken))

    def clone(
        self,
        *recordings: Source | Sequence[Source],
        text: str | None = None,
        language: str = "auto",
        consent: Consent | None = None,
    ) -> Voice:
        """A voice from one or several recordings (paths, or bytes of files) of 3 to 10 s of one speaker.

        text: what is said in the first recording, in `language`; with it the voice also imitates the speaking style, where
        the model can (see Semantic.prompts); v3 and v4 cannot do without.
        consent: the speaker's. Notes on recordings come as TimbralWarning.
        Raises AudioError: a recording that cannot be used; TextError: a transcript that cannot be spoken;
        VoiceError: no transcript for a model that needs one.
        """
        if consent is not None and not isinstance(consent, Consent):
            raise VoiceError(
                f"consent is a {type(consent).__name__}: give timbral.Consent.of('name of the speaker')"
            )
        segment("", language)  # an unknown language is a mistake even where no transcript is read in it
        text = None if text is None else _text(text)
        sources = list_sources(recordings)
        if not sources:
            raise AudioError("no recording given; a voice needs one or more, of 3 to 10 s")
        if text is None and self.manifest.acoustic.kind == "flow-matching":
            raise VoiceError(
                f"{self.manifest.name} continues what is said in the recording: give its transcript "
                "(text=, or --text, or --ref-text)"
            )
        rates = self._references.rates
        references = [read_reference(source, *rates) for source in sources]
        for note in (note for reference in references for note in reference.notes):
            warnings.warn(note, TimbralWarning, stacklevel=2)
        prompt = self._prompt(references[0], text, language)
        sounds = [reference.sounds for reference in references]
        timbre = self._references.timbre(sounds)
        heard = self._references.hear(sounds)
        residuals = self._references.residuals(sounds, heard, timbre)
        return Voice(
            timbre=timbre,
            **vars(prompt),
            residuals=None if residuals is None else residuals.astype(np.float16),
            prosody=self._references.prosody(sounds, heard, self._usual_seconds(prompt)),
            family=self.manifest.family,
            version=self.manifest.version,
            symbols=self.manifest.symbols,
            model=self.manifest.name,
            prompt_text=text or "",
            prompt_language=language,
            sources=tuple(filter(None, map(file_name, sources))),
            consent=consent,
        )

    def warm_up(self, languages: Collection[Language]) -> None:
        """Reads and speaks a little in each of these languages, so that all that is loaded lazily is there.

        Raises TextError for a language that the model does not speak.
        """
        wanted = (
            list(languages)
            if isinstance(languages, Iterable) and not isinstance(languages, str)
            else [languages]
        )
        if unknown := sorted({str(one)[:40] for one in wanted if one not in self.manifest.languages}):
            spoken = ", ".join(self.manifest.languages)
            raise TextError(f"{self.manifest.name} does not speak {', '.join(unknown)}; it speaks {spoken}")
        for language in (language for language in self.manifest.languages if language in wanted):
            for utterance in self._frontend.utterances(_WARM_UP_TEXTS[language], language):
                self._frontend.features(utterance)
        # A graph's first run is slow; but where whole sentences are made at once, one takes longer than it saves.
        if wanted and self.manifest.acoustic.kind == "source-filter":
            with self.stream("1, 2, 3.", Voice.neutral(self.manifest), seed=0) as stream:
                next(stream)

    def prepare(self, voice: Voice) -> None:
        """Makes a fine-tuned voice ready, so that its first sentence does not wait for its weights. Raises VoiceError."""
        self._engines.of(self._voice(voice).adapter)

    def release(self, voice: Voice) -> None:
        """Frees the weights of a fine-tuned voice; what speaks with it now goes on."""
        if voice.adapter is not None:
            self._engines.drop(voice.adapter)

    def _voice(self, voice: Voice | str | Path) -> Voice:
        if isinstance(voice, str | Path):
            recorded = Path(voice).suffix.lower() in RECORDING_SUFFIXES and voice not in names()
            voice = self.clone(voice) if recorded else open_voice(voice)
        if not isinstance(voice, Voice):
            raise VoiceError(
                f"the voice is a {type(voice).__name__}: give what `clone` returns, a name, or the path of a file"
            )
        voice.check_fit(self.manifest)
        return voice

    def _config(self, config: GenerationConfig | None, settings: GenerationSettings) -> GenerationConfig:
        chosen = GenerationConfig() if config is None else config
        if not isinstance(chosen, GenerationConfig):
            raise SettingError(f"config is a {type(config).__name__}: give a timbral.GenerationConfig")
        if settings:
            chosen = GenerationConfig(**{**chosen.model_dump(), **settings})
        if chosen.steps is not None and self.manifest.acoustic.kind != "flow-matching":
            raise SettingError(f"{self.manifest.name} has no solver: leave steps out; they are for v3 and v4")
        return chosen

    def _prompt(self, reference: Reference, text: str | None, language: str) -> Prompt:
        """A recording and its transcript, as the model continues them; empty where there is none that fits."""
        no_ids = np.zeros(0, np.int64)
        if text is None:
            return Prompt(no_ids, no_ids)
        try:
            utterance = self._frontend.transcript(text, language)
        except TextError as error:
            raise TextError(f"the transcript of the recording cannot be read: {error}") from None
        if reference.cut:
            self._leave_out_transcript()
            return Prompt(no_ids, no_ids)
        tokens = self._references.tokens(reference.sounds)
        bounds = self._engines.base.guard.bounds(len(utterance.ids), count_languages(utterance))
        if not bounds.low <= len(tokens) <= bounds.high:
            warnings.warn(
                f"{text[:30]!r} does not fit {reference.duration:.1f} s of speech; is it the transcript?",
                TimbralWarning,
                stacklevel=3,
            )
        features = self._frontend.features(utterance)
        return Prompt(
            tokens,
            utterance.ids,
            None if features is None else features.astype(np.float16),
            self._references.mel(reference.sounds),
        )

    def _usual_seconds(self, prompt: Prompt) -> float | None:
        """How long the model would take for a transcript, without pauses; None where it has no say in that."""
        durations = self._engines.base.selector.durations
        if durations is None or not len(prompt.prompt_phones):
            return None
        return durations.seconds(prompt.prompt_phones)

    def _leave_out_transcript(self) -> None:
        """Says so where the model would use it. Raises AudioError where the model needs it."""
        if self.manifest.acoustic.kind == "flow-matching":
            raise AudioError(f"{self.manifest.name} needs a recording of at most 10 s with its transcript")
        if self.manifest.semantic.prompts:
            warnings.warn(
                "the transcript is left out, because only a part of the recording is used; at most 10 s with their "
                "words would give the speaking style as well",
                TimbralWarning,
                stacklevel=4,
            )


def _with_lexicon_beside(voice: object, lexicon: Lexicon | None) -> Lexicon | None:
    """The user's lexicon and the one beside a voice file; the former takes precedence."""
    if not isinstance(voice, str | Path):
        return lexicon
    return Lexicon.joined(Lexicon.read_if_there(Path(voice).with_name(files.LEXICON)), lexicon)


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise TextError(f"the text is a {type(text).__name__}: give a str")
    return text
