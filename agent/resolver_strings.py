"""What a log string may look like in the log: its pattern, its single lines, and what its logger writes around it.

Rules of this file
    - The whole message must match. What a logger adds to a string is allowed only where that is its habit: `AROUND`, by
      the function that the string is passed to. To strings of other functions nothing is added.
    - Where a line names a component that is one of the application's files (`[ssl:warn]`: mod_ssl.so), only that file's
      strings are meant: what a PHP script says is no string of mod_ldap, whatever it looks like.
    - A string that only puts something before any text (`InnoDB: %s`) forwards another string: the rest of the message
      is asked too, once, and what is found so says more.
    - A string of several lines is also each of its lines, for who reads a log line by line.
    - What says too little to be matched is left out by the matcher (`grammar.formats.telling`).

Complexity: O(length of the strings).
Source: perror(3), err(3), error(3); ngx_log.c (`ngx_log_errno`), ngx_http_request.c (`ngx_http_log_error`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from grammar.errors import InputError
from grammar.matcher import Matcher
from grammar.pattern import Pattern, Slot
from grammar.profile import LogString, Profile

MAX_LINES: Final = 8

_REASON: Final = (": ", Slot("text"))
_ERRNO: Final = (" (", Slot("int"), ": ", Slot("text"), ")")
_WHILE: Final = (" while ", Slot("text"))

_ANYTHING: Final = (Slot("text"), Slot("any"))

Parts = tuple[str | Slot, ...]
_PROGRAM: Final[Parts] = (Slot("term"), ": ")

AROUND: Final[dict[str, tuple[tuple[Parts, Parts], ...]]] = {
    "perror": (((), _REASON),),
    **dict.fromkeys(("err", "verr", "warn", "vwarn", "error"), ((_PROGRAM, _REASON), (_PROGRAM, ()))),
    **dict.fromkeys(("errx", "verrx", "warnx", "vwarnx", "my_printf_error"), ((_PROGRAM, ()),)),
    **dict.fromkeys(("ngx_log_error_core", "ngx_connection_error", "ngx_ssl_error"),
                    (((), _ERRNO), ((), _WHILE), ((), (*_ERRNO, *_WHILE)))),
    "ngx_conf_log_error": (((), _ERRNO), ((), (" in ", Slot("text"), ":", Slot("digits")))),
}  # fmt: skip
"""What functions write before and behind the text that they are given."""

_MODULE: Final = re.compile(r"(?:.*/)?(?:mod_|lib)?([a-zA-Z_]\w*?)[0-9.]*(?:\.so[0-9.]*)?")


class Strings:
    """The strings of a profile, to be found by a message."""

    def __init__(self, profile: Profile) -> None:
        self._of: list[int] = []
        patterns: list[Pattern] = []
        for position, string in enumerate(profile.strings):
            for pattern in variants(string):
                self._of.append(position)
                patterns.append(pattern)
        self.matcher: Final = Matcher(patterns)
        self._literal = [sum(len(part) for part in one.parts if isinstance(part, str)) for one in patterns]
        self._forwards = [len(one.prefix) if forwards(one) else 0 for one in patterns]
        self._file = [string.binary for string in profile.strings]
        self._files = components(profile)

    def match(self, message: str, component: str = "") -> list[tuple[int, int]]:
        """The positions of the strings that are the whole of the message, with their literal characters, best first."""
        matched = self.matcher.match(message)
        if not matched:
            return []
        before = max(self._forwards[at] for at in matched)
        inner = self.matcher.match(message[before:]) if before else ()
        found: dict[int, int] = {}
        file = self._files.get(component)
        for more, some in ((before, inner), (0, matched)):
            for at in some:
                position = self._of[at]
                if file is None or self._file[position] == file:
                    found.setdefault(position, self._literal[at] + more)
        return sorted(found.items(), key=_literal_first) if inner else list(found.items())

    def nearest(self, message: str, limit: int = 5) -> list[tuple[int, float]]:
        """The positions of strings that share most with a message, with a score from 0 to 1."""
        return [(self._of[at], score) for at, score in self.matcher.nearest(message, limit)]


def forwards(pattern: Pattern) -> bool:
    """True if it is a literal and then any text."""
    parts = pattern.parts
    return len(parts) == 2 and isinstance(parts[0], str) and parts[1] in _ANYTHING


def components(profile: Profile) -> dict[str, int]:
    """The application's files but its first by the name that a component has: `mod_ssl.so` is `ssl`.

    >>> from grammar.profile import Binary
    >>> files = [Binary(path, "", "") for path in ("/usr/sbin/apache2", "mod_ssl.so", "libphp8.2.so", "libm.so.6")]
    >>> components(Profile(tuple(files)))
    {'ssl': 1, 'php': 2, 'm': 3}
    """
    found: dict[str, int] = {}
    for at, binary in enumerate(profile.binaries):
        name = _MODULE.fullmatch(binary.path)
        if at and name is not None:
            found.setdefault(name[1], at)
    return found


def variants(string: LogString) -> Iterator[Pattern]:
    r"""The patterns of a string, itself first.

    >>> string = LogString("", "", "cannot open {text}", 0, 0, "emits", callee="perror")
    >>> [str(pattern) for pattern in variants(string)]
    ['cannot open {text}', 'cannot open {text}: {text}']
    """
    try:
        pattern = Pattern.parse(string.pattern)
    except InputError:
        return
    yield pattern
    lines = _lines(pattern)
    if len(lines) > 1:
        yield from lines[:MAX_LINES]
    for before, behind in AROUND.get(string.callee, ()):
        yield Pattern((*before, *pattern.parts, *behind))


def _literal_first(found: tuple[int, int]) -> int:
    return -found[1]


def _lines(pattern: Pattern) -> list[Pattern]:
    found: list[list[str | Slot]] = [[]]
    for part in pattern.parts:
        if isinstance(part, Slot):
            found[-1].append(part)
            continue
        for at, piece in enumerate(part.split("\n")):
            if at:
                found.append([])
            if piece:
                found[-1].append(piece)
    return [Pattern(tuple(parts)) for parts in found if parts]
