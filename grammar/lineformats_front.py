"""Lines with a time in front: PostgreSQL, gunicorn, Python's logging, any ISO 8601 time, any number of seconds.

Rules of this file
    - The named forms come first; what is left of the others is the text behind the time, without a level in front of it
      (`INFO`, `[INFO]`). `WARNING: ` with a colon is a level and stays: programs have it in their formats.
    - A number in front is a time only if it can be one: 10, 13, 16 or 19 digits, from 2001 to 2286.
    - Every field is a claim.

Complexity: O(length).
Source: ISO 8601, RFC 3339; PostgreSQL `log_line_prefix`; gunicorn `glogging.py`; Python `logging`.
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import ISO, Clock, epoch_time, iso_time
from grammar.lineformats_level import level_of
from grammar.lineformats_openvpn import read_openvpn

_ISO: Final = ISO.pattern
_POSTGRES: Final = re.compile(
    rf"{_ISO}(?: ([A-Z]{{1,5}}))? \[(\d{{1,10}})(?:-\d{{1,10}})?\] (?:[^ @:]{{1,64}}@[^ @:]{{1,64}} )?"
    r"(DEBUG[1-5]?|INFO|NOTICE|LOG|WARNING|ERROR|FATAL|PANIC|STATEMENT|DETAIL|HINT|CONTEXT|QUERY|LOCATION):  ?",
    re.ASCII,
)
_GUNICORN: Final = re.compile(rf"\[{_ISO}\] \[(\d{{1,10}})\] \[([A-Z]{{3,10}})\] ", re.ASCII)
_PYTHON: Final = re.compile(rf"{_ISO} - ([^ ]{{1,255}}) - ([A-Z]{{3,10}}) - ", re.ASCII)
_PLAIN: Final = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL):([A-Za-z0-9_.]{1,255}):", re.ASCII)
_BRACKET: Final = re.compile(rf"\[{_ISO}\]", re.ASCII)
_EPOCH: Final = re.compile(
    r"(\[?)([1-9]\d{9}|[1-9]\d{12}|[1-9]\d{15}|[1-9]\d{18})(?:\.(\d{1,9}))?(\]?)[ \t:]{1,4}", re.ASCII
)
_LEVEL: Final = re.compile(
    r"[\t :|,;]{0,8}(?:-{1,2} )?"
    r"(?:(?:\[ ?([A-Za-z0-9]{3,13}) {0,8}\]:?|<([A-Za-z]{3,13})>|([A-Z]{3,13}))(?:[\t ]{1,8}|$)"
    r"|(?=([A-Za-z]{3,13}): ))",
    re.ASCII,
)
_BREAKS: Final = frozenset(("", *" \t:|,;"))
_DETAILS: Final = frozenset({"STATEMENT", "DETAIL", "HINT", "CONTEXT", "QUERY", "LOCATION"})


def _line(  # every form ends in one of these
    text: str, at: int, form: str, time: tuple[int | None, int], *, level: str = "", pid: int = 0, component: str = ""
) -> Line:
    message = text[at : at + MAX_MESSAGE]
    is_cut = len(text) - at > MAX_MESSAGE
    return Line(message, form, time[0], time[1], level, pid, component=component, cut=is_cut)


def read_postgres(text: str, clock: Clock) -> Line | None:
    """Read a line of PostgreSQL with the prefix `%m [%p] ` or `%m [%p] %q%u@%d `; None if it is none."""
    found = _POSTGRES.match(text)
    if found is None:
        return None
    word = found[7]
    component = word.lower() if word in _DETAILS else ""
    return _line(
        text,
        found.end(),
        "postgres",
        iso_time(found, clock.zone_minutes),
        level=level_of(word),
        pid=int(found[6]),
        component=component,
    )


def read_gunicorn(text: str, clock: Clock) -> Line | None:
    """Read a line of gunicorn's error log; None if it is none."""
    found = _GUNICORN.match(text)
    if found is None:
        return None
    return _line(
        text, found.end(), "gunicorn", iso_time(found, clock.zone_minutes), level=level_of(found[6]), pid=int(found[5])
    )


def read_python(text: str, clock: Clock) -> Line | None:
    """Read a line of Python's logging in its two usual forms, with names and dashes or with colons and no time."""
    if found := _PYTHON.match(text):
        time = iso_time(found, clock.zone_minutes)
        return _line(text, found.end(), "python", time, level=level_of(found[6]), component=found[5])
    if found := _PLAIN.match(text):
        return _line(text, found.end(), "python", (None, 0), level=level_of(found[1]), component=found[2])
    return None


def read_iso(text: str, clock: Clock) -> Line | None:
    """Read any line that begins with an ISO 8601 time, bare or in brackets; None if it does not."""
    if (line := read_openvpn(text, clock)) is not None:
        return line
    is_bare = not text.startswith("[")
    found = (ISO if is_bare else _BRACKET).match(text)
    if found is None or (is_bare and text[found.end() : found.end() + 1] not in _BREAKS):
        return None
    level, at = _level(text, found.end())
    return _line(text, at, "iso", iso_time(found, clock.zone_minutes), level=level)


def read_epoch(text: str, clock: Clock) -> Line | None:
    """Read any line that begins with a count of seconds (or smaller) since 1970; None if it does not."""
    found = _EPOCH.match(text)
    if found is None or bool(found[1]) != bool(found[4]):
        return None
    time = epoch_time(found[2], found[3])
    level, at = _level(text, found.end())
    return _line(text, at, "epoch", time, level=level)


def _level(text: str, at: int) -> tuple[str, int]:
    """A level at `at` and where the message begins; a word with a colon (`WARNING: `) is the message's own."""
    found = _LEVEL.match(text, at)
    if found and (level := level_of(found[1] or found[2] or found[3] or found[4] or "")):
        return level, found.end()
    while at < len(text) and text[at] in _BREAKS:
        at += 1
    return "", at
