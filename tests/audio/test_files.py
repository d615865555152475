"""Files in and out: every format, rate and channel count; whole files or none; clear errors."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.paths import DATA
from timbral.audio import Audio, create, read
from timbral.audio.levels import KNEE, limit
from timbral.audio.resampling import ChunkResampler, resample
from timbral.errors import AudioError, TimbralError

ENGLISH = DATA / "english.flac"


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
