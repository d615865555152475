#!/usr/bin/env python3
"""Speed and memory beside the official GPT-SoVITS, run from a checkout of it as it is, in the same run.

    python benchmarks/official.py PATH [--graphs DIR] [--threads N] [--turns N] [--clock wall|cpu] [--tables ...] [--engines ...]

PATH is a checkout of https://github.com/RVC-Boss/GPT-SoVITS; besides timbral[train] it needs torchmetrics, einops,
transformers and x_transformers. Both sides have the same synthetic weights (the recipe of tests/data/goldens). Stages take
turns in short pieces; figures are medians / minima, and ratios are of this run alone. Torch on one thread is often faster than
on several, above all on a busy machine: the official code runs both ways, and ratios are to its better one.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import official_code as official  # noqa: E402
import official_models as models  # noqa: E402
from measuring import CLOCKS, Memory, Timing, interleaved  # noqa: E402
from official_ours import Case, Reader, Speaker, generation  # noqa: E402

from timbral.conversion.export.precision import Precision  # noqa: E402
from timbral.inference import openvino_graph  # noqa: E402
from timbral.inference.sessions import Engine, usable_cores  # noqa: E402
from timbral.native.binding import vocoder_variants  # noqa: E402
from timbral.nets.acoustic import FAMILIES  # noqa: E402

PHONES, SAID, PROMPT, TOKENS = 60, 40, 125, 250
"""10 s of speech after a prompt of 5 s; of the phones, 40 are the text's."""
CHARACTERS = PHONES // 4
PIECE = 10
"""Tokens that one side decodes before it is the other's turn."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8", "int4")
ENGINES: dict[str, tuple[str, Engine, bool]] = {
    "onnxruntime fp32": ("fp32", "onnxruntime", True),
    "onnxruntime int8": ("int8", "onnxruntime", False),
    "OpenVINO fp32": ("fp32", "openvino", True),
    "OpenVINO bf16": ("fp32", "openvino", False),
    "OpenVINO int8": ("int8", "openvino", True),
    "OpenVINO int8 and bf16": ("int8", "openvino", False),
    "native int8": ("int8", "native", False),
}
"""Candidates for stage two: the precision of the graphs, the engine, and whether OpenVINO computes in float32."""
Clock = Callable[[], float]
TABLES = ("tokens", "v2", "v2Pro", "request", "memory")
console = Console(width=120)


def request(family: str) -> official.Request:
    rng = torch.Generator().manual_seed(0)
    phones = torch.randint(0, 732, (1, PHONES), generator=rng)
    return official.Request(
        phones,
        torch.randn(1, 1024, PHONES, generator=rng),
        torch.randint(0, 1024, (1, PROMPT), generator=rng),
        phones[:, -SAID:],
        torch.randn(1, FAMILIES[family].spectrum_bins, 250, generator=rng).abs(),
    )


@torch.inference_mode()
def case(family: str, asked: official.Request) -> Case:
    network = models.acoustic_network(family)
    speaker = torch.ones(1, network.config.speaker) if network.config.speaker else None
    return Case(
        asked.phones[0].numpy(),
        np.ascontiguousarray(asked.features[0].T.numpy()),
        asked.prompt[0].numpy(),
        asked.said[0].numpy(),
        network.timbre(asked.spectrum, speaker)[:, :, 0].numpy(),
        network.dec.reach,
    )


def with_threads(count: int, call: Callable[[], object]) -> Callable[[], object]:
    """The call with so many threads of torch."""

    def counted() -> object:
        torch.set_num_threads(count)
        return call()

    return counted


def numbered(threads: int) -> list[tuple[str, int]]:
    """Names of the official code's ways to run, with their threads."""
    return [(f"official, {count} threads", count) for count in sorted({1, threads})]


def best(found: dict[str, Timing]) -> Timing:
    """The official code's better way."""
    ways = [timing for name, timing in found.items() if name.startswith("official")]
    return Timing(min(way.median for way in ways), min(way.least for way in ways))


def on_threads(count: int, generated: Iterator[object]) -> Iterator[object]:
    """The same tokens, with so many threads of torch."""
    while True:
        torch.set_num_threads(count)
        yield next(generated)


@torch.no_grad()
def paced(generations: dict[str, Callable[[], Iterator[object]]], turns: int) -> dict[str, Timing]:
    """Milliseconds a token of generations that take turns, a piece each, from the first token to the last."""
    times: dict[str, list[float]] = {name: [] for name in generations}
    for _ in range(turns):
        running = {name: start() for name, start in generations.items()}
        for generated in running.values():
            next(generated)
        for _ in range((TOKENS - 1) // PIECE):
            for name, generated in running.items():
                began = time.perf_counter()
                for _ in range(PIECE):
                    next(generated)
                times[name].append(1000 * (time.perf_counter() - began) / PIECE)
    return {name: Timing(float(np.median(each)), min(each)) for name, each in times.items()}


def tokens_table(folder: Path, threads: int, turns: int) -> Table:
    asked = request("v2")
    voice = case("v2", asked)
    network = official.semantic()
    generations: dict[str, Callable[[], Iterator[object]]] = {
        name: lambda count=count: on_threads(count, official.tokens_of(network, asked))
        for name, count in numbered(threads)
    }
    for precision in PRECISIONS:
        for rows in (1, 4):
            speaker = Speaker(folder / precision, folder / "v2" / "fp32", threads, rows)
            generations[f"{precision} x {rows}"] = lambda speaker=speaker, rows=rows: generation(
                speaker.runner, voice, rows
            )
    found = paced(generations, turns)
    memory = Memory(threads)
    reading = interleaved({"memory": memory}, 20)["memory"]
    table = Table(title=f"Stage one, {threads} threads: a token of {TOKENS}, sampling included")
    for column in ("", "ms", "times official", "share of floor", "4 at once, ms", "throughput of 4"):
        table.add_column(column)
    for name, _ in numbered(threads):
        table.add_row(name, str(found[name]))
    for precision in PRECISIONS:
        alone, four = found[f"{precision} x 1"], found[f"{precision} x 4"]
        weighs = models.read_by_a_step(folder / precision) / memory.size
        floor = Timing(reading.median * weighs, reading.least * weighs)
        gained = f"{4 * alone.median / four.median:.2f} / {4 * alone.least / four.least:.2f}"
        table.add_row(precision, str(alone), alone.over(best(found)), alone.over(floor), str(four), gained)
    table.caption = (
        f"memory: {memory.size / reading.median / 1e6:.1f} / {memory.size / reading.least / 1e6:.1f} GB/s"
    )
    return table


def usable_engines() -> list[str]:
    """Those of ENGINES that can be used here."""
    usable = {"onnxruntime", *(["native"] if vocoder_variants() else [])}
    usable |= {"openvino"} if openvino_graph.is_installed() else set()
    return [name for name, (_, engine, _) in ENGINES.items() if engine in usable]


def speaker_of(folder: Path, family: str, name: str, threads: int, stage_one: Precision = "int8") -> Speaker:
    precision, engine, exact = ENGINES[name]
    return Speaker(folder / stage_one, folder / family / precision, threads, engine=engine, exact=exact)


def sound_table(
    folder: Path, family: str, threads: int, turns: int, engines: list[str], clock: Clock
) -> Table:
    asked = request(family)
    voice = case(family, asked)
    network = official.acoustic(family)
    speaker = torch.ones(1, 20480) if FAMILIES[family].speaker else None
    tokens = torch.randint(0, 1024, (1, TOKENS), generator=torch.Generator().manual_seed(1))
    candidates: dict[str, Callable[[], object]] = {
        name: with_threads(count, lambda: official.speak(network, tokens, asked, speaker))
        for name, count in numbered(threads)
    }
    for name in engines:
        ours = speaker_of(folder, family, name, threads)
        candidates[name] = lambda ours=ours: ours.speak(tokens[0].numpy(), voice)
    found = interleaved(candidates, turns, clock)
    table = Table(title=f"Stage two of {family}, {threads} threads: {TOKENS} tokens (10 s of sound)")
    for column in ("", "ms", "times official"):
        table.add_column(column)
    for name, timing in found.items():
        table.add_row(name, str(timing), "" if name.startswith("official") else timing.over(best(found)))
    return table


def whole_table(folder: Path, threads: int, turns: int, engines: list[str], clock: Clock) -> Table:
    """Text features and a whole request in a voice that is known to us, stage one in int8 and with one engine in int4."""
    asked = request("v2Pro")
    voice = case("v2Pro", asked)
    one, two, encoders = official.semantic(), official.acoustic("v2Pro"), official.Encoders()
    audio = torch.randn(5 * 16000, generator=torch.Generator().manual_seed(2))
    ours = {name: speaker_of(folder, "v2Pro", name, threads) for name in engines}
    ours[f"{engines[-1]}, stage one int4"] = speaker_of(folder, "v2Pro", engines[-1], threads, "int4")
    read = Reader(folder / "bert" / "bert.onnx", threads)
    rows: list[tuple[str, Callable[[], object], dict[str, Callable[[], object]]]] = [
        (
            f"features of a text of {CHARACTERS} characters",
            lambda: encoders.read(CHARACTERS),
            {"int8": lambda: read(CHARACTERS)},
        ),
        ("prompt's content (HuBERT)", lambda: encoders.hear(audio), {}),
        ("speaker's embedding (ERes2NetV2)", lambda: encoders.recognise(audio), {}),
        (
            "whole request",
            lambda: official.say(one, two, encoders, asked, audio, TOKENS),
            {name: lambda each=each: each.say(voice, TOKENS, read) for name, each in ours.items()},
        ),
    ]
    table = Table(title=f"v2Pro, {threads} threads: 10 s of speech in a known voice, stage one in int8")
    for column in ("", "official, ms", "stage two", "ours, ms", "times official"):
        table.add_column(column)
    for name, theirs, mine in rows:
        candidates = {way: with_threads(count, theirs) for way, count in numbered(threads)}
        found = interleaved({**candidates, **mine}, turns, clock)
        if not mine:
            table.add_row(name, str(best(found)), "", "in the voice file", "")
        for way in mine:
            table.add_row(name, str(best(found)), way, str(found[way]), found[way].over(best(found)))
    return table


ALONE = """
import sys
sys.path[:0] = {paths!r}
{body}
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024)
"""
OFFICIAL_ALONE = """
from pathlib import Path
import official, official_code, torch
official_code.make_importable(Path({checkout!r}))
asked = official.request("v2Pro")
audio = torch.randn(5 * 16000)
one, two, encoders = official_code.semantic(), official_code.acoustic("v2Pro"), official_code.Encoders()
official_code.say(one, two, encoders, asked, audio, {tokens})
"""
OURS_ALONE = """
import time
from pathlib import Path
import numpy as np
from official_ours import Case, Reader, Speaker
folder = Path({folder!r})
began = time.perf_counter()
ours = Speaker(folder / "int8", folder / "v2Pro" / {precision!r}, {threads}, engine={engine!r}, exact={exact})
print(time.perf_counter() - began)
features, timbre = np.zeros((60, 1024), np.float32), np.zeros((1, 1024), np.float32)
case = Case(np.arange(60), features, np.arange(125), np.arange(40), timbre, {reach})
ours.say(case, {tokens}, Reader(folder / "bert" / "bert.onnx", {threads}))
"""


def memory_table(folder: Path, checkout: Path, threads: int, engines: list[str]) -> Table:
    """Peaks of fresh processes that load everything and say one sentence, as Linux tells them.

    `getrusage` would count what this process held when it started them.
    """
    reach = models.acoustic_network("v2Pro").dec.reach
    bodies = {"official": OFFICIAL_ALONE.format(checkout=str(checkout), tokens=TOKENS)}
    for name in engines:
        precision, engine, exact = ENGINES[name]
        bodies[name] = OURS_ALONE.format(
            folder=str(folder),
            threads=threads,
            reach=reach,
            tokens=TOKENS,
            precision=precision,
            engine=engine,
            exact=exact,
        )
    paths = [str(ROOT), str(ROOT / "benchmarks")]
    table = Table(title="v2Pro: peak memory of a process, from start to the end of a sentence of 10 s")
    for column in ("", "MB", "both stages opened, s"):
        table.add_column(column)
    for name, body in bodies.items():
        code = ALONE.format(paths=paths, body=body)
        out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        *loaded, peak = out.splitlines()
        table.add_row(
            name, f"{float(peak):.0f}", f"{float(loaded[-1]):.2f}" if loaded and name != "official" else ""
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkout", type=Path, help="checkout of the official repository")
    parser.add_argument("--graphs", type=Path, default=None, help="folder that keeps the graphs")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: with --threads 1, on a busy machine"
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--engines", nargs="+", choices=usable_engines(), default=usable_engines())
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    official.make_importable(checkout)
    with tempfile.TemporaryDirectory() as passing:
        folder = arguments.graphs or Path(passing)
        models.export_semantic(folder, PRECISIONS)
        for family in ("v2", "v2Pro"):
            models.export_acoustic(folder / family, family)
        models.export_bert(folder / "bert")
        threads, turns, engines = arguments.threads, arguments.turns, arguments.engines
        clock = CLOCKS[arguments.clock]
        tables: dict[str, Callable[[], Table]] = {
            "tokens": lambda: tokens_table(folder, threads, turns),
            "v2": lambda: sound_table(folder, "v2", threads, 2 * turns, engines, clock),
            "v2Pro": lambda: sound_table(folder, "v2Pro", threads, 2 * turns, engines, clock),
            "request": lambda: whole_table(folder, threads, turns, engines, clock),
            "memory": lambda: memory_table(folder, checkout, threads, engines),
        }
        for name in arguments.tables:
            console.print(tables[name]())


if __name__ == "__main__":
    main()
