"""One recording to clips: decoded, cleaned of music and noise, cut at silences, brought to one loudness, measured.

The cleaned recording lies in a working file meanwhile, so that three hours take no more memory than a minute.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbral.audio.joining import Joiner
from timbral.audio.resampling import ChunkResampler
from timbral.audio.writing import save
from timbral.data import denoising, separation, slicing
from timbral.data.decoding import Heard, Share, decode
from timbral.data.loudness import set_loudness
from timbral.data.quality import Sound, measure
from timbral.data.settings import Settings
from timbral.errors import AudioError, DataError

Report = Callable[[str, float], None]
"""Is told what is being done and which share of it is done."""

_BLOCK = 1 << 18
_SILENCE = 1e-3


@dataclass(frozen=True)
class Clip:
    """A clip in its file. start, end: seconds in its recording."""

    name: str
    start: float
    end: float
    sound: Sound


def make_clips(
    path: Path,
    stem: str,
    folder: Path,
    work: Path,
    settings: Settings,
    separators: Sequence[separation.Separator] = (),
    report: Report | None = None,
) -> tuple[list[Clip], Heard]:
    """Writes the clips of a recording to `folder`, names beginning with `stem`; `work` is a folder for working files.

    Silent stretches give no clips. Raises AudioError: not a recording, empty, silent; InstallationError, DataError.
    """
    tell = report or _tell_nobody
    clean = work / "clean.w64"
    heard = _clean(path, clean, work, settings, separators, tell)
    try:
        intervals = _intervals(clean, settings)
        if not intervals:
            raise AudioError(f"{path.name}: silent")
        clips = []
        with soundfile.SoundFile(clean) as file:
            for number, (start, end) in enumerate(intervals):
                clip = _write_clip(file, start, end, stem, folder, settings)
                if clip:
                    clips.append(clip)
                tell("cutting", (number + 1) / len(intervals))
        return clips, heard
    finally:
        clean.unlink(missing_ok=True)


def _tell_nobody(what: str, share: float) -> None:
    """For callers who do not want to know."""


def _clean(
    path: Path,
    target: Path,
    work: Path,
    settings: Settings,
    separators: Sequence[separation.Separator],
    tell: Report,
) -> Heard:
    """Writes the recording as mono at the rate of the clips."""
    heard = Heard()

    def share(done: float) -> None:
        tell("reading", done)

    if separators:
        mixed, voice = work / "mixed.w64", work / "voice.w64"
        try:
            _write_stereo(path, mixed, heard, None, share)
            if heard.cancelled is not None:
                again = Heard()
                _write_stereo(path, mixed, again, heard.cancelled, share)
                heard = again
            separation.separate_file(mixed, voice, separators, lambda done: tell("separating", done))
            _write_mono(voice, target, Heard(), None, settings, share)
        finally:
            mixed.unlink(missing_ok=True)
            voice.unlink(missing_ok=True)
        return heard
    _write_mono(path, target, heard, None, settings, share)
    if heard.cancelled is not None:
        again = Heard()
        _write_mono(path, target, again, heard.cancelled, settings, share)
        return again
    return heard


def _write_stereo(path: Path, target: Path, heard: Heard, only: int | None, share: Share) -> None:
    blocks = decode(path, separation.RATE, heard, channels=2, only=only, share=share)
    _write(target, separation.RATE, 2, blocks)


def _write_mono(
    path: Path, target: Path, heard: Heard, only: int | None, settings: Settings, share: Share
) -> None:
    if not settings.denoise:
        _write(target, settings.rate, 1, decode(path, settings.rate, heard, only=only, share=share))
        return
    with denoising.DeepFilter() as filtered:
        noisy = decode(path, denoising.RATE, heard, only=only, share=share)
        _write(target, settings.rate, 1, _at_rate(filtered.suppress(noisy), settings.rate))


def _at_rate(blocks: Iterator[NDArray[np.float32]], rate: int) -> Iterator[NDArray[np.float32]]:
    resampler = ChunkResampler(denoising.RATE, rate)
    yield from (resampler.push(block) for block in blocks)
    yield resampler.push(np.zeros(0, np.float32), last=True)


def _write(path: Path, rate: int, channels: int, blocks: Iterator[NDArray[np.float32]]) -> None:
    try:
        with soundfile.SoundFile(path, "w", rate, channels, "FLOAT", format="W64") as file:
            for block in blocks:
                file.write(block)
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"{path.parent}: cannot be written ({error.error_string}); make room on the disk"
        ) from None


def _intervals(path: Path, settings: Settings) -> list[slicing.Interval]:
    with soundfile.SoundFile(path) as file:
        rate, total = file.samplerate, file.frames
        levels = slicing.frame_levels(file.blocks(_BLOCK, dtype="float32"), rate, settings.slicing)
    if not len(levels) or float(levels.max()) < _SILENCE:
        return []
    fitted = slicing.fitted(levels, settings.slicing)
    clips = slicing.cut(levels, total, rate, fitted)
    longest = int(settings.thresholds.longest * rate)
    return slicing.split_long(levels, clips, fitted.hop(rate), longest)


def _write_clip(
    file: soundfile.SoundFile, start: int, end: int, stem: str, folder: Path, settings: Settings
) -> Clip | None:
    """Writes one clip; None where it holds next to nothing."""
    file.seek(start)
    samples: NDArray[np.float32] = file.read(end - start, dtype="float32")
    samples = samples - samples.mean(dtype=np.float64).astype(np.float32)
    if float(np.abs(samples).max(initial=0.0)) < _SILENCE:
        return None
    rate = file.samplerate
    sound = measure(samples, rate)
    name = f"{stem}_{1000 * start // rate:08d}_{1000 * end // rate:08d}.wav"
    levelled = set_loudness(samples, sound.loudness, settings.loudness)
    try:
        save(folder / name, Joiner(rate).push(levelled, last=True, pause=0.0), rate)
    except AudioError as error:
        # A full disk is no fault of the recording, which would be remembered as a bad one.
        raise DataError(str(error)) from None
    return Clip(name, round(start / rate, 3), round(end / rate, 3), sound)
