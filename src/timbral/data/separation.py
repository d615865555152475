"""Source separation and dereverberation by the models of Ultimate Vocal Remover.

audio-separator runs them: MDX-Net, VR, BS-RoFormer. It downloads them by name and finds their parameters by a
hash of the file, so that a damaged one is refused. The models that are used by default are ONNX files, which
cannot carry code.
"""

import importlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbral.errors import DataError, InstallationError
from timbral.paths import cache_folder

RATE = 44_100
"""Hz that the models work at."""

VOCALS, DRY = "UVR-MDX-NET-Voc_FT.onnx", "Reverb_HQ_By_FoxJoy.onnx"
"""Models used by default: for the voice without the music, and for the voice without the room."""

_WANTED = ("vocals", "no reverb", "noreverb", "dry", "no echo", "no noise")
_PIECE, _MARGIN = 300, 2
"""Seconds that are separated at a time, so that memory stays flat; and seconds more on both sides, left out
again."""


class Separator(Protocol):
    """Takes one kind of sound out of another."""

    def separate(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The wanted sound [n, 2] of samples [n, 2] at RATE."""


class UvrSeparator:
    """A model of Ultimate Vocal Remover, run by audio-separator."""

    def __init__(self, model: str) -> None:
        """model: a name of audio-separator, or a file. Raises InstallationError, DataError."""
        try:
            library = importlib.import_module("audio_separator.separator")
        except ImportError as error:
            raise InstallationError(
                "separating voices needs audio-separator; install it with: pip install 'timbral[separate]' "
                f"({str(error)[:80]})"
            ) from None
        path = Path(model)
        local = path.is_file()
        folder = path.resolve().parent if local else cache_folder() / "separators"
        self._output = tempfile.TemporaryDirectory(prefix="timbral-separate-")
        try:
            self._separator: Any = library.Separator(
                log_level=logging.ERROR,
                model_file_dir=str(folder),
                output_dir=self._output.name,
                output_format="WAV",
                use_soundfile=True,
                # Anything else would bring every piece of a long recording to another level.
                normalization_threshold=1.0,
                sample_rate=RATE,
            )
            self._separator.load_model(path.name if local else model)
        # Network, files and a dozen libraries take part, each with errors of its own.
        except Exception as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            if isinstance(error, FileNotFoundError) and shutil.which("ffmpeg") is None:
                raise InstallationError(
                    "audio-separator needs the program ffmpeg; install it first"
                ) from None
            raise DataError(f"separator {model} cannot be used: {line[:200]}") from None

    def separate(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Separator`. Raises DataError: the model fails, or gives no voice."""
        folder = Path(self._output.name)
        source = folder / "piece.wav"
        try:
            soundfile.write(source, samples, RATE, subtype="FLOAT")
            written = [Path(folder, name) for name in self._separator.separate(str(source))]
        # As above: devices, memory and disks fail in ways of their own.
        except Exception as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(
                f"separating failed: {line[:200]}; make room in memory and on the disk, or choose another model"
            ) from None
        wanted = [path for path in written if any(f"({stem})" in path.name.lower() for stem in _WANTED)]
        if not wanted:
            raise DataError(
                "the separator gives no vocals; choose a model with a stem for vocals or a dry voice"
            )
        voice, _ = soundfile.read(wanted[0], dtype="float32", always_2d=True)
        for path in written:
            path.unlink(missing_ok=True)
        if voice.shape[1] == 1:
            voice = np.repeat(voice, 2, axis=1)
        return _as_long(voice, len(samples))


def separate_file(
    source: Path, target: Path, separators: Iterable[Separator], share: Callable[[float], None] | None = None
) -> None:
    """Writes to `target` what the separators, one after the other, leave of the stereo file `source` at RATE.

    share: is told how much is done, 0 to 1. Raises DataError.
    """
    chain = list(separators)
    piece, margin = _PIECE * RATE, _MARGIN * RATE
    try:
        with (
            soundfile.SoundFile(source) as file,
            soundfile.SoundFile(target, "w", RATE, 2, "FLOAT", format="W64") as out,
        ):
            for start in range(0, file.frames, piece):
                before = min(margin, start)
                file.seek(start - before)
                samples = file.read(before + piece + margin, dtype="float32", always_2d=True)
                for number, separator in enumerate(chain):
                    if share:
                        share(min(1.0, (start + piece * number / len(chain)) / file.frames))
                    samples = separator.separate(samples)
                out.write(samples[before : before + piece])
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"{target.parent}: cannot be written ({error.error_string}); make room on the disk"
        ) from None


def _as_long(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Samples [any, 2] cut or padded to [length, 2]: models work in whole frames."""
    return np.pad(samples[:length], ((0, max(0, length - len(samples))), (0, 0)))
