"""Text patterns of the language: `=~` regular expressions and the published form's globs, both in linear time.

Rules of this file
    - No backtracking engine: a policy must never be able to stall a worker (RE2, and a left-to-right glob).
    - A regex is compiled when the query is parsed; its program is limited to `MAX_PROGRAM` bytes of memory.
    - A graph has the same few strings many times over: each regex remembers what it said of the last `REMEMBERED`.
    - `re2` ships no types: it is touched here only.

Invariant: regexes and globs accept any string, unpaired surrogates included (they count as one unknown character).
Complexity: O(text x program) for a regex, O(text + pattern) typical for a glob.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol, cast

import re2

MAX_PROGRAM: Final = 1 << 18
MAX_PATTERN: Final = 10_000
REMEMBERED: Final = 1024
LONGEST: Final = 256
"""Longer texts are matched each time anew."""


class _Regex(Protocol):
    def fullmatch(self, text: bytes) -> object | None: ...


def regex_problem(pattern: str) -> str | None:
    """What is wrong with `pattern`, or None if it can be used.

    >>> regex_problem("a(b"), regex_problem("a.*b")
    ('missing ): a(b', None)
    """
    if len(pattern) > MAX_PATTERN:
        return f"longer than {MAX_PATTERN} characters"
    try:
        _compiled(_clean(pattern))
    except re2.error as error:
        cause = error.args[0] if error.args else "not a regular expression"
        return cause.decode("utf-8", "replace") if isinstance(cause, bytes) else str(cause)
    return None


@lru_cache(maxsize=64)
def compile_regex(pattern: str) -> Callable[[str], bool]:
    """Whether the whole of a text fits `pattern`, which `regex_problem` has passed."""
    fullmatch = _compiled(_clean(pattern)).fullmatch
    known: dict[str, bool] = {}

    def fits(text: str) -> bool:
        found = known.get(text)
        if found is None:
            found = fullmatch(text.encode("utf-8", "replace")) is not None
            if len(text) <= LONGEST:
                if len(known) >= REMEMBERED:
                    known.clear()
                known[text] = found
        return found

    return fits


def glob_matches(pattern: str, text: str) -> bool:
    """Whether `text` fits `pattern`, in which `*` stands for any text, slashes included.

    >>> glob_matches("/usr/bin/*", "/usr/bin/x"), glob_matches("a*b*c", "abbc"), glob_matches("a*a", "a")
    (True, True, False)
    """
    head, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, tail = rest
    if len(text) < len(head) + len(tail) or not (text.startswith(head) and text.endswith(tail)):
        return False
    at, end = len(head), len(text) - len(tail)
    for piece in middle:  # the leftmost place is always right: what follows it only gets longer
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _clean(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=128)  # of up to `MAX_PROGRAM` bytes each
def _compiled(pattern: str) -> _Regex:
    options = re2.Options()
    options.max_mem = MAX_PROGRAM
    options.log_errors = False
    options.never_capture = True  # all that is asked is whether
    return cast(_Regex, re2.compile(pattern, options))
