"""What a checkpoint holds besides its tensors, as plain values: its configuration, how long it was trained."""

from typing import TypeAlias

from timbral.conversion.checkpoints.defects import UNSAFE, DefectError
from timbral.conversion.checkpoints.pickle_globals import TYPES, Name

Value: TypeAlias = bool | int | float | str | list["Value"] | dict[str | int, "Value"] | None

_MAX_DEPTH = 20
_MAX_VALUES = 50_000


class NotPlainError(Exception):
    """A value holds something else, such as the tensors of an optimizer."""


class MetadataReader:
    """Copies values as plain ones, within a limit for all of them together.

    A pickle may refer to one list from many places, so that a short file describes endless values.
    """

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def read(self, value: object, depth: int = 0) -> Value:
        """The value with tuples as lists and element types as words. Raises NotPlainError, DefectError."""
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            raise DefectError(f"its configuration is endless; {UNSAFE}")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Name) and value.text in TYPES:
            return TYPES[value.text]
        if isinstance(value, list | tuple):
            return [self.read(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {key: self.read(item, depth + 1) for key, item in value.items()}
        raise NotPlainError
