#!/usr/bin/env python3
"""Time and memory of training at official size: seconds per update, and peak memory of a new process.

    python benchmarks/training.py [--device auto|cpu] [--batch-size 2] [--seconds 4] [--updates 3] [CASE...]

A case is STAGE-METHOD or VERSION-METHOD: semantic-lora, semantic-full, v2-lora, v2Pro-full, v3-lora ...
Weights are random, which takes as long as trained ones; stage two of v1 to v2ProPlus has its discriminators.
The first update is not counted.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from timbral.nets.acoustic import FAMILIES, AcousticNetwork
from timbral.nets.discriminators import DISCRIMINATORS, Discriminators
from timbral.nets.mel_acoustic import MEL_FAMILIES, MelAcousticNetwork
from timbral.nets.semantic import SemanticConfig, SemanticTransformer
from timbral.training.acoustic_examples import AcousticExample
from timbral.training.adapters import parameter_counts
from timbral.training.flow_matching import FlowMatchingTask
from timbral.training.loop import DEVICES, train
from timbral.training.semantic import SemanticExample, SemanticTask
from timbral.training.settings import AcousticSettings, SemanticSettings, StageSettings, defaults
from timbral.training.task import Task
from timbral.training.vits import VitsTask

CASES = ("semantic-lora", "semantic-full", "v2-lora", "v2-full", "v2Pro-lora", "v2Pro-full", "v3-lora")
PHONES = 10
"""A second."""


def task_of(case: str, arguments: argparse.Namespace) -> tuple[Task, StageSettings]:
    name, method = case.split("-")
    seconds, number = arguments.seconds, arguments.batch_size * arguments.updates
    own = {
        "epochs": 1,
        "batch_size": arguments.batch_size,
        "accumulation": 1,
        "least": 0,
        "held_out": 0,
        "patience": 0,
    }
    phones, tokens = torch.randint(0, 700, (PHONES * seconds,)), torch.randint(0, 1024, (25 * seconds,))
    if name == "semantic":
        settings = SemanticSettings(**defaults("v2", "semantic", method) | own)
        spoken = SemanticExample(phones, tokens, torch.randn(len(phones), 1024).half())
        return SemanticTask(SemanticTransformer(SemanticConfig()), [spoken] * number, settings), settings
    chosen = AcousticSettings(**defaults(name, "acoustic", method) | own)
    example = AcousticExample(0.1 * torch.randn(32000 * seconds), phones, tokens)
    if name in MEL_FAMILIES:
        example = replace(
            example, mel=torch.rand(100, int(MEL_FAMILIES[name].mel_rate * 50 * seconds)) * 2 - 1
        )
        return FlowMatchingTask(MelAcousticNetwork(MEL_FAMILIES[name]), [example] * number, chosen), chosen
    example = replace(example, speaker=torch.randn(20480) if FAMILIES[name].speaker else None)
    discriminators = Discriminators(DISCRIMINATORS[name])
    return VitsTask(AcousticNetwork(FAMILIES[name]), discriminators, [example] * number, chosen), chosen


def measure(case: str, arguments: argparse.Namespace) -> None:
    """Runs one case in this process, and prints a row of a table."""
    task, settings = task_of(case, arguments)
    began: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            task,
            settings,
            Path(folder),
            on_progress=lambda what, share: began.append(time.perf_counter()),
            device=arguments.device,
        )
    trained, total = parameter_counts(task.networks[task.result])
    seconds = (began[-1] - began[1]) / (len(began) - 2)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    row = [case, f"{trained / 1e6:.2f} of {total / 1e6:.1f} M", f"{seconds:.2f}", f"{memory:.1f}"]
    if torch.cuda.is_available() and arguments.device == "auto":
        row.append(f"{torch.cuda.max_memory_allocated() / 1e9:.1f}")
    print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--device", default="auto", choices=DEVICES)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--updates", type=int, default=3)
    parser.add_argument("--single", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.single:
        measure(arguments.cases[0], arguments)
        return
    print(
        "| case | trained | seconds an update | GB of memory | GB of the device |\n|---|---|---|---|---|",
        flush=True,
    )
    options = [a for a in sys.argv[1:] if a not in arguments.cases]
    for case in arguments.cases or CASES:
        subprocess.run([sys.executable, __file__, case, "--single", *options], check=True)


if __name__ == "__main__":
    main()
