"""`timbral import`: official checkpoints become a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, read_precision
from timbral.cli.quantization import precision_with_error, quantization
from timbral.errors import InstallationError, SettingError

if TYPE_CHECKING:
    from timbral.models import Bundle

_TRAIN = ("torch", "onnx", "onnxscript")
"""Packages of `timbral[train]` that importing needs."""

Gpt = Annotated[Path, typer.Option("--gpt", metavar="CKPT", help="Stage one, a .ckpt.")]
Sovits = Annotated[Path, typer.Option("--sovits", metavar="PTH", help="Stage two, a .pth.")]
Hubert = Annotated[
    Path, typer.Option("--hubert", metavar="DIR|FILE", help="chinese-hubert-base, the encoder of recordings.")
]
Lora = Annotated[
    Path | None, typer.Option("--lora", metavar="PTH", help="A LoRA of v3 or v4, trained on --sovits.")
]
Bert = Annotated[
    Path | None,
    typer.Option("--bert", metavar="DIR|FILE", help="chinese-roberta-wwm-ext-large, for Chinese prosody."),
]
Speaker = Annotated[
    Path | None,
    typer.Option("--speaker", metavar="CKPT", help="ERes2NetV2, which v2Pro and v2ProPlus need."),
]
Vocoder = Annotated[
    Path | None, typer.Option("--vocoder", metavar="FILE", help="BigVGAN for v3, the vocoder of v4 for v4.")
]
G2pw = Annotated[
    Path | None,
    typer.Option("--g2pw", metavar="DIR", help="G2PWModel, for Chinese characters with several readings."),
]
Target = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="DIR", help="New folder; by default the models', under --name."),
]
NewName = Annotated[
    str | None, typer.Option("--name", help="Name of the model; by default that of the folder.")
]
Bits = Annotated[str, typer.Option("--precision", metavar="PRECISION", help="fp32, fp16, int8 or int4.")]


def import_checkpoints(
    gpt: Gpt,
    sovits: Sovits,
    hubert: Hubert,
    lora: Lora = None,
    bert: Bert = None,
    speaker: Speaker = None,
    vocoder: Vocoder = None,
    g2pw: G2pw = None,
    output: Target = None,
    name: NewName = None,
    precision: Bits = "int8",
    json: Json = False,
) -> None:
    """Make a model of GPT-SoVITS checkpoints."""
    try:
        from timbral.conversion.importer import Sources, import_model
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TRAIN:
            raise
        raise InstallationError(
            f"importing needs {error.name}, which is not installed; pip install 'timbral[train]' brings it"
        ) from None
    folder, called = _place(output, name)
    with terminal.progress("reading") as bar:
        bundle = import_model(
            Sources(gpt, sovits, hubert, lora, bert, speaker, vocoder, g2pw),
            folder,
            name=called,
            precision=read_precision(precision),
            on_progress=bar.on_progress,
        )
    model = called if output is None else str(folder)
    facts = _facts(bundle)
    if json:
        terminal.print_json(facts)
    else:
        manifest = bundle.manifest
        print(
            f"{folder}: {manifest.name}, {manifest.version}, {' '.join(manifest.languages)}, {precision_with_error(facts)}, "
            f"{bundle.size / 1e6:.0f} MB; `timbral say TEXT --model {model} --voice me.wav` speaks with it"
        )


def _place(output: Path | None, name: str | None) -> tuple[Path, str]:
    """Folder and name of the new model, of which at least one is given."""
    from timbral.models import EMBEDDED, models_folder

    if output is not None:
        return output, name if name is not None else output.resolve().name
    if name is None:
        raise SettingError(
            "say where the model goes: -o DIR for a folder, or --name NAME for the models' folder"
        )
    if name == EMBEDDED:
        raise SettingError(f"{EMBEDDED} is the model inside the package; give another --name")
    return models_folder() / name, name


def _facts(bundle: "Bundle") -> dict[str, object]:
    manifest = bundle.manifest
    return {
        "path": str(bundle.folder),
        "name": manifest.name,
        "family": f"{manifest.family} {manifest.version}",
        "languages": list(manifest.languages),
        "precision": manifest.precision,
        "quantization": quantization(manifest),
        "mb": round(bundle.size / 1e6, 1),
    }
