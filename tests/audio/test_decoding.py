"""Decoding: any format, any damage, and nothing that a file asks for beyond its own bytes."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.data_sounds import encode, speech
from timbral.audio.decoding import DecodingStats, decode
from timbral.errors import AudioError

RATE = 44_100
ENGLISH = speech("english", RATE)


def whole(path: Path, rate: int = 16_000, **options: int) -> tuple[np.ndarray, DecodingStats]:
    stats = DecodingStats()
    return np.concatenate(list(decode(path, rate, stats, **options))), stats


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s24le"),
        ("a.flac", "flac"),
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("a.avi", "mp2"),
        ("a.mkv", "pcm_f32le"),
        ("a.aiff", "pcm_s16be"),
    ],
)
def test_formats_give_the_same_sound(tmp_path: Path, name: str, codec: str) -> None:
    encode(tmp_path / name, ENGLISH, codec)
    samples, stats = whole(tmp_path / name)
    expected = speech("english", 16_000)
    assert stats.rate == RATE
    assert stats.damaged == 0
    assert abs(len(samples) - len(expected)) < 0.1 * 16_000
    shift = int(np.correlate(samples[:20_000], expected[2_000:18_000], "valid").argmax()) - 2_000
    ours = samples[2_000 + shift : 42_000 + shift]
    assert np.corrcoef(ours, expected[2_000:42_000])[0, 1] > 0.97


def test_stereo_is_mixed_unless_its_channels_cancel_each_other_out(tmp_path: Path) -> None:
    encode(tmp_path / "same.wav", np.stack([ENGLISH, 0.5 * ENGLISH], 1), "pcm_s16le")
    mixed, stats = whole(tmp_path / "same.wav", RATE)
    assert stats.cancelled is None
    np.testing.assert_allclose(mixed, 0.75 * ENGLISH, atol=1e-4)
    encode(tmp_path / "opposite.wav", np.stack([0.99 * ENGLISH, -ENGLISH], 1), "pcm_s16le")
    _, stats = whole(tmp_path / "opposite.wav", RATE)
    assert stats.cancelled == 1
    alone, _ = whole(tmp_path / "opposite.wav", RATE, only=1)
    np.testing.assert_allclose(alone, -ENGLISH, atol=1e-4)


def test_two_channels_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    encode(tmp_path / "a.wav", ENGLISH, "pcm_s16le")
    assert whole(tmp_path / "a.wav", RATE, channels=2)[0].shape == (len(ENGLISH), 2)


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("to be recorded tomorrow\n" * 100)
    (tmp_path / "noise.mp3").write_bytes(np.random.default_rng(0).bytes(5000))
    soundfile.write(tmp_path / "none.wav", ENGLISH[:0], RATE)
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(AudioError, match=path.name):
            whole(path)


def test_what_was_cut_off_or_overwritten_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    encode(tmp_path / "a.flac", ENGLISH, "flac")
    data = bytearray((tmp_path / "a.flac").read_bytes())
    (tmp_path / "short.flac").write_bytes(data[: len(data) // 2])
    samples, stats = whole(tmp_path / "short.flac")
    assert 1.5 * 16_000 < len(samples) < 3.5 * 16_000
    assert stats.damaged
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    (tmp_path / "hole.flac").write_bytes(data)
    samples, _ = whole(tmp_path / "hole.flac")
    assert len(samples) > 4 * 16_000


def test_a_playlist_in_disguise_opens_nothing(tmp_path: Path) -> None:
    encode(tmp_path / "secret.wav", ENGLISH, "pcm_s16le")
    secret = tmp_path / "secret.wav"
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret.as_uri()}\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.wav").write_text(hls)
    (tmp_path / "list.m3u8").write_text(hls)
    (tmp_path / "concat.wav").write_text(f"ffconcat version 1.0\nfile {secret}\n")
    for name in ("list.wav", "list.m3u8", "concat.wav"):
        with pytest.raises(AudioError, match=name):
            whole(tmp_path / name)


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    header = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 40036, b"WAVEfmt ", 16, 3, 1, 16000, 64000, 4, 32, b"data", 40000
    )
    (tmp_path / "nan.wav").write_bytes(header + np.full(10_000, np.nan, "<f4").tobytes())
    with pytest.raises(AudioError, match="not numbers"):
        whole(tmp_path / "nan.wav")
