"""The files that a model is made of."""

from dataclasses import dataclass
from pathlib import Path

from timbral.errors import CheckpointError
from timbral.paths import is_folder

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_VOCABULARIES = ("vocab.txt", "tokenizer.json")


@dataclass(frozen=True)
class Sources:
    """Files in the official layouts.

    gpt: stage one. sovits: stage two; lora: trained on it, for v3 and v4.
    hubert, bert: file or folder of chinese-hubert-base and of chinese-roberta-wwm-ext-large.
    speaker: ERes2NetV2, for v2Pro and v2ProPlus. vocoder: BigVGAN for v3, the vocoder of v4 for v4.
    g2pw: folder of a G2PW model, for v2 and later.
    """

    gpt: Path
    sovits: Path
    hubert: Path
    lora: Path | None = None
    bert: Path | None = None
    speaker: Path | None = None
    vocoder: Path | None = None
    g2pw: Path | None = None


def weights_file(path: Path) -> Path:
    """The file of weights that a path means, which may be the folder of a model. Raises CheckpointError."""
    if not is_folder(path):
        return path
    return _first_of(path, _WEIGHTS)


def vocabulary_file(path: Path) -> Path:
    """The file of the vocabulary in a model's folder, or beside its weights. Raises CheckpointError."""
    return _first_of(path if is_folder(path) else path.parent, _VOCABULARIES)


def _first_of(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(f"{folder} has neither {' nor '.join(names)}; give the whole folder of the model")
