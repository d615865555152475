"""Files in and out: every format, rate and channel count; whole files or none; clear errors."""

import base64
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.helpers.data_sounds import encode
from tests.helpers.paths import DATA
from timbral.audio import Audio, Source, create, read
from timbral.audio.levels import KNEE, limit
from timbral.audio.resampling import ChunkResampler, resample
from timbral.errors import AudioError, TimbralError

ENGLISH = DATA / "english.flac"
SPEECH = read(ENGLISH)[0]


def tone(rate: int, seconds: float = 1.0, hz: float = 440.0, size: float = 0.5) -> np.ndarray:
    return (size * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Greatest normalised correlation of two sounds over shifts of up to 0.1 s (encoders delay)."""
    n = min(len(a), len(b)) - 4800
    best = 0.0
    for shift in range(-2400, 2400, 8):
        x, y = a[2400 : 2400 + n], b[2400 + shift : 2400 + shift + n]
        best = max(best, float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y) + 1e-9)))
    return best


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT"])
def test_any_wav_is_read_as_mono_floats(tmp_path: Path, rate: int, channels: int, subtype: str) -> None:
    sound = tone(rate)
    soundfile.write(tmp_path / "in.wav", np.repeat(sound[:, None], channels, axis=1), rate, subtype)
    samples, found = read(tmp_path / "in.wav")
    assert (found, samples.dtype, samples.ndim) == (rate, np.float32, 1)
    np.testing.assert_allclose(samples, sound, atol=0.01)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [24_000, 32_000, 48_000])
def test_what_is_saved_is_read_back(tmp_path: Path, ending: str, rate: int) -> None:
    speech = Audio(*read(ENGLISH)).resample(rate)
    path = tmp_path / f"出 力.{ending.upper()}"
    speech.save(path)
    again = Audio(*read(path))
    assert again.rate == rate
    assert again.duration == pytest.approx(speech.duration, abs=0.15)
    down = [x.resample(16_000).samples for x in (speech, again)]
    assert likeness(down[0], down[1]) > 0.98
    from_bytes, _ = read(path.read_bytes())
    np.testing.assert_array_equal(from_bytes, again.samples)


def test_opposite_channels_do_not_cancel(tmp_path: Path) -> None:
    sound = tone(16_000)
    soundfile.write(tmp_path / "in.wav", np.stack([sound, -sound], axis=1), 16_000, "FLOAT")
    samples, _ = read(tmp_path / "in.wav")
    np.testing.assert_allclose(np.abs(samples), np.abs(sound), atol=1e-6)


def test_a_long_vorbis_file_is_written_in_pieces(tmp_path: Path) -> None:
    Audio(tone(24_000, 200), 24_000).save(tmp_path / "long.ogg")
    assert soundfile.info(tmp_path / "long.ogg").duration == pytest.approx(200, abs=0.1)


def assert_same_speech(source: Source, tolerance: float = 0.01) -> None:
    samples, rate = read(source)
    assert rate == 16_000
    np.testing.assert_allclose(samples, SPEECH, atol=tolerance)


def test_arrays_bytes_and_file_objects_are_recordings(tmp_path: Path) -> None:
    content = ENGLISH.read_bytes()
    whole = np.rint(SPEECH * 32_767).astype(np.int16)
    sources: list[Source] = [
        content, io.BytesIO(content), (SPEECH, 16_000), (SPEECH.astype(np.float64), 16_000), (whole, 16_000),
        (np.stack([SPEECH, SPEECH]), 16_000), (np.stack([SPEECH, SPEECH], 1), 16_000), Audio(SPEECH, 16_000),
    ]  # fmt: skip
    for source in sources:
        assert_same_speech(source)
    with ENGLISH.open("rb") as file:
        assert_same_speech(file)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (SPEECH, "needs its rate"),
        ((SPEECH, 16_000.5), "whole number"),
        ((SPEECH, 1_000), "1000 samples a second"),
        ((np.array(["a"]), 16_000), "are numbers"),
        ((SPEECH * np.nan, 16_000), "not numbers"),
        (3, "int is not a recording"),
        (io.StringIO("a"), "binary"),
    ],
)
def test_what_is_no_recording_is_refused(source: Any, reason: str) -> None:
    with pytest.raises(AudioError, match=reason):
        read(source)


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "NMS_ADPCM_16", "NMS_ADPCM_32", "ULAW"])
def test_telephone_recordings_are_read(tmp_path: Path, subtype: str) -> None:
    soundfile.write(tmp_path / "in.wav", resample(SPEECH, 16_000, 8_000), 8_000, subtype)
    assert Audio(*read(tmp_path / "in.wav")).duration == pytest.approx(len(SPEECH) / 16_000, abs=0.1)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_wav_whose_recorder_was_killed_is_read(tmp_path: Path, length: int) -> None:
    soundfile.write(tmp_path / "in.wav", SPEECH, 16_000)
    content = bytearray((tmp_path / "in.wav").read_bytes())
    for at in (4, content.index(b"data") + 4):
        content[at : at + 4] = length.to_bytes(4, "little")
    (tmp_path / "in.wav").write_bytes(content)
    assert_same_speech(tmp_path / "in.wav")
    assert_same_speech(bytes(content))


def test_what_ffmpeg_reads_is_read(tmp_path: Path) -> None:
    encode(tmp_path / "in.m4a", SPEECH, "aac", 16_000)
    for source in (tmp_path / "in.m4a", (tmp_path / "in.m4a").read_bytes()):
        samples, rate = read(source)
        assert rate == 16_000
        assert likeness(samples, SPEECH) > 0.98


def test_memory_does_not_follow_what_a_small_file_claims(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "in.ogg", "w", 192_000, 32, "VORBIS", format="OGG") as file:
        for _ in range(12):
            file.write(np.zeros((1 << 17, 32), np.float32))
    program = (
        "import resource, sys; from timbral.audio import read; from timbral.errors import AudioError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "samples, rate = read(sys.argv[1], shortened=True)\n"
        "print(rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "in.ogg")], capture_output=True, check=True
    )
    rate, kilobytes = map(int, run.stdout.split())
    assert rate == 48_000
    assert kilobytes < 200_000


def test_bytes_and_a_player_hold_the_sound() -> None:
    speech = Audio(SPEECH, 16_000)
    for format in ("wav", "flac", "ogg", "mp3"):
        assert likeness(read(speech.to_bytes(format))[0], SPEECH) > 0.95
    assert base64.b64encode(speech.to_bytes())[:99].decode() in speech._repr_html_()
    with pytest.raises(AudioError, match="aiff"):
        speech.to_bytes("aiff")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_never_written(tmp_path: Path, value: float) -> None:
    sound = np.append(SPEECH, np.float32(value))
    with pytest.raises(AudioError, match="not numbers"):
        Audio(sound, 16_000).save(tmp_path / "out.wav")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AudioError, match="not numbers"):
        Audio(sound, 16_000).to_bytes()


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no named pipes in folders, and links need rights"
)
def test_pipes_are_refused_and_links_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for use in (read, Audio(SPEECH, 16_000).save):
        with pytest.raises(AudioError, match="pipe or a device"):
            use(tmp_path / "pipe.wav")
    (tmp_path / "notes.txt").write_text("earlier")
    (tmp_path / "link.wav").symlink_to(tmp_path / "notes.txt")
    Audio(SPEECH, 16_000).save(tmp_path / "link.wav")
    assert (tmp_path / "link.wav").is_symlink()
    assert soundfile.info(tmp_path / "notes.txt").format == "WAV"


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    program = (
        "import os, sys; from timbral.audio import create\n"
        "with create(sys.argv[1], 16_000) as writer: os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "out.wav")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with create(tmp_path / "out.wav", 16_000) as writer:
        writer.write(SPEECH)
        Audio(SPEECH, 16_000).save(tmp_path / "out.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]


def broken_files(folder: Path) -> dict[str, Path]:
    flac, rng = ENGLISH.read_bytes(), np.random.default_rng(0)
    nan = np.where(np.arange(16_000) == 9, np.nan, tone(16_000)).astype(np.float32)
    contents = {
        "empty.wav": b"",
        "text.wav": "这不是声音 not a sound\n".encode() * 100,
        "noise.mp3": rng.bytes(5000),
        "noise.raw": rng.bytes(5000),
        "header.wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
        "cut.flac": flac[:60],
        "zip.flac": b"PK\x03\x04" + bytes(1000),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    soundfile.write(folder / "nan.wav", nan, 16_000, "FLOAT")
    soundfile.write(folder / "nothing.wav", nan[:0], 16_000)
    soundfile.write(folder / "slow.wav", tone(4_000), 4_000)
    (folder / "folder.wav").mkdir()
    names = [*contents, "nan.wav", "nothing.wav", "slow.wav", "folder.wav", "absent.wav"]
    return {name: folder / name for name in names}


def test_what_is_not_sound_gives_one_clear_line(tmp_path: Path) -> None:
    for name, path in broken_files(tmp_path).items():
        with pytest.raises(AudioError) as caught:
            read(path)
        message = str(caught.value)
        assert name in message, message
        assert "\n" not in message, message
    for source in (b"", "", "x" * 5000, "a\0b"):
        with pytest.raises(AudioError):
            read(source)


def test_a_damaged_mp3_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    Audio(tone(24_000, 3), 24_000).save(tmp_path / "in.mp3")
    content = bytearray((tmp_path / "in.mp3").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 900] = bytes(900)
    samples, _ = read(bytes(content))
    assert np.isfinite(samples).all()


@pytest.mark.parametrize("target", ["out.txt", "out", "nowhere/out.wav", "folder.wav"])
def test_a_bad_target_is_refused_before_anything_is_written(tmp_path: Path, target: str) -> None:
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(AudioError, match=r"out|folder"), create(tmp_path / target, 24_000):
        pytest.fail("the block must not run")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.wav"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimbralError, ValueError])
def test_an_interrupted_file_leaves_the_earlier_one(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"earlier")

    def write_and_fail() -> None:
        with create(path, 24_000) as writer:
            writer.write(tone(24_000))
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_resampling_in_chunks_is_resampling_at_once() -> None:
    sound = read(ENGLISH)[0]
    stream, pieces = ChunkResampler(16_000, 24_000), []
    for start in range(0, len(sound), 1234):
        pieces.append(stream.push(sound[start : start + 1234]))
    pieces.append(stream.push(sound[:0], last=True))
    whole = resample(sound, 16_000, 24_000)
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-4)


def test_the_limiter_touches_only_what_is_loud() -> None:
    ramp = np.linspace(-3, 3, 1001, dtype=np.float32)
    limited = limit(ramp)
    quiet = np.abs(ramp) <= KNEE
    np.testing.assert_array_equal(limited[quiet], ramp[quiet])
    assert np.abs(limited).max() <= 1
    assert (np.diff(limited) >= 0).all()
