"""Lines of ProFTPD's own log, of its trace log, and of transfer logs (xferlog).

Rules of this file
    - ProFTPD: `2026-11-22 01:48:25,942 host proftpd[12] host (client[10.0.0.1]): message`.
    - What it sends to syslog has ` - ` behind the client. Its trace log: `2026-11-22 01:48:25,942 [12] <lock:9>: text`.
    - xferlog: one line for each transfer, at its end. The canonical message is direction, file and completion, as a
      request is method, target and status: `o /pub/manual.pdf c` (o out, i in, d deleted; c complete, i not).
    - File names and user names are the client's: every field is a claim. A blank in a file's name is `_` in xferlog.

Complexity: O(length).
Source: ProFTPD `src/log.c`, `modules/mod_log.c`; xferlog(5).
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import Clock, ctime_millis, iso_time

_PROFTPD: Final = re.compile(
    r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:,(\d{1,9}))()? ([^ ]{1,255}) proftpd\[(\d{1,10})\](:?) ", re.ASCII
)
_PEER: Final = re.compile(r"[^ ]{1,255} \(([^ ]{1,255})\[([0-9a-fA-F.:]{2,45})\]\)$", re.ASCII)
_TRACE: Final = re.compile(
    r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:,(\d{1,9}))()? \[(\d{1,10})\] <([A-Za-z0-9_.-]{1,64}):\d{1,3}>: ", re.ASCII
)
_XFER: Final = re.compile(
    r"([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (\d{4}) \d{1,10} ([^ ]{1,255}) \d{1,20} (.{1,65535}) "
    r"[ab] [CUT_]{1,3} ([oid]) [agr] [^ ]{0,1024} [^ ]{1,64} [01*] [^ ]{1,255} ([ci])$",
    re.ASCII,
)


def read_proftpd(text: str, clock: Clock) -> Line | None:
    """Read a line of ProFTPD's log or of its trace log; None if it is none."""
    found = _PROFTPD.match(text)
    if found is None:
        return _read_trace(text, clock)
    millis, grain = iso_time(found, clock.zone_minutes)
    front, separator, message = text[found.end() :].partition(": ")
    client = ""
    if found[7] or not separator or len(front) > 768:  # a colon: no session, nothing more in front
        message = text[found.end() :]
    elif peer := _PEER.match(front):
        client = peer[2]
    elif " " in front:
        message = text[found.end() :]
    is_cut = len(message) > MAX_MESSAGE
    message = message[:MAX_MESSAGE]
    return Line(message, "proftpd", millis, grain, "", int(found[6]), "", client, "", "proftpd", False, is_cut)


def _read_trace(text: str, clock: Clock) -> Line | None:
    found = _TRACE.match(text)
    if found is None:
        return None
    millis, grain = iso_time(found, clock.zone_minutes)
    message = text[found.end() : found.end() + MAX_MESSAGE]
    is_cut = len(text) - found.end() > MAX_MESSAGE
    pid, channel = int(found[5]), found[6]
    return Line(message, "proftpd_trace", millis, grain, "trace", pid, component=channel, program="proftpd", cut=is_cut)


def without_peer(message: str) -> tuple[str, str]:
    """A message as ProFTPD sends it to syslog without the session in front, and the client of it.

    >>> [without_peer(text) for text in ("web (10.0.0.7[10.0.0.7]) - ready", "web - ready", "ready")]
    [('ready', '10.0.0.7'), ('ready', ''), ('ready', '')]
    """
    front, separator, rest = message.partition(" - ")
    if not separator or len(front) > 768:
        return message, ""
    if peer := _PEER.match(front):
        return rest, peer[2]
    return (message, "") if " " in front else (rest, "")


def read_xferlog(text: str, clock: Clock) -> Line | None:
    """Read a line of a transfer log; None if it is none."""
    found = _XFER.match(text)
    if found is None:
        return None
    second, year, client, name, direction, completion = found.groups()
    millis = ctime_millis(second, year, clock.zone_minutes)
    room = MAX_MESSAGE - 4
    message = f"{direction} {name[:room]} {completion}"
    grain = 0 if millis is None else 1000
    return Line(message, "xferlog", millis, grain, client=client, ends=True, cut=len(name) > room)
