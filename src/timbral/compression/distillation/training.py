"""Trains one network of a student after the other, within the time that there is, and resumes."""

import hashlib
import math
import time
from collections.abc import Callable
from pathlib import Path

from timbral.compression.distillation.settings import TrainedStepSettings
from timbral.compression.distillation.task import DistillationTask, NetworkT, loop_settings
from timbral.compression.step import OnProgress
from timbral.errors import CompressionError
from timbral.training.loop import train
from timbral.training.random_state import isolated_random_state


class StudentTrainer:
    """Trains the networks of a student in folders of their own below `work`.

    identity: of parent and data, which together with the settings name the runs. share: of the step that is
    done before it.
    """

    def __init__(
        self, work: Path, settings: TrainedStepSettings, identity: str, on_progress: OnProgress
    ) -> None:
        self.work, self.settings, self._on_progress = work, settings, on_progress
        self._identity = f"{identity}\n{settings.identity()}"
        limit = math.inf if settings.minutes is None else 60 * settings.minutes
        self._deadline = time.monotonic() + limit

    def train(
        self,
        name: str,
        make: Callable[[], DistillationTask[NetworkT]],
        updates: int,
        rate: float,
        span: tuple[float, float],
    ) -> NetworkT:
        """The trained network of the task that `make` makes, on the CPU. span: its shares of the step.

        Raises CompressionError: the time is over before the network is trained.
        """
        settings = self.settings
        with isolated_random_state(settings.seed):
            task = make()
        start, end = span
        outcome = train(
            task,
            loop_settings(updates, settings.batch_size, rate, settings.compute, settings.seed),
            self.work / name,
            fingerprint=hashlib.sha256(f"{self._identity}\n{name}".encode()).hexdigest(),
            on_progress=lambda what, share: self._on_progress(
                f"distilling {name}", start + (end - start) * share
            ),
            device=settings.device,
            time_limit=max(0.0, self._deadline - time.monotonic()),
        )
        if not outcome.finished:
            raise CompressionError(
                f"{settings.minutes:g} minutes are over, and {name} is at update {outcome.steps} of {updates}; "
                "run the same command again to go on"
            )
        task.network.cpu().eval()
        return task.network
