"""Fine-tuning of the embedded family: everything that is needed is in its bundle, and a few sentences to speak."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import get_args

import torch

from timbral.data.listing import Line
from timbral.errors import TimbralWarning
from timbral.inference.loading import open_engine
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle
from timbral.text.segmentation import Language
from timbral.training.drawn import draw_tokens
from timbral.training.networks import restore_reference, restore_source_filter
from timbral.training.settings import SourceFilterSettings
from timbral.training.source_filter import SourceFilterTask
from timbral.training.source_filter_examples import Drawn, hear

_SENTENCES = "sentences.txt"


def source_filter_task(
    bundle: Bundle,
    recordings: Sequence[Line],
    settings: SourceFilterSettings,
    on_progress: Callable[[str, float], None] = lambda what, share: None,
) -> SourceFilterTask:
    """Stage two of a model of the embedded family, ready to learn a speaker.

    Recordings that cannot be used are left out, with a TimbralWarning. Raises TrainingError: none can be.
    """
    latent, vocoder = restore_source_filter(bundle)
    encoder = restore_reference(bundle)
    heard, problems = hear(recordings, encoder, vocoder.config.rate, on_progress)
    for problem in problems:
        warnings.warn(f"left out: {problem}", TimbralWarning, stacklevel=2)
    on_progress("drawing sentences", 0.0)
    return SourceFilterTask(latent, vocoder, encoder, heard, list(_drawn(bundle)), settings)


def _drawn(bundle: Bundle) -> Iterator[Drawn]:
    """What stage one draws for sentences in every language of the model."""
    engine = open_engine(bundle, SessionOptions(device="cpu"))
    unknown = (bundle.manifest.semantic.phonemes,) * 2
    for language, texts in sentences().items():
        if language in bundle.manifest.languages:
            for phones, tokens in draw_tokens(bundle, engine.semantic, texts, language):
                timed = engine.selector.timed(phones, tokens, engine.selector.schedule(phones))
                halves = [unknown] * len(tokens) if timed.phones is None else timed.phones
                yield Drawn(torch.from_numpy(timed.tokens), torch.as_tensor(halves))


def sentences() -> dict[Language, list[str]]:
    """Sentences to speak while a voice is trained, by language."""
    found: dict[Language, list[str]] = {}
    rows = files(__package__).joinpath(_SENTENCES).read_text(encoding="utf-8").splitlines()
    for row in rows:
        language, _, text = row.partition("|")
        assert language in get_args(Language), language
        found.setdefault(language, []).append(text)  # type: ignore[arg-type]
    return found
