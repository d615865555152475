#!/usr/bin/env python3
"""Where the time of speaking goes: each stage, real-time factor, first sound, memory, and stage one's floor.

    python benchmarks/speak.py [--voice FILE] [--model NAME|DIR] [--threads N] [--repeats N] [--book] [--json]

Stage one reads all of its weights in every step, so a step cannot take less than weight bytes over memory
bandwidth; ms/token are shares of steps that all takes of a sentence run together. The bandwidth is measured in
the same run, after the peak of memory has been read.
"""

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import timbral
from timbral.inference.semantic.backend import open_backend
from timbral.inference.sessions import SessionOptions, usable_cores

ROOT = Path(__file__).parents[1]
TEXTS = {
    "en, one sentence": "The first light of the morning fell on the quiet harbour, and boats began to move.",
    "zh, one sentence": "清晨的第一缕阳光照在安静的港口上，小船开始慢慢地移动。",
    "en, paragraph": "It had rained all night. The streets were empty, and the lamps were still burning. "
    "Somewhere a door was opened, and a dog came out into the wet grass. Nobody saw it go. "
    "By noon the sun had dried the roofs, and the town looked as if nothing had happened at all.",
    "zh, paragraph": "昨天夜里下了一整晚的雨。街道上空无一人，路灯还亮着。"
    "不知道哪里有一扇门打开了，一只狗走进了湿漉漉的草地。没有人看见它离开。到了中午，太阳晒干了屋顶，小镇看起来就像什么事都没有发生过一样。",
}
STAGES = ("text_s", "prefill_s", "decode_s", "acoustic_s", "total_s", "first_s", "rtf", "audio_s")


def speak(tts: timbral.Synthesizer, voice: timbral.Voice, text: str, repeats: int) -> dict[str, float]:
    """Medians over `repeats` different seeds, and the time of stage one for a token."""
    reports = [tts.say(text, voice, seed=seed).report for seed in range(repeats)]
    values = {name: statistics.median(report.as_dict()[name] or 0.0 for report in reports) for name in STAGES}
    values["token_ms"] = statistics.median(1000 * r.decode_s / max(1, r.tokens) for r in reports)
    values["retries"] = sum(report.retries for report in reports)
    return values


def peak_memory_mb() -> float | None:
    """Most memory that this process has held, in MB; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def stream_book(tts: timbral.Synthesizer, voice: timbral.Voice) -> dict[str, float]:
    """Streams 10,000 characters and throws the sound away: does the peak of memory grow from end to end?"""
    paragraph = TEXTS["en, paragraph"] + "\n\n"
    text = (paragraph * (1 + 10_000 // len(paragraph)))[:10_000]
    grown = []
    with tts.stream(text, voice, seed=0) as stream:
        for _ in stream:
            grown.append(peak_memory_mb() or 0.0)
    first, last = grown[len(grown) // 10], grown[-1]
    return {
        "audio_s": stream.report.audio_s,
        "rtf": stream.report.rtf,
        "peak_mb_after_a_tenth": first,
        "peak_mb_at_the_end": last,
    }


def bandwidth(threads: int) -> float:
    """Bytes a second that `threads` threads read together: the best of five passes over 512 MB."""
    parts = np.array_split(np.ones(128 << 20, np.float32), threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(np.max, parts))
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(np.max, parts))
            seconds.append(time.perf_counter() - began)
    return sum(part.nbytes for part in parts) / min(seconds)


def step_ms(tts: timbral.Synthesizer, threads: int) -> float:
    """Median time of a step of stage one for a single row, after 60 phones and 100 tokens."""
    path = tts.bundle.path
    runner = open_backend(
        path("semantic_prefill.onnx"),
        path("semantic_step.onnx"),
        SessionOptions(threads=threads),
        slots=1,
        capacity=512,
    )
    runner.prefill(0, np.arange(60), None, np.arange(100))
    seconds = []
    for token in range(200):
        began = time.perf_counter()
        runner.step(np.array([0]), np.array([token]))
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    began = time.perf_counter()
    tts = timbral.load(arguments.model, threads=arguments.threads)
    loaded = time.perf_counter()
    voice = tts.clone(arguments.voice)
    cloned = time.perf_counter()
    first = {name: tts.say(TEXTS[name], voice, seed=0).report.as_dict() for name in list(TEXTS)[:2]}
    later = {name: speak(tts, voice, text, arguments.repeats) for name, text in TEXTS.items()}
    memory = peak_memory_mb()
    threads = arguments.threads or usable_cores()
    book = stream_book(tts, voice) if arguments.book else None
    speed = bandwidth(threads)
    weights = sum(entry.bytes for name, entry in tts.manifest.files.items() if name == "semantic.weights")
    floor_ms = 1000 * weights / speed
    one_step_ms = step_ms(tts, arguments.threads)
    return {
        "model": tts.manifest.name,
        "threads": threads,
        "load_s": loaded - began,
        "clone_s": cloned - loaded,
        "first_request_first_sound_s": {name: report["first_s"] for name, report in first.items()},
        "texts": later,
        "peak_memory_mb": memory,
        "book": book,
        "bandwidth_gb_s": speed / 1e9,
        "semantic_weights_mb": weights / 1e6,
        "step_ms": one_step_ms,
        "floor_ms": floor_ms,
        "share_of_floor": floor_ms / one_step_ms,
    }


def show(found: dict[str, Any]) -> None:
    print(
        f"{found['model']}, {found['threads']} threads: load {found['load_s']:.2f} s, "
        f"clone {found['clone_s']:.2f} s"
    )
    columns = ("text", "prefill", "decode", "acoustic", "total", "first", "RTF", "speech")
    print(f"{'seconds':<18}" + "".join(f"{c:>9}" for c in columns) + f"{'ms/token':>10}{'retries':>9}")
    for name, values in found["texts"].items():
        cells = "".join(f"{values[stage]:9.3f}" for stage in STAGES)
        print(f"{name:<18}{cells}{values['token_ms']:10.2f}{values['retries']:9.0f}")
    for name, seconds in found["first_request_first_sound_s"].items():
        print(f"first sound of the first request ({name}): {seconds:.2f} s")
    memory = found["peak_memory_mb"]
    print(f"peak memory {memory:.0f} MB" if memory else "peak memory unknown on this system")
    if book := found["book"]:
        print(
            f"10,000 characters streamed: {book['audio_s']:.0f} s of speech, RTF {book['rtf']:.2f}, "
            f"peak of memory {book['peak_mb_after_a_tenth']:.0f} MB after a tenth and "
            f"{book['peak_mb_at_the_end']:.0f} MB at the end"
        )
    print(
        f"stage one: {found['semantic_weights_mb']:.1f} MB of weights at {found['bandwidth_gb_s']:.1f} GB/s "
        f"give a floor of {found['floor_ms']:.2f} ms a step; a single row takes {found['step_ms']:.2f} ms, "
        f"{found['share_of_floor']:.0%} of that speed"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--voice", default=str(ROOT / "tests" / "data" / "english.flac"), help="a recording")
    parser.add_argument("--model", default=None, help="name or folder; the embedded model by default")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--book", action="store_true", help="also stream 10,000 characters (minutes)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments)
    if arguments.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
