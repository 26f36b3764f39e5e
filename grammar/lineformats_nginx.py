"""Lines of nginx' error log: the message as its format printed it, the connection and the client.

Rules of this file
    - `2026/11/22 01:48:25 [error] 7#7: *12 message (2: No such file or directory) while reading, client: 10.0.0.1,
      server: ...`: the system's error text, the action and all from `, client: ` on are nginx' additions and left out.
    - The connection's number is the thread: lines of one connection belong together, a worker serves many.
    - A decoded URI within the message may imitate `, client: `: every field is a claim.

Complexity: O(length).
Source: nginx `src/core/ngx_log.c`, `src/http/ngx_http_request.c` (`ngx_http_log_error`).
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import Clock, iso_millis
from grammar.lineformats_level import level_of

_FRONT: Final = re.compile(
    r"(\d{4}/\d\d/\d\d) (\d\d:\d\d:\d\d) \[([a-z]{1,8})\] (\d{1,10})#\d{1,20}: (?:\*(\d{1,20}) )?", re.ASCII
)
_CLIENT: Final = re.compile(r", client: ([0-9A-Za-z.:%]{2,64})(?=, |$)", re.ASCII)
_ERRNO: Final = re.compile(r" \(\d{1,5}: [^()]{1,120}\)(?: while [a-zA-Z0-9 _-]{1,100})?$", re.ASCII)
_ACTION: Final = re.compile(r"(?<=\)) while [a-zA-Z0-9 _-]{1,100}$", re.ASCII)
TAIL: Final = 256
"""Characters at the end of a message where the error text and the action can stand."""


def read_nginx_error(text: str, clock: Clock) -> Line | None:
    """Read a line of nginx' error log; None if it is none."""
    found = _FRONT.match(text)
    if found is None:
        return None
    day, second, level, pid, connection = found.groups()
    millis = iso_millis(day, second, None, clock.zone_minutes)
    client = _CLIENT.search(text, found.end())
    message = text[found.end() : client.start()] if client else text[found.end() :]
    message = _without_errno(message)
    return Line(
        message[:MAX_MESSAGE],
        "nginx_error",
        millis,
        0 if millis is None else 1000,
        level_of(level),
        int(pid),
        connection or "",
        client[1] if client else "",
        "",
        "",
        False,
        len(message) > MAX_MESSAGE,
    )


def _without_errno(message: str) -> str:
    at = max(0, len(message) - TAIL)
    found = _ERRNO.search(message, at) or _ACTION.search(message, at)
    return message[: found.start()] if found else message
