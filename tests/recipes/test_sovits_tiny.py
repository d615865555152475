"""The trainings of the recipe for sovits-tiny on small made-up data: they run on the training loop, and resume exactly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from timbral.nets.content_encoder import ContentConfig, ContentEncoder

RECIPE = Path(__file__).parents[2] / "recipes" / "sovits-tiny"


def train(script: str, *arguments: object) -> str:
    """Runs a training script in a process of its own, and returns what it prints."""
    command = [sys.executable, str(RECIPE / script), *map(str, arguments), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aligned utterances as tokens.py writes them."""
    rng = np.random.default_rng(0)
    phone_lengths, token_lengths = rng.integers(4, 9, 200), rng.integers(12, 30, 200)
    metas = [{"id": f"toy/{i}", "lang": "en"} for i in range(200)]
    paths = [np.arange(t) * p // t for p, t in zip(phone_lengths, token_lengths, strict=True)]
    path = tmp_path_factory.mktemp("recipe") / "pairs.npz"
    np.savez(
        path,
        meta=np.frombuffer(json.dumps(metas).encode(), np.uint8),
        phones=rng.integers(0, 732, phone_lengths.sum()).astype(np.int16),
        phone_lengths=phone_lengths,
        tokens=rng.integers(0, 60, token_lengths.sum()).astype(np.int16),
        token_lengths=token_lengths,
        paths=np.concatenate(paths).astype(np.int16),
    )
    return path


def test_a_training_that_ran_out_of_time_ends_as_an_undisturbed_one(tmp_path: Path, pairs: Path) -> None:
    (tmp_path / "kokoro").mkdir()
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    arguments = [tmp_path / "kokoro", pairs]
    shared = ["--steps", 60, "--hours"]
    train("train_durations.py", *arguments, whole, *shared, 1)
    assert "60 of 60 steps" not in train("train_durations.py", *arguments, parts, *shared, 1e-4)
    assert "60 of 60 steps" in train("train_durations.py", *arguments, parts, *shared, 1)
    first, second = (load_file(folder / "weights.safetensors") for folder in (whole, parts))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (whole / "curves.jsonl").read_text() == (parts / "curves.jsonl").read_text()


def test_stage_one_trains_and_its_weights_are_read(tmp_path: Path, pairs: Path) -> None:
    output = train(
        "train_semantic.py", pairs, tmp_path / "run", "--steps", 2, "--positions", 300, "--vocabulary", 65
    )
    assert "2 of 2 steps" in output
    rows = [json.loads(row) for row in (tmp_path / "run" / "curves.jsonl").read_text().splitlines()]
    assert rows[-1]["held_out_cross"] > 0
    weights = load_file(tmp_path / "run" / "weights.safetensors")
    assert weights["ar_predict_layer.weight"].shape == (65, 384)


def test_the_pace_is_learned_from_a_pack(tmp_path: Path, pairs: Path) -> None:
    """Utterances of noise, with phones from `pairs`; the network that is learned has the shape that build.py reads."""
    pack, runs = tmp_path / "pack", tmp_path / "runs"
    pack.mkdir()
    rng, count, length = np.random.default_rng(1), 40, 30
    rows = count * length
    for name, array in {
        "tokens": np.zeros(rows, np.int16),
        "phones": np.zeros((rows, 2), np.int16),
        "audio": rng.integers(-3000, 3000, (rows, 960)).astype(np.int16),
        "f0": np.full((rows, 4), 120, np.float32),
        "voiced": np.ones((rows, 4), np.bool_),
        "timbre": np.zeros((count, 417), np.float32),
        "degraded_timbre": np.zeros((count, 417), np.float32),
        "speaker": np.zeros((count, 256), np.float32),
    }.items():
        np.save(pack / f"{name}.npy", array)
    metas = [{"tokens": length, "id": f"toy/{i}", "corpus": "toy", "speaker": "a"} for i in range(count)]
    (pack / "utterances.json").write_text(json.dumps(metas))
    (tmp_path / "kokoro").mkdir()
    train("train_durations.py", tmp_path / "kokoro", pairs, runs / "durations", "--steps", 2)
    content = ContentEncoder(ContentConfig(vocabulary=16)).state_dict()
    (runs / "content").mkdir()
    save_file(content, runs / "content" / "weights.safetensors")
    assert "2 of 2 steps" in train("train_pace.py", pack, pairs, runs, "--steps", 2)
    learned = load_file(runs / "pace" / "weights.safetensors")
    ContentEncoder(ContentConfig(vocabulary=16, usual=48)).usual.load_state_dict(learned)  # type: ignore[union-attr]
