"""What a log string may look like in the log: its pattern, its single lines, and what its logger writes around it.

Rules of this file
    - The whole message must match. What a logger adds to a string is allowed only where that is its habit: `AROUND`, by
      the function that the string is passed to. To strings of other functions nothing is added.
    - Where a line names a component that is one of the application's files (`[ssl:warn]`: mod_ssl.so), only that file's
      strings are meant: what a PHP script says is no string of mod_ldap, whatever it looks like.
    - What a wrapper or a logger put around a text is taken off (`agent.resolver_wrapped`), and that says more.
    - A string whose known level is not the line's is not meant, and one that is only formatted not where another is.
    - A string that would match whatever another of the line's strings does is not meant: the narrower one is.
    - A line that was cut is matched by what a string may begin with.
    - A string of several lines is also each of its lines, for who reads a log line by line.
    - What says too little to be matched is left out by the matcher (`grammar.formats.telling`).

Complexity: O(length of the strings).
Source: perror(3), err(3), error(3); ngx_log.c (`ngx_log_errno`), ngx_http_request.c (`ngx_http_log_error`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from posixpath import basename
from typing import Final

from agent.resolver_wrapped import MAX_WRAPPED, Wrap, wrap_of, wrapped_by_logger
from grammar.errors import InputError
from grammar.lineformats_level import level_of
from grammar.matcher import Matcher
from grammar.matcher_field import exactly, sample
from grammar.pattern import Pattern, Slot
from grammar.profile import LogString, Profile

MAX_LINES: Final = 8
MAX_NARROWED: Final = 16
"""Patterns of one line that are compared with each other."""
MAX_COMPARED: Final = 16_384
FILLED: Final = "\ue000"

NGX: Final = "ngx_log_"
_REASON: Final = (": ", Slot("text"))
_ERRNO: Final = (" (", Slot("int"), ": ", Slot("text"), ")")
_WHILE: Final = (" while ", Slot("text"))
_SSL: Final = (" (SSL: ", Slot("text"), ")")
_CONNECTION: Final = re.compile(r"\*\{digits\} ")
"""What nginx puts before a message, and some of its own formats too; the reader takes it off."""
_WORD: Final = re.compile(r"\s*[\[<]?([A-Za-z]{3,11})(?:[\]>]|:\s)")
"""A level in front of a text."""

ANYTHING: Final = (Slot("text"), Slot("any"))

Parts = tuple[str | Slot, ...]
_PROGRAM: Final[Parts] = (Slot("term"), ": ")

AROUND: Final[dict[str, tuple[tuple[Parts, Parts], ...]]] = {
    "perror": (((), _REASON),),
    **dict.fromkeys(("err", "verr", "warn", "vwarn", "error"), ((_PROGRAM, _REASON), (_PROGRAM, ()))),
    **dict.fromkeys(("errx", "verrx", "warnx", "vwarnx", "my_printf_error"), ((_PROGRAM, ()),)),
    **dict.fromkeys(("ngx_log_error_core", "ngx_connection_error", "ngx_ssl_error"),
                    (((), _ERRNO), ((), _WHILE), ((), (*_ERRNO, *_WHILE)), ((), _SSL))),
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
        self._patterns = patterns
        self._begins: tuple[Matcher, list[int]] | None = None
        self._literal = [sum(len(part) for part in one.parts if isinstance(part, str)) for one in patterns]
        self._wraps = {at: wrap for at, one in enumerate(patterns) if (wrap := wrap_of(one)) is not None}
        self._text = [string.pattern for string in profile.strings]
        self._forwarding = {self._of[at] for at in self._wraps}
        self._file = [string.binary for string in profile.strings]
        self._level = [known_level(string) for string in profile.strings]
        self._only_formats = [string.sink == "formats" for string in profile.strings]
        self._files = components(profile)
        self._programs = frozenset(basename(binary.path) for binary in profile.binaries[:1])

    def match(self, message: str, component: str = "", level: str = "", cut: bool = False) -> list[tuple[int, int]]:
        """The positions of the strings that are the whole of the message, with their literal characters, best first.

        `cut` says that the message had an end which is not there.
        """
        matched = self._matched(message, cut)
        found: dict[int, int] = {}
        taken = 0
        for _ in range(MAX_WRAPPED):
            for at in matched:
                position = self._of[at]
                found[position] = max(found.get(position, 0), self._literal[at] + taken)
            wrap = max((self._wraps[at] for at in matched if at in self._wraps), key=_size, default=None)
            if wrap is None and not matched:
                wrap, named = wrapped_by_logger(message, self._programs)
                level = level or named
            if wrap is None:
                break
            message = message[wrap.before : len(message) - wrap.behind]
            taken += wrap.size
            matched = self._matched(message, cut)
        if not found:
            return []
        meant = self._meant(found, self._files.get(component), level)
        return sorted(meant, key=_literal_first) if taken else meant

    def nearest(self, message: str, limit: int = 5) -> list[tuple[int, float]]:
        """The positions of strings that share most with a message, with a score from 0 to 1."""
        return [(self._of[at], score) for at, score in self.matcher.nearest(message, limit)]

    def _matched(self, message: str, cut: bool) -> tuple[int, ...]:
        """The positions of patterns; of one that is cut, those that it may be the beginning of."""
        if not cut:
            return self.matcher.match(message)
        if self._begins is None:
            of, patterns = [], []
            for at, pattern in enumerate(self._patterns):
                for begin in beginnings(pattern):
                    of.append(at)
                    patterns.append(begin)
            self._begins = Matcher(patterns), of
        matcher, of = self._begins
        return tuple(dict.fromkeys(of[at] for at in matcher.match(message)))

    def _meant(self, found: dict[int, int], file: int | None, level: str) -> list[tuple[int, int]]:
        """Those of the right file and level; strings that are only formatted where no other is left."""
        meant = [
            one
            for one in found.items()
            if (file is None or self._file[one[0]] == file) and (not level or self._level[one[0]] in ("", level))
        ]
        return [one for one in meant if not self._only_formats[one[0]]] or meant

    def narrow(self, meant: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """What was found without strings that would match whatever another of them does (`open {text}.c` stays)."""
        if len(meant) < 2:
            return meant
        texts = dict.fromkeys(self._text[position] for position, _ in meant)
        if len(texts) == 1 or len(texts) > MAX_NARROWED:
            return meant
        most = max(literal for _, literal in meant)
        wide = {one for one in texts if any(wider(one, other) for other in texts if other != one)}
        wide.update(self._text[at] for at, literal in meant if at in self._forwarding and literal < most)
        return [one for one in meant if self._text[one[0]] not in wide]


@lru_cache(maxsize=MAX_COMPARED)
def wider(one: str, other: str) -> bool:
    """Whether a pattern matches all that another matches, and more: asked by one text of each.

    >>> wider("open {text}", "open {text}.c"), wider("open {text}.c", "open {text}"), wider("at {int}", "at {text}")
    (True, False, False)
    """
    first, second = Pattern.parse(one), Pattern.parse(other)
    return exactly(first, _printed(second)) and not exactly(second, _printed(first))


def known_level(string: LogString) -> str:
    """The level that a line of a string must have, in the words of lines; empty if it may have any.

    A level that only the text itself names says nothing of the level that it is logged at.
    """
    word = _WORD.match(string.text)
    return "" if word is not None and level_of(word[1]) else level_of(string.level)


def beginnings(pattern: Pattern) -> Iterator[Pattern]:
    """What a line of a pattern may be when its end is cut off: long lines are cut inside a field of any text.

    >>> [str(one) for one in beginnings(Pattern.parse("user {text} said {text} to {int}"))]
    ['user {text}', 'user {text} said {text}']
    """
    for at, part in enumerate(pattern.parts):
        if part in ANYTHING:
            yield Pattern(pattern.parts[: at + 1])


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
        pattern = Pattern.parse(
            _CONNECTION.sub("", string.pattern, count=1) if NGX in string.callee else string.pattern
        )
    except InputError:
        return
    yield pattern
    lines = _lines(pattern)
    if len(lines) > 1:
        yield from lines[:MAX_LINES]
    for before, behind in AROUND.get(string.callee, ()):
        yield Pattern((*before, *pattern.parts, *behind))


def _printed(pattern: Pattern) -> str:
    """A text of the pattern with something in its fields of any text that no string has literally."""
    parts = (FILLED if part in ANYTHING else sample((part,)) for part in pattern.parts)
    return "".join(parts)


def _literal_first(found: tuple[int, int]) -> int:
    return -found[1]


def _size(wrap: Wrap) -> int:
    return wrap.size


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
