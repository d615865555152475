"""From a name to a model: downloads what is missing, imports it, removes the downloads."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from timbral.errors import BundleError, HubError, InstallationError
from timbral.hub import catalog, g2pw
from timbral.hub.catalog import HubFile, PublishedModel
from timbral.models import Bundle, Precision, models_folder, read_bundle
from timbral.models.files import MANIFEST

if TYPE_CHECKING:
    from timbral.conversion.importer import Sources

OnProgress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done, 0 to 1."""

_GROWTH = 2
"""Bytes of a model for one of its downloads: these are in float16, it may be in float32.

G2PW is also unpacked.
"""
_INSTALL = "pip install 'timbral[hub,train]' brings it"


def find(name: str) -> PublishedModel:
    """The published model of this name, in whatever case. Raises HubError where there is none."""
    for model in catalog.MODELS:
        if model.name.casefold() == name.casefold():
            return model
    known = ", ".join(model.name for model in catalog.MODELS)
    raise HubError(f"no published model {name[:80]!r}; there are {known}")


def installed(name: str, *, verify: bool = True) -> Bundle | None:
    """The bundle of a model that was pulled, with `verify` its files checked.

    None where it is not here or damaged.
    """
    try:
        return read_bundle(models_folder() / name, verify=verify)
    except BundleError:
        return None


def pull(
    models: Sequence[PublishedModel],
    precision: Precision = "int8",
    *,
    with_g2pw: bool = False,
    keep: bool = False,
    on_progress: OnProgress = lambda what, share: None,
) -> list[Bundle]:
    """Downloads and imports models; files that several of them share come once.

    precision: of the weights; those that are published have float16. with_g2pw: also get the network that
    reads ambiguous Chinese characters. keep: leave the downloads for later pulls. Downloads stay when
    something goes wrong, so that another pull resumes; a model is either complete or not there at all, and a
    damaged one is replaced. Raises HubError, or what the importer raises.
    """
    for model in models:
        _check_replaceable(models_folder() / model.name)
    _require_importer()
    files = {model.name: _files(model, with_g2pw) for model in models}
    with _locked_downloads() as downloads:
        _check_room(files, downloads)
        bundles = [_pull(model, files[model.name], precision, downloads, on_progress) for model in models]
        if not keep:
            _remove(files, downloads)
    return bundles


_Files = Mapping[str, tuple[HubFile, ...]]
"""Files by the importer's argument that they are for."""


def _files(model: PublishedModel, with_g2pw: bool) -> _Files:
    single = {
        "gpt": model.gpt,
        "sovits": model.sovits,
        "hubert": model.hubert,
        "speaker": model.speaker,
        "vocoder": model.vocoder,
        "g2pw": model.g2pw if with_g2pw else None,
    }
    return {**{role: (file,) for role, file in single.items() if file}, "bert": model.bert}


def _pull(
    model: PublishedModel, files: _Files, precision: Precision, downloads: Path, on_progress: OnProgress
) -> Bundle:
    with _workspace() as workspace:
        sources = _fetch(files, downloads, workspace, on_progress)
        made = _import(sources, workspace / model.name, model.name, precision, on_progress)
        home = models_folder() / model.name
        if home.exists():
            home.replace(workspace / "replaced")
        made.folder.replace(home)
    return Bundle(home, made.manifest)


def _fetch(files: _Files, downloads: Path, workspace: Path, on_progress: OnProgress) -> "Sources":
    """The importer's arguments: a file, or the folder of several files or of an unpacked archive."""
    from timbral.conversion.importer import Sources
    from timbral.hub import download

    order = {file: at for at, file in enumerate((f for group in files.values() for f in group), 1)}

    def show(file: HubFile, done: float) -> None:
        on_progress(f"file {order[file]} of {len(order)}, {file.bytes / 1e6:.0f} MB", done)

    paths = {}
    for role, group in files.items():
        found = download.fetch(group, downloads, show)
        paths[role] = found[0] if len(found) == 1 else found[0].parent
    if "g2pw" in paths:
        paths["g2pw"] = g2pw.unpack(paths["g2pw"], workspace / "g2pw")
    return Sources(**paths)


def _import(
    sources: "Sources", target: Path, name: str, precision: Precision, on_progress: OnProgress
) -> Bundle:
    """Imports the downloads into a bundle in `target`."""
    from timbral.conversion.importer import import_model

    made: Bundle = import_model(sources, target, name=name, precision=precision, on_progress=on_progress)
    return made


def _require_importer() -> None:
    """Raises InstallationError before a gigabyte is downloaded for nothing."""
    try:
        import huggingface_hub  # noqa: F401

        import timbral.conversion  # noqa: F401
    except ImportError as error:
        raise InstallationError(f"pulling needs {error.name}, which is not installed; {_INSTALL}") from error


def _check_replaceable(home: Path) -> None:
    """A damaged model is replaced; anything else of this name is not ours to remove."""
    if home.exists() and not (home / MANIFEST).is_file():
        raise HubError(f"{home} is in the way, and it is not a model; move it")


@contextlib.contextmanager
def _locked_downloads() -> Iterator[Path]:
    """The folder of the downloads, which no other pull writes to meanwhile."""
    from filelock import FileLock, Timeout

    from timbral.hub import download

    folder = download.downloads_folder()
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield folder
    except Timeout:
        raise HubError(f"another pull is at work in {folder}; wait until it has finished") from None


@contextlib.contextmanager
def _workspace() -> Iterator[Path]:
    """An empty folder among the models, for what is not finished and therefore hidden."""
    folder = models_folder() / ".unfinished"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


def _check_room(files: Mapping[str, _Files], downloads: Path) -> None:
    """Raises HubError where the disks lack room for the downloads and the models made of them."""
    from timbral.hub import download

    groups = {group for some in files.values() for group in some.values()}
    needs = [(downloads, sum(download.missing_bytes(group, downloads) for group in groups))]
    for some in files.values():
        made = sum(_GROWTH * file.bytes for part in some.values() for file in part)
        needs.append((models_folder(), made))
    disks: dict[int, tuple[Path, int]] = {}
    for folder, size in needs:
        existing = _existing(folder)
        device = existing.stat().st_dev
        disks[device] = existing, disks.get(device, (existing, 0))[1] + size
    for folder, size in disks.values():
        free = shutil.disk_usage(folder).free
        if free < size:
            raise HubError(
                f"{folder}: pulling needs up to {size / 1e9:.1f} GB there, and {free / 1e9:.1f} GB are free; "
                "make room, or move HF_HOME (downloads) or TIMBRAL_HOME (models)"
            )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _remove(files: Mapping[str, _Files], downloads: Path) -> None:
    from timbral.hub import download

    for some in files.values():
        for part in some.values():
            for file in part:
                download.remove(file, downloads)
