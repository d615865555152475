"""Evaluations: resumed after an interruption, compared with a parent, reported."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from timbral.errors import DataError, SettingError
from timbral.evaluation import Evaluation, Row, evaluate, load_suite, read_evaluation, write_report
from timbral.evaluation.bootstrap import interval
from timbral.evaluation.metrics import Column, Measured, Spoken

FAST = ["delivery", "difference", "stage_two"]
TIMES = {"rtf", "first_sound"}


class Length:
    """A metric of a user's own."""

    name = "length"
    fingerprint = "length 1"
    needs_parent = False
    columns = (Column("length", "length", "near"),)

    def measure(self, spoken: Spoken) -> Measured:
        return Measured({"length": float(len(spoken.speech.samples))})


def values(row: Row) -> dict[str, float]:
    return {name: value for name, value in row.values.items() if name not in TIMES}


def run(folder: Path, **more: object) -> Evaluation:
    return evaluate(
        "sovits-tiny",
        load_suite().first(2),
        metrics=["delivery"],
        folder=folder,
        threads=1,
        memory=False,
        **more,
    )  # type: ignore[arg-type]


def test_an_interrupted_evaluation_resumes(tmp_path: Path) -> None:
    def interrupt(what: str, share: float) -> None:
        if what.startswith("speaking") and share >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "twice", progress=interrupt)
    with pytest.raises(DataError, match="no finished evaluation"):
        read_evaluation(tmp_path / "twice")
    with (tmp_path / "twice" / "cases.jsonl").open("a") as file:
        file.write('{"case": "cut o')
    first = (tmp_path / "twice" / "cases.jsonl").read_text().splitlines()[0]
    steps: list[str] = []
    resumed = run(tmp_path / "twice", progress=lambda what, share: steps.append(what))
    assert steps.count("speaking, sovits-tiny") == 2  # the beginning, and the one case that was left
    whole = run(tmp_path / "once")
    assert [values(row) for row in resumed.rows] == [values(row) for row in whole.rows]
    assert Row.model_validate_json(first).values.items() <= resumed.rows[0].values.items()
    again = read_evaluation(tmp_path / "twice")
    assert [row.values for row in again.rows] == [row.values for row in resumed.rows]
    with pytest.raises(SettingError, match="another model, suite or seed"):
        run(tmp_path / "twice", seed=1)


def test_a_model_against_another_and_its_report(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need it: pip install 'timbral[evaluate]'")
    suite = load_suite().first(2)
    evaluate(suite=suite, metrics=["delivery"], folder=tmp_path / "parent", threads=1, memory=False)
    found = evaluate(
        suite=suite,
        against=tmp_path / "parent",
        metrics=[*FAST, Length()],
        folder=tmp_path / "child",
        threads=1,
    )
    assert [row.values["stage_two_log_mel"] for row in found.rows] == [0, 0]
    assert [row.values["duration"] for row in found.rows] == [1, 1]
    assert found.average("length") == pytest.approx(24_000 * (found.average("seconds") or 0))
    change = found.change("level")
    assert change is not None
    assert (change.mean, change.low, change.high, change.cases) == (0, 0, 0, 2)
    assert found.figures.parameters > 30e6
    assert found.figures.speaking_size < found.figures.size
    assert found.figures.memory is None or found.figures.memory > 50e6

    report = write_report(found, tmp_path / "child", [])
    text = report.read_text(encoding="utf-8")
    assert "Passed." in text
    assert all(row.text in text for row in found.rows)
    data = json.loads((tmp_path / "child" / "report.json").read_text(encoding="utf-8"))
    assert data["changes"]["level"]["mean"] == 0
    assert data["gate"] == {"passed": True, "violations": []}
    assert all(
        (tmp_path / "child" / name).stat().st_size > 10_000 for name in ("metrics.png", "spectrograms.png")
    )
    page = (tmp_path / "child" / "listening.html").read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?https?:", page)
    content = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert content["pairs"]
    assert len(content["items"]) == 2
    assert all(sorted(item["order"]) == [0, 1] and len(item["sounds"]) == 2 for item in content["items"])


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    random, held = np.random.default_rng(0), 0
    for _ in range(200):
        values = random.normal(1, 1, 30).tolist()
        found = interval(values, [1.0] * 30, ["a"] * 30)
        held += found.low <= 1 <= found.high
        assert found.voice_low is None
    assert 0.88 < held / 200 < 0.99


def test_intervals_by_voice_are_wider_where_voices_differ() -> None:
    random = np.random.default_rng(0)
    values = np.repeat(random.normal(0, 1, 6), 10) + random.normal(0, 0.1, 60)
    found = interval(values.tolist(), [1.0] * 60, [f"v{n // 10}" for n in range(60)])
    assert found.voice_low is not None
    assert found.voice_high is not None
    assert found.voice_high - found.voice_low > 1.5 * (found.high - found.low)
    assert found == interval(values.tolist(), [1.0] * 60, [f"v{n // 10}" for n in range(60)])


def test_a_rate_weighs_as_much_as_it_has_units() -> None:
    assert interval([1.0, 0.0], [1.0, 9.0], ["a", "b"]).mean == pytest.approx(0.1)
