"""Speech for training and measuring a model: recordings of people, or speech of the embedded model."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from timbral.audio import Audio, Reference, Source, read_reference
from timbral.compression.distillation.timbres import invented, recordings_in
from timbral.errors import AudioError, CompressionError
from timbral.inference.sessions import SessionOptions
from timbral.models import open_bundle
from timbral.synthesizer import Synthesizer
from timbral.training.sampled_tokens import sentences
from timbral.voices import DEFAULT, Voice, load


def references(recordings: Path | None, rates: Sequence[int], count: int, seed: int) -> list[Reference]:
    """About `count` references at these rates: of the recordings in a folder, or of voices of nobody.

    Raises CompressionError: no recording can be used.
    """
    if recordings is None:
        sources: Sequence[Source] = _spoken(count, seed)
    else:
        paths = recordings_in(recordings)
        sources = paths[:: max(1, len(paths) // count)]
    found = []
    for source in sources:
        with suppress(AudioError):
            found.append(read_reference(source, *rates))
    if not found:
        raise CompressionError(
            f"none of the recordings in {recordings} can be used; give speech of 3 to 10 s each"
        )
    return found


def _spoken(count: int, seed: int) -> list[Audio]:
    """Sentences that the embedded model speaks, each in another voice."""
    synthesizer = Synthesizer(open_bundle(None), SessionOptions(device="cpu", engine="onnxruntime"))
    known = load(DEFAULT)
    timbres = invented(known.timbre, count, np.random.default_rng(seed))
    languages = synthesizer.manifest.languages
    texts = [
        (language, text) for language, lines in sentences().items() for text in lines if language in languages
    ]
    found = []
    for number, timbre in enumerate(timbres):
        language, text = texts[(7 * number) % len(texts)]
        # One sentence alone may be too short to clone from.
        text = f"{text} {texts[(7 * number + 1) % len(texts)][1]}"
        voice = Voice(
            timbre=timbre,
            prompt_tokens=known.prompt_tokens[:0],
            prompt_phones=known.prompt_phones[:0],
            family=known.family,
            version=known.version,
            symbols=known.symbols,
            model=known.model,
        )
        speech = synthesizer.say(text, voice, language, seed=number)
        found.append(Audio(speech.samples, speech.rate))
    return found
