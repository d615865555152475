"""`timbral train`: trains the networks of a model on recordings of a voice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, say_command
from timbral.errors import InstallationError, SettingError

if TYPE_CHECKING:
    from timbral.training.run import TrainedStage

_NEEDED = ("torch", "onnx", "accelerate", "matplotlib", "psutil", "yaml")
"""What `timbral[train]` brings and training needs."""
STAGES = ("auto", "both", "semantic", "acoustic")
_METHODS = ("lora", "full")
_DEVICES = ("auto", "cpu", "cuda")
_RUN_SUFFIX = ".run"

Listing = Annotated[
    Path, typer.Argument(metavar="LIST|DIR", help="A list path|speaker|language|text, or the folder of one.")
]
Target = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="ME.voice|RUN",
        help="A voice, with its run beside it; or the folder of a run without a voice.",
    ),
]
Model = Annotated[
    str | None, typer.Option(metavar="NAME|DIR", help="The model to train; the embedded one by default.")
]
StageName = Annotated[
    str,
    typer.Option("--stage", metavar="STAGE", help="auto (what suits the model), both, semantic, acoustic."),
]
Method = Annotated[
    str | None, typer.Option(metavar="METHOD", help="lora, low-rank updates (the default), or full.")
]
Rank = Annotated[
    int | None, typer.Option(help="Of low-rank updates; 8 for stage one, 16 for stage two (v3, v4: 32).")
]
Epochs = Annotated[int | None, typer.Option(help="Passes over all recordings, for each stage.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Recordings per batch.")]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="YAML with semantic: and acoustic:.")]
Resume = Annotated[bool, typer.Option("--resume", help="Resume the run, with its config.yaml.")]
Gpt = Annotated[
    Path | None, typer.Option("--gpt", metavar="CKPT", help="Start stage one from this, not from the model.")
]
Sovits = Annotated[
    Path | None,
    typer.Option("--sovits", metavar="PTH", help="Start stage two from this s2G*.pth; it needs one."),
]
Discriminator = Annotated[
    Path | None, typer.Option("--discriminator", metavar="PTH", help="Its discriminators, s2D*.pth.")
]
Consenting = Annotated[
    str | None, typer.Option("--consent", help="Name of the speaker, who has agreed to be cloned.")
]
Device = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto (an accelerator where there is one), cpu or cuda.")
]


def train(
    recordings: Listing,
    output: Target,
    model: Model = None,
    stage: StageName = "auto",
    method: Method = None,
    rank: Rank = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    config: Config = None,
    resume: Resume = False,
    gpt: Gpt = None,
    sovits: Sovits = None,
    discriminator: Discriminator = None,
    consent: Consenting = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train the networks of a model on recordings of a voice."""
    check_choices(stage, device, method)
    wants_voice, run = _targets(output, consent)
    with training_is_installed():
        from timbral.training.adaptation import adapt_voice, default_stages
        from timbral.training.base_checkpoints import BaseCheckpoints
        from timbral.training.recordings import read_recordings
        from timbral.training.run import CONFIG, train_stages
        from timbral.training.settings import family_of, read_settings, stages_of
    from timbral import Consent, Synthesizer
    from timbral.inference.sessions import SessionOptions
    from timbral.models import open_bundle

    agreement = None if consent is None else Consent.of(consent)
    if resume and config is None and (run / CONFIG).is_file():
        config = run / CONFIG
    found, problems = read_recordings(recordings)
    for problem in problems:
        terminal.note(f"left out: {problem}")
    bundle = open_bundle(model)
    flags: dict[str, Any] = {"method": method, "rank": rank, "epochs": epochs, "batch_size": batch_size}
    settings = read_settings(family_of(bundle.manifest), config, {"semantic": flags, "acoustic": flags})
    checkpoints = BaseCheckpoints(gpt, sovits, discriminator)
    chosen: dict[str, Any] = {
        "stages": stages_of(stage) or default_stages(bundle.manifest, checkpoints),
        "checkpoints": checkpoints,
        "resume": resume,
        "device": device,
    }
    with terminal.progress("reading") as bar:
        chosen["on_progress"] = bar.on_progress
        if wants_voice:
            synthesizer = Synthesizer(bundle, SessionOptions())
            adapted = adapt_voice(synthesizer, found, run, settings, **chosen, consent=agreement)
            trained: Sequence[TrainedStage] = adapted.trained if adapted else ()
            if adapted:
                adapted.voice.save(output)
        else:
            trained = train_stages(found, bundle, run, settings, **chosen)
    if trained:  # another process of the same training reports otherwise
        _report(run, output if wants_voice else None, model, trained, json)


def _targets(output: Path, consent: str | None) -> tuple[bool, Path]:
    """Whether a voice is wanted, and the folder of the run. Raises SettingError: the output can be neither."""
    from timbral.audio.reading import RECORDING_SUFFIXES
    from timbral.voices.voice import SUFFIX

    if output.suffix == SUFFIX:
        return True, output.with_suffix(_RUN_SUFFIX)
    if consent is not None:
        raise SettingError("--consent belongs to a voice; give -o a name that ends in .voice")
    files = RECORDING_SUFFIXES | {".ckpt", ".list", ".onnx", ".pt", ".pth", ".safetensors", ".yaml"}
    if output.suffix.lower() in files and not output.is_dir():
        raise SettingError(
            f"-o {output} looks like a file, and training writes a voice or a folder; give a name that ends in .voice, or a "
            "folder"
        )
    return False, output


def _report(
    run: Path, voice: Path | None, model: str | None, trained: "Sequence[TrainedStage]", json: bool
) -> None:
    facts = [facts_of(one) for one in trained]
    if json:
        terminal.print_json({"run": str(run), "voice": str(voice) if voice else None, "stages": facts})
        return
    for row in facts:
        best = "" if row["best"] is None else f", best validation loss {row['best']:.4f}"
        print(
            f"{row['path']}: {row['stage']}, {row['trained']:,} of {row['parameters']:,} parameters, "
            f"{counted(row['updates'], 'update')} in {counted(row['epochs'], 'epoch')}{best}"
        )
    if voice:
        print(f"{voice}: `{say_command(str(voice), model)}` speaks with it")


def counted(count: int, noun: str) -> str:
    """A count and its noun: 1 epoch, 2 epochs."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


@contextmanager
def training_is_installed() -> Iterator[None]:
    """Reports packages that training needs and that cannot be imported inside the block."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        raise InstallationError(
            f"training needs {error.name}, which is not installed; pip install 'timbral[train]' brings it"
        ) from None


def check_choices(stage: str, device: str, method: str | None = None) -> None:
    """Raises SettingError: an unknown stage, device or method."""
    for option, value, known in (
        ("--stage", stage, STAGES),
        ("--device", device, _DEVICES),
        ("--method", method, _METHODS),
    ):
        if value is not None and value not in known:
            raise SettingError(f"{option} {value[:40]!r} is unknown; choose from {', '.join(known)}")


def facts_of(trained: "TrainedStage") -> dict[str, Any]:
    """A trained stage for JSON."""
    count, total = trained.parameters
    return {
        "stage": trained.stage,
        "path": str(trained.path),
        "trained": count,
        "parameters": total,
        "updates": trained.outcome.steps,
        "epochs": trained.outcome.epochs,
        "best": trained.outcome.best,
    }
