"""Files that want to run something, to fill the memory, or that are damaged: one clear error, nothing else."""

import encodings.cp437  # noqa: F401  (zipfile imports it for the first name that it reads)
import io
import os
import pickle
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from tests.helpers.official_files import (
    acoustic_checkpoint,
    archive,
    saved,
    semantic_checkpoint,
    tensor_pickle,
    text,
)
from timbral.conversion.checkpoints import identify, read_checkpoint
from timbral.errors import CheckpointError

_WATCHED = ("os.system", "subprocess.Popen", "exec", "compile", "pickle.find_class", "import", "open")
_watching: list[str] | None = None


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching is not None and event in _WATCHED:
        _watching.append(f"{event} {arguments[0] if arguments else ''}")


sys.addaudithook(_notice)


@contextmanager
def nothing_runs(path: Path) -> Iterator[None]:
    """Fails if anything is run, imported or opened but the file at `path`."""
    global _watching
    _watching = []
    try:
        yield
    finally:
        seen, _watching = _watching, None
    assert [event for event in seen if event != f"open {path}"] == []


def refusal(path: Path, data: bytes) -> str:
    """What is said of a file with this content."""
    path.write_bytes(data)
    with nothing_runs(path), pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 600
    return message


class _Runs:
    """Pickles as a call of os.system."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return os.system, ("touch ran",)


class _Sets:
    """Pickles as an object with a state."""

    def __init__(self) -> None:
        self.state = 1


_COMMAND = text("touch ran")
_ITEMS = b"ccollections\nOrderedDict\n"
_PICKLES = {
    "reduce": b"\x80\x02cposix\nsystem\n" + _COMMAND + b"\x85R.",
    "global": b"\x80\x02cbuiltins\neval\n.",
    "stack_global": b"\x80\x04" + text("os") + text("system") + b"\x93" + _COMMAND + b"\x85R.",
    "stack_global_of_numbers": b"\x80\x04K\x01K\x02\x93.",
    "inst": b"(" + _COMMAND + b"ios\nsystem\n.",
    "obj": b"(cos\nsystem\n" + _COMMAND + b"o.",
    "newobj": b"\x80\x02csubprocess\nPopen\n" + _COMMAND + b"\x85\x81.",
    "newobj_ex": b"\x80\x04csubprocess\nPopen\n" + _COMMAND + b"\x85}\x92.",
    "ext1": b"\x80\x02\x82\x01.",
    "ext2": b"\x80\x02\x83\x01\x00.",
    "ext4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "persid": b"P0\n.",
    "getattr": b"\x80\x02cbuiltins\ngetattr\n" + _ITEMS + text("__class__") + b"\x86R.",
    "dotted": b"\x80\x04" + text("collections") + text("OrderedDict.__init__.__globals__") + b"\x93.",
    "module_of_an_allowed_name": b"\x80\x02ccollections.abc\nsys\n.",
    "torch_load": b"\x80\x02ctorch.serialization\nload\n" + text("x.pth") + b"\x85R.",
    "torch_hub": b"\x80\x02ctorch.hub\nload\n.",
    "codecs": b"\x80\x02c_codecs\ndecode\n" + _COMMAND + text("unicode_escape") + b"\x86R.",
    "setstate": b"\x80\x02" + _ITEMS + b")R}" + text("__setstate__") + b"cos\nsystem\nsb.",
    "build_of_a_name": b"\x80\x02" + _ITEMS + b"}" + text("a") + b"K\x01sb.",
    "build_of_a_list": b"\x80\x02]}b.",
    "call_of_a_text": b"\x80\x02" + text("collections.OrderedDict") + b")R.",
    "call_of_a_storage": b"\x80\x02ctorch\nFloatStorage\n)R.",
    "call_without_arguments": b"\x80\x02" + _ITEMS + b"]R.",
    "wrong_arguments": b"\x80\x02" + _ITEMS + b"K\x01K\x02\x86R.",
    "object_with_arguments": b"\x80\x02cutils\nHParams\nK\x01\x85\x81.",
    "object_of_a_function": b"\x80\x02" + _ITEMS + b")\x81.",
    "module_in_persistent_id": b"\x80\x02(" + text("module") + _COMMAND + text("") + text("") + b"tQ.",
    "no_mark": b"\x80\x02t.",
    "below_the_mark": b"\x80\x02]((a.",
    "unknown_memo": b"\x80\x02h\x07.",
    "far_memo": b"\x80\x02Nr\xff\xff\xff\xff.",
    "no_end": b"\x80\x02}",
    "odd_items": b"\x80\x02}(N.",
    "unhashable_key": b"\x80\x02}]Ns.",
    "version": b"\x80\x63N.",
    "endless_name": b"\x80\x02c" + b"a" * 5000,
    "python": pickle.dumps(_Runs()),
    "python_protocol_0": pickle.dumps(_Runs(), protocol=0),
    "python_object": pickle.dumps(_Sets()),
}


@pytest.mark.parametrize("name", _PICKLES)
def test_no_pickle_runs_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    refusal(tmp_path / "a.pth", archive(_PICKLES[name]))
    refusal(tmp_path / "b.pth", _PICKLES[name])
    assert not (tmp_path / "ran").exists()


def test_an_object_among_good_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    value = {**semantic_checkpoint(), "info": _Runs()}
    for legacy in (False, True):
        message = refusal(tmp_path / "a.pth", saved(value, legacy=legacy))
        assert "system" in message
        assert "nothing was run" in message
    assert not (tmp_path / "ran").exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "a.pth", saved(torch.nn.Linear(2, 2)))
    assert "torch.nn.modules.linear.Linear" in message


def _laughing() -> bytes:
    """A configuration of 2 ** 60 values in a few hundred bytes, beside a tensor."""
    nested = b"]q\x01"
    for _ in range(60):
        nested = b"](" + nested + b"h\x01eq\x01"
    return tensor_pickle((4,), (1,))[:-1] + text("config") + nested + b"s."


def _copied(value: bytes, copy: bytes) -> bytes:
    """Notes one long value and copies it over and over."""
    return b"\x80\x02" + value + b"q\x01" + copy * 1_000 + b"."


_LONG_LIST = b"](" + b"N" * 1_000 + b"e"
_LONG_DICTIONARY = b"}(" + b"".join(b"M" + struct.pack("<H", i) + b"N" for i in range(1_000)) + b"u"
_LONG_TEXT = text("a" * 100_000)


_BOMBS = {
    "laughing": _laughing(),
    "itself": tensor_pickle((4,), (1,))[:-1] + text("config") + b"]q\x01h\x01as.",
    "deep": tensor_pickle((4,), (1,))[:-1] + text("config") + b"]" * 100_000 + b"a" * 99_999 + b"s.",
    "deep_key": b"\x80\x02}" + b")" + b"\x85" * 50_000 + b"Ns.",
    "deep_called": b"\x80\x02)" + b"\x85" * 50_000 + b"q\x01h\x01R.",
    "copied_sizes": _copied(_LONG_LIST, b"ctorch\nSize\nh\x01\x85R"),
    "copied_state": _copied(_LONG_DICTIONARY, b"cutils\nHParams\n)\x81h\x01b"),
    "copied_path": _copied(_LONG_TEXT, b"cpathlib\nPosixPath\nh\x01\x85R"),
    "copied_bytes": _copied(_LONG_TEXT, b"c_codecs\nencode\nh\x01" + text("latin1") + b"\x86R"),
    "many_dictionaries": b"\x80\x02" + b"}" * 1_000_000 + b".",
    "long_text": b"\x80\x02X\xff\xff\xff\xff.",
    "long_bytes": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x00.",
    "elements": tensor_pickle((1 << 40,), (1,), count=1 << 40),
    "expanded": tensor_pickle((1 << 40,), (0,)),
    "beyond": tensor_pickle((2, 2), (3, 1)),
    "offset": tensor_pickle((4,), (1,), offset=1),
    "negative_offset": tensor_pickle((4,), (1,), offset=-1),
    "negative_stride": tensor_pickle((4,), (-1,), offset=3),
    "negative_shape": tensor_pickle((-4,), (1,)),
    "overflow": tensor_pickle((1 << 32, 1 << 32), (1 << 32, 1)),
    "huge_number": tensor_pickle((1 << 100, 4), (1, 1)),
    "zero_and_huge": tensor_pickle((0, 1 << 62), (1, 1)),
    "many_dimensions": tensor_pickle((1,) * 64, (1,) * 64),
    "fewer_strides": tensor_pickle((2, 2), (1,)),
    "storage_too_large": tensor_pickle((4,), (1,), count=5),
    "storage_too_small": tensor_pickle((3,), (1,), count=3),
    "other_storage": tensor_pickle((4,), (1,), storage="../version"),
}


@pytest.mark.parametrize("name", _BOMBS)
def test_bombs_use_little_memory(tmp_path: Path, name: str) -> None:
    data = archive(_BOMBS[name], **{"data/0": bytes(16)})
    tracemalloc.start()
    try:
        refusal(tmp_path / "a.pth", data)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(data) + (64 << 20)
    finally:
        tracemalloc.stop()


def _zip(method: int = zipfile.ZIP_STORED, **extra: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        made.writestr("archive/data.pkl", tensor_pickle((4,), (1,)))
        made.writestr("archive/version", "3")
        made.writestr("archive/data/0", bytes(16))
        for name, content in extra.items():
            made.writestr(name, content)
    return file.getvalue()


def _edited(change: Callable[[bytearray, int, int], None]) -> bytes:
    """A good zip, changed; change(data, offset of the directory, offset of the end record)."""
    data = bytearray(_zip())
    change(data, data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06"))
    return bytes(data)


def _put(at: int, layout: str, value: int) -> Callable[[bytearray, int, int], None]:
    return lambda data, directory, _: struct.pack_into(layout, data, directory + at, value)


def _put_in_end(at: int, layout: str, value: int) -> Callable[[bytearray, int, int], None]:
    return lambda data, _, end: struct.pack_into(layout, data, end + at, value)


def _twice() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return _zip(**{"archive/version": b"3"})


def _overlapping(data: bytearray, directory: int, _: int) -> None:
    """The first member goes on into the second."""
    size = struct.unpack_from("<I", data, directory + 24)[0] + 40
    struct.pack_into("<2I", data, directory + 20, size, size)


_ZIPS: dict[str, Callable[[], bytes]] = {
    "compressed": lambda: _zip(zipfile.ZIP_DEFLATED),
    "compression_bomb": lambda: _zip(zipfile.ZIP_DEFLATED, **{"archive/data/1": bytes(50_000_000)}),
    "parent": lambda: _zip(**{"archive/../../evil": b""}),
    "absolute": lambda: _zip(**{"/etc/passwd": b""}),
    "backslash": lambda: _zip(**{"archive/data\\..\\0": b""}),
    "no_folder": lambda: _zip(evil=b""),
    "two_folders": lambda: _zip(**{"other/data.pkl": b"N."}),
    "line_in_name": lambda: _zip(**{"archive/a\nb": b""}),
    "twice": _twice,
    "overlapping": lambda: _edited(_overlapping),
    "encrypted": lambda: _edited(_put(8, "<H", 1)),
    "method": lambda: _edited(_put(10, "<H", 99)),
    "crc": lambda: _edited(_put(16, "<I", 1)),
    "size": lambda: _edited(_put(24, "<I", 1 << 31)),
    "both_sizes": lambda: _edited(lambda d, o, _: struct.pack_into("<2I", d, o + 20, 1 << 31, 1 << 31)),
    "sizes_in_64_bits": lambda: _edited(
        lambda d, o, _: struct.pack_into("<2I", d, o + 20, -1 & 0xFFFFFFFF, 7)
    ),
    "header": lambda: _edited(_put(42, "<I", 1 << 31)),
    "directory_size": lambda: _edited(_put_in_end(12, "<I", 1 << 31)),
    "directory_place": lambda: _edited(_put_in_end(16, "<I", 1 << 31)),
    "directory_in_64_bits": lambda: _edited(_put_in_end(16, "<I", 0xFFFFFFFF)),
    "trailing": lambda: _zip() + b"\0",
    "plain_zip": lambda: _plain_zip(),
    "version": lambda: archive(
        tensor_pickle((4,), (1,)), **{"data/0": bytes(16), "byteorder": b"little" * 9}
    ),
}


def _plain_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("word/document.xml", "x")
    return file.getvalue()


def test_the_zip_that_is_edited_is_good(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(_zip())
    assert read_checkpoint(tmp_path / "a.pth").tensors["a"].shape == (4,)


def test_overlap_is_named(tmp_path: Path) -> None:
    assert "overlaps" in refusal(tmp_path / "a.pth", _edited(_overlapping))


def test_zip_with_64_bit_fields(tmp_path: Path) -> None:
    with mock.patch.object(zipfile, "ZIP64_LIMIT", 1):
        (tmp_path / "a.pth").write_bytes(_zip())
    assert read_checkpoint(tmp_path / "a.pth").tensors["a"].shape == (4,)


@pytest.mark.parametrize("name", _ZIPS)
def test_zip_tricks(tmp_path: Path, name: str) -> None:
    data = _ZIPS[name]()
    tracemalloc.start()
    try:
        refusal(tmp_path / "a.pth", data)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def _safe(header: str, body: bytes = bytes(16)) -> bytes:
    return struct.pack("<Q", len(header)) + header.encode() + body


_SAFE = {
    "not_json": _safe("{nonsense"),
    "deep": _safe('{"a":' + "[" * 100_000),
    "no_entry": _safe('{"a": 1}'),
    "type": _safe('{"a": {"dtype": "F8", "shape": [4], "data_offsets": [0, 16]}}'),
    "shape": _safe('{"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}'),
    "huge": _safe('{"a": {"dtype": "F32", "shape": [1099511627776], "data_offsets": [0, 4398046511104]}}'),
    "overflow": _safe('{"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}}'),
    "backwards": _safe('{"a": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}}'),
    "beyond": _safe('{"a": {"dtype": "F32", "shape": [4], "data_offsets": [4, 20]}}'),
    "twice": _safe('{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "a": 1}'),
    "overlapping": _safe(
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},'
        ' "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}'
    ),
    "metadata": _safe('{"__metadata__": [1]}'),
    "empty": _safe("{}"),
    "header": struct.pack("<Q", 1 << 20) + b"{}",
}


@pytest.mark.parametrize("name", _SAFE)
def test_safetensors_tricks(tmp_path: Path, name: str) -> None:
    refusal(tmp_path / "a.safetensors", _SAFE[name])


def _samples() -> list[bytes]:
    """Good files of each format, small enough to be damaged thousands of times."""
    weight = {"a": torch.ones(3, 2).half(), "b": torch.nn.Parameter(torch.ones(2).bfloat16())}
    config = acoustic_checkpoint()["config"]
    value = {"weight": weight, "config": config, "info": "8epoch", "lora_rank": 4}
    return [saved(value, mark="04"), saved(value, legacy=True), save(weight, {"format": "pt"})]


_SAMPLES = _samples()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where damaged files are written."""
    return tmp_path_factory.mktemp("damaged") / "a.pth"


@pytest.mark.parametrize("sample", _SAMPLES, ids=["zip", "legacy", "safetensors"])
def test_truncated_anywhere(damaged: Path, sample: bytes) -> None:
    for length in {*range(0, len(sample), 9), *range(len(sample) - 100, len(sample))}:
        damaged.write_bytes(sample[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(damaged)


@pytest.mark.parametrize("sample", _SAMPLES, ids=["zip", "legacy", "safetensors"])
@settings(max_examples=250)
@given(data=st.data())
def test_any_damage_is_a_clear_error_or_harmless(damaged: Path, sample: bytes, data: st.DataObject) -> None:
    changes = st.lists(
        st.tuples(st.integers(0, len(sample) - 1), st.integers(0, 255)), min_size=1, max_size=4
    )
    changed = bytearray(sample)
    for place, value in data.draw(changes):
        changed[place] = value
    damaged.write_bytes(changed)
    with nothing_runs(damaged), suppress(CheckpointError):
        identify(read_checkpoint(damaged))


def test_many_tensors_of_one_storage(tmp_path: Path) -> None:
    """A small file in which 600 layers view one storage would take thousands of times its size."""
    shared = torch.zeros(500, 1_000).half()
    layers = {f"h.layers.{n}.weight": shared for n in range(600)}
    for legacy in (False, True):
        assert "share storages" in refusal(tmp_path / "a.pth", saved({"weight": layers}, legacy=legacy))


def test_an_embedding_may_share_the_storage_of_its_decoder(tmp_path: Path) -> None:
    shared = torch.ones(50, 1_000)
    (tmp_path / "a.pth").write_bytes(saved({"embedding": shared, "decoder": shared}))
    assert read_checkpoint(tmp_path / "a.pth").tensors.keys() == {"embedding", "decoder"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes and devices among its files")
def test_pipes_devices_and_odd_paths_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "endless.pth").symlink_to("/dev/zero")
    for path in (
        tmp_path / "pipe.pth",
        tmp_path / "endless.pth",
        tmp_path / "a\0b",
        tmp_path / ("x" * 5_000),
    ):
        with pytest.raises(CheckpointError, match=r"cannot be read|is no path") as error:
            read_checkpoint(path)
        assert "\n" not in str(error.value)


def test_control_characters_of_a_file_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(saved({"\x1b[2Jevil\r\n": torch.ones(2)}))
    with pytest.raises(CheckpointError, match="no network that is known") as error:
        identify(read_checkpoint(tmp_path / "a.pth"))
    assert str(error.value).isprintable()
