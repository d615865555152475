"""Reasons to refuse a checkpoint."""

DAMAGED = "the file is damaged or incomplete: download or copy it again"
UNSAFE = "no checkpoint of GPT-SoVITS looks like this: do not use the file"
RESAVE = "save it again with torch.save of a current torch"


class DefectError(Exception):
    """Why a file is refused and what to do, in one line without the name of the file."""


def quoted(value: object) -> str:
    """A value of a file for one line of an error: escaped and cut, or its type.

    Never the elements of a list, tuple or dictionary, which a file can make endless.
    """
    if isinstance(value, str | bytes):
        return ascii(value if len(value) <= 80 else value[:80])
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return f"a {type(value).__name__}"
