"""Cutting: as the official slicer cuts, whatever the blocks, and sensibly where its threshold does not fit."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.data_sounds import RATE, in_blocks, pause, speech
from tests.helpers.paths import DATA
from timbral.data.slicing import Slicing, cut, fitted, frame_levels, split_long
from timbral.errors import SettingError

GOLDEN = json.loads((DATA / "goldens/slicer.json").read_text())


def golden_sound() -> np.ndarray:
    """The sound of the goldens, by their recipe."""
    random = np.random.RandomState(90)
    parts = []
    for segment in GOLDEN["recipe"].partition("amplitude): ")[2].partition(";")[0].split(" 220 ")[0].split():
        seconds, amplitude = map(float, segment.split("/"))
        count = int(seconds * RATE)
        sine = amplitude * np.sin(2 * np.pi * 220 * np.arange(count) / RATE)
        parts.append((sine + 1e-5 * random.randn(count)).astype(np.float32))
    return np.concatenate(parts)


@pytest.mark.parametrize("name", GOLDEN["results"])
@pytest.mark.parametrize("size", [1_000, 37_777, 10**8])
def test_cuts_where_the_official_slicer_cuts_whatever_the_blocks(name: str, size: int) -> None:
    golden = GOLDEN["results"][name]
    slicing, sound = Slicing(**golden["params"]), golden_sound()
    levels = frame_levels(in_blocks(sound, size), RATE, slicing)
    clips = cut(levels, len(sound), RATE, slicing)
    assert [[start, end - start] for start, end in clips] == [[start, n] for start, _, n in golden["chunks"]]


@given(
    st.lists(
        st.tuples(st.floats(0.01, 3), st.sampled_from([0, 1e-4, 0.01, 0.03, 0.3])), min_size=1, max_size=12
    ),
    st.integers(1000, 6000),
)
def test_clips_are_in_order_apart_and_not_too_long(parts: list[tuple[float, float]], longest: int) -> None:
    rate, slicing = 1_000, Slicing(min_length=1000, min_interval=200, max_sil_kept=300)
    sound = np.concatenate([np.full(max(1, int(s * rate)), a, np.float32) for s, a in parts])
    levels = frame_levels([sound], rate, slicing)
    assert len(levels) == 1 + len(sound) // slicing.hop(rate)
    clips = split_long(levels, cut(levels, len(sound), rate, slicing), slicing.hop(rate), longest)
    assert all(0 <= start < end <= len(sound) for start, end in clips)
    assert all(end - start <= longest for start, end in clips)
    assert all(a[1] <= b[0] for a, b in pairwise(clips))
    loud = np.flatnonzero(np.abs(sound) > 0.1)
    assert all(any(start <= at < end for start, end in clips) for at in loud[:: rate // 10])


@pytest.mark.parametrize("gain", [1.0, 0.02])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_quiet_and_noisy_recordings_are_cut_between_their_sentences(gain: float, noise: float) -> None:
    voice = speech("english")
    sound = np.concatenate([voice, pause(0.8), voice, pause(0.8), voice])
    level = noise * np.sqrt(np.mean(voice**2))
    sound = sound + (level * np.random.default_rng(0).standard_normal(len(sound))).astype(np.float32)
    sound *= np.float32(gain)
    levels = frame_levels([sound], RATE, Slicing())
    clips = cut(levels, len(sound), RATE, fitted(levels, Slicing()))
    assert len(clips) == 3
    gap = len(voice) + 0.8 * RATE
    ends = [end / RATE for _, end in clips[:2]]
    assert all(abs(end - (number * gap + len(voice)) / RATE) < 0.8 for number, end in enumerate(ends))


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SettingError, match="min_length >= min_interval"):
        Slicing(min_length=100)
    with pytest.raises(SettingError, match="max_sil_kept"):
        Slicing(max_sil_kept=1)
