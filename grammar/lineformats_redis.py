"""Lines of Redis' log (and Valkey's in its old form): process, role and message.

Rules of this file
    - `7:M 22 Nov 2026 01:48:25.942 * Ready to accept connections`; without the year before Redis 5; `[7] 22 Nov ...`
      before Redis 3. The role (master, replica, child, sentinel) is the component.
    - Clients' names and commands are quoted in messages: every field is a claim.

Complexity: O(length).
Source: Redis `src/server.c` (`serverLogRaw`).
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import Clock, day_millis, fraction_of, yearless_millis

_FRONT: Final = re.compile(
    r"(?:(\d{1,10}):([MSCX])|\[(\d{1,10})\]) (\d\d) ([A-Z][a-z]{2}) (?:(\d{4}) )?(\d\d:\d\d:\d\d)\.(\d{3}) ([.*#-]) ",
    re.ASCII,
)
_LEVELS: Final = {".": "debug", "-": "info", "*": "notice", "#": "warn"}
_ROLES: Final = {"M": "master", "S": "replica", "C": "child", "X": "sentinel"}


def read_redis(text: str, clock: Clock) -> Line | None:
    """Read a line of Redis' log; None if it is none."""
    found = _FRONT.match(text)
    if found is None:
        return None
    pid, role, old_pid, day, month, year, second, digits, mark = found.groups()
    if year is None:
        millis = yearless_millis(month, day, second, clock)
    else:
        millis = day_millis(day, month, year, second, clock.zone_minutes)
    part, grain = fraction_of(digits)
    millis, grain = (None, 0) if millis is None else (millis + part, grain)
    message = text[found.end() :]
    return Line(
        message[:MAX_MESSAGE],
        "redis",
        millis,
        grain,
        _LEVELS[mark],
        int(pid or old_pid),
        component=_ROLES.get(role, ""),
        cut=len(message) > MAX_MESSAGE,
    )
