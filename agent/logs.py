"""The agent's log: one JSON object per line, or a readable line on a terminal.

Rules of this file
    - Who logs writes `_log.error("what", extra={"field": value})`; fields are data: JSON in ASCII, and in text escaped.
      No line can break out of its line, none is longer than `MAX_LINE`.
    - Secrets are never given to it. Writing never raises: a log that is full or gone stops nothing.

Source: issue "live agent" (structured logs).
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from grammar import escape

MAX_VALUE: Final = 1_000
MAX_FIELDS: Final = 20
MAX_LINE: Final = 8_000
LOGGERS: Final = ("agent", "winnower")
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_HANDLER: Final = "winnower agent"


class Lines(logging.Formatter):
    """Records as lines."""

    def __init__(self, *, readable: bool) -> None:
        super().__init__()
        self.readable = readable

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = repr(record.exc_info[1])
            fields["at"] = _place(record.exc_info[1])
        head = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": escape(record.getMessage(), MAX_VALUE),
            "part": record.name,
        }
        kept = {str(name): _short(value) for name, value in list(fields.items())[:MAX_FIELDS]}
        if not self.readable:
            line = json.dumps(kept | head, ensure_ascii=True)
            return line if len(line) <= MAX_LINE else json.dumps(head, ensure_ascii=True)
        told = " ".join(f"{escape(name)}={escape(str(value), MAX_VALUE)}" for name, value in kept.items())
        return f"{head['time']} {head['level']:<7} {head['event']} {told}".rstrip()[:MAX_LINE]


def _short(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return escape(value if isinstance(value, (str, bytes)) else str(value), MAX_VALUE)


def _place(error: BaseException) -> str:
    """File and line of where it was raised: a whole traceback has no place in a line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""


def start_log(
    level: str = "info", form: Literal["auto", "json", "text"] = "auto", stream: TextIO | None = None
) -> logging.Handler:
    """Write what the agent logs to `stream` (stderr); again, to change level or form."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.set_name(_HANDLER)
    handler.setFormatter(Lines(readable=form == "text" or (form == "auto" and target.isatty())))
    logging.raiseExceptions = False
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [one for one in logger.handlers if one.get_name() != _HANDLER] + [handler]
        logger.setLevel(level.upper())
        logger.propagate = False
    return handler
