"""Writes claim the lines that they have made, whatever the order, the cutting and the pace."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from agent.logbook import MAX_LINE, MAX_LINES, Book


def book(*pieces: bytes) -> Book:
    made = Book("app.log")
    for piece in pieces:
        made.put(piece)
    return made


def claimed(made: Book, count: int) -> list[str]:
    return [entry.line.message for entry in made.claim(count) if entry.line is not None]


def test_a_write_claims_its_line() -> None:
    made = book(b"one\ntwo\n")
    assert [claimed(made, 4), claimed(made, 4), made.offset] == [["one"], ["two"], 8]


def test_a_line_of_several_writes_is_the_last_ones() -> None:
    made = book(b"one two three\nfour\n")
    assert [claimed(made, 4), claimed(made, 4), claimed(made, 6), claimed(made, 5)] == [
        [],
        [],
        ["one two three"],
        ["four"],
    ]


def test_one_write_of_several_lines_claims_them_all() -> None:
    assert claimed(book(b"one\ntwo\nthree\n"), 14) == ["one", "two", "three"]


def test_writers_recorded_the_other_way_round_get_the_lines_of_their_lengths() -> None:
    made = book(b"a long line\nshort\n")
    assert [claimed(made, 6), claimed(made, 12)] == [["short"], ["a long line"]]


def test_what_is_not_there_yet_is_owed_and_skipped_when_it_comes() -> None:
    made = book(b"one\n")
    assert claimed(made, 4) == ["one"]
    assert claimed(made, 4) == []
    made.put(b"two\nthree\n")
    assert (claimed(made, 6), made.dropped) == (["three"], 4)


def test_a_line_that_is_half_there_is_not_owed() -> None:
    made = book(b"on")
    assert claimed(made, 2) == []
    made.put(b"e\ntwo\n")
    assert (claimed(made, 2), claimed(made, 4), made.dropped) == (["one"], ["two"], 0)


def test_a_new_file_ends_the_old_ones_last_line() -> None:
    made = book(b"cut off")
    made.begin()
    made.put(b"new\n")
    assert [claimed(made, 7), claimed(made, 4)] == [["cut off"], ["new"]]


def test_unclaimed_lines_are_bounded_and_counted() -> None:
    made = book(b"x\n" * (MAX_LINES + 10))
    assert (len(made.lines), made.flooded) == (MAX_LINES, 10)


def test_a_line_without_an_end_is_bounded() -> None:
    made = book(*[b"x" * (MAX_LINE // 4)] * 9)
    assert len(made.tail) <= MAX_LINE
    assert len(made.lines) == 1


def test_a_source_is_read_as_far_as_it_is_needed() -> None:
    read = []

    def source() -> object:
        for number in range(1_000):
            read.append(number)
            yield b"line %03d\n" % number

    made = Book("app.log", source())  # type: ignore[arg-type]
    assert claimed(made, 9) == ["line 000"]
    assert len(read) < 100
    assert [claimed(made, 9) for _ in range(999)][-1] == ["line 999"]


LINES = st.lists(st.text("ab", min_size=1, max_size=9), min_size=1, max_size=30)


@given(LINES, st.data())
def test_every_line_is_claimed_once_in_order(lines: list[str], data: st.DataObject) -> None:
    """However a file is cut into pieces that are read and into writes that were made, each line is claimed once."""
    whole = "".join(f"{line}\n" for line in lines).encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)))))
    writes = sorted({*data.draw(st.sets(st.integers(1, len(whole)), max_size=3)), len(whole)})
    made = Book("app.log")
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        made.put(whole[start:end])
    pieces = [end - start for start, end in zip([0, *writes], writes, strict=False)]
    ends = {at + 1 for at, byte in enumerate(whole) if byte == 10}
    assume(not any(size - 1 in map(len, lines) and at not in ends for at, size in zip(writes, pieces, strict=True)))
    found, before = [], 0
    for at in writes:
        found += claimed(made, at - before)
        before = at
    assert sorted(found) == sorted(lines)
    assert (made.offset, made.debt, made.dropped) == (len(whole), 0, 0)
