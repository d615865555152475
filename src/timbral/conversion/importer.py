"""Turns GPT-SoVITS checkpoints into a model that this package speaks with.

    sources = Sources(gpt=Path("s1.ckpt"), sovits=Path("s2.pth"), hubert=Path("chinese-hubert-base"))
    bundle = import_model(sources, Path("anna"), name="anna", precision="int8")

`sources` says which files there are, `parts` reads and `fit` checks them, before any of the long work; `networks` fills
the torch networks, `conversion` exports them one after the other, `description` writes what the manifest says, `stored` and
`measuring` find out in which precision each graph is and what that costs, and `target` makes the folder whole or not at all.
Needs torch and onnx, as `timbral.conversion.export` does.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

from timbral.conversion.components import examine
from timbral.conversion.description import describe
from timbral.conversion.export.precision import Precision
from timbral.conversion.graphs import convert
from timbral.conversion.measuring import is_noticeable, measure
from timbral.conversion.output_folder import check_free, check_name, new_folder
from timbral.conversion.sources import Sources
from timbral.conversion.stored_precision import stored_precision
from timbral.errors import TimbralWarning
from timbral.models import Bundle, read_bundle, write_manifest
from timbral.models.manifest import Losses

__all__ = ["Sources", "import_model"]

CONVERTED = 0.9
"""Share of the time after which there is a model, whose losses are yet to be measured."""


def import_model(
    sources: Sources,
    target: Path,
    *,
    name: str,
    precision: Precision = "int8",
    on_progress: Callable[[str, float], None] = lambda what, share: None,
) -> Bundle:
    """Makes the bundle of these checkpoints in the folder `target`, which must not be there yet, or be empty.

    name: of the model. tell: is told what is being done, and how much of it all is done, 0 to 1.
    Raises CheckpointError: a file that cannot be used, or that does not go together with the others; BundleError: a
    target that cannot be written; SettingError: an impossible name. A TimbralWarning says what the model will lack.
    """
    check_name(name)
    check_free(target)
    on_progress("reading", 0.0)
    parts = examine(sources)
    if parts.bert is None:
        warnings.warn(
            "without --bert stage one does not see what Chinese words mean: their stress and pauses suffer",
            TimbralWarning,
            stacklevel=2,
        )
    with new_folder(target) as folder:
        fingerprints = convert(
            parts, folder, precision, lambda what, share: on_progress(what, CONVERTED * share)
        )
        description = describe(parts, name=name, precision=precision, fingerprints=fingerprints)
        description["precisions"] = {
            path.name: stored_precision(path) for path in sorted(folder.glob("*.onnx"))
        }
        on_progress("sealing", CONVERTED)
        made = write_manifest(folder, description)
        if precision != "fp32":
            on_progress("measuring losses", CONVERTED)
            losses = measure(made, parts)
            description["losses"] = losses.model_dump()
            write_manifest(folder, description)
            if is_noticeable(losses):
                _warn_of(losses, precision)
    return read_bundle(target, verify=False)


def _warn_of(losses: Losses, precision: Precision) -> None:
    warnings.warn(
        f"{precision} has cost this model more than others: {losses.semantic.agreement:.0%} of tokens as in fp32, "
        f"spectra off by {losses.acoustic.log_mel:.1f} dB; import it with --precision "
        f"{'fp32' if precision == 'fp16' else 'fp16'}",
        TimbralWarning,
        stacklevel=3,
    )
