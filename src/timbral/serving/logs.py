"""Logs on stderr: a line for people, or JSON for machines."""

import json
import logging
import sys
from typing import Any, Literal

_NAME = "timbral.serving"
_STANDARD = frozenset(vars(logging.makeLogRecord({})))


def configure(form: Literal["text", "json"]) -> None:
    """Sends what the server and uvicorn log to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _TextLines())
    for name, level in (
        (_NAME, logging.INFO),
        ("uvicorn", logging.WARNING),
        ("uvicorn.error", logging.WARNING),
    ):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = False
        logger.handlers = [handler] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    known = _STANDARD | {"message", "asctime", "color_message", "taskName"}
    return {name: value for name, value in vars(record).items() if name not in known}


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = _extra(record)
        if record.getMessage() == "request":
            text = "{client} {method} {path} {status}, {bytes} bytes in {seconds} s, {request_id}".format(
                **extra
            )
        else:
            text = record.getMessage()
        line = f"{self.formatTime(record, '%H:%M:%S')} {ascii(text)[1:-1]}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
