"""Runs that are killed, interrupted, short of memory or given up: what is on disk and what comes out."""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from tests.helpers.training_toy import SETTINGS, Toy, run
from timbral.errors import TrainingError
from timbral.inference.sessions import usable_cores
from timbral.training import checkpoint, loop
from timbral.training.curves import read_curves
from timbral.training.loop import train
from timbral.training.loop_settings import Precision
from timbral.training.random_state import random_states, restore_random_states, seed_all
from timbral.training.schedule import Constant, Exponential, WarmupCosine
from timbral.training.task import Batch, LossStep
from timbral.training.threads import idle_cores, torch_threads

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "helpers" / "training_toy.py"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """The weights that a run ends with, and its curves."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("undisturbed")
    task, _ = run(folder)
    return task.maker.state_dict(), read_curves(folder)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes that are killed are forked")
def test_a_run_that_is_killed_ten_times_ends_as_one_that_is_not(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], list[dict[str, Any]]]
) -> None:
    command = [sys.executable, str(TOY), str(tmp_path), "10", "7"]
    path = os.pathsep.join([str(ROOT), *sys.path])
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
    weights, curves = undisturbed
    assert read_curves(tmp_path) == curves
    task, outcome = run(tmp_path)
    assert same(task.maker.state_dict(), weights)
    assert outcome.epochs == SETTINGS.epochs
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "OMP_NUM_THREADS": "1",
    }
    shared |= {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "ACCELERATE_USE_CPU": "true",
    }
    command = [sys.executable, str(TOY), str(tmp_path)]
    processes = [
        subprocess.Popen(command, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert same(first, second)
    # Both together see each example once an epoch.
    assert read_curves(tmp_path)[-1]["step"] == SETTINGS.epochs * 24 // 8


def test_an_interrupted_run_goes_on_where_its_checkpoint_is(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], list[dict[str, Any]]]
) -> None:
    def interrupt(what: str, share: float) -> None:
        if share > 0.4:
            raise KeyboardInterrupt

    sparse = SETTINGS.model_copy(update={"save_every": 5})
    with pytest.raises(KeyboardInterrupt):
        train(Toy(), sparse, tmp_path, on_progress=interrupt, device="cpu")
    assert (tmp_path / checkpoint.NAME).is_file()
    task, _ = run(tmp_path, sparse)
    assert same(task.maker.state_dict(), undisturbed[0])
    assert read_curves(tmp_path) == undisturbed[1]


def test_another_configuration_does_not_go_on_with_a_run(tmp_path: Path) -> None:
    run(tmp_path, SETTINGS.model_copy(update={"epochs": 1}))
    with pytest.raises(TrainingError, match="other settings"):
        run(tmp_path, SETTINGS.model_copy(update={"epochs": 1, "rate": 0.5}))


def test_a_damaged_checkpoint_is_said(tmp_path: Path) -> None:
    (tmp_path / checkpoint.NAME).write_bytes(b"PK\x03\x04 no checkpoint")
    with pytest.raises(TrainingError, match="damaged"):
        run(tmp_path)


def test_a_checkpoint_cannot_carry_code(tmp_path: Path) -> None:
    torch.save({"format": 1, "evil": os.system}, tmp_path / checkpoint.NAME)
    with pytest.raises(TrainingError, match="damaged"):
        checkpoint.load_checkpoint(tmp_path)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_scaled_gradients_step_as_unscaled_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulation: int
) -> None:
    """accelerate scales with fp16 alone, which needs a GPU; the scaler itself works on a CPU too."""

    def scaling(precision: Precision, device: str) -> Accelerator:
        accelerator = plain(precision, device)
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1.0, growth_interval=1)
        return accelerator

    settings = SETTINGS.model_copy(update={"epochs": 3, "accumulation": accumulation})
    task, _ = run(tmp_path / "unscaled", settings)
    plain = loop._accelerator
    monkeypatch.setattr(loop, "_accelerator", scaling)
    scaled, _ = run(tmp_path / "scaled", settings)
    # The scale is a power of two that grows with every update: not a bit is lost.
    assert same(scaled.maker.state_dict(), task.maker.state_dict())
    assert same(scaled.critic.state_dict(), task.critic.state_dict())


class Hungry(Toy):
    """Has memory for two examples at a time."""

    sizes: list[int]

    def collate(self, examples: Any) -> Batch:
        self.sizes.append(len(examples))
        if len(examples) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().collate(examples)


def test_without_memory_batches_are_halved_and_updates_stay(tmp_path: Path) -> None:
    task = Hungry()
    task.sizes = []
    settings = SETTINGS.model_copy(update={"epochs": 2, "batch_size": 8})
    outcome = train(task, settings, tmp_path, device="cpu")
    assert outcome.steps == 6
    assert task.sizes == [8, 4] + [2] * 24
    state = checkpoint.load_checkpoint(tmp_path)
    assert state is not None
    assert state["halvings"] == 2


def test_halved_batches_have_the_gradient_of_whole_ones() -> None:
    whole, halved = (_gradient(size) for size in (8, 2))
    assert torch.allclose(whole, halved, atol=1e-6)


def _gradient(size: int) -> Tensor:
    """How far one step of plain descent moves a network without dropout, in batches of `size`."""

    class Plain(Toy):
        result = "maker"

        def loss_steps(self, batch: Batch) -> Any:
            yield LossStep("maker", (self.maker(batch["real"]) - 1).square().mean())

    task = Plain()
    task.maker[1] = torch.nn.Dropout(0.0)
    task.networks = {"maker": task.maker}
    task.optimizers = {"maker": torch.optim.SGD(task.maker.parameters(), lr=1.0)}
    before = task.maker[0].weight.detach().clone()
    settings = SETTINGS.model_copy(
        update={
            "batch_size": size,
            "accumulation": 8 // size,
            "epochs": 1,
            "schedule": Constant(),
            "ema": 0.0,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        train(task, settings, Path(folder), device="cpu")
    return task.maker[0].weight.detach() - before


def test_a_run_whose_gradients_are_no_numbers_is_given_up(tmp_path: Path) -> None:
    task = Toy()
    task.examples[:] = torch.nan
    with pytest.raises(TrainingError, match="lower rate"):
        train(task, SETTINGS, tmp_path, device="cpu")


def test_a_run_ends_when_the_held_out_examples_get_no_better(tmp_path: Path) -> None:
    class Worse(Toy):
        told = 0

        def validate(self) -> dict[str, float]:
            self.told += 1
            return {"distance": float([3, 1, 2, 4, 5][self.told - 1])}

    settings = SETTINGS.model_copy(update={"patience": 2, "validate_every": 1, "ema": 0.0})
    task = Worse()
    outcome = train(task, settings, tmp_path, device="cpu")
    assert (outcome.epochs, outcome.best) == (4, 1.0)
    two, _ = run(
        tmp_path / "two", settings.model_copy(update={"epochs": 2, "patience": 0, "schedule": Constant()})
    )
    assert not same(task.maker.state_dict(), two.maker.state_dict())
    state = checkpoint.load_checkpoint(tmp_path)
    assert state is not None
    assert same(dict(task.maker.named_parameters()), state["best"])


def test_measuring_leaves_no_trace_in_a_run(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], list[dict[str, Any]]]
) -> None:
    task, _ = run(tmp_path, SETTINGS.model_copy(update={"validate_every": 1}))
    assert same(task.maker.state_dict(), undisturbed[0])


def test_schedules_are_what_they_say() -> None:
    cosine = WarmupCosine(start=1e-5, end=1e-4, warmup=2000, decay=40000)
    peak = 0.01
    assert cosine.rate(peak, 0, 0, 1) == 1e-5
    assert cosine.rate(peak, 1000, 0, 1) == pytest.approx(1e-5 + (peak - 1e-5) / 2)
    assert cosine.rate(peak, 2000, 0, 1) == peak
    assert cosine.rate(peak, 21000, 0, 1) == pytest.approx((peak + 1e-4) / 2)
    assert cosine.rate(peak, 50000, 0, 1) == 1e-4
    assert WarmupCosine().rate(peak, 30, 0, 60) == pytest.approx(peak / 2)
    assert Exponential(decay=0.5).rate(peak, 77, 3, 1) == peak / 8
    assert Constant().rate(0.002, 123, 4, 5) == 0.002


def test_curves_say_the_rate_that_was_used(tmp_path: Path) -> None:
    task, _ = run(tmp_path, SETTINGS.model_copy(update={"epochs": 1}))
    maker, critic = (task.optimizers[name].param_groups[0]["lr"] for name in ("maker", "critic"))
    assert critic == maker / 2


def test_random_states_come_back() -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    seed_all(3)
    random.gauss(0, 1)
    states = random_states()
    first = drawn()
    restore_random_states(states)
    assert drawn() == first


def test_rows_that_a_kill_cut_off_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "curves.jsonl").write_text(json.dumps({"step": 1, "loss": 2.0}) + '\n{"step": 2, "lo')
    assert read_curves(tmp_path) == [{"step": 1, "loss": 2.0}]


def test_a_run_stops_at_its_time_limit_and_resumes(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], list[dict[str, Any]]]
) -> None:
    outcome = train(Toy(), SETTINGS, tmp_path, device="cpu", time_limit=0)
    assert (outcome.steps, outcome.finished) == (0, False)
    task, outcome = run(tmp_path)
    assert outcome.finished
    assert same(task.maker.state_dict(), undisturbed[0])


def test_a_resumed_run_computes_in_as_many_threads(tmp_path: Path) -> None:
    class Watched(Toy):
        threads = 0

        def validate(self) -> dict[str, float]:
            self.threads = torch.get_num_threads()
            return super().validate()

    train(Toy(), SETTINGS, tmp_path, device="cpu", time_limit=0)
    task = Watched()
    with torch_threads(4):
        torch.set_num_threads(2)
        train(task, SETTINGS, tmp_path, device="cpu")
        assert torch.get_num_threads() == 2
    assert task.threads == 1
    assert torch.get_num_threads() == 1
    assert 1 <= idle_cores() <= usable_cores()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_missing_cuda_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no CUDA"):
        train(Toy(), SETTINGS, tmp_path, device="cuda")


def test_training_opens_no_connection(tmp_path: Path) -> None:
    """Neither ours nor those of accelerate and torch."""
    script = tmp_path / "offline.py"
    script.write_text(
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname'):\n"
        "        print(event, arguments, file=sys.stderr)\n"
        "        import os; os._exit(9)\n"
        "sys.addaudithook(refuse)\n"
        "from pathlib import Path\n"
        "from tests.helpers.training_toy import run\n"
        "run(Path(sys.argv[1]))\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(script), str(tmp_path / "run")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
