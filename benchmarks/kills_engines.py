#!/usr/bin/env python3
"""Kills engines of `timbral serve --ray` with SIGKILL in the middle of streams, and counts what is lost.

    python benchmarks/kills_engines.py [--kills 20] [--streams 4] [--seed 0]

Clients stream one speech after the other and compare each with what it is without any kill; another registers voices. One of two
engines is killed after a random time with both at work, until as many have been. Prints one line of JSON; exit code 1 where a
speech broke off, had other samples, or a registered voice is gone. Linux only; no other such server may run.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from serving import TEN_SECONDS
from serving_load import Clients, Server

import timbral
from timbral.serving.voices.files import to_bytes

ROOT = Path(__file__).parents[1]
PATIENCE = (
    "RAY_worker_register_timeout_seconds",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S",
)
"""Limits of Ray within which a busy machine does not start its processes."""
ENGINES, BACK_S, LONGEST_S = 2, 120.0, 5.0
"""Engines; seconds in which as many are there again; and, from then on, before the next kill."""


@dataclass
class Found:
    """What clients have seen, and how many engines have been killed; over: whether that was all."""

    speeches: int = 0
    broken: list[str] = field(default_factory=list)
    other_samples: int = 0
    voices: list[str] = field(default_factory=list)
    kills: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)


def engines() -> list[int]:
    """Process ids of all engines on this machine."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"ServeReplica:timbral:Engine" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it is over
            continue
    return sorted(found)


async def speak_on(clients: Clients, found: Found, expected: dict[str, str], number: int) -> None:
    """One speech after the other."""
    while not found.over.is_set():
        text = TEN_SECONDS[(number + found.speeches) % len(TEN_SECONDS)]
        answer = await clients.speak(text, seed=1)
        found.speeches += 1
        if answer.status != 200:
            found.broken.append(str(answer.status or "connection lost"))
        found.other_samples += answer.status == 200 and answer.digest != expected[text]


async def register_on(clients: Clients, found: Found, voice: bytes) -> None:
    """One voice after the other."""
    while not found.over.is_set():
        name = f"voice {len(found.voices)}"
        await clients.upload(name, voice)
        found.voices.append(name)
        await asyncio.sleep(1)


async def kill_all(found: Found, kills: int, chance: random.Random) -> None:
    """Kills one engine, waits until there are enough again, and so on."""
    while found.kills < kills:
        until = time.monotonic() + BACK_S
        while len(engines()) < ENGINES:
            if time.monotonic() > until:
                raise SystemExit("an engine did not come back")
            await asyncio.sleep(0.5)
        await asyncio.sleep(chance.uniform(0, LONGEST_S))
        os.kill(chance.choice(engines()), signal.SIGKILL)
        found.kills += 1
        print(f"{found.kills} of {kills} killed, {found.speeches} speeches", file=sys.stderr)
        await asyncio.sleep(1)
    found.over.set()


async def measure(server: Server, kills: int, streams: int, seed: int) -> dict[str, object]:
    """Runs clients and kills beside each other."""
    tts = timbral.load(languages=[])
    recording = ROOT / "tests" / "data" / "english.flac"
    voice = to_bytes(tts.clone(recording, consent=timbral.Consent.of("the benchmark")))
    clients, found = Clients(server), Found()
    expected = {text: (await clients.speak(text, seed=1)).digest for text in TEN_SECONDS}
    await asyncio.gather(
        kill_all(found, kills, random.Random(seed)),
        register_on(clients, found, voice),
        *(speak_on(clients, found, expected, number) for number in range(streams)),
    )
    mute = [name for name in found.voices if (await clients.speak("Yes.", voice=name)).status != 200]
    await clients.close()
    return {
        "kills": found.kills,
        "speeches": found.speeches,
        "broken": found.broken,
        "other_samples": found.other_samples,
        "voices": len(found.voices),
        "lost_voices": len(mute),
    }


def main() -> int:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--streams", type=int, default=4, help="clients at once")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ.update(dict.fromkeys(PATIENCE, "600"))
    settings = {"ray": {"min_engines": ENGINES, "max_engines": ENGINES, "cpus_per_engine": 0.1}}
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder) / "home", settings, ("--ray",)) as server,
    ):
        figures = asyncio.run(measure(server, given.kills, given.streams, given.seed))
    print(json.dumps(figures))
    return 1 if figures["broken"] or figures["other_samples"] or figures["lost_voices"] else 0


if __name__ == "__main__":
    sys.exit(main())
