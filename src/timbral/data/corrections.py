"""Corrections by hand: how the lists of a training set differ from what was written last.

Whatever differs from what was written last is a correction. It stays; all else follows the recordings and the
settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from timbral.data.listing import Dropped, ListEntry, format_dropped, format_line, read_dropped, read_list

BY_HAND = "dropped by hand"


@dataclass(frozen=True)
class WrittenRows:
    """Rows of a list and of the one of dropped lines, by the names of their clips."""

    lines: dict[str, str]
    dropped: dict[str, str]

    @classmethod
    def of(cls, lines: Sequence[ListEntry], dropped: Sequence[Dropped], folder: Path) -> "WrittenRows":
        """The rows that these become in a list in `folder`."""
        return cls(
            {line.audio.name: format_line(line, folder) for line in lines},
            {one.line.audio.name: format_dropped(one, folder) for one in dropped},
        )

    def knows(self, name: str) -> bool:
        """Whether this clip is in one of the lists."""
        return name in self.lines or name in self.dropped


def keep_corrections(
    path: Path, lines: Sequence[ListEntry], dropped: Sequence[Dropped], before: WrittenRows
) -> tuple[list[ListEntry], list[Dropped]]:
    """These lines, but as a person left them in the list at `path` where it is not as it was written `before`.

    Corrected clips of recordings that are not given any more go; clips that were made by hand stay. Raises
    DataError.
    """
    now = WrittenRows.of(lines, dropped, path.parent)
    present = read_list(path).lines
    left = {one.line.audio.name: one for one in read_dropped(path)}

    def corrected(line: ListEntry) -> bool:
        name = line.audio.name
        # What is to be written now may be there already: a kill may have come before it was noted.
        return format_line(line, path.parent) not in (before.lines.get(name), now.lines.get(name))

    def taken_out(line: ListEntry) -> Dropped | None:
        name = line.audio.name
        if name not in left:
            return Dropped(line, BY_HAND) if name in before.lines else None
        row = format_dropped(left[name], path.parent)
        return None if row in (before.dropped.get(name), now.dropped.get(name)) else left[name]

    def stays(name: str) -> bool:
        return now.knows(name) or not before.knows(name)

    there = {line.audio.name for line in present}
    all_lines = [*lines, *(one.line for one in dropped)]
    by_hand = [gone for line in all_lines if line.audio.name not in there and (gone := taken_out(line))]
    made = [
        one
        for name, one in left.items()
        if name not in there and not now.knows(name) and not before.knows(name)
    ]
    out = {one.line.audio.name for one in by_hand}
    fresh = {line.audio.name: line for line in lines if line.audio.name not in out}
    if by_hand or any(map(corrected, present)):
        kept = []
        for line in present:
            name = line.audio.name
            if not corrected(line):
                kept += [fresh.pop(name)] if name in fresh else []
            elif stays(name):
                kept.append(line)
                fresh.pop(name, None)
        merged = [*kept, *fresh.values()]
    else:
        merged = list(fresh.values())
    listed = {line.audio.name for line in merged} | out
    return merged, [*made, *by_hand, *(one for one in dropped if one.line.audio.name not in listed)]
