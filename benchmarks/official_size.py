#!/usr/bin/env python3
"""Speed and quantisation error of the official networks (stage one and v2) in every precision, beside the official code's way.

    python benchmarks/official_size.py [--graphs DIR] [--threads N] [--turns N]

Weights are synthetic (the recipe of tests/data/goldens), so speeds are those of real ones and errors only an indication.
Graphs are written to DIR, where later runs find them; without --graphs they are temporary. Figures are
medians / minima over turns in which all candidates take part; ratios are of this run alone.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import official_models as models  # noqa: E402
from measuring import Memory, Timing, interleaved  # noqa: E402
from official_peer import SemanticPeer, vocode  # noqa: E402

from timbral.audio.measures import log_mel_distance, relative_error, signal_to_noise  # noqa: E402
from timbral.conversion.export import acoustic, semantic  # noqa: E402
from timbral.conversion.export.precision import Precision  # noqa: E402
from timbral.inference.acoustic.vocoder_windows import vocode_in_rows  # noqa: E402
from timbral.inference.semantic.backend import Backend, open_backend  # noqa: E402
from timbral.inference.semantic.teacher_forcing import argmax_agreement, teacher_forced  # noqa: E402
from timbral.inference.sessions import Graph, SessionOptions, usable_cores  # noqa: E402
from timbral.models import files  # noqa: E402
from timbral.nets.acoustic import AcousticNetwork  # noqa: E402
from timbral.nets.semantic import BERT_CHANNELS, SemanticTransformer  # noqa: E402

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
PHONES, PROMPT, SPOKEN = 60, 125, 125
"""Lengths at which steps are timed: the middle of a sentence of 10 s after a prompt of 5 s."""
COMPARED = 120
"""Tokens under teacher forcing."""
VOCODED = 125
"""Tokens that the vocoder synthesises in a turn; its time is proportional."""
RATE, HOP = 32_000, 640
console = Console()


def opened(folder: Path, threads: int, rows: int) -> Backend:
    options = SessionOptions(device="cpu", threads=threads)
    return open_backend(
        folder / files.SEMANTIC_PREFILL, folder / files.SEMANTIC_STEP, options, slots=rows, capacity=1024
    )


def row(tokens: int) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Random phones [P], features [P, d] and tokens."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((PHONES, BERT_CHANNELS)).astype(np.float32)
    return rng.integers(0, 732, PHONES), features, rng.integers(0, 1024, tokens)


def stepping(runner: Backend, rows: int) -> Callable[[], object]:
    phones, features, tokens = row(PROMPT + SPOKEN)
    for place in range(rows):
        runner.prefill(place, phones, features, tokens)
    slots, token = np.arange(rows), np.full(rows, 7)
    return lambda: runner.step(slots, token)


def peer_stepping(network: SemanticTransformer, threads: int) -> Callable[[], object]:
    peer, token = SemanticPeer(network, PHONES + PROMPT + SPOKEN), torch.tensor([[7]])

    def step() -> None:
        torch.set_num_threads(threads)
        peer.step(token)

    return step


def best(first: Timing, second: Timing) -> Timing:
    return Timing(min(first.median, second.median), min(first.least, second.least))


def steps_table(folder: Path, network: SemanticTransformer, threads: int, turns: int) -> Table:
    memory = Memory(threads)
    candidates: dict[str, Callable[[], object]] = {
        "memory": memory,
        "peer, 1 thread": peer_stepping(network, 1),
        "peer": peer_stepping(network, threads),
    }
    for precision in PRECISIONS:
        for rows in (1, 4):
            runner = opened(folder / precision, threads, rows)
            candidates[f"{precision} x {rows}"] = stepping(runner, rows)
    found = interleaved(candidates, turns)
    speed = Timing(found["memory"].median / memory.size, found["memory"].least / memory.size)
    peer = best(found["peer, 1 thread"], found["peer"])

    table = Table(title=f"Stage one, {threads} threads: a step at {PHONES + PROMPT + SPOKEN} positions")
    for column in (
        "",
        "ms a step, batch 1",
        "times the peer",
        "share of floor",
        "batch 4",
        "throughput of 4",
    ):
        table.add_column(column)
    table.add_row("torch, 1 thread", str(found["peer, 1 thread"]))
    table.add_row(f"torch, {threads} threads", str(found["peer"]))
    for precision in PRECISIONS:
        alone, four = found[f"{precision} x 1"], found[f"{precision} x 4"]
        read = models.read_by_a_step(folder / precision)
        floor = Timing(speed.median * read, speed.least * read)
        gained = f"{4 * alone.median / four.median:.2f} / {4 * alone.least / four.least:.2f}"
        table.add_row(precision, str(alone), alone.over(peer), alone.over(floor), str(four), gained)
    table.caption = f"memory: {1e-6 / speed.median:.1f} / {1e-6 / speed.least:.1f} GB/s"
    return table


def vocoder_table(folder: Path, network: AcousticNetwork, threads: int, turns: int) -> Table:
    example = acoustic.vocoder_examples(network, [models.utterance(network, 100, VOCODED)])[0]
    tensors = {name: torch.from_numpy(values) for name, values in example.items()}
    graphs = {
        precision: Graph(
            folder / "v2" / precision / files.VOCODER,
            ("latent", "timbre"),
            ("audio",),
            SessionOptions(device="cpu", threads=threads),
        )
        for precision in ("fp32", "int8")
    }
    candidates: dict[str, Callable[[], object]] = {}
    for count in sorted({1, threads}):

        def peer(count: int = count) -> None:
            torch.set_num_threads(count)
            vocode(network, **tensors)

        candidates[f"torch, {count} threads"] = peer
    sounds = {name: graph(example)[0][0] for name, graph in graphs.items()}
    for name, graph in graphs.items():
        for rows in sorted({1, threads}):

            def speak(graph: Graph = graph, rows: int = rows) -> None:
                vocode_in_rows(graph, **example, rows=rows, reach=network.dec.reach, hop=HOP)

            candidates[name if rows == 1 else f"{name} in {rows} rows"] = speak
    found = interleaved(candidates, turns)
    scale = 250 / VOCODED / 1000
    peers = [timing for name, timing in found.items() if name.startswith("torch")]
    peer_timing = best(peers[0], peers[-1])
    table = Table(title=f"Vocoder of v2, {threads} threads: seconds for 250 tokens (10 s of sound)")
    for column in ("", "s", "times the peer", "SNR, dB", "log-mel, dB"):
        table.add_column(column)
    for name, timing in found.items():
        cells = [name, str(Timing(timing.median * scale, timing.least * scale)), timing.over(peer_timing)]
        if name in sounds:
            pair = sounds["fp32"], sounds[name]
            cells += [
                f"{signal_to_noise(*pair):.1f}",
                f"{log_mel_distance(*pair, RATE):.2f}",
            ]
        table.add_row(*cells)
    return table


def error_table(folder: Path, threads: int) -> Table:
    phones, features, tokens = row(PROMPT + COMPARED)
    logits = {
        precision: teacher_forced(opened(folder / precision, threads, 1), phones, features, tokens, PROMPT)
        for precision in PRECISIONS
    }
    table = Table(title=f"Stage one: quantisation error over {COMPARED} tokens under teacher forcing")
    for column in ("", "weights, MB", "relative error of logits", "same argmax"):
        table.add_column(column)
    for precision, found in logits.items():
        table.add_row(
            precision,
            f"{(folder / precision / semantic.WEIGHTS).stat().st_size / 1e6:.1f}",
            f"{relative_error(logits['fp32'], found):.4f}",
            f"{argmax_agreement(logits['fp32'], found):.0%}",
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--graphs", type=Path, default=None, help="folder that keeps the graphs")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--turns", type=int, default=30)
    arguments = parser.parse_args()
    one, two = models.semantic_network(), models.acoustic_network("v2")
    with tempfile.TemporaryDirectory() as passing:
        folder = arguments.graphs or Path(passing)
        models.export_semantic(folder, PRECISIONS)
        models.export_acoustic(folder / "v2", "v2")
        console.print(error_table(folder, arguments.threads))
        for threads in sorted({1, arguments.threads}):
            console.print(steps_table(folder, one, threads, arguments.turns))
            console.print(vocoder_table(folder, two, threads, max(3, arguments.turns // 4)))


if __name__ == "__main__":
    main()
