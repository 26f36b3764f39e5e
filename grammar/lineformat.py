r"""From the bytes of a log's line to what they say: the format is found, the preamble read, wrappers are taken off.

Rules of this file
    - Any bytes are a `Line`; never an exception. What no format knows is text: the whole line, `millis` None.
    - Every field is a claim of whoever could write to the log. A line that imitates another format is read as that
      format: no pid, thread, client or time of a `Line` is ever alone a reason for an exact join.
    - Bytes become text in one way: UTF-8, and what is none as `grammar.pattern.writable` writes it (`\udcff`); escape
      sequences and NUL stay data. Only the first `HEAD` bytes are looked at.
    - docker's and CRI's wrappers are taken off and the inner line is read again; the finer of the two times counts.
    - A `Reader` reads one file's lines in order, one call for each physical line, and answers at once: an entry, or
      None for a line that continues the entry before. It holds no line.
    - The named formats exclude each other, so that trying first what the last line was changes speed only.

Invariant: `Reader.feed` gives None only after a line for which it gave a `Line`.
Complexity: O(min(length, HEAD)); memory of a `Reader` O(1).
Source: issue "log processor"; docker `jsonfilelog`; Kubernetes CRI log format.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, TypeAlias

import msgspec

from grammar.errors import InputError
from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_access import read_access, read_usual
from grammar.lineformats_apache import read_apache_error
from grammar.lineformats_clock import ISO, Clock, iso_time
from grammar.lineformats_front import read_epoch, read_gunicorn, read_iso, read_postgres, read_python
from grammar.lineformats_ftp import read_proftpd, read_xferlog
from grammar.lineformats_go import read_klog, read_logfmt
from grammar.lineformats_java import read_java
from grammar.lineformats_json import read_json, unwrap_docker
from grammar.lineformats_mysql import read_mysql_error, read_mysql_general
from grammar.lineformats_nginx import read_nginx_error
from grammar.lineformats_php import read_php
from grammar.lineformats_redis import read_redis
from grammar.lineformats_syslog import read_iso_syslog, read_syslog, read_syslog5424
from grammar.lineformats_traces import BEHIND, OUTSIDE, continues
from grammar.pattern import writable

Read: TypeAlias = Callable[[str, Clock], Line | None]

HEAD: Final = 131_072
"""Bytes of a line that are looked at: docker's 16 KiB of one part, each byte escaped with six characters, fit."""

_DIGIT: Final[tuple[Read, ...]] = (
    read_usual,
    read_mysql_error,
    read_nginx_error,
    read_redis,
    read_postgres,
    read_proftpd,
    read_python,
    read_java,
    read_iso_syslog,
    read_mysql_general,
    read_access,
    read_iso,
    read_epoch,
)
_LETTER: Final[tuple[Read, ...]] = (
    read_syslog,
    read_xferlog,
    read_klog,
    read_logfmt,
    read_python,
    read_access,
    read_mysql_general,
)
_BY_FIRST: Final[dict[str, tuple[Read, ...]]] = {
    "[": (read_apache_error, read_php, read_gunicorn, read_redis, read_iso, read_epoch),
    "{": (read_json,),
    "<": (read_syslog5424, read_syslog),
    "\t": (read_mysql_general,),
    **dict.fromkeys("0123456789", _DIGIT),
}
_QUICK: Final[dict[str, Read]] = {
    "access": read_usual,
    "apache_error": read_apache_error,
    "nginx_error": read_nginx_error,
    "redis": read_redis,
    "php_error": read_php,
    "php_fpm": read_php,
    "gunicorn": read_gunicorn,
    "postgres": read_postgres,
    "syslog": read_syslog,
    "mysql_error": read_mysql_error,
    "xferlog": read_xferlog,
    "proftpd": read_proftpd,
    "mysql_general": read_mysql_general,
}
"""What is tried before all others if the last line was such a one: these exclude each other."""
_CRI: Final = re.compile(rf"{ISO.pattern} (stdout|stderr) ([FP])(?::[A-Za-z0-9:=_-]{{1,64}})?(?: |$)", re.ASCII)
_STREAMS: Final = ("stdout", "stderr", "")
_YEARLESS: Final = frozenset({"syslog", "klog"})
"""Formats whose last line tells the next one's year, where nobody else does."""
MAX_STATE: Final = 1_024
MAX_RUN: Final = 256
"""Lines in a row that may continue one entry: what somebody forged must not silence a log."""


def read_line(raw: bytes, zone_minutes: int = 0, year: int | None = None, near_millis: int | None = None) -> Line:
    """What one physical line says, with or without its end; alone, without knowing what came before.

    >>> read_line(b"2026/11/22 01:48:25 [error] 7#7: *12 no such pool, client: 10.0.0.1").message
    'no such pool'
    """
    text, is_cut = _decode(raw)
    clock = Clock(zone_minutes, year, near_millis)
    wrapped = _unwrap(text, zone_minutes)
    if wrapped is not None:
        text = wrapped.text
        clock.near = wrapped.time[0] if near_millis is None else near_millis
    line = _known(text, clock) or _as_text(text)
    if wrapped is not None:
        line = _within(line, wrapped)
    return replace(line, cut=True) if is_cut and not line.cut else line


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """What a container's engine wrote around a line."""

    text: str
    form: str
    stream: str
    is_part: bool
    time: tuple[int | None, int]


class _State(msgspec.Struct, forbid_unknown_fields=True):
    """What a `Reader` knows, to be kept across restarts."""

    zone_minutes: Annotated[int, msgspec.Meta(ge=-1440, le=1440)] = 0
    year: Annotated[int, msgspec.Meta(ge=1, le=9999)] | None = None
    near: int | None = None
    format: str = ""
    before: str | None = None
    trace: Annotated[int, msgspec.Meta(ge=OUTSIDE, le=BEHIND)] = OUTSIDE
    second: int | None = None
    is_general: bool = False
    run: int = 0
    parts: list[str] = msgspec.field(default_factory=list)


@dataclass(slots=True)
class Reader:
    """Reads one log's physical lines in their order."""

    zone_minutes: int = 0
    year: int | None = None
    _clock: Clock = field(init=False)
    _quick: Read | None = field(default=None, init=False)
    _before: str | None = field(default=None, init=False)
    """Format of the entry before (empty for text), None if there is none."""
    _trace: int = field(default=OUTSIDE, init=False)
    _is_general: bool = field(default=False, init=False)
    """Whether the log began as a general query log: its statements may have many lines."""
    _run: int = field(default=0, init=False)
    """Lines that continued the entry before, one after the other."""
    _parts: set[str] = field(default_factory=set, init=False)
    """Streams whose last line was a part that goes on."""

    def __post_init__(self) -> None:
        self._clock = Clock(self.zone_minutes, self.year)

    def feed(self, raw: bytes, near_millis: int | None = None) -> Line | None:
        """Read the next physical line: an entry that begins here, or None if it continues the one before."""
        clock = self._clock
        if near_millis is not None:
            clock.near = near_millis
        text, is_cut = _decode(raw)
        line = self._quick(text, clock) if self._quick is not None else None
        if line is not None:
            self._before, self._trace, self._run = line.format, OUTSIDE, 0
        else:
            line = self._any(text, clock, near_millis)
            if line is None:
                return None
            self._choose(line)
        if near_millis is None and line.format in _YEARLESS and line.millis is not None:
            clock.near = line.millis
        return replace(line, cut=True) if is_cut and not line.cut else line

    def _choose(self, line: Line) -> None:
        """What to try first from now on."""
        if line.format != "mysql_general" or self._is_general:
            self._quick = _QUICK.get(line.format)

    def _any(self, text: str, clock: Clock, near_given: int | None) -> Line | None:
        wrapped = _unwrap(text, clock.zone_minutes)
        if wrapped is None:
            return self._entry(text, clock)
        goes_on = wrapped.stream in self._parts
        (self._parts.add if wrapped.is_part else self._parts.discard)(wrapped.stream)
        if goes_on and self._before is not None:
            return None
        if near_given is None and wrapped.time[0] is not None:
            clock.near = wrapped.time[0]
        line = self._entry(wrapped.text, clock)
        return None if line is None else _within(line, wrapped)

    def _entry(self, text: str, clock: Clock) -> Line | None:
        before = self._before
        line = None
        if before is None or self._is_general or not text.startswith("\t"):
            line = _known(text, clock)
        if line is not None:
            self._is_general = self._is_general if before is not None else line.format == "mysql_general"
            self._before, self._trace, self._run = line.format, OUTSIDE, 0
            return line
        is_more, self._trace = continues(text, self._trace, bool(before))
        is_more = is_more or (self._is_general and before == "mysql_general")
        if is_more and before is not None and self._run < MAX_RUN:
            self._run += 1
            return None
        self._before, self._run = "", 0
        return _as_text(text)

    def reset(self) -> None:
        """Forget the entry before: the file was truncated, or replaced by another."""
        self._before, self._trace, self._run, self._is_general = None, OUTSIDE, 0, False
        self._quick, self._clock.second = None, None
        self._parts.clear()

    def state(self) -> str:
        """What `restore` needs to go on where this one stands."""
        kept = _State(self.zone_minutes, self.year, self._clock.near, before=self._before, trace=self._trace)
        kept.format = next((name for name, read in _QUICK.items() if read is self._quick), "")
        kept.second, kept.is_general, kept.run = self._clock.second, self._is_general, self._run
        kept.parts = sorted(self._parts)
        return msgspec.json.encode(kept).decode()

    @staticmethod
    def restore(state: str) -> Reader:
        """A reader that stands where the one stood whose `state` this is."""
        try:
            kept = msgspec.json.decode(state[: MAX_STATE + 1], type=_State)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise InputError("not a log reader's state", offending=state, hint="read the log from its start") from error
        reader = Reader(kept.zone_minutes, kept.year)
        reader._clock.near, reader._clock.second = kept.near, kept.second
        reader._quick = _QUICK.get(kept.format)
        reader._before, reader._trace, reader._run = kept.before, kept.trace, kept.run
        reader._is_general, reader._parts = kept.is_general, set(kept.parts[: len(_STREAMS)])
        return reader


def _decode(raw: bytes) -> tuple[str, bool]:
    """The head of a line as text without the line's end; whether there was more."""
    is_cut = len(raw) > HEAD
    if is_cut:
        raw = raw[:HEAD]
    try:
        return raw.decode().rstrip("\r\n"), is_cut
    except UnicodeDecodeError:
        return writable(raw.decode("utf-8", "surrogateescape")).rstrip("\r\n"), is_cut


def _known(text: str, clock: Clock) -> Line | None:
    """The line as the first format that knows it reads it."""
    for read in _BY_FIRST.get(text[:1], _LETTER):
        line = read(text, clock)
        if line is not None:
            return line
    return None


def _as_text(text: str) -> Line:
    return Line(text[:MAX_MESSAGE], cut=len(text) > MAX_MESSAGE)


def _unwrap(text: str, zone_minutes: int) -> _Wrapped | None:
    """What stands in docker's or CRI's wrapper, or None."""
    if text.startswith("{"):
        docker = unwrap_docker(text) if '"log"' in text else None
        if docker is None:
            return None
        inner, stream, when = docker
        found = ISO.match(when)
        time = iso_time(found, zone_minutes) if found else (None, 0)
        return _Wrapped(
            writable(inner.rstrip("\r\n")),
            "docker",
            stream if stream in _STREAMS else "",
            not inner.endswith("\n"),
            time,
        )
    found = _CRI.match(text) if text[:1].isdigit() else None
    if found is None:
        return None
    return _Wrapped(text[found.end() :], "cri", found[5], found[6] == "P", iso_time(found, zone_minutes))


def _within(line: Line, wrapped: _Wrapped) -> Line:
    """The inner line, with the wrapper's time where that is finer, and its name where the line has none."""
    millis, grain = wrapped.time
    is_finer = millis is not None and (line.millis is None or grain < line.grain)
    return replace(
        line,
        format=line.format or wrapped.form,
        millis=millis if is_finer else line.millis,
        grain=grain if is_finer else line.grain,
    )
