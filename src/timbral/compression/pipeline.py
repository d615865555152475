"""Steps of compression one after the other; an interrupted compression goes on where it was, to the same bytes.

Each step's result is kept in a work folder under a name that states what it was made of: the files of the
parent, the step and its settings. A result that is there is whole, and is used again.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from timbral import __version__
from timbral.compression.contents import weight_counts
from timbral.compression.registry import STEPS
from timbral.compression.step import OnProgress, StepSettings, scratch
from timbral.conversion.output_folder import check_free, check_name, new_folder
from timbral.errors import BundleError, CompressionError
from timbral.models import Bundle, Manifest, read_bundle, write_manifest
from timbral.models.files import LEXICON, MANIFEST
from timbral.models.package import SUFFIX, pack
from timbral.paths import cache_folder, describe_error

_DIGITS = 16


@dataclass(frozen=True)
class Step:
    """A configured step: a name of `registry.STEPS` and its settings."""

    name: str
    settings: StepSettings

    def __str__(self) -> str:
        given = self.settings.model_dump(mode="json", exclude_defaults=True)
        settings = ",".join(f"{name}={value}" for name, value in given.items())
        return f"{self.name}:{settings}" if settings else self.name


@dataclass(frozen=True)
class Compressed:
    """What came out. bytes: of its files, unpacked; weights: how many are stored in how many bits."""

    path: Path
    manifest: Manifest
    bytes: int
    weights: dict[int, int]


def parse_steps(text: str) -> tuple[Step, ...]:
    """Steps as the command line gives them: `NAME[:SETTING=VALUE,...]`, joined by `+`.

    Raises CompressionError: an unknown step or setting, or a value out of its range.
    """
    return tuple(_parse_step(each.strip()) for each in text.split("+"))


def _parse_step(text: str) -> Step:
    name, _, rest = text.partition(":")
    if name not in STEPS:
        raise CompressionError(f"no step {name[:40]!r}; there are {', '.join(STEPS)}")
    values: dict[str, str] = {}
    for each in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = each.partition("=")
        if not equals:
            raise CompressionError(f"{name}: {each[:40]!r} is not SETTING=VALUE")
        values[key.strip()] = value.strip()
    return make_step(name, values)


def make_step(name: str, values: dict[str, Any]) -> Step:
    """The step with these settings. Raises CompressionError."""
    kind = STEPS[name].settings
    try:
        return Step(name, kind.model_validate(values))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        known = ", ".join(kind.model_fields)
        message = (
            f"no setting {where!r}; it has {known}"
            if problem["type"] == "extra_forbidden"
            else f"{where}: {problem['msg']}"
        )
        raise CompressionError(f"{name}: {message}") from None


def work_folder(parent: Bundle, steps: Sequence[Step]) -> Path:
    """Where results of steps are kept unless the caller says otherwise: a folder in the user's cache."""
    return cache_folder() / "compression" / _digest(_state(parent), *map(str, steps))


def compress(
    parent: Path,
    target: Path,
    steps: Sequence[Step],
    *,
    name: str,
    work: Path | None = None,
    on_progress: OnProgress = lambda what, share: None,
) -> Compressed:
    """Makes a smaller bundle in the folder `target`, which must not exist, or be empty, or as the file NAME.timbral.

    work: folder of intermediate results; by default one in the user's cache, which is removed at the end.
    on_progress: called with what is being done, and the share of all steps that is done. Raises BundleError: a
    parent or target that cannot be used; CompressionError: a step that cannot do what it is asked for.
    """
    check_name(name)
    if target.suffix != SUFFIX:
        check_free(target)
    bundle = read_bundle(parent)
    own = work is None
    work = work_folder(bundle, steps) if work is None else work
    with _held(work):
        for number, step in enumerate(steps):
            key = _digest(_state(bundle), str(step))
            out = work / f"{number + 1}-{step.name}-{key}"
            if not (out / MANIFEST).is_file():
                STEPS[step.name].run(
                    bundle.folder, out, step.settings, _part(on_progress, number, len(steps))
                )
            shutil.rmtree(scratch(out), ignore_errors=True)
            bundle = read_bundle(out)
        on_progress("writing the model", 1.0)
        finished = _publish(bundle, parent / LEXICON, target, name)
    if own:
        shutil.rmtree(work, ignore_errors=True)
    return finished


def _publish(bundle: Bundle, words: Path, target: Path, name: str) -> Compressed:
    """Copies a bundle to its place, under its name, with the user's words beside the parent; or packs it there."""
    if target.suffix == SUFFIX:
        with TemporaryDirectory(dir=bundle.folder.parent) as temporary:
            named = _publish(bundle, words, Path(temporary) / name, name)
            try:
                pack(named.path, target)
            except OSError as error:
                raise BundleError(describe_error(error, target)) from None
            return replace(named, path=target)
    with new_folder(target) as folder:
        for file in bundle.manifest.files:
            shutil.copyfile(bundle.folder / file, folder / file)
        if words.is_file():
            shutil.copyfile(words, folder / LEXICON)
        write_manifest(folder, {**describe(bundle), "name": name})
    finished = read_bundle(target)
    return Compressed(target, finished.manifest, finished.size, weight_counts(finished))


def describe(bundle: Bundle) -> dict[str, Any]:
    """The manifest of a bundle without `format` and `files`, as `write_manifest` takes it."""
    return bundle.manifest.model_dump(exclude={"format", "files"})


@contextmanager
def _held(work: Path) -> Iterator[None]:
    """The work folder, which one process uses at a time."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(work / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise CompressionError(f"{work}: another process is making the same model; wait for it") from None
    except OSError as error:
        raise CompressionError(
            f"{work}: cannot be written ({error.strerror or error}); give --work"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _part(on_progress: OnProgress, number: int, count: int) -> Callable[[str, float], None]:
    return lambda what, share: on_progress(what, (number + min(1.0, share)) / count)


def _state(bundle: Bundle) -> str:
    """What a bundle is, as text: its manifest, which holds the hash of every file; and who works on it."""
    return f"{__version__}\n{bundle.manifest.model_dump_json()}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]
