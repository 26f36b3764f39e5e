"""Formats: every golden line is read whole, alone and behind any other; damage costs a field, never the line."""

import pytest
from line_goldens import GOLDENS, YEAR, at

from grammar.line import Line
from grammar.lineformat import _QUICK, Reader, read_line
from grammar.lineformats_clock import Clock

ALL = [(raw, line) for table in GOLDENS.values() for raw, line in table.items()]
each = pytest.mark.parametrize(("raw", "line"), ALL, ids=[ascii(raw[:48])[2:-1] for raw, _ in ALL])


@each
def test_a_line_says_what_its_program_meant(raw: bytes, line: Line) -> None:
    assert read_line(raw, year=YEAR) == line


@each
def test_a_reader_that_has_seen_nothing_reads_the_same(raw: bytes, line: Line) -> None:
    assert Reader(year=YEAR).feed(raw) == line


def test_every_table_has_four_lines_and_damaged_ones() -> None:
    assert all(len(table) >= 4 for table in GOLDENS.values())


def test_the_formats_that_are_tried_first_exclude_each_other() -> None:
    """Which of them was last changes speed only: what one of them reads, all of them together read as the same."""
    for raw, line in ALL:
        text = raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
        for name, read in _QUICK.items():
            found = read(text, Clock(year=YEAR))
            assert found in (None, line), (name, raw)


def test_the_zone_of_the_text_wins_over_the_readers() -> None:
    bare, zoned = b"2026-11-22 01:48:25 a", b"2026-11-22T01:48:25+00:00 a"
    assert read_line(bare, zone_minutes=60).millis == at("2026-11-22T00:48:25")
    assert read_line(zoned, zone_minutes=60).millis == at("2026-11-22T01:48:25")
    for raw, line in ALL:
        moved = read_line(raw, zone_minutes=-90, year=YEAR)
        assert moved.millis is None or line.millis is not None
        assert moved.millis is None or moved.millis - (line.millis or 0) in (0, 90 * 60_000)


@pytest.mark.parametrize(
    ("text", "near", "expected"),
    [
        (b"Dec 31 23:59:59 a b: c", "2027-01-01T00:00:05", "2026-12-31T23:59:59"),
        (b"Jan  1 00:00:01 a b: c", "2026-12-31T23:59:59", "2027-01-01T00:00:01"),
        (b"Feb 29 00:00:00 a b: c", "2027-05-01T00:00:00", "2028-02-29T00:00:00"),
        (b"Nov 22 01:48:25 a b: c", "2026-11-22T01:48:26", "2026-11-22T01:48:25"),
    ],
)
def test_a_missing_year_is_the_nearest(text: bytes, near: str, expected: str) -> None:
    assert read_line(text, year=1999, near_millis=at(near)).millis == at(expected)


def test_without_any_year_there_is_no_time() -> None:
    assert read_line(b"Nov 22 01:48:25 a b: c").millis is None
    assert read_line(b"Feb 29 00:00:00 a b: c", near_millis=at("2026-01-01T00:00:00")).millis is None


def test_a_leap_second_is_the_next_minutes_first() -> None:
    assert read_line(b"2016-12-31T23:59:60Z a").millis == at("2017-01-01T00:00:00")
    assert read_line(b"2016-12-31T23:59:61Z a").millis is None


def test_a_message_that_imitates_what_stands_before_it_changes_nothing_before_it() -> None:
    """Behind the preamble's end, text that looks like a preamble is the message."""
    line = read_line(
        b"[Sun Nov 22 01:48:31.068392 2026] [php:info] [pid 8:tid 8] [client 10.0.0.1:9] [pid 1:tid 1] [client 6.6.6.6]"
    )
    assert (line.pid, line.client) == (8, "10.0.0.1:9")
    line = read_line(
        b'10.0.0.1 - - [22/Nov/2026:01:48:31 +0000] "GET /\\" 200 5 [23/Nov/2026:01:48:31 +0000] \\"x" 404 5'
    )
    assert line.message == 'GET /\\" 200 5 [23/Nov/2026:01:48:31 +0000] \\"x 404'
    assert line.millis == at("2026-11-22T01:48:31")
