"""Trains a student of a bundle and writes it as a bundle."""

from pathlib import Path

from timbral.compression.distillation.embedded import EmbeddedDistillation, write_embedded
from timbral.compression.distillation.official import OfficialDistillation, write_official
from timbral.compression.distillation.settings import SpeechSettings
from timbral.compression.distillation.sizes import EmbeddedSizes, OfficialSizes
from timbral.compression.step import OnProgress, scratch
from timbral.conversion.output_folder import new_folder
from timbral.models import Bundle, write_manifest


def write_student(
    bundle: Bundle,
    sizes: EmbeddedSizes | OfficialSizes,
    out: Path,
    settings: SpeechSettings,
    on_progress: OnProgress,
) -> None:
    """Trains a student of these sizes and writes it to the new folder `out`.

    What is learned so far is kept in `scratch(out)`. Raises CompressionError: texts or recordings that cannot be
    used, or `minutes` that are over.
    """
    work = scratch(out)
    if isinstance(sizes, EmbeddedSizes):
        student = EmbeddedDistillation(bundle, sizes, work, settings, on_progress).student()
        with new_folder(out) as folder:
            write_manifest(folder, write_embedded(student, bundle, folder, settings))
    else:
        networks = OfficialDistillation(bundle, sizes, work, settings, on_progress).student()
        with new_folder(out) as folder:
            write_manifest(folder, write_official(networks, bundle, folder, settings))
