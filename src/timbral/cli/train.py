"""`timbral train`: the networks of a model learn a voice from recordings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json
from timbral.errors import InstallationError, SettingError

if TYPE_CHECKING:
    from timbral.training.run import Trained

_NEEDED = ("torch", "onnx", "accelerate", "matplotlib", "yaml")
"""What `timbral[train]` brings and training needs."""
STAGES = ("auto", "both", "semantic", "acoustic")
_METHODS = ("lora", "full")
_DEVICES = ("auto", "cpu")

Listing = Annotated[
    Path, typer.Argument(metavar="LIST|DIR", help="A list path|speaker|language|text, or the folder of one.")
]
Target = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="ME.voice|RUN",
        help="A voice, with its run beside it; or the run's folder alone.",
    ),
]
Model = Annotated[
    str | None, typer.Option(metavar="NAME|DIR", help="The model to train; the embedded one by default.")
]
StageName = Annotated[
    str,
    typer.Option("--stage", metavar="STAGE", help="auto, what suits the model; both, semantic, acoustic."),
]
Method = Annotated[
    str | None, typer.Option(metavar="METHOD", help="lora, changes of low rank (the default), or full.")
]
Rank = Annotated[
    int | None, typer.Option(help="Of the changes; 8 for stage one, 16 for stage two (v3, v4: 32).")
]
Epochs = Annotated[int | None, typer.Option(help="Times that all recordings are seen, for each stage.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Recordings that are computed together.")]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="YAML with semantic: and acoustic:.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run, by its config.yaml.")]
Gpt = Annotated[
    Path | None, typer.Option("--gpt", metavar="CKPT", help="Start stage one from this, not from the model.")
]
Sovits = Annotated[
    Path | None, typer.Option("--sovits", metavar="PTH", help="Start of stage two, s2G*.pth; it needs one.")
]
Discriminator = Annotated[
    Path | None, typer.Option("--discriminator", metavar="PTH", help="Its adversaries, s2D*.pth.")
]
Consenting = Annotated[
    str | None, typer.Option("--consent", help="Name of the speaker, who has agreed to be cloned.")
]
Device = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto, an accelerator where there is one, or cpu.")
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
    check_stage(stage)
    check_device(device)
    if method is not None:
        _check_choice("--method", method, _METHODS)
    with training_is_installed():
        from timbral.training.adapting import adapt_voice, default_stages
        from timbral.training.recordings import read_recordings
        from timbral.training.run import CONFIG, Sources, train_stages
        from timbral.training.settings import family_of, read_settings, stages_of
    from timbral import Consent, Synthesizer
    from timbral.inference.sessions import SessionOptions
    from timbral.models import open_bundle
    from timbral.voices.voice import SUFFIX

    agreement = None if consent is None else Consent.of(consent)
    wants_voice = output.suffix == SUFFIX
    run = output.with_suffix(".run") if wants_voice else output
    if agreement is not None and not wants_voice:
        raise SettingError("--consent belongs to a voice; give -o a name that ends in .voice")
    if resume and config is None and (run / CONFIG).is_file():
        config = run / CONFIG
    found, problems = read_recordings(recordings)
    for problem in problems:
        terminal.note(f"left out: {problem}")
    bundle = open_bundle(model)
    flags: dict[str, Any] = {"method": method, "rank": rank, "epochs": epochs, "batch_size": batch_size}
    settings = read_settings(family_of(bundle.manifest), config, {"semantic": flags, "acoustic": flags})
    sources = Sources(gpt, sovits, discriminator)
    chosen: dict[str, Any] = {
        "stages": stages_of(stage) or default_stages(bundle.manifest, sources),
        "sources": sources,
        "resume": resume,
        "device": device,
    }
    with terminal.progress("reading") as bar:
        if wants_voice:
            adapted = adapt_voice(
                Synthesizer(bundle, SessionOptions()),
                found,
                run,
                settings,
                **chosen,
                consent=agreement,
                on_progress=bar.on_progress,
            )
            trained = list(adapted.trained) if adapted else []
            if adapted:
                adapted.voice.save(output)
        else:
            trained = train_stages(found, bundle, run, settings, **chosen, on_progress=bar.on_progress)
    if not trained:
        return  # another process of the same training says it
    facts = [facts_of(one) for one in trained]
    if json:
        terminal.print_json({"run": str(run), "voice": str(output) if wants_voice else None, "stages": facts})
        return
    for row in facts:
        best = "" if row["best"] is None else f", best measure of what was held out {row['best']:.4f}"
        print(
            f"{row['path']}: {row['stage']}, {row['trained']:,} of {row['parameters']:,} parameters, "
            f"{row['updates']} updates in {row['epochs']} epochs{best}"
        )
    if wants_voice:
        print(f"{output}: `timbral say TEXT --voice {output}` speaks with it")


@contextmanager
def training_is_installed() -> Iterator[None]:
    """Says what to install where something that training needs cannot be imported inside the block."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        raise InstallationError(
            f"training needs {error.name}, which is not installed; pip install 'timbral[train]' brings it"
        ) from None


def check_stage(stage: str) -> None:
    """Raises SettingError for stages that are not known."""
    _check_choice("--stage", stage, STAGES)


def check_device(device: str) -> None:
    """Raises SettingError for a device that is not known."""
    _check_choice("--device", device, _DEVICES)


def _check_choice(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingError(f"{option} {value[:40]!r} is unknown; choose from {', '.join(known)}")


def facts_of(trained: "Trained") -> dict[str, Any]:
    """A stage that was trained, as JSON tells it."""
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
