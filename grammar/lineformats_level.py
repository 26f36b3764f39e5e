"""One vocabulary for how grave a line is, whoever wrote it.

Rules of this file
    - Ours: emerg alert crit error warn notice info debug trace; empty where a line says nothing we know.
    - Words are read in any case; numbers are syslog's (0 to 7) or those of Node's loggers (10 to 60).

Complexity: O(length of the word).
Source: RFC 5424 section 6.2.1; the manuals of the loggers named below.
"""

from __future__ import annotations

from typing import Final

LEVELS: Final = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "trace")
"""Gravest first; the first eight are syslog's severities."""

_WORDS: Final = {
    **{level: level for level in LEVELS},
    **dict.fromkeys(("emergency", "panic"), "emerg"),
    **dict.fromkeys(("critical", "fatal", "severe"), "crit"),
    **dict.fromkeys(("err", "eror", "fail", "failure"), "error"),
    "warning": "warn",
    **dict.fromkeys(("information", "informational", "note", "log", "verbose", "system", "success"), "info"),
    **dict.fromkeys(("debug1", "debug2", "debug3", "debug4", "debug5", "dbg", "fine", "config"), "debug"),
    **dict.fromkeys(("trac", "trce", "finer", "finest", *(f"trace{number}" for number in range(1, 9))), "trace"),
    **{"emrg": "emerg", "alrt": "alert", "erro": "error", "warni": "warn", "inf": "info", "wrn": "warn"},
}
_LONGEST: Final = max(len(word) for word in _WORDS)


def level_of(word: str) -> str:
    """The level that a word means, or nothing.

    >>> level_of("WARNING"), level_of("Note"), level_of("hello")
    ('warn', 'info', '')
    """
    return _WORDS.get(word.lower(), "") if len(word) <= _LONGEST else ""


def severity_of(number: int) -> str:
    """The level of a syslog severity, or of a priority (facility * 8 + severity)."""
    return LEVELS[number & 7] if number >= 0 else ""


def node_level_of(number: int) -> str:
    """The level of a number in a JSON line: syslog's below 8, else bunyan's and pino's 10 (trace) to 60 (fatal)."""
    if number < 8:
        return severity_of(number)
    return {10: "trace", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "crit"}.get(number, "")
