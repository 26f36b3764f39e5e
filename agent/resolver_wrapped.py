"""What a line is when what was put around the program's own text is taken off: a logger's names, a wrapper's string.

Rules of this file
    - A string that only puts something before any text (`InnoDB: %s`) or a tag behind it (`%s [preauth]`) forwards
      another string: what stands in its field is looked at as well.
    - A name before a colon that no string begins with is a logger's: a level (`debug1: `, `fatal: `), a program of the
      profile (`mariadbd: `), or a function (`mm_answer_sign: `; with an underscore, so that no plain word is one).
    - So is the system's error text behind a colon at the end (`: Permission denied`, `: Broken pipe (32)`).
    - What is taken off counts as said literally. A level so found is the line's, where it had none.

Complexity: O(length of the front).
Source: OpenSSH `log.c` (`sshlogv`, `do_log`); MariaDB `ib::logger`; glibc error(3).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from grammar.lineformats_level import level_of
from grammar.pattern import Pattern, Slot

MAX_WRAPPED: Final = 4
"""Layers that are taken off a message."""
_ANYTHING: Final = (Slot("text"), Slot("any"))
_TAG: Final = re.compile(r" [\[(][A-Za-z0-9_-]{2,32}[\])]", re.ASCII)
_NAME: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{1,63}): {1,2}(?:\[([a-z]{3,9})\] )?(?=\S)", re.ASCII)
_NUMBER: Final = re.compile(r" \(\d{1,3}\)$", re.ASCII)
_REASONS: Final = frozenset(os.strerror(number) for number in range(1, 134))
_FUNCTION: Final = re.compile(r"[a-z0-9]{1,32}(?:_[a-z0-9]{1,32}){1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wrap:
    """How many characters a string puts before and behind any text."""

    before: int
    behind: int

    @property
    def size(self) -> int:
        """All that it puts there."""
        return self.before + self.behind


def wrap_of(pattern: Pattern) -> Wrap | None:
    """What a string puts around any text; None if it does more, or nothing.

    >>> wrap_of(Pattern.parse("InnoDB: {text}")), wrap_of(Pattern.parse("{text} [preauth]"))
    (Wrap(before=8, behind=0), Wrap(before=0, behind=10))
    >>> wrap_of(Pattern.parse("{text} failed")) is None
    True
    """
    parts = pattern.parts
    if len(parts) != 2:
        return None
    first, second = parts
    if isinstance(first, str) and second in _ANYTHING:
        return Wrap(len(first), 0)
    if isinstance(second, str) and first in _ANYTHING and _TAG.fullmatch(second):
        return Wrap(0, len(second))
    return None


def logger_name(message: str, programs: Collection[str]) -> tuple[int, str]:
    """Characters of a logger's name in front, 0 if there is none, and the level that it is.

    >>> [logger_name(text, {"sshd"}) for text in ("debug1: x", "sshd: x", "do_x: y", "x: y")]
    [(8, 'debug'), (6, ''), (6, ''), (0, '')]
    """
    found = _NAME.match(message)
    if found is None:
        return 0, ""
    name, tag = found[1], found[2]
    if name in programs:
        return (found.start(2) - 1, "") if tag and not level_of(tag) else (found.end(), level_of(tag or ""))
    level = level_of(name)
    if tag is None and (level or _FUNCTION.fullmatch(name)):
        return found.end(), level
    return 0, ""


def reason(message: str) -> int:
    """Characters of the system's error text at the end of a message, with what stands around it; 0 if there is none.

    >>> reason("cannot open x: Permission denied"), reason("bind(): Permission denied (13)"), reason("x: no reason")
    (19, 24, 0)
    """
    number = _NUMBER.search(message, max(0, len(message) - 6))
    end = number.start() if number else len(message)
    at = message.rfind(": ", max(0, end - 128), end)
    return len(message) - at if at > 0 and message[at + 2 : end] in _REASONS else 0


def wrapped_by_logger(message: str, programs: Collection[str]) -> tuple[Wrap | None, str]:
    """What a logger put around a message that no string is, one end at a time, and the level that it says."""
    before, level = logger_name(message, programs)
    wrap = Wrap(before, 0) if before else Wrap(0, reason(message))
    return wrap if wrap.size else None, level
