"""Lines of Apache's error log, 2.2 and 2.4: who speaks (module, process, thread, client) and the message as formatted.

Rules of this file
    - `[time] [module:level] [pid 7:tid 7] file.c(12): (13)Permission denied: [client 10.0.0.1:33630] AH01234: message,
      referer: ...`: the message is what the module's format printed: `AH01234: message`. The source line, the system's
      error text and the referer are Apache's additions, and stand between the fields in 2.4, behind the client in 2.2.
    - Apache escapes control characters and bytes beyond ASCII (`\\n`, `\\xc3`); they stay escaped.
    - A module's message may quote the client and imitate the fields behind the message's begin, not those before it.
      A program that shares the log (CGI, `sh: 1: curl: not found`) can write whole lines: every field is a claim.

Complexity: O(length).
Source: Apache `core` (`ErrorLogFormat`), `server/log.c`.
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import Clock, ctime_millis, fraction_of
from grammar.lineformats_level import level_of

_FRONT: Final = re.compile(
    r"\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)(?:\.(\d{1,9}))? (\d{4})\] "
    r"\[(?:([a-z0-9_-]{0,64}):)?([a-z0-9]{1,12})\] "
    r"(?:\[pid (\d{1,10})(?::tid (\d{1,20}))?\] )?"
    r"(?:\[client ([^\] ]{1,255})\] )?",
    re.ASCII,
)
_SOURCE: Final = re.compile(
    r"(?:[A-Za-z0-9_./-]{1,120}\.[a-z]{1,3}\(\d{1,6}\): )?(?:\(\d{1,7}\)([^:\[\]]{1,120}): )?", re.ASCII
)
_CLIENT: Final = re.compile(r"\[(?:client|remote) ([^\] ]{1,255})\] ", re.ASCII)


def read_apache_error(text: str, clock: Clock) -> Line | None:
    """Read a line of Apache's error log; None if it is none."""
    found = _FRONT.match(text)
    if found is None:
        return None
    second, digits, year, module, level, pid, tid, client = found.groups()
    millis = ctime_millis(second, year, clock.zone_minutes)
    grain = 0
    if millis is not None:
        if digits is not None and len(digits) >= 3:
            millis += int(digits[:3])
            grain = 1
        else:
            part, grain = fraction_of(digits)
            millis += part
    message = text[found.end() :]
    if message[:1] in "([" or ".c(" in message[:128] or ", referer: " in message:
        message, client = _plain(message, client)
    return Line(
        message[:MAX_MESSAGE],
        "apache_error",
        millis,
        grain,
        level_of(level),
        int(pid or 0),
        tid or "",
        client or "",
        module or "",
        "",
        False,
        len(message) > MAX_MESSAGE,
    )


def _plain(message: str, client: str | None) -> tuple[str, str | None]:
    """The message without the source line, the error text, the client and the referer; and the client."""
    source = _SOURCE.match(message)
    at = source.end() if source else 0
    if client is None and (found := _CLIENT.match(message, at)):
        client, at = found[1], found.end()
    end = message.rfind(", referer: ", at)
    return message[at : end if end >= 0 else len(message)], client
