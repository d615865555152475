"""Globals that the pickle of a checkpoint may name, and the inert value that stands for each.

`utils.HParams` becomes a dictionary, a storage a record of where its bytes are. A name that is not in these
tables is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from timbral.conversion.checkpoints.defects import UNSAFE, DefectError, quoted
from timbral.conversion.checkpoints.tensors import Storage, storage, view


@dataclass(frozen=True)
class Name:
    """A name of another module in a pickle; only a word, never the thing itself."""

    text: str


class Namespace(dict[object, object]):
    """Attributes of a configuration object such as `utils.HParams`."""


class ScalarType:
    """A numpy dtype of plain numbers."""

    def __init__(self, code: str) -> None:
        self.dtype = np.dtype(code)

    def set_byte_order(self, state: object) -> None:
        """Takes the byte order from a dtype's pickled state: (version, order, ...)."""
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise DefectError(f"a numpy type has the state {quoted(state)}; {UNSAFE}")
        self.dtype = self.dtype.newbyteorder(state[1])


STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
"""Element type of each kind of storage."""

TYPES = {f"torch.{element}": element for element in STORAGES.values()}
"""Element types that stand in a pickle by themselves."""

NAMESPACES = frozenset({"utils.HParams", "GPT_SoVITS.utils.HParams", "__main__.HParams"})
"""Classes whose instances are nothing but attributes."""


def storage_of(identity: object) -> Storage:
    """The storage that a persistent id means: ("storage", type, key, location, count).

    The old stream format has a sixth part, for storages within storages, which torch writes no longer.
    """
    if isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == "storage":
        kind = identity[1]
        if isinstance(kind, Name) and kind.text in STORAGES and identity[5:] in ((), (None,)):
            return storage(identity[2], STORAGES[kind.text], identity[4])
    raise DefectError(f"it refers to {quoted(identity)}, which is no storage of numbers; {UNSAFE}")


def _dictionary(pairs: object = ()) -> object:
    """An OrderedDict; Python 2 wrote its items as a list of lists."""
    if not isinstance(pairs, list | tuple):
        raise DefectError(f"a dictionary is made of {quoted(pairs)}; {UNSAFE}")
    made: dict[object, object] = {}
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise DefectError(f"a dictionary is made of {quoted(pair)}; {UNSAFE}")
        made[dictionary_key(pair[0])] = pair[1]
    return made


def dictionary_key(value: object) -> str | int:
    """A value that may be a key of a dictionary: others can be made slow or impossible to look up."""
    if isinstance(value, str) or (isinstance(value, int) and abs(value) < 1 << 32):
        return value
    raise DefectError(f"a dictionary has the key {quoted(value)}; {UNSAFE}")


def _tensor(*arguments: object) -> object:
    """(storage, offset, shape, strides), and what only matters to autograd."""
    if not 4 <= len(arguments) <= 7:
        raise DefectError(f"a tensor has {len(arguments)} arguments; {UNSAFE}")
    return view(*arguments[:4])


def _parameter(data: object, *_autograd: object) -> object:
    return data


def _size(shape: object) -> object:
    if not isinstance(shape, list | tuple):
        raise DefectError(f"a size is {quoted(shape)}; {UNSAFE}")
    return tuple(shape)


def _path(*parts: object) -> object:
    """A path in a configuration, as text."""
    return "/".join(part for part in parts if isinstance(part, str)).replace("//", "/")


def _bytes(text: object, encoding: object) -> object:
    """How protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise DefectError(f"bytes are written as {quoted(encoding)}; {UNSAFE}")
    try:
        return text.encode("latin1")
    except UnicodeEncodeError:
        raise DefectError(f"bytes hold a character that is no byte; {UNSAFE}") from None


_SCALARS = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})


def _scalar_type(code: object, *_flags: object) -> object:
    if not isinstance(code, str) or code not in _SCALARS:
        raise DefectError(f"a numpy type is {quoted(code)}; {UNSAFE}")
    return ScalarType(code)


def _scalar(kind: object, raw: object) -> object:
    if not (isinstance(kind, ScalarType) and isinstance(raw, bytes) and len(raw) == kind.dtype.itemsize):
        raise DefectError(f"a number of numpy is malformed; {UNSAFE}")
    return np.frombuffer(raw, kind.dtype)[0].item()


CALLS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _dictionary,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": _size,
    "_codecs.encode": _bytes,
    "numpy.dtype": _scalar_type,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    **{
        f"{module}.{kind}Path": _path
        for module in ("pathlib", "pathlib._local")
        for kind in ("Posix", "Windows", "PurePosix", "PureWindows")
    },
}
"""What stands for a call, by the name that is called; every function checks its own arguments."""

KNOWN = CALLS.keys() | STORAGES.keys() | TYPES.keys() | NAMESPACES
"""All names that a checkpoint may hold."""
