"""The level of a message, where it can be known.

Rules of this file
    - A level is known from a syslog priority that is one constant at the call (also through wrappers that pass theirs
      on), from what the documented interface of a widespread library says, or from the text's own beginning
      (`[ERROR] ...`, `warning: ...`), or from the names of sibling functions that differ in nothing but the level
      (`sql_print_error`, `sql_print_warning`). Else it is empty: no guess.

Source: syslog(3); httpd's http_log.h (APLOG_* are syslog's numbers, trace1 to trace8 follow); err(3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from agent.static.values import Values

SYSLOG: Final = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")
APACHE: Final = (*SYSLOG, *(f"trace{n}" for n in range(1, 9)))
ARGUMENTS: Final = {
    "ap_log_error_": 3,
    "ap_log_perror_": 3,
    "ap_log_rerror_": 3,
    "ap_log_cerror_": 3,
    "ap_log_cserror_": 3,
    "ap_log_data_": 3,
}
"""Parameters of httpd's documented interface that are levels; found as loggers without it."""
WORDS: Final = {
    "emergency": "emerg", "emerg": "emerg", "panic": "emerg", "alert": "alert", "fatal": "crit", "critical": "crit",
    "crit": "crit", "error": "error", "err": "error", "warning": "warn", "warn": "warn", "notice": "notice",
    "note": "notice", "info": "info", "information": "info", "debug": "debug", "trace": "trace1",
}  # fmt: skip
_LENGTH: Final = re.compile("[0-9]{1,3}")
_BEGINS: Final = re.compile(rb"\s*(?:\[([A-Za-z]{3,11})\]|([A-Za-z]{3,11}):\s|<([A-Za-z]{3,11})>)")
"""A level's word in brackets, or before a colon."""


def level_of(text: bytes, numbers: Values | None, names: tuple[str, ...] = SYSLOG) -> str:
    """The level that `numbers` (a priority argument) give, else the one that the text begins with, else nothing."""
    known = level_of_numbers(numbers, names) if numbers is not None else ""
    return known or level_of_text(text)


def level_of_numbers(numbers: Values, names: tuple[str, ...] = SYSLOG) -> str:
    """The one level that all values of a priority argument stand for."""
    if not numbers.complete or numbers.parameters or numbers.slots:
        return ""
    levels = {names[one & (len(names) - 1)] for one in numbers.constants}
    return levels.pop() if len(levels) == 1 else ""


def level_of_text(text: bytes) -> str:
    """The level that a text begins with."""
    match = _BEGINS.match(text)
    word = next((one for one in match.groups() if one), b"") if match else b""
    return WORDS.get(word.decode("ascii").lower(), "")


def sibling_levels(names: Iterable[str]) -> dict[str, str]:
    """Levels of functions by their names, where at least two differ only in the level's word at the end.

    >>> sibling_levels(["say_error", "say_warning", "note_error", "_ZN3log4warnEv", "_ZN3log4infoEv"])
    {'say_error': 'error', 'say_warning': 'warn', '_ZN3log4warnEv': 'warn', '_ZN3log4infoEv': 'info'}
    """
    families: dict[str, dict[str, str]] = {}
    for name in names:
        stem, _, word = _plain(name).rpartition("_")
        if stem and word in WORDS:
            families.setdefault(stem, {})[name] = WORDS[word]
    return {
        name: level for few in families.values() if len(set(few.values())) > 1 for name, level in few.items()
    }  # fmt: skip


def _plain(name: str) -> str:
    """A name with its scopes, `_` between; of a C++ name as its symbol spells it."""
    if not name.startswith("_Z"):
        return name.lower()
    parts, at = [], 3 if name.startswith("_ZN") else 2
    at += name[at : at + 1] == "K"
    while match := _LENGTH.match(name, at):
        at = match.end() + int(match[0])
        parts.append(name[match.end() : at])
    return "_".join(parts).lower()
