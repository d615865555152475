"""Distils a bundle of an official family: stage one, and stage two of v1 to v2ProPlus.

What hears recordings and BERT stay as they are, so that voices of the parent fit. Stage two of v3 and v4 stays as
well; the step `light-vocoder` exchanges the vocoder of any of them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from timbral.compression.distillation.semantic import SemanticDistillation, SemanticStudent, SemanticWeights
from timbral.compression.distillation.settings import SpeechSettings
from timbral.compression.distillation.sizes import OfficialSizes
from timbral.compression.distillation.token_merging import unmerged
from timbral.compression.distillation.training import StudentTrainer
from timbral.compression.distillation.vits import VitsDistillation
from timbral.compression.official_speech import OfficialSpeech, spread
from timbral.compression.pruning.semantic import smaller_semantic
from timbral.compression.pruning.vits import VitsSample, smaller_vits
from timbral.compression.step import OnProgress
from timbral.conversion.export.acoustic import WEIGHTS as ACOUSTIC_WEIGHTS
from timbral.conversion.export.acoustic import Utterance, synthesis_graphs
from timbral.conversion.export.exchange import write_exchanged
from timbral.conversion.export.precision import to_precision
from timbral.conversion.export.semantic import WEIGHTS as SEMANTIC_WEIGHTS
from timbral.conversion.export.semantic import semantic_graphs
from timbral.models import Bundle, files
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.semantic import SemanticTransformer
from timbral.training.networks import restore_semantic, restore_vits
from timbral.training.semantic import SemanticExample

_MEASURED = 6
"""Utterances on which importance is measured."""
_CALIBRATED = 12
_SEMANTIC_RATE = 0.3
_SEMANTIC = (files.SEMANTIC_PREFILL, files.SEMANTIC_STEP)
_VARIANTS: tuple[files.Cache, ...] = ("int8_cache", "fp16")


@dataclass(frozen=True)
class OfficialStudent:
    """Stage one and stage two of a student; acoustic: None where it is the parent's. calibration: for 8 bits."""

    semantic: SemanticTransformer
    acoustic: AcousticNetwork | None
    calibration: list[Utterance]


class OfficialDistillation:
    """A student of a bundle of an official family, and the training of both of its stages."""

    def __init__(
        self,
        bundle: Bundle,
        sizes: OfficialSizes,
        work: Path,
        settings: SpeechSettings,
        on_progress: OnProgress,
    ) -> None:
        self.bundle, self.sizes, self.settings = bundle, sizes, settings
        self.speech = OfficialSpeech(
            bundle, work / "teacher", settings, lambda what, share: on_progress(what, 0.1 * share)
        )
        self.trainer = StudentTrainer(work, settings, f"{bundle.manifest.base}\n{sizes}", on_progress)

    def student(self) -> OfficialStudent:
        """The trained student."""
        semantic = self.semantic()
        acoustic = self.acoustic()
        calibration = [
            Utterance(one.tokens[None], one.phones[None], one.timbre[None])
            for one in spread(self.speech.utterances, _CALIBRATED)
        ]
        return OfficialStudent(semantic, acoustic, calibration)

    def semantic(self) -> SemanticTransformer:
        """Stage one."""
        size, settings = self.sizes.semantic, self.settings
        bert = self.bundle.manifest.semantic.bert

        def task() -> SemanticDistillation:
            teacher = restore_semantic(self.bundle)
            examples = [
                SemanticExample(one.phones, one.tokens, one.bert if bert else None)
                for one in self.speech.utterances
            ]
            network = smaller_semantic(
                teacher,
                examples[:_MEASURED],
                layers=size.layers,
                hidden=size.hidden,
                heads=size.heads,
                feed_forward=size.feed_forward,
            )
            return SemanticDistillation(
                SemanticStudent(network, teacher),
                teacher,
                examples,
                unmerged(teacher.config.vocabulary),
                SemanticWeights(temperature=settings.temperature),
                settings.semantic_updates,
                settings.seed,
            )

        rate = _SEMANTIC_RATE * settings.rate
        trained = self.trainer.train("semantic", task, settings.semantic_updates, rate, (0.1, 0.5))
        return trained.network

    def acoustic(self) -> AcousticNetwork | None:
        """Stage two, None where it stays the parent's."""
        size, settings = self.sizes.acoustic, self.settings
        if size is None:
            return None

        def task() -> VitsDistillation:
            teacher = restore_vits(self.bundle)
            samples = [
                VitsSample(one.tokens[None], one.phones[None], one.timbre[None, :, None])
                for one in spread(self.speech.utterances, _MEASURED)
            ]
            network = smaller_vits(
                teacher,
                samples,
                feed_forward=size.feed_forward,
                flow_hidden=size.flow_hidden,
                upsample_channels=size.upsample_channels,
            )
            rate = self.bundle.manifest.sample_rate
            return VitsDistillation(
                network, teacher, self.speech.utterances, rate, settings.updates, settings.seed
            )

        rate = _SEMANTIC_RATE * settings.rate
        return self.trainer.train("acoustic", task, settings.updates, rate, (0.5, 0.98))


def write_official(
    student: OfficialStudent, bundle: Bundle, folder: Path, settings: SpeechSettings
) -> dict[str, Any]:
    """Writes the files of a student's bundle into a folder, and returns its manifest without format and files."""
    manifest = bundle.manifest
    precision = settings.precision or manifest.precision
    semantic, acoustic = student.semantic.config, student.acoustic
    stage_one = semantic_graphs(student.semantic, precision)
    graphs: dict[str, dict[str, onnx.ModelProto]] = {SEMANTIC_WEIGHTS: stage_one}
    if acoustic is not None:
        calibration = student.calibration if precision in ("int8", "int4") else ()
        graphs[ACOUSTIC_WEIGHTS] = {
            name: to_precision(graph, precision)
            for name, graph in synthesis_graphs(acoustic, calibration).items()
        }
    variants = [files.variant(name, kind) for name in _SEMANTIC for kind in _VARIANTS]
    write_exchanged(bundle, graphs, folder, [name for name in variants if bundle.has(name)])
    changed = {name for each in graphs.values() for name in each}
    description = manifest.model_dump(exclude={"format", "files"})
    description["semantic"] |= {
        "layers": semantic.layers,
        "heads": semantic.heads,
        "hidden": semantic.hidden,
        "head_size": None if semantic.attention == semantic.hidden else semantic.head_size,
    }
    kept = {name: p for name, p in manifest.precisions.items() if name not in changed}
    return description | {"precision": precision, "precisions": kept, "quantization": None, "weights": None}
