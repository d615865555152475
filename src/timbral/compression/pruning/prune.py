"""The step `prune`: a bundle without its least important units, healed by a short training."""

from pathlib import Path

from timbral.compression.distillation.embedded import EmbeddedDistillation, write_embedded
from timbral.compression.distillation.official import OfficialDistillation, write_official
from timbral.compression.distillation.official_sizes import pruned_official_sizes
from timbral.compression.pruning.embedded_sizes import pruned_embedded_sizes
from timbral.compression.pruning.settings import PruningSettings
from timbral.compression.step import OnProgress, scratch
from timbral.conversion.output_folder import new_folder
from timbral.models import read_bundle, write_manifest


def prune(parent: Path, out: Path, settings: PruningSettings, on_progress: OnProgress) -> None:
    """Prunes the bundle in `parent` and writes the result to the new folder `out`.

    Stage one loses heads and neurons, stage two neurons and channels; what is left learns for a while to do what
    all of it did. What is learned so far is kept in `scratch(out)`. Raises CompressionError: see `distill`.
    """
    bundle, work = read_bundle(parent), scratch(out)
    if bundle.manifest.family == "sovits-tiny":
        sizes = pruned_embedded_sizes(bundle, settings.amount)
        student = EmbeddedDistillation(bundle, sizes, work, settings, on_progress).student()
        with new_folder(out) as folder:
            write_manifest(folder, write_embedded(student, bundle, folder, settings))
    else:
        official = pruned_official_sizes(bundle, settings.amount)
        networks = OfficialDistillation(bundle, official, work, settings, on_progress).student()
        with new_folder(out) as folder:
            write_manifest(folder, write_official(networks, bundle, folder, settings))
    on_progress("pruning", 1.0)
