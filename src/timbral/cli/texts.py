"""The text of `timbral say`, from the argument, stdin or a file in a usual encoding."""

import codecs
import stat
import sys
from pathlib import Path

from timbral.errors import TextError

_LARGEST = 20 << 20
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by what files begin with; UTF-32 stands before UTF-16, whose mark it begins with."""

_OPENED = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
_COMMON = range(0xB0, 0xD8)
"""First bytes of the 3,755 most common Chinese characters in GB 2312."""
_PUNCTUATION = range(0xA1, 0xAA)
_MOSTLY = 0.9


def read_text(text: str | None, file: Path | None, encoding: str | None) -> str:
    """The text from the argument, the file, or stdin where the argument is "-": exactly one of them.

    encoding: of the file or stdin; None for UTF-8, UTF-16 and UTF-32 by their marks, or GB 18030 (GBK).
    Raises TextError.
    """
    if (text is None) == (file is None):
        raise TextError("give the text as an argument, or a file with -f, or - for stdin; one of them")
    if file is None and text != "-":
        return text or ""
    name = str(file or "stdin")
    try:
        content = sys.stdin.buffer.read(_LARGEST + 1) if file is None else _read_file(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TextError(f"{name}: cannot be read ({reason}); check the path") from None
    if len(content) > _LARGEST:
        raise TextError(f"more than {_LARGEST >> 20} MB of text; split it into several files")
    found = encoding or _encoding(content)
    try:
        return content.decode(found or "utf-8")
    except LookupError:
        raise TextError(
            f"encoding {found!r} is unknown; choose utf-8, utf-16, gbk, big5, shift-jis or another"
        ) from None
    except ValueError:
        advice = "choose another --encoding" if encoding else "save it as UTF-8 first, or name its --encoding"
        raise TextError(f"{name}: not a text in {(found or 'utf-8').upper()}; {advice}") from None


def _read_file(path: Path) -> bytes:
    # What the shell has opened, as in -f <(command), has a writer; any other pipe may wait for ever.
    if not stat.S_ISREG(path.stat().st_mode) and not str(path).startswith(_OPENED):
        raise ValueError("a folder, a pipe or a device")
    with path.open("rb") as stream:
        return stream.read(_LARGEST + 1)


def _encoding(content: bytes) -> str | None:
    """The encoding of a text; None for UTF-8."""
    for mark, name in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return name
    try:
        content.decode()
    except UnicodeDecodeError:
        return "gb18030" if _is_chinese(content) else None
    return None


def _is_chinese(content: bytes) -> bool:
    """Whether bytes are most likely Chinese in GBK: nearly all pairs are common characters and punctuation.

    Texts in the European encodings have single bytes above 0x7F between letters.
    """
    pairs = common = at = 0
    while at < len(content):
        if content[at] < 0x80:
            at += 1
            continue
        second = content[at + 1] if at + 1 < len(content) else 0
        pairs += 1
        common += second >= 0xA1 and (content[at] in _COMMON or content[at] in _PUNCTUATION)
        at += 2
    return common >= _MOSTLY * pairs
