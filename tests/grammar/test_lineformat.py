"""A log's lines in order: what begins an entry and what continues it; any bytes are a line, in bounded time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from line_goldens import GOLDENS, YEAR, at

from grammar.errors import InputError
from grammar.line import MAX_MESSAGE, Line
from grammar.lineformat import HEAD, MAX_RUN, Reader, read_line
from grammar.pattern import writable

VALID = [raw for table in GOLDENS.values() for raw in table]
PIECES = st.sampled_from(
    [
        *(b"\0", b"\n", b"\t", b" ", b"\xff", b"\\", b'"', b"[", b"]", b"{", b"}", b"\x1b[2J", "٣".encode(), b"9" * 30),
        *(
            b"<34>",
            b" stdout P ",
            b'{"log":',
            b" - - [22/Nov/2026:01:48:31 +0000] ",
            b"(2: no)",
            b", client: ",
            b"a" * 300,
        ),
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid line, cut, spliced with another, with pieces put in, bytes changed or parts repeated."""
    raw = draw(st.sampled_from(VALID))[:2000]
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(raw)))
        end = min(len(raw), begin + draw(st.integers(0, 20)))
        inner = draw(st.one_of(PIECES, st.binary(max_size=4), st.just(raw[begin:end] * 3), st.sampled_from(VALID)))
        raw = raw[:begin] + inner[:2000] + raw[end:]
    return raw


ANY = st.one_of(damaged(), st.binary(max_size=200), st.text(max_size=100).map(str.encode))


def well_formed(line: Line) -> None:
    """What every `Line` keeps, whoever wrote the bytes."""
    assert len(line.message) <= MAX_MESSAGE
    for text in (line.message, line.thread, line.client, line.component, line.program):
        assert writable(text) == text
    assert all(len(text) <= 512 for text in (line.thread, line.client, line.component, line.program, line.format))
    assert line.level in ("", "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "trace")
    assert (line.millis is None) == (line.grain == 0)
    assert line.grain in (0, 1, 10, 100, 1000)
    assert 0 <= line.pid < 1 << 34


@given(ANY, st.integers(-900, 900), st.none() | st.integers(1, 9999), st.none() | st.integers(-(10**14), 10**15))
def test_any_bytes_are_a_line(raw: bytes, zone: int, year: int | None, near: int | None) -> None:
    """No bytes raise, and whatever is read is bounded and can be written."""
    well_formed(read_line(raw, zone, year, near))


@given(st.lists(ANY, max_size=12))
def test_a_line_continues_only_what_began(lines: list[bytes]) -> None:
    """The first line of a log begins an entry; every entry of a reader is well formed."""
    reader = Reader(year=YEAR)
    for position, raw in enumerate(lines):
        line = reader.feed(raw)
        assert line is not None or position > 0
        if line is not None:
            well_formed(line)


@given(ANY, st.sampled_from(VALID))
def test_what_came_before_changes_no_line_that_has_a_format(raw: bytes, before: bytes) -> None:
    """A reader says of an entry what `read_line` says of its bytes alone; the general log's time is the exception."""
    reader = Reader(year=YEAR)
    reader.feed(before)
    line, alone = reader.feed(raw, at("2026-11-22T00:00:00")), read_line(raw, 0, YEAR, at("2026-11-22T00:00:00"))
    if line is not None and alone.format != "mysql_general":
        assert line == alone


@given(st.lists(ANY, max_size=8), st.lists(ANY, max_size=8))
def test_a_reader_goes_on_where_its_state_was_kept(first: list[bytes], then: list[bytes]) -> None:
    """A restart between any two lines changes no answer."""
    reader = Reader(zone_minutes=60, year=YEAR)
    for raw in first:
        reader.feed(raw)
    again = Reader.restore(reader.state())
    assert [again.feed(raw) for raw in then] == [reader.feed(raw) for raw in then]


@given(st.text(max_size=200))
def test_a_state_from_outside_is_a_reader_or_an_error(state: str) -> None:
    try:
        reader = Reader.restore(state)
    except InputError:
        return
    assert reader.feed(b"a") is not None


@pytest.mark.parametrize("state", ["", "{}x", '{"zone_minutes":99999999}', '{"year":0}', '{"trace":7}', '{"a":1}', "["])
def test_a_broken_state_is_an_error(state: str) -> None:
    with pytest.raises(InputError, match="not a log reader's state"):
        Reader.restore(state)


def entries(*lines: bytes) -> list[bool]:
    """Which of the lines begin an entry."""
    reader = Reader(year=YEAR)
    return [reader.feed(raw + b"\n") is not None for raw in lines]


PHP_ENTRY = b"[22-Nov-2026 01:48:32 UTC] PHP Fatal error:  Uncaught Exception: no in /a.php:2"
PYTHON_ENTRY = b"2026-11-22 01:48:25,942 - shop - ERROR - failed"
JAVA_ENTRY = b"2026-11-22 01:48:25,942 [main] ERROR org.a.B - failed"


@pytest.mark.parametrize(
    "lines",
    [
        (PHP_ENTRY, b"Stack trace:", b"#0 /a.php(9): f()", b"#1 {main}", b"  thrown in /a.php on line 2"),
        (PHP_ENTRY, b"Stack trace:", b"#0 {main}", b"", b"Next Exception: b in /a.php:3"),
        (
            PYTHON_ENTRY,
            b"Traceback (most recent call last):",
            b'  File "a.py", line 1, in b',
            b"    c()",
            b"KeyError: 1",
        ),
        (
            *(PYTHON_ENTRY, b"Traceback (most recent call last):", b'  File "a.py"', b"KeyError: 1", b""),
            *(b"During handling of the above exception, another exception occurred:", b""),
            *(b"Traceback (most recent call last):", b'  File "a.py"', b"shop.Error: 2"),
        ),
        (
            JAVA_ENTRY,
            b"java.lang.IllegalStateException: a",
            b"\tat org.a.B.c(B.java:1)",
            b"Caused by: a.b.CError",
            b"\t... 2 more",
        ),
        (b"1:M 22 Nov 2026 01:48:25.942 # start", b"                _._      ", b"      _.-``__ ''-._    ", b""),
        (b"2026-11-22 01:48:25.942 UTC [12] STATEMENT:  select", b"\t\t     5 Query\tforged", b"\tfrom b"),
        (b"2026-11-22  1:48:19 0 [Note] mariadbd: ready for connections.", b"Version: '10.11.18-MariaDB'  socket: ''"),
        (b"plain", b"  more", b"\tmore", b" "),
    ],
)
def test_traces_art_and_indented_lines_continue_their_entry(lines: tuple[bytes, ...]) -> None:
    assert entries(*lines) == [True] + [False] * (len(lines) - 1)


@pytest.mark.parametrize(
    "lines",
    [
        (PHP_ENTRY, PHP_ENTRY),
        (PHP_ENTRY, b"sh: 1: curl: not found"),
        (b"started", b"Traceback (most recent call last):"),
        (b"  indented first", b"second"),
        (b"", b"b"),
        (b"\t\t     3 Query\tselect", b"\t\t     3 Quit\t"),
    ],
)
def test_lines_that_begin_entries(lines: tuple[bytes, ...]) -> None:
    assert entries(*lines) == [True] * len(lines)


def test_after_a_trace_the_next_line_is_an_entry_again() -> None:
    trace = (b"Traceback (most recent call last):", b'  File "a.py", line 1', b"KeyError: 1")
    assert entries(PYTHON_ENTRY, *trace, b"stopped") == [True, False, False, False, True]
    assert entries(*trace, b"stopped") == [True, False, False, True]


GENERAL = (
    b"mariadbd, Version: 10.11.18-MariaDB-0+deb12u1-log (Debian 12). started with:",
    b"Tcp port: 3306  Unix socket: /run/mysqld/m.sock",
    b"Time\t\t    Id Command\tArgument",
    b"261122  1:48:25\t     3 Connect\troot@localhost on  using Socket",
    b"\t\t     3 Query\tselect",
    b"  name",
    b"from users",
    b"\t\t     4 Quit\t",
    b"261122  1:48:31\t     4 Connect\tsb@10.0.0.1 on portal using TCP/IP",
)


def test_the_general_logs_lines_have_their_seconds_time_and_statements_go_on() -> None:
    reader = Reader()
    lines = [reader.feed(raw) for raw in GENERAL]
    first, second = at("2026-11-22T01:48:25"), at("2026-11-22T01:48:31")
    assert [line and line.millis for line in lines] == [None, None, None, first, first, None, None, first, second]
    assert [line is None for line in lines] == [False] * 5 + [True] * 2 + [False] * 2
    reader.reset()
    line = reader.feed(GENERAL[4])
    assert line is not None
    assert (line.message, line.thread, line.millis) == ("Query select", "3", None)


def test_a_forged_line_does_not_silence_a_log() -> None:
    """After a general log's line in a log of another kind, text is text; and no run of continuations is endless."""
    assert entries(b"started", b"261122  1:48:25\t     3 Query\tx", b"a", b"b") == [True] * 4
    assert entries(b"started", b"261122  1:48:25\t     3 Query\tx", b"\t\t     4 Query\tforged") == [True, True, False]
    said = entries(*GENERAL[:5], *[b"x"] * (3 * MAX_RUN))
    assert said.count(True) >= 5 + 2 * MAX_RUN
    assert sum(entries(b"started", *[b" x"] * (3 * MAX_RUN))) == 3


def test_parts_of_a_wrapped_line_continue_it_by_stream() -> None:
    front = b"2026-11-22T01:48:25.942249+00:00 "
    parts = (b"stdout P a", b"stderr F b", b"stdout P c", b"stdout F d", b"stdout F e")
    assert entries(*(front + part for part in parts)) == [True, True, False, False, True]
    wrap = b'{"log":"%s","stream":"stdout","time":"2026-11-22T01:48:25.942Z"}'
    assert entries(wrap % b"a", wrap % b"b", wrap % b"c\\n", wrap % b"d\\n") == [True, False, False, True]


def test_inner_lines_of_a_wrapper_continue_too() -> None:
    wrap = b'{"log":"%s\\n","stream":"stdout","time":"2026-11-22T01:48:25.942Z"}'
    trace = (b"Traceback (most recent call last):", b"  File x", b"KeyError: 1", b"stopped")
    assert entries(*(wrap % line for line in (PYTHON_ENTRY, *trace))) == [True, False, False, False, True]


def test_the_year_follows_the_last_line() -> None:
    reader = Reader(year=2026)
    lines = [
        reader.feed(raw) for raw in (b"Dec 31 23:59:59 a b: c", b"Jan  1 00:00:00 a b: c", b"May 30 00:00:00 a b: c")
    ]
    expected = [at("2026-12-31T23:59:59"), at("2027-01-01T00:00:00"), at("2027-05-30T00:00:00")]
    assert [line and line.millis for line in lines] == expected


HOSTILE = {
    "one letter": b"a",
    "NUL": b"\0",
    "not UTF-8": b"\xff",
    "quotes": b'"',
    "backslashes": b"\\",
    "open brackets": b"[",
    "braces": b'{"a":',
    "list": b"[[",
    "pairs": b"a=b ",
    "request": b'10.0.0.1 - - [22/Nov/2026:01:48:31 +0000] "',
    "tag": b" a[",
    "blanks": b" ",
    "tabs": b"\t",
    "digits": b"9",
    "classes": b"a.",
    "xferlog": b" a _ o r ",
    "elements": b'[a b="c"]',
    "errors": b" (2: a) while a, client: 1.1.1.1",
    "commas": b", client: ",
    "referer": b", referer: ",
}
FRONTS = [b"", *(next(iter(table)) for table in GOLDENS.values())]
LIMIT_S = 0.25
"""CPU seconds for a line of megabytes: far above what is measured (10 ms), far below backtracking's."""


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_a_line_of_megabytes_takes_bounded_time(piece: bytes) -> None:
    for front in FRONTS:
        for tail in (b"", b'"', b"]"):
            raw = front[: len(front) // 2] + piece * (HEAD // len(piece)) + tail + piece * (1_000_000 // len(piece))
            begin = time.process_time()
            line = Reader(year=YEAR).feed(raw)
            assert time.process_time() - begin < LIMIT_S, (front, tail)
            assert line is not None
            assert line.cut
            well_formed(line)
