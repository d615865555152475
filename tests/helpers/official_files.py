"""What tests of `timbral.conversion.checkpoints` share: checkpoints in the official layouts, written by torch itself."""

import gzip
import io
import json
import struct
import sys
import types
import zipfile
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from tests.helpers.paths import DATA
from timbral.nets.acoustic import AcousticConfig, AcousticNetwork
from timbral.nets.semantic import SemanticConfig, SemanticTransformer

GOLDENS = DATA / "goldens"

SMALL_SEMANTIC = SemanticConfig(hidden=32, layers=2, heads=4, feed_forward=64, phonemes=732)
SMALL_ACOUSTIC = AcousticConfig(
    latent=16,
    hidden=32,
    feed_forward=48,
    layers=2,
    codes=64,
    features=32,
    mrte_hidden=64,
    timbre=64,
    upsample_channels=64,
    posterior=False,
)


def manifest() -> dict[str, dict[str, tuple[list[int], str]]]:
    """Names, shapes and types of all tensors of the official networks."""
    with gzip.open(GOLDENS / "state_dict_manifest.json.gz") as file:
        return json.load(file)  # type: ignore[no-any-return]


class HParams:
    """As the official class of this name: attributes, those that are dictionaries in turn such objects."""

    def __init__(self, **entries: Any) -> None:
        for name, entry in entries.items():
            setattr(self, name, HParams(**entry) if isinstance(entry, dict) else entry)


HParams.__module__ = "utils"


def semantic_checkpoint() -> dict[str, Any]:
    """Stage one in small, as `s1_train.py` saves it."""
    torch.manual_seed(0)
    state = SemanticTransformer(SMALL_SEMANTIC).state_dict()
    config = {"model": {"head": 4, "n_layer": 2, "vocab_size": 1025}, "data": {"max_sec": 54}}
    weight = {f"model.{name}": tensor.half() for name, tensor in state.items()}
    return {"weight": weight, "config": config, "info": "GPT-e15"}


def acoustic_checkpoint() -> dict[str, Any]:
    """Stage two of v2 in small, as `process_ckpt.savee` saves it."""
    torch.manual_seed(0)
    state = AcousticNetwork(SMALL_ACOUSTIC).state_dict()
    model = {"version": "v2", "upsample_rates": [10, 8, 2, 2, 2], "p_dropout": 0.1, "n_speakers": None}
    config = HParams(train={"epochs": 8, "fp16_run": True}, model=model, name="me")
    weight = {name: tensor.half() for name, tensor in state.items()}
    return {"weight": weight, "config": config, "info": "8epoch_144iteration"}


def saved(value: object, *, mark: str = "", legacy: bool = False, protocol: int = 2) -> bytes:
    """The bytes of torch.save, with GPT-SoVITS's mark over the first two."""
    file = io.BytesIO()
    official = types.ModuleType("utils")
    official.HParams = HParams  # type: ignore[attr-defined]
    with mock.patch.dict(sys.modules, utils=official):
        torch.save(value, file, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    data = file.getvalue()
    return mark.encode() + data[2:] if mark else data


def archive(pickle: bytes, *, version: str = "3\n", **members: bytes) -> bytes:
    """A zip as torch writes it around a pickle; members: further ones, by name under `archive/`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("archive/data.pkl", pickle)
        made.writestr("archive/version", version)
        for name, content in members.items():
            made.writestr(f"archive/{name}", content)
    return file.getvalue()


def text(value: str) -> bytes:
    """The opcode that pushes a string."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def tensor_pickle(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *,
    offset: int = 0,
    count: int = 4,
    storage: str = "0",
) -> bytes:
    """A pickle of {"weight": {"a": tensor}} whose storage of float32 is `data/0`."""

    def number(n: int) -> bytes:
        raw = n.to_bytes(17, "little", signed=True)
        return b"\x8a" + bytes([len(raw)]) + raw

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    identity = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(storage) + text("cpu")
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    hooks = b"ccollections\nOrderedDict\n)R"
    arguments = identity + number(count) + b"tQ" + number(offset) + numbers(shape) + numbers(strides)
    tensor = rebuild + b"(" + arguments + b"\x89" + hooks + b"tR"
    return b"\x80\x02}" + text("weight") + b"}" + text("a") + tensor + b"ss."


def as_floats(tensor: Tensor) -> np.ndarray:
    """A tensor in float32."""
    return tensor.detach().float().numpy()
