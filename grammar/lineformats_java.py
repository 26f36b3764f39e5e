"""Lines of Java's loggers: log4j and logback, Spring Boot, Tomcat.

Rules of this file
    - `2026-11-22 01:48:25,942 [main] INFO  org.x.Y - message`, with thread and level in either order; Spring Boot's
      `2026-11-22T01:48:25.942Z  INFO 7 --- [main] o.x.Y : message`; Tomcat's `22-Nov-2026 01:48:25.942 INFO [main]
      org.x.Y.method message`. The class is the component.
    - Every field is a claim.

Complexity: O(length).
Source: log4j `PatternLayout`; Spring Boot `DefaultLogbackConfiguration`; Tomcat `OneLineFormatter`.
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import ISO, Clock, day_millis, fraction_of, iso_time
from grammar.lineformats_level import level_of

_THREAD: Final = r"\[ {0,32}([^\]\n]{1,128})\] {1,4}"
_WORD: Final = r"(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|SEVERE|CONFIG|FINE|FINER|FINEST) {1,4}"
_CLASS: Final = r"([\w.$/-]{1,255}(?:\[[^\]\n]{0,64}\])?)"
_SPRING: Final = re.compile(
    rf" {{1,2}}{_WORD}(\d{{1,10}}) --- (?:\[[^\]]{{1,64}}\] )?{_THREAD}{_CLASS} {{1,64}}: ", re.ASCII
)
_LOG4J: Final = re.compile(rf" {{1,2}}(?:{_THREAD}{_WORD}|{_WORD}{_THREAD}){_CLASS}(?: - |: )", re.ASCII)
_TOMCAT: Final = re.compile(
    rf"(\d\d)-([A-Z][a-z]{{2}})-(\d{{4}}) (\d\d:\d\d:\d\d)(?:\.(\d{{1,9}}))? {_WORD}{_THREAD}([\w.$<>]{{1,255}}) ",
    re.ASCII,
)


def read_java(text: str, clock: Clock) -> Line | None:
    """Read a line of Java's usual loggers; None if it is none."""
    pid = ""
    if front := ISO.match(text):
        time = iso_time(front, clock.zone_minutes)
        if found := _SPRING.match(text, front.end()):
            level, pid, thread, component = found.groups()
        elif found := _LOG4J.match(text, front.end()):
            level, thread = found[2] or found[3], found[1] or found[4]
            component = found[5]
        else:
            return None
    elif found := _TOMCAT.match(text):
        day, month, year, second, digits, level, thread, component = found.groups()
        millis = day_millis(day, month, year, second, clock.zone_minutes)
        part, grain = fraction_of(digits)
        time = (None, 0) if millis is None else (millis + part, grain)
    else:
        return None
    message = text[found.end() :]
    is_cut = len(message) > MAX_MESSAGE
    message = message[:MAX_MESSAGE]
    level = level_of(level)
    return Line(message, "java", time[0], time[1], level, int(pid or 0), thread, "", component, cut=is_cut)
