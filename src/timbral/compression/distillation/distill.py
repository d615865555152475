"""The step `distill`: a student of a bundle, as a bundle."""

from pathlib import Path

from timbral.compression.distillation.embedded import EmbeddedDistillation, write_embedded
from timbral.compression.distillation.official import OfficialDistillation, write_official
from timbral.compression.distillation.official_sizes import official_sizes
from timbral.compression.distillation.settings import DistillationSettings
from timbral.compression.distillation.sizes import EMBEDDED
from timbral.compression.step import OnProgress, scratch
from timbral.conversion.output_folder import new_folder
from timbral.models import read_bundle, write_manifest


def distill(parent: Path, out: Path, settings: DistillationSettings, on_progress: OnProgress) -> None:
    """Trains a student of the bundle in `parent` and writes it to the new folder `out`.

    What is learned so far is kept in `scratch(out)`, and the same call goes on from there, to the same bytes.
    Raises CompressionError: texts or recordings that cannot be used, or `minutes` that are over.
    """
    bundle, work = read_bundle(parent), scratch(out)
    if bundle.manifest.family == "sovits-tiny":
        embedded = EMBEDDED[settings.size]
        student = EmbeddedDistillation(bundle, embedded, work, settings, on_progress).student()
        with new_folder(out) as folder:
            write_manifest(folder, write_embedded(student, bundle, folder, settings))
    else:
        sizes = official_sizes(bundle, settings.size)
        networks = OfficialDistillation(bundle, sizes, work, settings, on_progress).student()
        with new_folder(out) as folder:
            write_manifest(folder, write_official(networks, bundle, folder, settings))
    on_progress("distilling", 1.0)
