"""The number of CPU threads that torch computes with (docs/adr/022-threads-of-training.md)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from timbral.inference.sessions import usable_cores

_SAMPLE_SECONDS = 0.3


def idle_cores() -> int:
    """Number of cores that this process may use and that are idle at the moment, at least 1."""
    load = psutil.cpu_percent(_SAMPLE_SECONDS, percpu=True)
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(load))
    idle = sum(1 - load[core] / 100 for core in allowed if core < len(load))
    return max(1, min(usable_cores(), round(float(idle))))


@contextmanager
def torch_threads(most: int) -> Iterator[None]:
    """Limits the threads of torch inside the block; a lower number that the user set stays."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(before, most))
    try:
        yield
    finally:
        torch.set_num_threads(before)
