#!/usr/bin/env python3
"""How many engines a number of listeners needs: a simulation from the measured costs of one engine.

    python benchmarks/sizing.py [--streams 100,1000,10000] [--cost S] [--first S] [--cores N] [--json]

Needs simpy. The model, which docs/sizing.md discusses:

- A stream is a listener who hears one speech after the other: its length is log-normal around --length seconds, and a pause
  with a mean of --pause seconds follows.
- A speech costs --first CPU seconds until its first sound, and --cost for each second of speech after that. It is made in
  chunks; each is due when those before it have been heard. An engine computes one chunk a core, the one that is due first.
- A request goes to the one of two random engines that has less to do; an engine with --slots speeches refuses.
- Nothing is lost between machines, nothing fails, and machines are alike.

It looks for the fewest engines with which the 95th percentile of the first sound is at most --bar seconds, at most one chunk
in a thousand comes late, and at most one request in a thousand is refused.
"""

import argparse
import json
import math
import random
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from typing import Any

import simpy

FIRST_S, CHUNK_S = 0.96, 3.84
"""Seconds of speech in the first chunk and in the later ones: 24 and 96 tokens."""
WARM_UP_S, MEASURED_S = 20.0, 60.0
WITHIN = 0.001
"""Share of chunks that may be late, and of requests that may be refused."""


@dataclass(frozen=True)
class Assumptions:
    """What is put in: CPU seconds, seconds, counts."""

    cost: float
    first: float
    cores: int
    slots: int
    length: float
    pause: float
    bar: float
    memory_mb: int


@dataclass
class Outcome:
    """What comes out for a number of streams and engines."""

    streams: int
    engines: int
    busy_s: float = 0.0
    first: list[float] = field(default_factory=list)
    chunks: int = 0
    late: int = 0
    requests: int = 0
    refused: int = 0

    @property
    def p95_s(self) -> float:
        """95th percentile of the time to first sound."""
        ordered = sorted(self.first)
        return ordered[int(0.95 * len(ordered))] if ordered else math.inf

    def meets(self, bar: float) -> bool:
        """Whether listeners are served well."""
        few_late = self.late <= WITHIN * max(1, self.chunks)
        return self.p95_s <= bar and few_late and self.refused <= WITHIN * max(1, self.requests)


class Cluster:
    """Engines, and the listeners that they speak to."""

    def __init__(self, streams: int, engines: int, given: Assumptions) -> None:
        self.outcome = Outcome(streams, engines)
        self._given, self._chance = given, random.Random(streams * 1_000_003 + engines)
        self._environment = simpy.Environment()
        self._cores = [simpy.PriorityResource(self._environment, given.cores) for _ in range(engines)]
        self._speeches = [0] * engines
        for _ in range(streams):
            self._environment.process(self._listener())

    def run(self) -> Outcome:
        """Simulates, and counts after a warm-up."""
        self._environment.run(WARM_UP_S + MEASURED_S)
        return self.outcome

    def _listener(self) -> Generator[Any, Any, None]:
        given, chance = self._given, self._chance
        yield self._environment.timeout(chance.uniform(0, given.length + given.pause))
        while True:
            length = min(60.0, max(1.0, chance.lognormvariate(math.log(given.length) - 0.125, 0.5)))
            heard_until = yield from self._speech(length)
            pause = chance.expovariate(1 / given.pause) if given.pause else 0.0
            yield self._environment.timeout(max(0.0, heard_until - self._environment.now) + pause)

    def _speech(self, length: float) -> Generator[Any, Any, float]:
        """One speech; the moment at which its listener has heard it."""
        given, environment, outcome = self._given, self._environment, self.outcome
        counts = environment.now >= WARM_UP_S
        outcome.requests += counts
        engine = min(self._chance.choices(range(len(self._cores)), k=2), key=self._speeches.__getitem__)
        if self._speeches[engine] >= given.slots:
            outcome.refused += counts
            return environment.now + 1
        self._speeches[engine] += 1
        asked = environment.now
        yield from self._compute(engine, given.first, due=asked)
        if counts:
            outcome.first.append(environment.now - asked)
        heard_until, left = environment.now + min(length, FIRST_S), length - FIRST_S
        while left > 0:
            seconds = min(left, CHUNK_S)
            yield from self._compute(engine, given.cost * seconds, due=heard_until)
            if counts:
                outcome.chunks += 1
                outcome.late += environment.now > heard_until
            heard_until, left = max(heard_until, environment.now) + seconds, left - seconds
        self._speeches[engine] -= 1
        return heard_until

    def _compute(self, engine: int, seconds: float, due: float) -> Generator[Any, Any, None]:
        with self._cores[engine].request(priority=due) as turn:
            yield turn
            yield self._environment.timeout(seconds)
        if self._environment.now >= WARM_UP_S:
            self.outcome.busy_s += seconds


def fewest_engines(streams: int, given: Assumptions) -> Outcome:
    """The outcome with the fewest engines that serve the streams well."""
    share = given.length / (given.length + given.pause)
    least = max(1, math.ceil(streams * share * given.cost / given.cores))
    low, high = least - 1, least
    outcome = Cluster(streams, high, given).run()
    while not outcome.meets(given.bar):
        low, high = high, math.ceil(high * 1.25)
        outcome = Cluster(streams, high, given).run()
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        tried = Cluster(streams, middle, given).run()
        if tried.meets(given.bar):
            high, outcome = middle, tried
        else:
            low = middle
    return outcome


def row(outcome: Outcome, given: Assumptions) -> dict[str, Any]:
    """One line of the table."""
    cores = outcome.engines * given.cores
    return {
        "streams": outcome.streams,
        "engines": outcome.engines,
        "cores": cores,
        "streams a core": round(outcome.streams / cores, 1),
        "cores busy": f"{outcome.busy_s / (cores * MEASURED_S):.0%}",
        "first sound p95, ms": round(1000 * outcome.p95_s),
        "late chunks": f"{outcome.late / max(1, outcome.chunks):.2%}",
        "refused": f"{outcome.refused / max(1, outcome.requests):.2%}",
        "memory, GB": round(outcome.engines * given.memory_mb / 1000, 1),
    }


def main() -> None:
    """Reads the arguments and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", default="100,300,1000,3000,10000")
    parser.add_argument("--cost", type=float, default=0.08, help="CPU seconds for a second of speech")
    parser.add_argument("--first", type=float, default=0.22, help="CPU seconds until the first sound")
    parser.add_argument("--cores", type=int, default=2, help="of one engine")
    parser.add_argument("--slots", type=int, default=24, help="speeches that one engine makes at once")
    parser.add_argument("--length", type=float, default=10.0, help="mean seconds of a speech")
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds between two speeches")
    parser.add_argument("--bar", type=float, default=0.8, help="seconds to first sound, 95th percentile")
    parser.add_argument("--memory-mb", type=int, default=650, help="of one engine")
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args())
    streams, as_json = options.pop("streams"), options.pop("json")
    given = Assumptions(**options)
    if as_json:
        print(json.dumps(asdict(given)))
    for count in map(int, streams.split(",")):
        line = row(fewest_engines(count, given), given)
        if as_json:
            print(json.dumps(line), flush=True)
            continue
        if count == int(streams.split(",")[0]):
            print("| " + " | ".join(line) + " |\n|" + "---|" * len(line))
        print("| " + " | ".join(map(str, line.values())) + " |", flush=True)


if __name__ == "__main__":
    main()
