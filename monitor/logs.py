"""The monitor's log: one JSON object per line, or a readable line on a terminal.

Rules of this file
    - Fields `time` (ISO 8601, UTC), `level`, `event`, and what belongs to the event. Values are data: JSON in ASCII,
      and on a terminal escaped; nothing can break out of its line.
    - Secrets are never given to it.

Source: issue "live monitor" (structured logs).
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

from grammar import escape

LEVELS: Final = ("debug", "info", "warning", "error")
MAX_VALUE: Final = 2_000
_LOGGER: Final = logging.getLogger("winnower.monitor")


class _Lines(logging.Formatter):
    """Records as lines."""

    def __init__(self, *, readable: bool) -> None:
        super().__init__()
        self.readable = readable

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields: dict[str, object] = getattr(record, "fields", {})
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            fields = fields | {"error": repr(record.exc_info[1])}
        if self.readable:
            told = " ".join(f"{key}={escape(str(value), MAX_VALUE)}" for key, value in fields.items())
            return f"{time} {record.levelname.lower():<7} {escape(event, MAX_VALUE)} {told}".rstrip()
        head = {"time": time, "level": record.levelname.lower(), "event": event[:MAX_VALUE]}
        return json.dumps(head | {key: _short(value) for key, value in fields.items()}, ensure_ascii=True, default=str)


def _short(value: object) -> object:
    return value[:MAX_VALUE] if isinstance(value, str) else value


def start_log(level: str = "info", stream: TextIO | None = None) -> None:
    """Write what is logged to `stream` (stderr), also what the web server has to say."""
    target = stream or sys.stderr
    logging.raiseExceptions = False  # a log that cannot be written is no reason for a traceback
    handler = logging.StreamHandler(target)
    handler.setFormatter(_Lines(readable=target.isatty()))
    for name, least in (("winnower", level), ("uvicorn", "warning"), ("asyncio", "error")):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(least.upper())


def log(event: str, level: str = "info", **fields: object) -> None:
    """One event and what belongs to it."""
    _LOGGER.log(logging.getLevelNamesMapping()[level.upper()], "%s", event, extra={"fields": fields})
