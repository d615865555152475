"""Options that several commands take, and what their values stand for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from timbral.cli import terminal
from timbral.errors import BundleError, SettingError, VoiceError
from timbral.models import Precision

Words = Annotated[
    Path | None,
    typer.Option(
        "--lexicon", metavar="FILE", help="Readings of words, a line each: word, language, reading."
    ),
]

if TYPE_CHECKING:
    from timbral import Synthesizer, Voice
    from timbral.text import Lexicon

Language = Annotated[str, typer.Option("--lang", metavar="LANG", help="auto, zh, en, ja, ko or yue.")]
Model = Annotated[
    str | None, typer.Option(metavar="NAME|DIR", help="Which model; the embedded one by default.")
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda.")]
Engine = Annotated[
    str,
    typer.Option(
        metavar="ENGINE",
        help="What runs stage two: auto (the fastest that is installed), native, openvino or onnxruntime.",
    ),
]
Threads = Annotated[int, typer.Option(min=0, help="Threads to compute with; 0 for all cores.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]


def read_precision(value: str) -> Precision:
    """The precision that --precision names. Raises SettingError."""
    for known in get_args(Precision):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise SettingError(f"precision {value[:40]!r} is unknown; choose from {', '.join(get_args(Precision))}")


def complete_voice(incomplete: str) -> list[str]:
    """Names of voices that begin so, for the shell."""
    from timbral.voices import DEFAULT, names

    return [name for name in (*names(), DEFAULT) if name.startswith(incomplete)]


def find_lexicon(voice: str | None, path: Path | None) -> "Lexicon | None":
    """The words of --lexicon, and those in `lexicon.tsv` beside the voice file; the former take precedence."""
    from timbral.models.files import LEXICON
    from timbral.text import Lexicon
    from timbral.voices import SUFFIX, store

    is_file = voice is not None and Path(voice).suffix == SUFFIX
    folder = Path(voice or "").parent if is_file else store.voices_folder()
    return Lexicon.joined(Lexicon.read_if_there(folder / LEXICON), Lexicon.read(path) if path else None)


def find_voice(value: str | None, text: str | None) -> "Voice | None":
    """The voice that --voice names, by name or .voice file; None where it is a recording to clone from.

    Without a value it is the default voice. Raises VoiceError: no such voice; SettingError: a transcript
    `text` for what is not a recording.
    """
    from timbral.voices import DEFAULT, names, open_voice
    from timbral.voices.voice import SUFFIX

    if value == "":
        raise VoiceError("--voice is empty; give the name of a voice, a .voice file or a recording")
    value = DEFAULT if value is None else value
    is_file = Path(value).suffix == SUFFIX
    if not is_file and value not in (*names(), DEFAULT) and _is_recording(value):
        return None
    if text is not None:
        raise SettingError("--ref-text belongs to a recording, and this voice has its own; leave it out")
    return open_voice(value)


def load_model(
    model: str | None, voice: "Voice | None", device: str, threads: int, engine: str = "auto"
) -> "Synthesizer":
    """The model that --model names; without it, one that the voice was made for, or else the embedded one.

    Raises BundleError, with what to do where the name is that of a published model; VoiceError: no model for
    the voice.
    """
    from timbral import load
    from timbral.hub import catalog

    if model is None and voice is not None:
        model = _model_of(voice)
    try:
        return load(
            model,
            device=device,  # type: ignore[arg-type]
            threads=threads,
            languages=(),
            engine=engine,  # type: ignore[arg-type]
        )
    except BundleError as error:
        if model in {known.name for known in catalog.MODELS} and f"{model!r}" in str(error):
            raise BundleError(f"the model {model} is not here; `timbral pull {model}` gets it") from None
        raise


def _model_of(voice: "Voice") -> str:
    """Name of a model that is here and fits a voice, that of its making first."""
    from timbral.models import Bundle, list_bundles

    found = dict(list_bundles())
    for name in dict.fromkeys([voice.model, *found]):
        bundle = found.get(name)
        if isinstance(bundle, Bundle):
            try:
                voice.check_fit(bundle.manifest)
            except VoiceError:
                continue
            return name
    raise VoiceError(
        f"this voice was made with {voice.model} ({voice.family} {voice.version}), and no model here fits it; "
        "give the folder of one with --model"
    )


def say_command(voice: str, model: str | None) -> str:
    """The command that speaks with a voice of a model."""
    chosen = f" --model {terminal.quoted(model)}" if model else ""
    return f"timbral say TEXT --voice {terminal.quoted(voice)}{chosen}"


def _is_recording(value: str) -> bool:
    from timbral.audio.reading import RECORDING_SUFFIXES

    path = Path(value)
    if path.suffix.lower() in RECORDING_SUFFIXES or len(path.parts) > 1:
        return True
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
