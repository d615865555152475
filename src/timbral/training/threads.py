"""Number and waiting behaviour of the CPU threads that torch computes with.

OpenMP threads wait for each other after every operation, and spin while they wait. On cores that other
processes use, several threads are therefore many times slower than one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from timbral.inference.sessions import usable_cores

_SAMPLE_SECONDS = 0.3


def use_passive_waiting() -> None:
    """Lets OpenMP threads sleep while they wait. Has an effect before torch is imported, and unless the user
    decided.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


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
