"""Separation: long recordings in pieces without a seam, and audio-separator on a small MDX-Net where it is installed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from data_sounds import speech, write

from timbral.data import Settings, prepare, separation
from timbral.errors import InstallationError


class Middle:
    """Keeps what both channels share, as old karaoke machines took it out."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def separate(self, samples: np.ndarray) -> np.ndarray:
        self.lengths.append(len(samples))
        return np.repeat(samples.mean(axis=1, keepdims=True), 2, axis=1)


def test_pieces_are_joined_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "_PIECE", 2)
    monkeypatch.setattr(separation, "_MARGIN", 1)
    voice = speech("english", separation.RATE)
    music = 0.1 * np.sin(np.arange(len(voice)) / 20).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([voice + music, voice - music], 1), separation.RATE, "FLOAT")
    middle = Middle()
    separation.separate_file(tmp_path / "a.wav", tmp_path / "b.w64", [middle])
    separated, rate = soundfile.read(tmp_path / "b.w64", dtype="float32")
    assert rate == separation.RATE
    np.testing.assert_allclose(separated, np.stack([voice, voice], 1), atol=1e-6)
    assert max(middle.lengths) <= 4 * separation.RATE


def test_without_audio_separator_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "audio_separator.separator", None)
    talk = write(tmp_path / "talk.wav", speech("english"))
    with pytest.raises(InstallationError, match=r"timbral\[separate\]"):
        prepare([talk], tmp_path / "set", Settings(separate=True, transcriber="none"))
