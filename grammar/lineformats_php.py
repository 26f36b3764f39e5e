"""Lines of PHP's error log and of PHP-FPM's.

Rules of this file
    - Error log: `[22-Nov-2026 01:48:32 UTC] PHP Warning:  Undefined variable $x in /app.php on line 3`; the message is
      what PHP's format prints, `PHP Warning:  ...`. A zone's name other than UTC says no offset.
    - PHP-FPM: `[22-Nov-2026 01:48:32] NOTICE: fpm is running, pid 1`; with debugging on, `pid 7, function(), line 12: `
      stands before the message.
    - A script writes what it likes with `error_log`: every field is a claim.

Complexity: O(length).
Source: PHP `main/main.c` (`php_log_err`), `sapi/fpm/fpm/zlog.c`.
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import Clock, day_millis, fraction_of, offset_of
from grammar.lineformats_level import level_of

_FRONT: Final = re.compile(
    r"\[(\d\d)-([A-Z][a-z]{2})-(\d{4}) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?: ([A-Za-z0-9_+:/-]{1,48}))?\] ", re.ASCII
)
_FPM: Final = re.compile(
    r"(DEBUG|NOTICE|WARNING|ERROR|ALERT): (?:pid (\d{1,10}), (\w{1,80}|\(null\))\(\), line \d{1,6}: )?", re.ASCII
)
_PHP: Final = re.compile(r"PHP ([A-Z][a-z]{2,10})(?: error| errors| Warning| (\w{1,10}))?: {1,4}", re.ASCII)
_LEVELS: Final = {"fatal": "crit", "parse": "crit", "deprecated": "notice", "recoverable": "error", "core": "error"}


def read_php(text: str, clock: Clock) -> Line | None:
    """Read a line of PHP's own logs; None if it is none."""
    found = _FRONT.match(text)
    if found is None:
        return None
    day, month, year, second, digits, zone = found.groups()
    minutes = offset_of(zone) if zone else None
    millis = day_millis(day, month, year, second, clock.zone_minutes if minutes is None else minutes)
    part, grain = fraction_of(digits)
    millis, grain = (None, 0) if millis is None else (millis + part, grain)
    name, level, pid, component, at = "php_error", "", 0, "", found.end()
    if not zone and (fpm := _FPM.match(text, at)):
        name, level, at = "php_fpm", level_of(fpm[1]), fpm.end()
        pid, component = int(fpm[2] or 0), "" if fpm[3] == "(null)" else fpm[3] or ""
    elif php := _PHP.match(text, at):
        word = php[1].lower()
        level = _LEVELS.get(word) or level_of(word)
    message = text[at:]
    is_cut = len(message) > MAX_MESSAGE
    return Line(message[:MAX_MESSAGE], name, millis, grain, level, pid, component=component, cut=is_cut)
