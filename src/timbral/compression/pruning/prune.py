"""The step `prune`: a bundle without its least important units, healed by a short training."""

from pathlib import Path

from timbral.compression.distillation.official_sizes import pruned_official_sizes
from timbral.compression.distillation.student import write_student
from timbral.compression.pruning.embedded_sizes import pruned_embedded_sizes
from timbral.compression.pruning.settings import PruningSettings
from timbral.compression.step import OnProgress
from timbral.models import read_bundle
from timbral.training.settings import EMBEDDED


def prune(parent: Path, out: Path, settings: PruningSettings, on_progress: OnProgress) -> None:
    """Prunes the bundle in `parent` and writes the result to the new folder `out`; see `write_student`.

    Stage one loses heads and neurons, stage two neurons and channels; what is left learns for a while to do what
    all of it did.
    """
    bundle = read_bundle(parent)
    embedded = bundle.manifest.family == EMBEDDED
    pruned_sizes = pruned_embedded_sizes if embedded else pruned_official_sizes
    write_student(bundle, pruned_sizes(bundle, settings.amount), out, settings, on_progress)
    on_progress("pruning", 1.0)
