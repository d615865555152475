"""Checkpoints as torch and safetensors write them come out as they went in."""

import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from safetensors.torch import save_file

from tests.helpers.official_files import (
    acoustic_checkpoint,
    archive,
    as_floats,
    saved,
    semantic_checkpoint,
    tensor_pickle,
)
from timbral.conversion.checkpoints import Checkpoint, read_checkpoint
from timbral.errors import CheckpointError

_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM = pickle.dumps(_MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
"""How a file of the old torch.save begins."""


def read(tmp_path: Path, data: bytes) -> Checkpoint:
    path = tmp_path / "voice.pth"
    path.write_bytes(data)
    return read_checkpoint(path)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_stage_one_in_each_format(tmp_path: Path, legacy: bool, protocol: int) -> None:
    expected = semantic_checkpoint()
    checkpoint = read(tmp_path, saved(expected, legacy=legacy, protocol=protocol))
    assert checkpoint.metadata == {"config": expected["config"], "info": "GPT-e15"}
    assert checkpoint.tensors.keys() == expected["weight"].keys()
    for name, tensor in expected["weight"].items():
        assert checkpoint.tensors[name].dtype == np.float16
        assert np.array_equal(checkpoint.tensors[name], tensor.numpy())


@pytest.mark.parametrize("mark", ["", "00", "02", "03", "04", "05", "06"])
def test_stage_two_with_its_configuration_object_and_mark(tmp_path: Path, mark: str) -> None:
    data = saved(acoustic_checkpoint(), mark=mark)
    checkpoint = read(tmp_path, data)
    assert checkpoint.mark == (mark or None)
    assert checkpoint.metadata["config"] == {
        "train": {"epochs": 8, "fp16_run": True},
        "model": {"version": "v2", "upsample_rates": [10, 8, 2, 2, 2], "p_dropout": 0.1, "n_speakers": None},
        "name": "me",
    }
    assert (tmp_path / "voice.pth").read_bytes() == data


@pytest.mark.parametrize("legacy", [False, True])
def test_element_types_views_and_parameters(tmp_path: Path, legacy: bool) -> None:
    whole = torch.randn(6, 5)
    tensors = {
        "half": whole.half(),
        "brain": whole.bfloat16(),
        "double": whole.double(),
        "parameter": torch.nn.Parameter(whole.bfloat16()),
        "transposed": whole.T,
        "slice": whole[2:5, ::2],
        "single": torch.tensor(7),
        "expanded": torch.arange(5).expand(1, -1),
        "empty": torch.zeros(0, 3),
        "flags": torch.tensor([True, False]),
        "bytes": torch.arange(250, 256).byte(),
    }
    checkpoint = read(tmp_path, saved(OrderedDict(tensors), legacy=legacy))
    for name, tensor in tensors.items():
        found = checkpoint.tensors[name]
        assert found.shape == tensor.shape
        assert np.array_equal(found.astype(np.float32), as_floats(tensor)), name
    assert checkpoint.tensors["brain"].dtype == np.float32
    assert checkpoint.tensors["flags"].dtype == np.bool_


def test_storages_are_read_once(tmp_path: Path) -> None:
    weight = torch.randn(8, 8).bfloat16()
    checkpoint = read(tmp_path, saved({"word": weight, "tied": weight}))
    assert np.shares_memory(checkpoint.tensors["word"], checkpoint.tensors["tied"])


@pytest.mark.parametrize("section", ["generator", "state_dict", "model"])
def test_other_layouts(tmp_path: Path, section: str) -> None:
    layer = torch.nn.Linear(2, 3)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(2)).sum().backward()
    optimizer.step()
    value = {section: layer.state_dict(), "optimizer": optimizer.state_dict(), "iteration": 3}
    checkpoint = read(tmp_path, saved(value))
    assert checkpoint.tensors.keys() == {"weight", "bias"}
    assert checkpoint.metadata == {"iteration": 3}


def test_values_beside_the_tensors(tmp_path: Path) -> None:
    value = {
        "weight": {"a": torch.ones(2)},
        "loss": np.float32(2.5),
        "epoch": np.int64(3),
        "shape": torch.Size([2, 3]),
        "type": torch.float16,
        "folder": PurePosixPath("/logs/me"),
        "ranges": (1, 2.5, None, {"x": -(1 << 40)}),
    }
    assert read(tmp_path, saved(value)).metadata == {
        "loss": 2.5,
        "epoch": 3,
        "shape": [2, 3],
        "type": "float16",
        "folder": "/logs/me",
        "ranges": [1, 2.5, None, {"x": -(1 << 40)}],
    }


def test_safetensors(tmp_path: Path) -> None:
    tensors = {"half": torch.randn(3, 4).half(), "brain": torch.randn(5).bfloat16(), "one": torch.tensor(2)}
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    checkpoint = read_checkpoint(tmp_path / "model.safetensors")
    assert checkpoint.metadata == {"format": "pt"}
    for name, tensor in tensors.items():
        assert np.array_equal(checkpoint.tensors[name].astype(np.float32), as_floats(tensor))


def test_other_byte_order(tmp_path: Path) -> None:
    values = np.arange(4, dtype=">f4")
    members = {"data/0": values.tobytes(), "byteorder": b"big"}
    checkpoint = read(tmp_path, archive(tensor_pickle((2, 2), (2, 1)), **members))
    assert np.array_equal(checkpoint.tensors["a"], values.reshape(2, 2).astype(np.float32))


_SMALL = st.lists(st.integers(0, 5), max_size=3).map(tuple)


@given(shape=_SMALL, strides=_SMALL, offset=st.integers(0, 12))
def test_views_stay_within_their_storage(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    values = np.arange(12, dtype=np.float32)
    data = archive(tensor_pickle(shape, strides, offset=offset, count=12), **{"data/0": values.tobytes()})
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=False))
    inside = offset <= 12 if 0 in shape else offset + reach < 12
    if len(shape) == len(strides) and inside and np.prod(shape) <= 12:
        found = read(tmp_path_factory.getbasetemp(), data).tensors["a"]
        expected = as_strided(values[offset:], shape, [4 * step for step in strides])
        assert np.array_equal(found, expected)
    else:
        with pytest.raises(CheckpointError):
            read(tmp_path_factory.getbasetemp(), data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"RIFF" + bytes(100), "not a checkpoint"),
        (archive(b"\x80\x02]."), "not tensors by name"),
        (archive(b"\x80\x02}."), "no tensors"),
        (archive(tensor_pickle((4,), (1,)), **{"data/0": bytes(16), "code/x.py": b""}), "TorchScript"),
        (archive(tensor_pickle((4,), (1,)), **{"data/0": bytes(16), "byteorder": b"middle"}), "byte order"),
        (archive(tensor_pickle((4,), (1,))), "is missing"),
        (archive(tensor_pickle((4,), (1,)), version="99"), "unknown version '99'"),
        (archive(tensor_pickle((4,), (1,)), version="3" * 17), "no valid archive/version"),
        (pickle.dumps({"a": 1}), "a pickle, but not a checkpoint"),
        (pickle.dumps(_MAGIC, 2) + pickle.dumps(7, 2), "unknown version 7"),
        (_STREAM + pickle.dumps({}, 2) + pickle.dumps(["0"], 2), "that no tensor uses"),
        (_STREAM + pickle.dumps({}, 2) + pickle.dumps([[]], 2), "list of storages"),
        (_STREAM + tensor_pickle((4,), (1,)) + pickle.dumps(["0", "0"], 2), "list of storages"),
        (_STREAM + tensor_pickle((4,), (1,)) + pickle.dumps(["0"], 2) + bytes(24), "another size"),
        (_STREAM + tensor_pickle((4,), (1,)) + pickle.dumps([], 2), "is missing"),
        (_STREAM + tensor_pickle((1 << 40,), (1,), count=1 << 40) + pickle.dumps(["0"], 2), "too early"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(CheckpointError, match=says) as error:
        read(tmp_path, data)
    assert "voice.pth" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(CheckpointError, match="cannot be read"):
            read_checkpoint(path)


def test_needs_no_torch() -> None:
    code = "import sys, timbral.conversion.checkpoints; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
