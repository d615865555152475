"""Turns GPT-SoVITS checkpoints into a model that this package speaks with.

    sources = Sources(gpt=Path("s1.ckpt"), sovits=Path("s2.pth"), hubert=Path("chinese-hubert-base"))
    bundle = import_model(sources, Path("anna"), name="anna", precision="int8")

`sources` says which files there are, `parts` reads and `fit` checks them, before any of the long work; `networks` fills
the torch networks, `conversion` exports them one after the other, `description` writes what the manifest says, and
`target` makes the folder whole or not at all. Needs torch and onnx, as `timbral.export` does.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

from timbral.bundle import Bundle, read_bundle, seal
from timbral.errors import TimbralWarning
from timbral.export.precision import Precision
from timbral.importing.conversion import convert
from timbral.importing.description import describe
from timbral.importing.parts import examine
from timbral.importing.sources import Sources
from timbral.importing.target import check_free, check_name, new_folder

__all__ = ["Sources", "import_model"]


def import_model(
    sources: Sources,
    target: Path,
    *,
    name: str,
    precision: Precision = "fp16",
    tell: Callable[[str, float], None] = lambda what, share: None,
) -> Bundle:
    """Makes the bundle of these checkpoints in the folder `target`, which must not be there yet, or be empty.

    name: of the model. tell: is told what is being done, and how much of it all is done, 0 to 1.
    Raises CheckpointError: a file that cannot be used, or that does not go together with the others; BundleError: a
    target that cannot be written; SettingError: an impossible name. A TimbralWarning says what the model will lack.
    """
    check_name(name)
    check_free(target)
    tell("reading", 0.0)
    parts = examine(sources)
    if parts.bert is None:
        warnings.warn(
            "without --bert stage one does not see what Chinese words mean: their stress and pauses suffer",
            TimbralWarning,
            stacklevel=2,
        )
    with new_folder(target) as folder:
        digest = convert(parts, folder, precision, tell)
        tell("sealing", 1.0)
        seal(folder, describe(parts, name=name, precision=precision, digest=digest))
    return read_bundle(target, verify=False)
