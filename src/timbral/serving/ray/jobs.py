"""Jobs as Ray tasks: each takes jobs from the queue of the database, on any machine with a free core."""

import threading
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from timbral.serving import logs
from timbral.serving.config import ServeConfig
from timbral.serving.jobs.worker import Worker
from timbral.serving.services import Services

_IDLE_S = 30.0


class WorkerTask:
    """A worker as a task of the cluster. One that is lost is not run again: its job returns to the queue."""

    def __init__(self, config: ServeConfig) -> None:
        # A process of its own (max_calls), because a worker lowers its priority for good.
        task = ray.remote(num_cpus=config.ray.cpus_per_worker, max_retries=0, max_calls=1)(_work)
        self._task: Any = task.remote(config.model_dump(mode="json"))

    def poll(self) -> int | None:
        """None while it runs, then 0, or 1 after a failure."""
        return self._code(0)

    def release(self) -> None:
        """Interrupts it, so that it gives its job back."""
        ray.cancel(self._task)

    def end(self, within_s: float) -> None:
        """Waits until it has ended, and kills it after so many seconds."""
        if self._code(within_s) is None:
            ray.cancel(self._task, force=True)

    def _code(self, within_s: float) -> int | None:
        try:
            ray.get(self._task, timeout=within_s)
        except GetTimeoutError:
            return None
        except RayError:
            return 1
        return 0


def _work(settings: dict[str, Any]) -> None:
    config = ServeConfig(**settings)
    logs.configure(config.log_format)
    services = Services.open(config)
    try:
        Worker(services, threading.Event()).run(idle_s=_IDLE_S)
    finally:
        services.close()
