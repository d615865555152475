"""Distils a bundle of the embedded family: every network but the speaker encoder gets a smaller student."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from timbral.audio import read_reference
from timbral.compression.distillation.content import ContentDistillation, Samples, sounds_of
from timbral.compression.distillation.durations import DurationDistillation
from timbral.compression.distillation.embedded_teacher import EmbeddedTeacher, Sounded
from timbral.compression.distillation.semantic import SemanticDistillation, SemanticStudent, SemanticWeights
from timbral.compression.distillation.settings import SpeechSettings
from timbral.compression.distillation.sizes import EmbeddedSizes
from timbral.compression.distillation.source_filter import SourceFilterDistillation, SourceFilterStudent
from timbral.compression.distillation.token_merging import (
    TokenMerging,
    merge_tokens,
    merged_aligner,
    unmerged,
)
from timbral.compression.distillation.training import StudentTrainer
from timbral.compression.pruning.embedded import SpokenSample, smaller_content, smaller_source_filter
from timbral.compression.pruning.semantic import smaller_semantic
from timbral.compression.step import OnProgress
from timbral.conversion.export.exchange import copy_graph
from timbral.conversion.export.semantic import export_semantic
from timbral.conversion.export.source_filter import export_acoustic, export_durations, export_reference
from timbral.errors import AudioError, CompressionError
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.models import Bundle, files
from timbral.nets.content_encoder import ContentEncoder, ReferenceEncoder
from timbral.nets.durations import DurationPredictor
from timbral.nets.semantic import SemanticTransformer
from timbral.nets.timbre_encoder import RATE as ENCODER_RATE
from timbral.training.networks import restore_reference
from timbral.training.semantic import SemanticExample

_MEASURED = 12
"""Utterances on which importance is measured."""
_SOUNDS = 400
"""Recordings, or utterances of the teacher, that the content encoder hears at most."""
_SEMANTIC_RATE, _CONTENT_RATE, _DURATION_RATE = 0.7, 1.0, 2.0
"""Learning rates relative to that of stage two."""


@dataclass(frozen=True)
class EmbeddedStudent:
    """The networks of a student. durations: None for those of the parent. aligner: for its tokens."""

    semantic: SemanticTransformer
    acoustic: SourceFilterStudent
    content: ContentEncoder
    durations: DurationPredictor | None
    aligner: HmmAligner


class EmbeddedDistillation:
    """A student of a bundle of the embedded family, and the training of each of its networks."""

    def __init__(
        self,
        bundle: Bundle,
        sizes: EmbeddedSizes,
        work: Path,
        settings: SpeechSettings,
        on_progress: OnProgress,
    ) -> None:
        self.bundle, self.sizes, self.settings = bundle, sizes, settings
        self.teacher = EmbeddedTeacher(
            bundle,
            work / "teacher",
            texts=settings.texts,
            recordings=settings.recordings,
            utterances=settings.utterances,
            sounded=settings.sounded,
            bf16=settings.compute == "bf16",
            seed=settings.seed,
            on_progress=lambda what, share: on_progress(what, 0.1 * share),
        )
        self._check_smaller()
        shape = bundle.manifest.semantic
        self.aligner = HmmAligner.open(bundle.path(files.ALIGNER), shape.phonemes, shape.vocabulary)
        self.merging = self._merge()
        self.trainer = StudentTrainer(work, settings, bundle.manifest.base, on_progress)

    def _check_smaller(self) -> None:
        """Raises CompressionError: the student would be larger than its teacher in some dimension."""
        one, two, ears = self.teacher.semantic.config, self.teacher.latent.config, self.teacher.reference
        sizes, content = self.sizes, ears.content.config
        pairs = (
            (sizes.vocabulary, one.eos),
            (sizes.semantic.layers, one.layers),
            (sizes.semantic.hidden, one.hidden),
            (sizes.semantic.heads, one.heads),
            (sizes.semantic.feed_forward, one.feed_forward),
            (sizes.acoustic.hidden, two.hidden),
            (sizes.acoustic.latent, two.latent),
            (sizes.acoustic.condition, two.condition),
            (sizes.content.hidden, content.hidden),
        )
        if any(own > other for own, other in pairs):
            raise CompressionError(
                f"{self.bundle.manifest.name} is smaller than this student: choose a smaller size, or distil its parent"
            )

    def _merge(self) -> TokenMerging:
        vocabulary = self.bundle.manifest.semantic.vocabulary
        if self.sizes.vocabulary >= vocabulary - 1:
            return unmerged(vocabulary)
        counts = torch.zeros(vocabulary)
        for one in self.teacher.spoken:
            counts += torch.bincount(one.tokens, minlength=vocabulary)
        embeddings = self.teacher.latent.tokens.weight.detach()
        return merge_tokens(embeddings, self.aligner.ratios, counts, self.sizes.vocabulary)

    def student(self) -> EmbeddedStudent:
        """The trained student."""
        return EmbeddedStudent(
            acoustic=self.acoustic(),
            durations=self.durations(),
            content=self.content(),
            semantic=self.semantic(),
            aligner=merged_aligner(self.aligner.ratios, self.aligner.rows, self.merging),
        )

    def acoustic(self) -> SourceFilterStudent:
        """Stage two."""
        teacher, size = self.teacher, self.sizes.acoustic

        def task() -> SourceFilterDistillation:
            config = replace(
                teacher.latent.config,
                vocabulary=self.merging.size,
                hidden=size.hidden,
                latent=size.latent,
                condition=size.condition,
                token_blocks=size.token_blocks,
                frame_blocks=size.frame_blocks,
                vocoder_blocks=size.vocoder_blocks,
                passes=self.sizes.passes,
            )
            samples = [_sample(one) for one in teacher.sounded[:_MEASURED]]
            networks = smaller_source_filter(
                teacher.latent, teacher.vocoder, config, samples, self.merging.mean_rows
            )
            settings = self.settings
            return SourceFilterDistillation(
                SourceFilterStudent(*networks),
                teacher.sounded,
                self.merging.groups,
                settings.updates,
                settings.seed,
            )

        return self.trainer.train("acoustic", task, self.settings.updates, self.settings.rate, (0.1, 0.6))

    def durations(self) -> DurationPredictor | None:
        """The duration model; the pace is part of what it learns."""
        size, settings = self.sizes.durations, self.settings
        if size is None:
            return None

        def task() -> DurationDistillation:
            network = DurationPredictor(self.bundle.manifest.semantic.phonemes, size.hidden, size.blocks)
            return DurationDistillation(
                network, self.teacher.spoken, settings.duration_updates, settings.seed
            )

        rate = _DURATION_RATE * settings.rate
        return self.trainer.train("durations", task, settings.duration_updates, rate, (0.6, 0.65))

    def content(self) -> ContentEncoder:
        """The content encoder."""
        teacher, size, settings = self.teacher.reference.content, self.sizes.content, self.settings

        def task() -> ContentDistillation:
            sounds = self._sounds()
            measured = [torch.from_numpy(_whole_tokens(sound))[None] for sound in sounds[:_MEASURED]]
            network = smaller_content(teacher, size.hidden, size.blocks, measured, self.merging.mean_rows)
            updates = settings.content_updates
            return ContentDistillation(network, teacher, sounds, self.merging, updates, settings.seed)

        rate = _CONTENT_RATE * settings.rate
        return self.trainer.train("content", task, settings.content_updates, rate, (0.65, 0.75))

    def semantic(self) -> SemanticTransformer:
        """Stage one."""
        teacher, size, settings = self.teacher.semantic, self.sizes.semantic, self.settings

        def task() -> SemanticDistillation:
            examples = [SemanticExample(one.phones, one.tokens) for one in self.teacher.spoken]
            network = smaller_semantic(
                teacher,
                examples[:_MEASURED],
                layers=size.layers,
                hidden=size.hidden,
                heads=size.heads,
                feed_forward=size.feed_forward,
                token_rows=self.merging.mean_rows,
            )
            return SemanticDistillation(
                SemanticStudent(network, teacher),
                teacher,
                examples,
                self.merging,
                SemanticWeights(temperature=settings.temperature),
                settings.semantic_updates,
                settings.seed,
            )

        rate = _SEMANTIC_RATE * settings.rate
        trained = self.trainer.train("semantic", task, settings.semantic_updates, rate, (0.75, 0.98))
        return trained.network

    def _sounds(self) -> list[Samples]:
        """Recordings of people and utterances of the teacher, at 16 kHz."""
        chosen: Sequence[Path] = self.teacher.recordings
        chosen = chosen[:: max(1, len(chosen) // _SOUNDS)]
        found = [sound for sound in map(_read, chosen) if sound is not None]
        count = max(_MEASURED, _SOUNDS - len(found))
        return found + sounds_of(self.teacher.vocoder, self.teacher.sounded[:count], self.settings.seed)


def write_embedded(
    student: EmbeddedStudent, bundle: Bundle, folder: Path, settings: SpeechSettings
) -> dict[str, Any]:
    """Writes the graphs of a student into a folder, and returns the manifest of the bundle that they make."""
    manifest = bundle.manifest
    precision = settings.precision or manifest.precision
    semantic, acoustic = student.semantic, student.acoustic
    export_semantic(semantic, folder, precision)
    export_acoustic(acoustic.latent, acoustic.vocoder, folder, precision)
    if student.durations is None:
        copy_graph(bundle, files.DURATIONS, folder)
    else:
        export_durations(student.durations, (0.0, 0.0), folder, precision)
    reference = ReferenceEncoder(student.content.config)
    reference.content = student.content
    reference.timbre = restore_reference(bundle).timbre
    export_reference(reference.eval(), folder, precision)
    student.aligner.save(folder / files.ALIGNER)
    description = manifest.model_dump(exclude={"format", "files"})
    config = semantic.config
    description["semantic"] |= {
        "layers": config.layers,
        "heads": config.heads,
        "hidden": config.hidden,
        "head_size": None if config.attention == config.hidden else config.head_size,
        "vocabulary": config.vocabulary,
        "eos": config.eos,
    }
    description["acoustic"] |= {
        "context_tokens": acoustic.latent.config.context_tokens,
        "reach": acoustic.latent.config.reach,
        "passes": acoustic.latent.config.passes,
    }
    return description | {"precision": precision, "precisions": {}, "quantization": None, "weights": None}


def _sample(one: Sounded) -> SpokenSample:
    return SpokenSample(one.tokens[None], one.phones[None], one.timbre[None])


def _read(path: Path) -> NDArray[np.float32] | None:
    try:
        return read_reference(path, ENCODER_RATE).samples
    except AudioError:
        return None


def _whole_tokens(sound: Samples) -> Samples:
    return sound[: len(sound) // 640 * 640]
