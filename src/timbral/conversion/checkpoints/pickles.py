"""Reads a pickle as data: an interpreter of the opcodes that checkpoints need, which cannot run anything.

Python's own Unpickler imports and calls what a file names, and has to be talked out of it for each of its
ways (REDUCE, INST, OBJ, NEWOBJ, BUILD with `__setstate__`, the extension registry, ...); it also allocates
what a few bytes ask for. Here there is nothing to talk out of: this module has no import by name, no
`getattr` and no attribute assignment. A name is a word (`stand_ins.Name`); "calling" it looks the word up in
a fixed table of functions that make plain values; every other opcode is refused.

Every opcode, and every element that is copied, costs a step of a limited number: so work and memory are bounded.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from timbral.conversion.checkpoints.defects import DAMAGED, UNSAFE, DefectError, shown
from timbral.conversion.checkpoints.stand_ins import (
    CALLS,
    KNOWN,
    NAMESPACES,
    Name,
    Namespace,
    ScalarType,
    key,
    stored,
)
from timbral.conversion.checkpoints.tensors import Storage

LONGEST = 16 << 20
"""Bytes that pickles of a checkpoint may have; those of the largest official files have under a megabyte."""

_MOST_STEPS = 300_000
_LONGEST_NAME = 200


class Pickle(NamedTuple):
    """A value, where its pickle ends, and all storages that it refers to, by key."""

    value: object
    end: int
    storages: dict[str, Storage]


def unpickle(data: bytes, start: int = 0) -> Pickle:
    """The value of the pickle at `start`. Raises DefectError."""
    machine = _Machine(data, start)
    try:
        return Pickle(machine.run(), machine.position, machine.storages)
    except (struct.error, UnicodeDecodeError):
        raise DefectError(f"its table of contents cannot be read; {DAMAGED}") from None


class _Machine:
    """The stack machine of one pickle."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.position = start
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.storages: dict[str, Storage] = {}
        self.steps = _MOST_STEPS

    def run(self) -> object:
        while (opcode := self.take(1)) != b".":
            self.spend(1)
            step = _STEPS.get(opcode)
            if step is None:
                raise DefectError(f"its pickle uses the opcode {shown(opcode)}; {UNSAFE}")
            step(self)
        return self.pop()

    def spend(self, steps: int) -> None:
        """Accounts for work."""
        self.steps -= steps
        if self.steps < 0:
            raise DefectError(f"its pickle is far too long; {UNSAFE}")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.position + count
        if end > len(self.data):
            raise DefectError(f"its table of contents breaks off; {DAMAGED}")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, layout: str) -> int:
        """The next number, in the notation of `struct`."""
        value: int = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def line(self) -> str:
        """The next line, which is a name."""
        end = self.data.find(b"\n", self.position, self.position + _LONGEST_NAME)
        if end < 0:
            raise DefectError(f"its pickle has a name without an end; {UNSAFE}")
        return self.take(end - self.position + 1)[:-1].decode()

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise DefectError(f"its pickle takes what is not there; {UNSAFE}")
        return self.stack.pop()

    def top(self) -> object:
        value = self.pop()
        self.push(value)
        return value

    def popped(self, count: int) -> tuple[object, ...]:
        return tuple([self.pop() for _ in range(count)][::-1])

    def since_mark(self) -> list[object]:
        """Takes what was pushed since the last mark."""
        if not self.marks:
            raise DefectError(f"its pickle takes what is not there; {UNSAFE}")
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def append(self, values: list[object]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise DefectError(f"its pickle appends to what is no list; {UNSAFE}")
        target.extend(values)

    def set_items(self, values: list[object]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(values) % 2:
            raise DefectError(f"its pickle sets items of what is no dictionary; {UNSAFE}")
        for name, value in zip(values[::2], values[1::2], strict=True):
            target[key(name)] = value

    def name(self, module: object, attribute: object) -> None:
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise DefectError(f"its pickle names {shown(module)}, {shown(attribute)}; {UNSAFE}")
        text = f"{module}.{attribute}"
        if text not in KNOWN:
            raise DefectError(
                f"it asks to run or load {shown(text)}, which no checkpoint of GPT-SoVITS needs; "
                "nothing was run; do not use the file"
            )
        self.push(Name(text))

    def call(self) -> None:
        callee, arguments = self.popped(2)
        if not isinstance(callee, Name) or callee.text not in CALLS or not isinstance(arguments, tuple):
            what = callee.text if isinstance(callee, Name) else shown(callee)
            raise DefectError(f"its pickle calls {what}; {UNSAFE}")
        self.spend(sum(len(a) for a in arguments if isinstance(a, str | bytes | list | tuple)))
        try:
            made = CALLS[callee.text](*arguments)
        except TypeError:
            raise DefectError(f"its pickle calls {callee.text} with wrong arguments; {UNSAFE}") from None
        self.push(made)

    def make(self) -> None:
        kind, arguments = self.popped(2)
        if not isinstance(kind, Name) or kind.text not in NAMESPACES or arguments != ():
            raise DefectError(f"its pickle makes an object of {shown(kind)}; {UNSAFE}")
        self.push(Namespace())

    def build(self) -> None:
        """Gives an object its state; attributes of a dictionary (`_metadata` of a state dict) say nothing."""
        state = self.pop()
        target = self.top()
        if isinstance(target, ScalarType):
            target.order(state)
        elif not isinstance(target, dict) or not isinstance(state, dict):
            raise DefectError(f"its pickle gives a state to {shown(type(target).__name__)}; {UNSAFE}")
        elif isinstance(target, Namespace):
            self.spend(len(state))
            target.update(state)

    def refer(self) -> None:
        storage = stored(self.pop())
        self.storages[storage.key] = storage
        self.push(storage)

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise DefectError(f"its pickle recalls what it has not noted; {UNSAFE}")
        self.push(self.memo[index])

    def note(self, index: int) -> None:
        self.memo[index] = self.top()

    def frame(self) -> None:
        """Passes over how far a reader may read ahead."""
        self.take(8)

    def version(self) -> None:
        version = self.number("B")
        if version > 5:
            raise DefectError(f"its pickle has the unknown version {version}; {DAMAGED}")


def _text(layout: str) -> Callable[[_Machine], None]:
    return lambda m: m.push(m.take(m.number(layout)).decode("utf-8", "surrogatepass"))


def _raw(layout: str) -> Callable[[_Machine], None]:
    return lambda m: m.push(m.take(m.number(layout)))


def _constant(value: object) -> Callable[[_Machine], None]:
    return lambda m: m.push(value)


def _number(layout: str) -> Callable[[_Machine], None]:
    return lambda m: m.push(m.number(layout))


def _tuple(count: int) -> Callable[[_Machine], None]:
    return lambda m: m.push(m.popped(count))


_STEPS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _Machine.version,  # PROTO
    b"\x95": _Machine.frame,  # FRAME
    b"(": lambda m: m.marks.append(len(m.stack)),  # MARK
    b"N": _constant(None),  # NONE
    b"\x88": _constant(True),  # NEWTRUE
    b"\x89": _constant(False),  # NEWFALSE
    b"J": _number("<i"),  # BININT
    b"K": _number("<B"),  # BININT1
    b"M": _number("<H"),  # BININT2
    b"\x8a": lambda m: m.push(int.from_bytes(m.take(m.number("B")), "little", signed=True)),  # LONG1
    b"G": _number(">d"),  # BINFLOAT
    b"U": _text("<B"),  # SHORT_BINSTRING, of Python 2
    b"T": _text("<I"),  # BINSTRING, of Python 2
    b"\x8c": _text("<B"),  # SHORT_BINUNICODE
    b"X": _text("<I"),  # BINUNICODE
    b"\x8d": _text("<Q"),  # BINUNICODE8
    b"C": _raw("<B"),  # SHORT_BINBYTES
    b"B": _raw("<I"),  # BINBYTES
    b")": _constant(()),  # EMPTY_TUPLE
    b"\x85": _tuple(1),  # TUPLE1
    b"\x86": _tuple(2),  # TUPLE2
    b"\x87": _tuple(3),  # TUPLE3
    b"t": lambda m: m.push(tuple(m.since_mark())),  # TUPLE
    b"]": lambda m: m.push([]),  # EMPTY_LIST
    b"a": lambda m: m.append([m.pop()]),  # APPEND
    b"e": lambda m: m.append(m.since_mark()),  # APPENDS
    b"}": lambda m: m.push({}),  # EMPTY_DICT
    b"s": lambda m: m.set_items(list(m.popped(2))),  # SETITEM
    b"u": lambda m: m.set_items(m.since_mark()),  # SETITEMS
    b"q": lambda m: m.note(m.number("B")),  # BINPUT
    b"r": lambda m: m.note(m.number("<I")),  # LONG_BINPUT
    b"\x94": lambda m: m.note(len(m.memo)),  # MEMOIZE
    b"h": lambda m: m.recall(m.number("B")),  # BINGET
    b"j": lambda m: m.recall(m.number("<I")),  # LONG_BINGET
    b"c": lambda m: m.name(m.line(), m.line()),  # GLOBAL
    b"\x93": lambda m: m.name(*m.popped(2)),  # STACK_GLOBAL
    b"Q": _Machine.refer,  # BINPERSID
    b"R": _Machine.call,  # REDUCE
    b"\x81": _Machine.make,  # NEWOBJ
    b"b": _Machine.build,  # BUILD
}
"""What each opcode does to the machine; opcodes that are not here are refused."""
