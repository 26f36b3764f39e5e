r"""Lines of access logs: common, combined and vhost_combined, of Apache, nginx, gunicorn and others.

Rules of this file
    - The message is the canonical request, `GET /app.php?a=login 401`: method, target, status. The protocol, the size
      and what the client says of itself are left out: they differ while the request is the same.
    - What servers escape (`\"`, `\x16`) stays escaped. A request line that is no HTTP stays text: `\x16\x03\x01 400`.
    - The client writes the request, the user's name and the headers: every field is a claim. A quote inside the request
      is escaped by the servers, so it cannot end the request early.
    - A long target is cut before the status, which stays.

Complexity: O(length); the expressions' parts cannot overlap.
Source: Apache `mod_log_config`; nginx `ngx_http_log_module`; RFC 9112 section 3.
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import Clock, clf_millis

_TIME: Final = r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
_PYTHON_TIME: Final = r"\[(\d\d/[A-Z][a-z]{2}/\d{4} \d\d:\d\d:\d\d)\]"
_USUAL: Final = re.compile(
    rf'([^ \["]{{1,255}}) - [^ \["]{{1,255}} {_TIME} '
    r'"([A-Z]{1,32} [^ "\\]{1,65535}) HTTP/\d(?:\.\d)?" (\d{3})(?: |$)',
    re.ASCII,
)
_ODD: Final = re.compile(rf' (?:{_TIME}|{_PYTHON_TIME}) "', re.ASCII)
_REQUEST: Final = re.compile(r'((?:[^"\\]|\\.){0,131071})(?:" (\d{3})(?: |$))?', re.ASCII)
_METHOD: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,31} (?=\S)", re.ASCII)
_PROTOCOL: Final = re.compile(r" {1,8}HTTP/\d(?:\.\d)?$", re.ASCII)
MAX_FRONT: Final = 2_048
"""Characters before the time: server, client and the user's name."""


def read_access(text: str, clock: Clock) -> Line | None:
    """Read a line of an access log; None if it is none."""
    return read_usual(text, clock) or _read_odd(text, clock)


def read_usual(text: str, clock: Clock) -> Line | None:
    """Read a line of an access log as most of them are, which no other format can be taken for."""
    found = _USUAL.match(text)
    if found is None:
        return None
    client, when, request, status = found.groups()
    millis = clf_millis(when, clock.zone_minutes)
    if len(request) > MAX_MESSAGE - 4:
        return _line(request, status, millis, client, "")
    return Line(f"{request} {status}", "access", millis, 0 if millis is None else 1000, "", 0, "", client, "", "", True)


def _read_odd(text: str, clock: Clock) -> Line | None:
    """Escaped quotes, a virtual host in front, blanks in a user's name, a request that is no HTTP or was cut."""
    found = _ODD.search(text, 0, MAX_FRONT)
    if found is None:
        return None
    front = text[: found.start()].split(" ")
    if len(front) < 3:
        return None
    at = front.index("-", 1) - 1 if "-" in front[1:] else 0
    client, host = front[at], front[0] if at == 1 else ""
    request = _REQUEST.match(text, found.end())
    assert request is not None  # it matches the empty text
    return _line(
        _canonical(request[1]),
        request[2] or "",
        clf_millis(found[1] or found[2], clock.zone_minutes),
        client[:255],
        host[:255],
    )


def _canonical(request: str) -> str:
    """Method and target of a request line, without the protocol."""
    if _METHOD.match(request) is None:
        return request
    tail = _PROTOCOL.search(request, max(0, len(request) - 20))
    return request if tail is None else request[: tail.start()]


def _line(request: str, status: str, millis: int | None, client: str, host: str) -> Line:
    room = MAX_MESSAGE - len(status) - 1
    is_cut = len(request) > room
    message = f"{request[:room]} {status}" if status else request[:room]
    grain = 0 if millis is None else 1000
    return Line(message, "access", millis, grain, client=client, component=host, ends=True, cut=is_cut)
