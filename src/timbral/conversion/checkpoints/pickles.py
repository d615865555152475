"""Reads a pickle as data, by Python's unpickler with only the opcodes that checkpoints need.

The unpickler of the standard library imports and calls what a file names. Here its table of opcodes holds
only those that make plain values. A name becomes a word (`pickle_globals.Name`); a call looks that word up in
a fixed table of functions that make plain values. Every other opcode is refused. Each read, and each element
that a call copies, counts as a step of a limited number, so that work and memory are bounded.
`docs/adr/010-reading-pickles.md` compares `torch.load`.
"""

import io
import pickle
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from timbral.conversion.checkpoints.defects import DAMAGED, UNSAFE, DefectError, quoted
from timbral.conversion.checkpoints.pickle_globals import (
    CALLS,
    KNOWN,
    NAMESPACES,
    Name,
    Namespace,
    ScalarType,
    dictionary_key,
    storage_of,
)
from timbral.conversion.checkpoints.tensors import Storage

MAX_BYTES = 16 << 20
"""Length of a checkpoint's pickles; those of the largest official files have under a megabyte."""

_MAX_STEPS = 600_000
_OPCODES = (
    pickle.PROTO, pickle.STOP, pickle.MARK, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE,
    pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT,
    pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8,
    pickle.BINBYTES, pickle.SHORT_BINBYTES,
    pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.EMPTY_LIST, pickle.EMPTY_DICT,
    pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.BINGET, pickle.LONG_BINGET,
    pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.BINPERSID,
)  # fmt: skip
"""Opcodes that are left to the standard library."""


class Pickle(NamedTuple):
    """A value, where its pickle ends, and all storages that it refers to, by key."""

    value: object
    end: int
    storages: dict[str, Storage]


def unpickle(data: bytes, start: int = 0) -> Pickle:
    """The value of the pickle at `start`. Raises DefectError."""
    unpickler = _Unpickler(data, start)
    try:
        value = unpickler.load()
    except (
        pickle.UnpicklingError,
        struct.error,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
    ):
        raise DefectError(f"its pickle is malformed; {DAMAGED}") from None
    return Pickle(value, unpickler.file.tell(), unpickler.storages)


class _File(io.BytesIO):
    """The bytes of a pickle; counts how often it is read."""

    steps = _MAX_STEPS

    def read(self, size: int | None = -1) -> bytes:
        self.spend(1)
        return super().read(size)

    def spend(self, steps: int) -> None:
        """Counts work. Raises DefectError at the limit."""
        self.steps -= steps
        if self.steps < 0:
            raise DefectError(f"its pickle is far too long; {UNSAFE}")


class _Opcodes(dict[int, Callable[[Any], None]]):
    """What each opcode does; unknown ones are refused."""

    def __missing__(self, opcode: int) -> Callable[[Any], None]:
        raise DefectError(f"its pickle uses the opcode {quoted(bytes([opcode]))}; {UNSAFE}")


def _described(value: object) -> str:
    return quoted(value.text if isinstance(value, Name) else value)


class _Unpickler(pickle._Unpickler):
    stack: list[Any]
    append: Callable[[object], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[object]]

    def __init__(self, data: bytes, start: int) -> None:
        self.file = _File(data)
        self.file.seek(start)
        self.storages: dict[str, Storage] = {}
        super().__init__(self.file, encoding="utf-8")

    def find_class(self, module: str, name: str) -> Name:
        """A word in place of what is named."""
        text = f"{module}.{name}"
        if text not in KNOWN:
            raise DefectError(
                f"it asks to run or load {quoted(text)}, which no checkpoint of GPT-SoVITS needs; "
                "nothing was run; do not use the file"
            )
        return Name(text)

    def persistent_load(self, identity: object) -> Storage:
        storage = storage_of(identity)
        self.storages[storage.key] = storage
        return storage

    def skip_frame(self) -> None:
        """Frames only say how far a reader may read ahead."""
        self.read(8)

    def call(self) -> None:
        arguments, callee = self.stack.pop(), self.stack.pop()
        if not isinstance(callee, Name) or callee.text not in CALLS or not isinstance(arguments, tuple):
            raise DefectError(f"its pickle calls {_described(callee)}; {UNSAFE}")
        self.file.spend(sum(len(a) for a in arguments if isinstance(a, str | bytes | list | tuple)))
        self.append(CALLS[callee.text](*arguments))

    def make_object(self) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        if not isinstance(kind, Name) or kind.text not in NAMESPACES or arguments != ():
            raise DefectError(f"its pickle makes an object of {_described(kind)}; {UNSAFE}")
        self.append(Namespace())

    def set_state(self) -> None:
        """Gives an object its state; attributes of a dictionary (`_metadata` of a state dict) are ignored."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, ScalarType):
            target.set_byte_order(state)
        elif not isinstance(target, dict) or not isinstance(state, dict):
            raise DefectError(f"its pickle gives a state to {quoted(target)}; {UNSAFE}")
        elif isinstance(target, Namespace):
            self.file.spend(len(state))
            target.update(state)

    def append_item(self) -> None:
        self._extend([self.stack.pop()])

    def append_items(self) -> None:
        self._extend(self.pop_mark())

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def set_items(self) -> None:
        self._update(self.pop_mark())

    def _extend(self, values: list[object]) -> None:
        if not isinstance(self.stack[-1], list):
            raise DefectError(f"its pickle appends to what is no list; {UNSAFE}")
        self.stack[-1].extend(values)

    def _update(self, values: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise DefectError(f"its pickle sets items of what is no dictionary; {UNSAFE}")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[dictionary_key(key)] = value

    dispatch = _Opcodes({opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in _OPCODES})
    dispatch |= {
        pickle.FRAME[0]: skip_frame,
        pickle.REDUCE[0]: call,
        pickle.NEWOBJ[0]: make_object,
        pickle.BUILD[0]: set_state,
        pickle.APPEND[0]: append_item,
        pickle.APPENDS[0]: append_items,
        pickle.SETITEM[0]: set_item,
        pickle.SETITEMS[0]: set_items,
    }
