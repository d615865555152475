"""One recording to clips: decoding, separation, slicing, measuring, denoising, loudness.

The recording lies in working files meanwhile, so that three hours take no more memory than a minute.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbral.audio.decoding import DecodingStats, OnShare, decode
from timbral.audio.joining import fade_edges
from timbral.audio.resampling import ChunkResampler
from timbral.audio.writing import save
from timbral.data import denoising, separation, slicing
from timbral.data.config import PreparationConfig
from timbral.data.loudness import set_loudness
from timbral.data.progress import OnProgress, no_progress
from timbral.data.quality import SoundMeasures, measure
from timbral.errors import AudioError, DataError

_BLOCK = 1 << 18
_SILENCE = 1e-3


@dataclass(frozen=True)
class Clip:
    """A clip in its file. start, end: seconds in its recording. denoised: whether noise was taken out of it."""

    name: str
    start: float
    end: float
    sound: SoundMeasures
    denoised: bool = False


@dataclass(frozen=True)
class _Source:
    """The file that samples are read from (the recording, or the separated voice), and its channel."""

    path: Path
    channel: int | None = None


def make_clips(
    path: Path,
    stem: str,
    folder: Path,
    work: Path,
    settings: PreparationConfig,
    separators: Sequence[separation.Separator] = (),
    on_progress: OnProgress = no_progress,
) -> tuple[list[Clip], DecodingStats]:
    """Writes the clips of a recording to `folder`; their names begin with `stem`, working files are in `work`.

    Silent stretches give no clips. Raises AudioError: not a recording, empty, silent; InstallationError,
    DataError.
    """
    recorded, denoised = work / "recorded.w64", work / "denoised.w64"
    try:
        source, stats = _record(path, recorded, work, settings, separators, on_progress)
        sounds = _sounds(recorded, settings, on_progress)
        if not sounds:
            raise AudioError(f"{path.name}: silent")
        intervals = list(sounds)
        if settings.denoise and any(is_noisy(sound, settings) for sound in sounds.values()):
            _denoise(source, denoised, settings, on_progress)
            # Pauses are easier to find without noise; where nothing else is left, they were all that there is.
            intervals = _intervals(denoised, settings) or intervals
        clips = []
        with soundfile.SoundFile(recorded) as file:
            for number, interval in enumerate(intervals):
                samples = _samples(file, interval)
                sound = sounds.get(interval) or measure(samples, file.samplerate)
                cleaned = denoised.exists() and is_noisy(sound, settings)
                if cleaned:
                    samples, sound = _cleaned(denoised, interval, sound)
                clip = _write_clip(samples, interval, file.samplerate, stem, folder, settings.loudness, sound)
                if clip:
                    clips.append(replace(clip, denoised=cleaned))
                on_progress("cutting", (number + 1) / len(intervals))
        return clips, stats
    finally:
        recorded.unlink(missing_ok=True)
        denoised.unlink(missing_ok=True)


def is_noisy(sound: SoundMeasures, settings: PreparationConfig) -> bool:
    """Whether a clip has noise that is worth taking out."""
    return sound.speech >= settings.thresholds.least_speech and sound.noise < settings.denoise_below


def _record(
    path: Path,
    target: Path,
    work: Path,
    settings: PreparationConfig,
    separators: Sequence[separation.Separator],
    on_progress: OnProgress,
) -> tuple[_Source, DecodingStats]:
    """Writes the recording, or the voice in it, as mono at the rate of the clips."""
    stats = DecodingStats()

    def share(done: float) -> None:
        on_progress("reading", done)

    if separators:
        mixed, voice = work / "mixed.w64", work / "voice.w64"
        try:
            _write_stereo(path, mixed, stats, None, share)
            if stats.cancelled is not None:
                again = DecodingStats()
                _write_stereo(path, mixed, again, stats.cancelled, share)
                stats = again
            separation.separate_file(mixed, voice, separators, lambda done: on_progress("separating", done))
        finally:
            mixed.unlink(missing_ok=True)
        _write(target, settings.rate, 1, decode(voice, settings.rate, DecodingStats(), share=share))
        return _Source(voice), stats
    _write(target, settings.rate, 1, decode(path, settings.rate, stats, share=share))
    channel = stats.cancelled
    if channel is not None:
        stats = DecodingStats()
        _write(target, settings.rate, 1, decode(path, settings.rate, stats, only=channel, share=share))
    return _Source(path, channel), stats


def _write_stereo(path: Path, target: Path, stats: DecodingStats, only: int | None, share: OnShare) -> None:
    blocks = decode(path, separation.RATE, stats, channels=2, only=only, share=share)
    _write(target, separation.RATE, 2, blocks)


def _denoise(source: _Source, target: Path, settings: PreparationConfig, on_progress: OnProgress) -> None:
    """Writes the sound without its noise, as mono at the rate of the clips."""
    with denoising.DeepFilter() as filtered:
        noisy = decode(
            source.path,
            denoising.RATE,
            DecodingStats(),
            only=source.channel,
            share=lambda done: on_progress("taking noise out", done),
        )
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


def _intervals(path: Path, settings: PreparationConfig) -> list[slicing.Interval]:
    with soundfile.SoundFile(path) as file:
        rate, total = file.samplerate, file.frames
        levels = slicing.frame_levels(file.blocks(_BLOCK, dtype="float32"), rate, settings.slicing)
    if not len(levels) or float(levels.max()) < _SILENCE:
        return []
    fitted = slicing.fitted(levels, settings.slicing)
    clips = slicing.cut(levels, total, rate, fitted)
    longest = int(settings.thresholds.longest * rate)
    return slicing.split_long(levels, clips, fitted.hop(rate), longest)


def _sounds(
    path: Path, settings: PreparationConfig, on_progress: OnProgress
) -> dict[slicing.Interval, SoundMeasures]:
    """What is measured of each clip of a recording, by where it lies."""
    intervals = _intervals(path, settings)
    sounds = {}
    with soundfile.SoundFile(path) as file:
        for number, interval in enumerate(intervals):
            on_progress("measuring", number / len(intervals))
            sounds[interval] = measure(_samples(file, interval), file.samplerate)
    return sounds


def _samples(file: soundfile.SoundFile, interval: slicing.Interval) -> NDArray[np.float32]:
    """Samples [n] of a clip, without a constant offset."""
    start, end = interval
    file.seek(start)
    samples: NDArray[np.float32] = file.read(end - start, dtype="float32")
    samples -= samples.mean(dtype=np.float64).astype(np.float32)
    return samples


def _cleaned(
    path: Path, interval: slicing.Interval, recorded: SoundMeasures
) -> tuple[NDArray[np.float32], SoundMeasures]:
    """Samples [n] of a clip without its noise, and what is measured of them; what was clipped stays so."""
    with soundfile.SoundFile(path) as file:
        samples = _samples(file, interval)
        return samples, replace(measure(samples, file.samplerate), clipped=recorded.clipped)


def _write_clip(
    samples: NDArray[np.float32],
    interval: slicing.Interval,
    rate: int,
    stem: str,
    folder: Path,
    loudness: float,
    sound: SoundMeasures,
) -> Clip | None:
    """Writes one clip, at `loudness` in LUFS; None where it holds next to nothing."""
    if float(np.abs(samples).max(initial=0.0)) < _SILENCE:
        return None
    start, end = interval
    name = f"{stem}_{1000 * start // rate:08d}_{1000 * end // rate:08d}.wav"
    levelled = set_loudness(samples, sound.loudness, loudness)
    try:
        save(folder / name, fade_edges(levelled, rate), rate)
    except AudioError as error:
        # A full disk is no fault of the recording, which would be remembered as a bad one.
        raise DataError(str(error)) from None
    return Clip(name, round(start / rate, 3), round(end / rate, 3), sound)
