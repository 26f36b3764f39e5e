"""Times as logs write them, to UTC milliseconds since 1970 and how exact they are.

Rules of this file
    - A date that cannot be (30 February, hour 25, 01:60) is None, never an exception; second 60 is the next minute's.
    - What the text says of its zone wins, else `Clock.zone_minutes`; names of zones other than UTC say nothing.
    - A date without a year takes the year that brings it nearest to `Clock.near`, else `Clock.year`, else is None.
    - Log lines repeat their second: each text is read once and kept for a while.

Complexity: O(1); texts are bounded by the formats' expressions.
Source: RFC 3339; RFC 3164 section 4.1.2; Apache's `%t`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

MONTHS: Final = {
    name: number + 1
    for number, name in enumerate(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"))
}
UTC_NAMES: Final = frozenset({"UTC", "GMT", "Z", "z", "UCT", "Etc/UTC"})
DAY: Final = 86_400_000
YEAR: Final = 365 * DAY
FIRST_DAY: Final = date(1970, 1, 1).toordinal()
KEPT: Final = 1_024
"""Texts of a second that are remembered, per form."""
ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d|\d{4}/\d\d/\d\d)[Tt _](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?"
    r"( ?[+-]\d\d:?\d\d|[+-]\d\d(?!\d)|[Zz]| UTC| GMT)?",
    re.ASCII,
)
"""A time at the beginning of a text: day, second, fraction, zone."""


@dataclass(slots=True)
class Clock:
    """What is known of the writer's clock: minutes east of UTC, the year, about when the line was written."""

    zone_minutes: int = 0
    year: int | None = None
    near: int | None = None
    second: int | None = None
    """The last time of a general query log: its lines without one have it."""


def millis_of(year: int, month: int, day: int, clock: str, minutes_east: int = 0) -> int | None:
    """Milliseconds of a date and a `HH:MM:SS`; None if there is no such time.

    >>> millis_of(1970, 1, 2, "00:00:01")
    86401000
    """
    try:
        days = date(year, month, day).toordinal() - FIRST_DAY
        hour, minute, second = (int(part) for part in clock.split(":"))
    except (ValueError, OverflowError):
        return None
    if hour > 23 or minute > 59 or second > 60:
        return None
    return days * DAY + (hour * 3600 + (minute - minutes_east) * 60 + second) * 1000


def fraction_of(digits: str | None) -> tuple[int, int]:
    """Milliseconds of the digits after a second, and their grain.

    >>> fraction_of("94"), fraction_of("942249"), fraction_of(None)
    ((940, 10), (942, 1), (0, 1000))
    """
    if not digits:
        return 0, 1000
    return int(digits[:3].ljust(3, "0")), (100, 10, 1)[min(len(digits), 3) - 1]


@lru_cache(KEPT)
def offset_of(text: str) -> int | None:
    """Minutes east of UTC of `+0130`, `-01:30`, `+01`, `Z`, `UTC`; None if the text says none.

    >>> offset_of("+0130"), offset_of("-01"), offset_of(" UTC"), offset_of("CET")
    (90, -60, 0, None)
    """
    text = text.strip()
    if text in UTC_NAMES:
        return 0
    digits = text[1:].replace(":", "")
    if text[:1] not in ("+", "-") or len(digits) not in (2, 4) or not (digits.isascii() and digits.isdecimal()):
        return None
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if text[0] == "-" else 1)


@lru_cache(KEPT)
def clf_millis(text: str, zone_minutes: int) -> int | None:
    """`22/Nov/2026:01:48:31 +0000`, the time of access logs; Python's servers write no zone."""
    minutes = offset_of(text[21:]) if len(text) > 20 else zone_minutes
    month = MONTHS.get(text[3:6])
    if month is None or minutes is None:
        return None
    return millis_of(int(text[7:11]), month, int(text[:2]), text[12:20], minutes)


@lru_cache(KEPT)
def ctime_millis(text: str, year: str, zone_minutes: int) -> int | None:
    """`Sun Nov 22 01:48:31` with the year apart (Apache puts the microseconds between); `Nov  2 ...` too."""
    month = MONTHS.get(text[4:7])
    if month is None:
        return None
    return millis_of(int(year), month, int(text[8:10]), text[11:19], zone_minutes)


@lru_cache(KEPT)
def iso_millis(day: str, second: str, zone: str | None, zone_minutes: int) -> int | None:
    """`2026-11-22` (or with slashes), `01:48:31` and a zone as text or None."""
    minutes = offset_of(zone) if zone else zone_minutes
    return None if minutes is None else millis_of(int(day[:4]), int(day[5:7]), int(day[8:10]), second, minutes)


@lru_cache(KEPT)
def day_millis(day: str, month: str, year: str, second: str, zone_minutes: int) -> int | None:
    """`22`, `Nov`, `2026`, `01:48:31`."""
    number = MONTHS.get(month)
    return None if number is None else millis_of(int(year), number, int(day), second, zone_minutes)


def yearless_millis(month: str, day: str, second: str, clock: Clock) -> int | None:
    """`Nov`, `22`, `01:48:31`: the year is the one that brings it nearest to `clock.near`."""
    if clock.near is None:
        return None if clock.year is None else day_millis(day, month, str(clock.year), second, clock.zone_minutes)
    near, about = clock.near, min(max(1970 + clock.near // YEAR, 2), 9998)
    first = day_millis(day, month, str(about), second, clock.zone_minutes)
    if first is not None and abs(first - near) < YEAR // 2:
        return first
    years = (str(year) for year in (about - 1, about, about + 1))
    found = (day_millis(day, month, year, second, clock.zone_minutes) for year in years)
    return min((millis for millis in found if millis is not None), key=lambda millis: abs(millis - near), default=None)


def iso_time(match: re.Match[str], zone_minutes: int) -> tuple[int | None, int]:
    """Milliseconds and grain of a match of `ISO` (or an expression that begins with its four groups)."""
    day, second, digits, zone = match.group(1, 2, 3, 4)
    millis = iso_millis(day, second, zone, zone_minutes)
    part, grain = fraction_of(digits)
    return (None, 0) if millis is None else (millis + part, grain)


def epoch_time(whole: str, digits: str | None) -> tuple[int | None, int]:
    """Seconds, milli-, micro- or nanoseconds since 1970 by the number of digits: 10, 13, 16, 19; else None.

    >>> epoch_time("1795312105", "9"), epoch_time("1795312105942249", None)
    ((1795312105900, 100), (1795312105942, 1))
    """
    part, grain = fraction_of(digits)
    if len(whole) == 10:
        return int(whole) * 1000 + part, grain
    if len(whole) in (13, 16, 19):
        return int(whole[:13]), 1
    return None, 0
