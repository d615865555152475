"""Converts GPT-SoVITS checkpoints into a model bundle.

    sources = Sources(gpt=Path("s1.ckpt"), sovits=Path("s2.pth"), hubert=Path("chinese-hubert-base"))
    bundle = import_model(sources, Path("anna"), name="anna", precision="int8")

`components` reads the files and `compatibility` checks that they go together, before any of the long work.
`graphs` exports the networks one after the other, `description` makes the manifest, `quantization` measures
what the precision costs. Needs torch and onnx.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

from timbral.conversion.components import read_components
from timbral.conversion.description import describe
from timbral.conversion.export.precision import Precision
from timbral.conversion.graph_precision import graph_precision
from timbral.conversion.graphs import convert
from timbral.conversion.output_folder import check_free, check_name, new_folder
from timbral.conversion.quantization import is_audible, measure
from timbral.conversion.sources import Sources
from timbral.errors import TimbralWarning
from timbral.models import Bundle, read_bundle, write_manifest
from timbral.models.manifest import QuantizationReport

__all__ = ["Sources", "import_model"]

_EXPORT_SHARE = 0.9
"""Share of the time until the quantisation error is measured."""


def import_model(
    sources: Sources,
    target: Path,
    *,
    name: str,
    precision: Precision = "int8",
    on_progress: Callable[[str, float], None] = lambda what, share: None,
) -> Bundle:
    """Makes the bundle of these checkpoints in the folder `target`, which must not exist, or be empty.

    name: of the model. on_progress: called with what is being done, and the share of all work that is done, 0
    to 1. Raises CheckpointError: a file that cannot be used, or that does not go together with the others;
    BundleError: a target that cannot be written; SettingError: an impossible name. Warns with TimbralWarning
    of a lower quality.
    """
    check_name(name)
    check_free(target)
    on_progress("reading", 0.0)
    components = read_components(sources)
    if components.bert is None:
        warnings.warn(
            "without --bert stage one does not see what Chinese words mean: their stress and pauses suffer",
            TimbralWarning,
            stacklevel=2,
        )
    with new_folder(target) as folder:
        fingerprints = convert(
            components, folder, precision, lambda what, share: on_progress(what, _EXPORT_SHARE * share)
        )
        description = describe(components, name=name, precision=precision, fingerprints=fingerprints)
        description["precisions"] = {
            path.name: graph_precision(path) for path in sorted(folder.glob("*.onnx"))
        }
        on_progress("writing the manifest", _EXPORT_SHARE)
        made = write_manifest(folder, description)
        if precision != "fp32":
            on_progress("measuring the quantisation error", _EXPORT_SHARE)
            report = measure(made, components)
            description["quantization"] = report.model_dump()
            write_manifest(folder, description)
            if is_audible(report):
                _warn_of(report, precision)
    return read_bundle(target, verify=False)


def _warn_of(report: QuantizationReport, precision: Precision) -> None:
    warnings.warn(
        f"{precision} has cost this model more than others: {report.semantic.agreement:.0%} of tokens as in fp32, "
        f"spectra off by {report.acoustic.log_mel:.1f} dB; import it with --precision "
        f"{'fp32' if precision == 'fp16' else 'fp16'}",
        TimbralWarning,
        stacklevel=3,
    )
