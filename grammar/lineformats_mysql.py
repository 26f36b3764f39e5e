r"""Lines of MariaDB's and MySQL's logs: the error log and the general query log.

Rules of this file
    - Error log: `2026-11-22  1:48:18 0 [Note] InnoDB: ...`, MySQL 5.7 and 8 (`2026-11-22T01:48:18.123456Z 0 [System]
      [MY-010116] [Server] ...`) and the older `261122  1:48:18 [Note] ...`. The number is the connection (a thread).
    - General log: `261122  1:48:31\t     4 Connect\tsb@...`; only the first line of a second has the time, the others
      begin with two tabs and take it from the `Clock`, where it is kept. The message is command and argument,
      `Query select ...`; the thread is the connection.
    - The client writes the argument, line breaks included: it can imitate whole lines. Every field is a claim.

Complexity: O(length).
Source: MariaDB `sql/log.cc`; MySQL reference manual, "The Error Log", "The General Query Log".
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import Clock, iso_millis, iso_time
from grammar.lineformats_level import level_of

_OLD: Final = r"(\d{6}) ([ \d]\d:\d\d:\d\d)"
_ISO: Final = r"(\d{4}-\d\d-\d\d)[T ]([ \d]\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?"
_ERROR: Final = re.compile(rf"{_ISO} (\d{{1,20}}) \[([A-Z][A-Za-z]{{2,11}})\] ", re.ASCII)
_OLD_ERROR: Final = re.compile(rf"{_OLD} (?:(\d{{1,20}}) )?\[([A-Z][A-Za-z]{{2,11}})\] ", re.ASCII)
_CODE: Final = re.compile(r"\[MY-\d{1,6}\] \[([A-Za-z_]{1,32})\] ", re.ASCII)
_COMMAND: Final = r"\t? {0,20}(\d{1,20}) ([A-Z][A-Za-z]{1,15}(?: [A-Za-z]{1,15}){0,2})(?:\t|$)"
_GENERAL: Final = re.compile(rf"(?:{_OLD}\t|\t){_COMMAND}", re.ASCII)
_ISO_GENERAL: Final = re.compile(rf"{_ISO}\t{_COMMAND}", re.ASCII)
_HEAD: Final = re.compile(
    r"Time\t[\t ]{1,20}Id Command\tArgument$|Tcp port: \d{1,6}  Unix socket: |"
    r"[^ ,]{1,255}, Version: [^ ]{1,255} \([^)]{1,255}\)\. (?:embedded library|started with:)$",
    re.ASCII,
)


def read_mysql_error(text: str, clock: Clock) -> Line | None:
    """Read a line of the error log of MariaDB or MySQL; None if it is none."""
    component, at = "", 0
    if found := _ERROR.match(text):
        millis, grain = iso_time(found, clock.zone_minutes)
        thread, level = found[5], found[6]
        if code := _CODE.match(text, found.end()):
            component, at = code[1], code.end()
    elif found := _OLD_ERROR.match(text):
        millis = _short_millis(found[1], found[2], clock.zone_minutes)
        grain = 0 if millis is None else 1000
        thread, level = found[3] or "", found[4]
    else:
        return None
    message = text[at or found.end() :]
    is_cut = len(message) > MAX_MESSAGE
    message = message[:MAX_MESSAGE]
    return Line(message, "mysql_error", millis, grain, level_of(level), 0, thread, "", component, "", False, is_cut)


def read_mysql_general(text: str, clock: Clock) -> Line | None:
    """Read a line of the general query log; None if it is none."""
    millis: int | None = None
    grain = 0
    if found := _GENERAL.match(text):
        when, second, thread, command = found.groups()
        if when is not None:
            clock.second = _short_millis(when, second, clock.zone_minutes)
        millis = clock.second
        grain = 0 if millis is None else 1000
    elif found := _ISO_GENERAL.match(text):
        millis, grain = iso_time(found, clock.zone_minutes)
        thread, command = found[5], found[6]
    elif _HEAD.match(text):
        return Line(text[:MAX_MESSAGE], "mysql_general", cut=len(text) > MAX_MESSAGE)
    else:
        return None
    argument = text[found.end() : found.end() + MAX_MESSAGE + 1]
    message = f"{command} {argument}" if argument else command
    is_cut = len(message) > MAX_MESSAGE
    return Line(message[:MAX_MESSAGE], "mysql_general", millis, grain, thread=thread, cut=is_cut)


def _short_millis(day: str, second: str, zone_minutes: int) -> int | None:
    """`261122` and ` 1:48:31`."""
    return iso_millis(f"20{day[:2]}-{day[2:4]}-{day[4:]}", second, None, zone_minutes)
