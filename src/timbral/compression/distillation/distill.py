"""The step `distill`: a student of a bundle, as a bundle."""

from pathlib import Path

from timbral.compression.distillation.official_sizes import official_sizes
from timbral.compression.distillation.settings import DistillationSettings
from timbral.compression.distillation.sizes import EMBEDDED_SIZES
from timbral.compression.distillation.student import write_student
from timbral.compression.step import OnProgress
from timbral.models import read_bundle
from timbral.training.settings import EMBEDDED


def distill(parent: Path, out: Path, settings: DistillationSettings, on_progress: OnProgress) -> None:
    """Trains a student of the bundle in `parent` and writes it to the new folder `out`; see `write_student`.

    The same call goes on where an interrupted one was, to the same bytes.
    """
    bundle = read_bundle(parent)
    embedded = bundle.manifest.family == EMBEDDED
    sizes = EMBEDDED_SIZES[settings.size] if embedded else official_sizes(bundle, settings.size)
    write_student(bundle, sizes, out, settings, on_progress)
    on_progress("distilling", 1.0)
