"""Lines of syslog: RFC 3164 with and without priority, RFC 5424 with structured data, and rsyslog's with ISO times.

Rules of this file
    - `<34>Oct 11 22:14:15 host sshd[24200]: message`: the year is missing and comes from the `Clock`; the host may be
      missing too (what programs send to /dev/log). The program is the tag.
    - RFC 5424: the message id is the component; structured data are left out of the message.
    - Anybody who may write to /dev/log chooses tag and pid: every field is a claim.

Complexity: O(length).
Source: RFC 3164 section 4.1; RFC 5424 section 6; rsyslog `RSYSLOG_FileFormat`.
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import ISO, Clock, iso_time, yearless_millis
from grammar.lineformats_ftp import without_peer
from grammar.lineformats_level import severity_of
from grammar.lineformats_openvpn import peer_of

_PRIORITY: Final = r"(?:<(\d{1,3})>)"
_OLD: Final = re.compile(rf"{_PRIORITY}?([A-Z][a-z]{{2}}) ([ \d]\d) (\d\d:\d\d:\d\d) ", re.ASCII)
_HOST: Final = re.compile(r"([^ \[\]:]{1,255}|[0-9a-fA-F:]{2,45}) (?=[^ ])", re.ASCII)
_TAG: Final = re.compile(r"([^ \[\]:]{1,64})(?:\[(\d{1,10})\])?: ?", re.ASCII)
_STRICT_TAG: Final = re.compile(r" ([^ \[\]:]{1,255}) (?:([^ \[\]:]{1,64})\[(\d{1,10})\]|(kernel)): ?", re.ASCII)
_NEW: Final = re.compile(
    rf"{_PRIORITY}[1-9]\d? (-|[^ ]{{1,64}}) ([^ ]{{1,255}}) ([^ ]{{1,48}}) ([^ ]{{1,128}}) ([^ ]{{1,32}}) ", re.ASCII
)
_ELEMENT: Final = re.compile(r'\[[^ \]="]{1,32}(?: [^ \]="]{1,32}="(?:[^"\\\]]|\\.){0,8192}"){0,256}\]', re.ASCII)
OPENVPN: Final = frozenset({"openvpn", "ovpn-server", "ovpn-client"})
_UPTIME: Final = re.compile(r"\[ {0,10}\d{1,10}\.\d{6}\] ?", re.ASCII)


def read_syslog(text: str, clock: Clock) -> Line | None:
    """Read a line as RFC 3164 describes them; None if it is none."""
    found = _OLD.match(text)
    if found is None:
        return None
    priority, month, day, second = found.groups()
    millis = yearless_millis(month, day.strip(), second, clock)
    at = found.end()
    tag = _TAG.match(text, at)
    if tag is None and (host := _HOST.match(text, at)):
        at = host.end()
        tag = _TAG.match(text, at)
    program, pid = (tag[1], int(tag[2] or 0)) if tag else ("", 0)
    message, client = _plain(text[tag.end() if tag else at :], program)
    level = severity_of(int(priority)) if priority else ""
    grain = 0 if millis is None else 1000
    is_cut = len(message) > MAX_MESSAGE
    message = message[:MAX_MESSAGE]
    return Line(message, "syslog", millis, grain, level, pid, client=client, program=program, cut=is_cut)


def read_iso_syslog(text: str, clock: Clock) -> Line | None:
    """Read a line of rsyslog with an ISO time, which must name a program with its pid (or the kernel)."""
    found = ISO.match(text)
    tag = _STRICT_TAG.match(text, found.end()) if found else None
    if found is None or tag is None:
        return None
    millis, grain = iso_time(found, clock.zone_minutes)
    program = tag[2] or tag[4]
    message, client = _plain(text[tag.end() :], program)
    is_cut, pid = len(message) > MAX_MESSAGE, int(tag[3] or 0)
    return Line(message[:MAX_MESSAGE], "syslog", millis, grain, pid=pid, client=client, program=program, cut=is_cut)


def read_syslog5424(text: str, clock: Clock) -> Line | None:
    """Read a line as RFC 5424 describes them; None if it is none."""
    found = _NEW.match(text)
    if found is None:
        return None
    priority, when, _host, program, process, kind = found.groups()
    time = ISO.match(when)
    millis, grain = iso_time(time, clock.zone_minutes) if time else (None, 0)
    at = _after_data(text, found.end())
    message = text[at:].removeprefix(" ").removeprefix("\ufeff")
    is_pid = process.isascii() and process.isdecimal() and len(process) <= 10
    return Line(
        message[:MAX_MESSAGE],
        "syslog5424",
        millis,
        grain,
        severity_of(int(priority)),
        int(process) if is_pid else 0,
        "" if is_pid or process == "-" else process,
        component="" if kind == "-" else kind,
        program="" if program == "-" else program,
        cut=len(message) > MAX_MESSAGE,
    )


def _after_data(text: str, at: int) -> int:
    """Where the structured data end; where they begin if they are broken."""
    if text.startswith("-", at):
        return at + 1
    while found := _ELEMENT.match(text, at):
        at = found.end()
    return at


def _plain(message: str, program: str) -> tuple[str, str]:
    """A message without what its program puts in front of each: the kernel's uptime, a server's peer; and the peer."""
    if program == "kernel" and (found := _UPTIME.match(message)):
        return message[found.end() :], ""
    if program == "proftpd":
        return without_peer(message)
    if program in OPENVPN:
        client, at = peer_of(message)
        return message[at:], client
    return message, ""
