"""Calibration speech: what the model itself says, in the voices of a few recordings that come with the package.

Utterances are recorded where stage two takes them over: phones, tokens, timing and voice. No sound is made.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.audio import read_reference
from timbral.config import GenerationConfig
from timbral.conversion.calibration import RECORDINGS
from timbral.errors import TextError, TimbralWarning
from timbral.inference.acoustic.interface import Samples, TimedTokens
from timbral.inference.engine import EngineStats, SpeechEngine
from timbral.inference.frontend import Frontend
from timbral.inference.loading import open_engine
from timbral.inference.reference_encoder import Recording, ReferenceEncoder
from timbral.inference.request import UtteranceRequest
from timbral.inference.requests import UtteranceRequests
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle
from timbral.synthesizer import Synthesizer
from timbral.text.segmentation import Language
from timbral.voices import Voice

TEXTS: dict[Language, tuple[str, ...]] = {
    "en": (
        "The quick judge gave both of them six weeks, which nobody in the village had expected.",
        "Where should we put the yellow chairs, and who is going to measure the garden?",
    ),
    "zh": ("昨天下午三点，他们在河边的茶馆里等了很久。", "请把窗户关上，外面的风越来越大，孩子已经睡着了。"),
    "ja": ("駅前の小さな店で、温かいうどんを食べました。", "来週の会議は何時から始まりますか。"),
}
"""Sentences by language."""
_SEED = 24


@dataclass(frozen=True, eq=False)
class Utterance:
    """An utterance as stage two takes it over from stage one."""

    request: UtteranceRequest
    timed: TimedTokens


@dataclass(frozen=True, eq=False)
class CalibrationSpeech:
    """What graphs are measured on: recordings, and utterances in their voices. texts: that are in Chinese."""

    recordings: list[Recording]
    utterances: list[Utterance]
    texts: tuple[str, ...]


def calibration_speech(bundle: Bundle) -> CalibrationSpeech:
    """Speech of the model in `bundle`, the same for the same bundle on the same machine."""
    options = SessionOptions(device="cpu", engine="onnxruntime")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimbralWarning)
        synthesizer = Synthesizer(bundle, options)
        rates = ReferenceEncoder.open(bundle, options).rates
        frontend = Frontend.open(bundle, options)
        recordings, voices = [], []
        for name, language, transcript in RECORDINGS:
            path = Path(str(_folder())) / name
            recordings.append(read_reference(path, *rates).sounds)
            known = language in bundle.manifest.languages
            voices.append(synthesizer.clone(path, text=transcript if known else None))
        del synthesizer
        utterances = _speak(bundle, frontend, voices, options)
    return CalibrationSpeech(recordings, utterances, TEXTS["zh"])


def _folder() -> Path:
    from timbral import conversion

    return Path(conversion.__path__[0]) / "recordings"


def _speak(
    bundle: Bundle, frontend: Frontend, voices: list[Voice], options: SessionOptions
) -> list[Utterance]:
    engine = open_engine(bundle, options)
    recorder = _Recorder(engine.acoustic.sample_rate)
    engine = SpeechEngine(engine.semantic, recorder, engine.guard, engine.selector)
    config = GenerationConfig(seed=_SEED)
    texts = [
        (text, language)
        for language, sentences in TEXTS.items()
        if language in bundle.manifest.languages
        for text in sentences
    ]
    for number, (text, language) in enumerate(texts):
        voice = voices[number % len(voices)]
        requests = UtteranceRequests(text, language, voice, config, _SEED + number, frontend)
        try:
            for _ in engine.speak(requests, EngineStats()):
                pass
        except TextError:  # longer than a small model can speak
            continue
    return recorder.utterances


class _Recorder:
    """An acoustic decoder that keeps what it is given, and hands out noise."""

    engine = "none"

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.utterances: list[Utterance] = []

    def opening(self, request: UtteranceRequest) -> int:
        return 0

    def synthesize(self, request: UtteranceRequest, timed: TimedTokens) -> Iterator[Samples]:
        self.utterances.append(Utterance(request, timed))
        noise: NDArray[np.float64] = np.random.default_rng(0).standard_normal(self.sample_rate)
        yield (0.1 * noise).astype(np.float32)
