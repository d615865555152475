#!/usr/bin/env python3
"""What `timbral serve` does under load, over HTTP: first sound, throughput, right samples, memory, refusals.

    python benchmarks/serving.py [--quick] [--only one,sixteen,arrivals,voices,crowd] [--requests N] [--json]

Starts a server in an empty home and talks to it from this process, whose work takes a share of the same cores. Latencies
mean something on a quiet machine alone: the load average is printed, and so are CPU seconds, which others disturb less.
Linux only.
"""

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving_load import Answer, Clients, Server, percentile, throng

import timbral
from timbral.serving.voices.files import to_bytes

ROOT = Path(__file__).parents[1]
SENTENCES = [
    "The first light of the morning fell on the quiet harbour.",
    "Somewhere a door was opened, and a dog came out into the wet grass.",
    "Nobody expected the river to rise this fast!",
    "Would you like to see the lighthouse afterwards?",
    "She still repairs a boat now and then.",
    "By noon the sun had dried the roofs.",
]
TEN_SECONDS = [" ".join((SENTENCES * 2)[i : i + 3 + (i in (2, 3, 4))]) for i in range(6)]
"""About ten seconds of speech each."""
SHORT = ["Yes.", "Good night.", "Come in!", "Who is there?"]

Figures = dict[str, Any]


async def one(server: Server, clients: Clients, quick: bool, requests: int) -> Figures:
    """One client, one sentence after the other."""
    count = 8 if quick else 60
    answers = [await clients.speak(SENTENCES[i % 6], seed=i) for i in range(count + 1)][1:]
    return {
        "requests": count,
        **_first_sound(answers),
        "cpu_s_until_first_sound": round(sum(a.cpu_s for a in answers) / count, 3),
    }


async def sixteen(server: Server, clients: Clients, quick: bool, requests: int) -> Figures:
    """Sixteen clients at once, about ten seconds of speech each."""
    answers, seconds, before = [], 0.0, server.cpu_s()
    for _ in range(1 if quick else 6):
        began = time.perf_counter()
        answers += await clients.burst(16, TEN_SECONDS)
        seconds += time.perf_counter() - began
    audio = sum(answer.audio_s for answer in answers)
    return {
        "requests": len(answers),
        **_first_sound(answers),
        "stalled_p50_ms": _ms(percentile([a.stalled_s for a in answers], 0.5)),
        "stalled_p95_ms": _ms(percentile([a.stalled_s for a in answers], 0.95)),
        "seconds_each": round(audio / len(answers), 1),
        "times_real_time": round(audio / seconds, 1),
        "cpu_s_per_second_of_speech": round((server.cpu_s() - before) / audio, 3),
        "errors": sum(answer.status != 200 for answer in answers),
    }


async def arrivals(server: Server, clients: Clients, quick: bool, requests: int) -> Figures:
    """Open loop: requests arrive at random, whether or not others are done, at shares of what the cores can do."""
    found, chance = {}, random.Random(1)
    before = server.cpu_s()
    measured = [await clients.speak(SENTENCES[i], seed=i) for i in range(6)]
    cost = (server.cpu_s() - before) / len(measured)
    cores = len(os.sched_getaffinity(0))
    for share in (0.5,) if quick else (0.3, 0.5, 0.7, 0.9):
        tasks, until = [], time.monotonic() + (10 if quick else 60)
        while time.monotonic() < until:
            tasks.append(asyncio.ensure_future(clients.speak(chance.choice(SENTENCES), seed=len(tasks))))
            await asyncio.sleep(chance.expovariate(share * cores / cost))
        answers = await asyncio.gather(*tasks)
        spoken = [answer for answer in answers if answer.status == 200]
        found[f"{share:.0%} of {cores} cores"] = {
            "requests": len(answers),
            "a_second": round(share * cores / cost, 2),
            **_first_sound(spoken),
            "refused": sum(answer.status == 429 for answer in answers),
            "errors": sum(answer.status not in (200, 429) for answer in answers),
        }
    return found


async def voices(server: Server, clients: Clients, quick: bool, requests: int) -> Figures:
    """Many requests in many voices, sixteen at once: each has to have the samples that it has alone."""
    count = 8 if quick else 64
    for number, content in enumerate(_voices(count)):
        await clients.upload(f"v{number}", content)
    asked = [(f"v{i}", text) for i in range(count) for text in SHORT[: 1 if quick else 2]]
    alone = {pair: (await clients.speak(pair[1], voice=pair[0], seed=5)).digest for pair in asked}
    owner = {digest: voice for (voice, _), digest in alone.items()}
    result: Figures = {"voices": count, "different_alone": len(set(alone.values())), "of": len(alone)}
    tally = {"wrong_voice": 0, "wrong_samples": 0, "errors": 0}
    memory: dict[int, float] = {}
    remaining, chance = iter(range(1, requests + 1)), random.Random(2)
    kept = {requests // 20 or 1, requests // 2, requests}

    async def client() -> None:
        for number in remaining:
            pair = chance.choice(asked)
            answer = await clients.speak(pair[1], voice=pair[0], seed=5)
            tally["errors"] += answer.status != 200
            if answer.status == 200 and answer.digest != alone[pair]:
                tally["wrong_samples"] += 1
                tally["wrong_voice"] += owner.get(answer.digest, pair[0]) != pair[0]
            if number in kept:
                memory[number] = server.resident_mb()

    await asyncio.gather(*(client() for _ in range(16)))
    levels = [memory[number] for number in sorted(memory)]
    result |= {"requests": requests, **tally}
    result["resident_mb"] = {number: round(memory[number], 1) for number in sorted(memory)}
    result["growth_percent"] = round(100 * (levels[-1] / levels[0] - 1), 1)
    return result


async def crowd(server: Server, clients: Clients, quick: bool, requests: int) -> Figures:
    """200 clients at once: some are served, the others are refused at once."""
    pings = [await clients.ping() for _ in range(20)]
    bodies = [{"input": TEN_SECONDS[i % 6], "seed": i} for i in range(40 if quick else 200)]
    answers = await asyncio.to_thread(throng, server.address, bodies)
    accepted = [answer for answer in answers if answer.status == 200]
    refused = [answer.first_s for answer in answers if answer.status == 429]
    return {
        "clients": len(answers),
        "accepted": len(accepted),
        **_first_sound(accepted),
        "refused": len(refused),
        "refused_after_p50_ms": _ms(percentile(refused, 0.5)),
        "refused_after_p95_ms": _ms(percentile(refused, 0.95)),
        "ping_alone_p50_ms": _ms(percentile(pings, 0.5)),
        "errors": sum(answer.status not in (200, 429) for answer in answers),
        "alive": server.alive,
    }


PARTS: dict[str, Callable[[Server, Clients, bool, int], Awaitable[Figures]]] = {
    "one": one, "sixteen": sixteen, "arrivals": arrivals, "crowd": crowd, "voices": voices,
}  # fmt: skip


def _voices(count: int) -> list[bytes]:
    """Voice files between two recordings: as many timbres as wanted, at the cost of two."""
    tts = timbral.load(languages=[])
    consent = timbral.Consent.of("the benchmark")
    first, second = (
        tts.clone(ROOT / "tests" / "data" / name, consent=consent)
        for name in ("english.flac", "chinese.flac")
    )
    shares = [number / max(1, count - 1) for number in range(count)]
    return [
        to_bytes(replace(first, timbre=first.timbre + share * (second.timbre - first.timbre)))
        for share in shares
    ]


def _first_sound(answers: list[Answer]) -> Figures:
    values = [answer.first_s for answer in answers]
    return {
        "first_sound_p50_ms": _ms(percentile(values, 0.5)),
        "first_sound_p95_ms": _ms(percentile(values, 0.95)),
    }


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)


async def measure(server: Server, chosen: list[str], quick: bool, requests: int, as_json: bool) -> None:
    """Runs the chosen parts one after the other and prints what each finds."""
    clients = Clients(server)
    try:
        for name in chosen:
            load = os.getloadavg()[0]
            figures = {"load_average": round(load, 1), **await PARTS[name](server, clients, quick, requests)}
            if as_json:
                print(json.dumps({name: figures}), flush=True)
                continue
            print(f"\n{(PARTS[name].__doc__ or '').splitlines()[0]}")
            for key, value in figures.items():
                print(f"  {key.replace('_', ' '):32} {value}", flush=True)
    finally:
        await clients.close()


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a minute instead of an hour")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--requests", type=int, help="of the part voices; 10000, or 200 with --quick")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    requests = given.requests or (200 if given.quick else 10_000)
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "home") as server:
        asyncio.run(measure(server, given.only.split(","), given.quick, requests, given.json))


if __name__ == "__main__":
    main()
