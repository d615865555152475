"""The readers of foreign files, each as a function of bytes, with real files to begin from.

Whatever the bytes are, a reader returns or raises a `TimbralError`. It neither hangs nor takes more memory than a good
file would.
"""

import contextlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import timbral
from tests.helpers.packages import small_bundle
from tests.helpers.paths import DATA
from timbral.audio import read
from timbral.conversion.checkpoints import read_checkpoint
from timbral.data import read_list
from timbral.errors import TimbralError
from timbral.models import embedded_path, read_bundle
from timbral.models.package import pack, unpack
from timbral.models.weights import read_parameters
from timbral.text import to_utterances

TEXTS = (
    "2026年11月30日，气温-3.5℃，约¥1,200.50。",
    "Dr. Smith paid $3.5M on 5/6, at 10:45 p.m. (IPv6: ::1).",
    "東京タワーは333メートルです。",
    "오늘 서울은 3월 1일 12시.",
)


@dataclass(frozen=True)
class Target:
    """A reader: `feed` gives it bytes, `seeds` makes good ones."""

    feed: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


def _file(reader: Callable[[Path], object], name: str) -> Callable[[bytes], None]:
    """Gives a reader of paths a file with these bytes."""

    def feed(data: bytes) -> None:
        with TemporaryDirectory() as folder, contextlib.suppress(TimbralError):
            path = Path(folder) / name
            path.write_bytes(data)
            reader(path)

    return feed


def _text(data: bytes) -> None:
    text = data[:2000].decode(errors="replace")
    with contextlib.suppress(TimbralError):
        for utterance in to_utterances(text):
            assert utterance.phones


def _voice_seeds() -> list[bytes]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "me.voice"
        timbral.load().clone(DATA / "english.flac").save(path)
        return [path.read_bytes()]


def _checkpoint_seeds() -> list[bytes]:
    """Checkpoints of a single tensor, as torch saves them now, and plain pickles."""
    import torch

    saved = BytesIO()
    torch.save({"weight": {"enc_p.x": torch.zeros(3, 4)}, "config": {"version": "v2"}}, saved)
    legacy = BytesIO()
    torch.save({"weight": {"enc_p.x": torch.zeros(3)}}, legacy, _use_new_zipfile_serialization=False)
    return [saved.getvalue(), legacy.getvalue(), pickle.dumps({"weight": {}})]


def _wav_seeds() -> list[bytes]:
    import soundfile

    seeds = []
    sound = np.zeros(800, np.float32)
    for form, subtype in (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")):
        file = BytesIO()
        soundfile.write(file, sound, 16000, format=form, subtype=subtype)
        seeds.append(file.getvalue())
    return seeds


def _unpack(data: bytes) -> None:
    with TemporaryDirectory() as folder, contextlib.suppress(TimbralError):
        path = Path(folder) / "model.timbral"
        path.write_bytes(data)
        unpack(path, Path(folder) / "inside" / "model")
        read_bundle(Path(folder) / "inside" / "model")


def _package_seeds() -> list[bytes]:
    with TemporaryDirectory() as folder:
        package = Path(folder) / "model.timbral"
        pack(small_bundle(Path(folder) / "model"), package)
        return [package.read_bytes()]


TARGETS: dict[str, Target] = {
    "bundle": Target(
        _file(lambda path: read_bundle(path.parent, verify=False), "bundle.json"),
        lambda: [(embedded_path() / "bundle.json").read_bytes()],
    ),
    "checkpoint": Target(_file(read_checkpoint, "model.pth"), _checkpoint_seeds),
    "graph": Target(
        _file(read_parameters, "graph.onnx"), lambda: [(embedded_path() / "durations.onnx").read_bytes()]
    ),
    "list": Target(
        _file(read_list, "anna.list"),
        lambda: ["clips/a.wav|anna|ZH|你好。\nC:\\b.wav|anna|JP|こんにちは\n".encode()],
    ),
    "package": Target(_unpack, _package_seeds),
    "recording": Target(_file(read, "me.wav"), _wav_seeds),
    "text": Target(_text, lambda: [text.encode() for text in TEXTS]),
    "voice": Target(_file(timbral.Voice.load, "me.voice"), _voice_seeds),
}
