"""A few mutations of good files: each reader returns or raises a `TimbralError`. `make fuzz` looks further."""

import random

import pytest

from tests.fuzz.targets import TARGETS

pytest.importorskip("torch")


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The same with a few bytes changed, a piece repeated or removed, or the end cut off."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(changed))
        kind = draw.choice(("change", "change", "change", "remove", "repeat", "cut"))
        if kind == "change":
            changed[at] = draw.randrange(256)
        elif kind == "remove":
            del changed[at : at + draw.randint(1, 16)]
        elif kind == "repeat":
            changed[at:at] = changed[at : at + draw.randint(1, 16)]
        else:
            del changed[at + 1 :]
        if not changed:
            return b""
    return bytes(changed)


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_survives_mutations_of_good_files(name: str) -> None:
    target, draw = TARGETS[name], random.Random(name)
    seeds = target.seeds()
    for seed in seeds:
        target.feed(seed)
    for _ in range(60):
        target.feed(mutated(draw.choice(seeds), draw))
