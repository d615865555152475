"""Configurations: official defaults, flags over files over defaults, and mistakes that are told by name."""

from pathlib import Path
from typing import Any

import pytest

from timbral.errors import TrainingError
from timbral.training.schedule import Constant, Exponential, WarmupCosine
from timbral.training.settings import read_settings, write_settings


def full(version: str) -> Any:
    return read_settings(version, None, {"semantic": {"method": "full"}, "acoustic": {"method": "full"}})


def test_full_training_has_the_official_settings() -> None:
    semantic, acoustic = full("v2").semantic, full("v2").acoustic
    assert (semantic.optimizer, semantic.rate, semantic.schedule) == ("scaled-adam", 0.002, Constant())
    assert (semantic.accumulation, semantic.epochs, semantic.longest, semantic.clip) == (4, 15, 54, None)
    assert (acoustic.rate, acoustic.schedule) == (1e-4, Exponential(decay=0.999875))
    assert (acoustic.betas, acoustic.eps, acoustic.segment) == ((0.8, 0.99), 1e-9, 20480)
    assert (acoustic.mel_weight, acoustic.kl_weight, acoustic.text_rate, acoustic.epochs) == (45, 1, 0.4, 8)
    assert acoustic.freeze == ("ssl_proj.*",)
    assert full("v2Pro").acoustic.dropout == 0
    assert full("v3").acoustic.epochs == 2
    assert read_settings("v4").acoustic.rank == 32


def test_flags_come_before_the_file_and_the_file_before_defaults(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(
        "semantic:\n  epochs: 3\n  rank: 4\n  schedule: {kind: warmup-cosine, warmup: 7}\nacoustic:\n"
    )
    found = read_settings("v2", file, {"semantic": {"rank": 2, "epochs": None}})
    assert (found.semantic.epochs, found.semantic.rank) == (3, 2)
    assert found.semantic.schedule == WarmupCosine(warmup=7)
    assert found.acoustic.rank == 16
    write_settings(found, tmp_path / "all.yaml")
    assert read_settings("v2", tmp_path / "all.yaml") == found


def test_a_method_in_the_file_brings_its_defaults(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("semantic: {method: full}\n")
    assert read_settings("v2", file).semantic.optimizer == "scaled-adam"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("semantic: {epoch: 3}", "semantic: epoch is unknown; there are epochs, batch_size"),
        ("acoustics: {}", "acoustics is unknown; there are semantic, acoustic"),
        ("semantic: {schedule: {kind: warmup-cosine, warm: 3}}", "start, end, warmup, decay"),
        ("semantic: {schedule: {kind: linear}}", "schedule"),
        ("acoustic: {epochs: none}", "acoustic: epochs"),
        ("acoustic: {rank: 0}", "greater than or equal to 1"),
        ("semantic: 3", "names and values"),
        ("- 3", "begin with"),
        ("semantic: {a: [", "no YAML"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(TrainingError) as caught:
        read_settings("v2", file)
    assert told in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be read"):
        read_settings("v2", tmp_path / "no.yaml")
