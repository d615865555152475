"""Exchanges the vocoder of a bundle of an official family for a light one."""

from pathlib import Path

from timbral.compression.distillation.training import StudentTrainer
from timbral.compression.light_vocoder.settings import LightVocoderSettings
from timbral.compression.light_vocoder.task import LightVocoderTask
from timbral.compression.light_vocoder.teacher import VocoderTeacher
from timbral.compression.step import OnProgress, scratch
from timbral.conversion.export.exchange import write_exchanged
from timbral.conversion.export.istft_vocoder import istft_vocoder_graph
from timbral.conversion.export.precision import to_precision
from timbral.conversion.output_folder import new_folder
from timbral.models import files, read_bundle, write_manifest
from timbral.nets.istft_vocoder import IstftConfig, IstftVocoder

_WEIGHTS = "vocoder.weights"
_FINEST = 300
"""Samples of a short frame, at most: a window is four of them."""


def light_vocoder(parent: Path, out: Path, settings: LightVocoderSettings, on_progress: OnProgress) -> None:
    """Trains a light vocoder on what that of the bundle in `parent` speaks; writes the new bundle to `out`.

    Nothing else of the bundle changes, and voices of the parent fit. What is learned so far is kept in
    `scratch(out)`. Raises CompressionError: a bundle without a vocoder, or `minutes` that are over.
    """
    bundle, work = read_bundle(parent), scratch(out)
    teacher = VocoderTeacher(
        bundle, work / "teacher", settings, lambda what, share: on_progress(what, 0.2 * share)
    )
    manifest = bundle.manifest

    def task() -> LightVocoderTask:
        shape, hop = teacher.shape, teacher.hop
        split = next(n for n in range(1, hop) if hop % (2 * n) == 0 and hop // n <= _FINEST)
        timbre = shape.timbre_size if shape.kind == "vits" else 0
        network = IstftVocoder(
            IstftConfig(teacher.channels, timbre, hop, split, hidden=settings.hidden, blocks=settings.blocks)
        )
        return LightVocoderTask(
            network,
            teacher.crops,
            manifest.sample_rate,
            settings.updates,
            settings.seed,
            adversary=settings.adversary,
        )

    trainer = StudentTrainer(work, settings, manifest.base, on_progress)
    network = trainer.train("vocoder", task, settings.updates, settings.rate, (0.2, 0.98))
    with new_folder(out) as folder:
        precision = settings.precision or manifest.precision
        graph = to_precision(istft_vocoder_graph(network), precision)
        write_exchanged(bundle, {_WEIGHTS: {files.VOCODER: graph}}, folder)
        description = manifest.model_dump(exclude={"format", "files"})
        if manifest.acoustic.kind == "vits":
            description["acoustic"]["reach"] = network.config.reach
        precisions = {n: p for n, p in manifest.precisions.items() if n != files.VOCODER}
        write_manifest(
            folder, description | {"precisions": precisions, "quantization": None, "weights": None}
        )
    on_progress("distilling", 1.0)
