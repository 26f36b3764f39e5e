"""A book whose writes have been lost finds its place again, and believes of what lines say no more than it must."""

from __future__ import annotations

from agent.logbook import ANOTHERS, LIKELY, MUTE, OWN, Book
from grammar.line import Line


def book(*lines: str, read: int = 0) -> Book:
    made = Book("app.log")
    made.read = read
    made.put("".join(f"{line}\n" for line in lines).encode())
    return made


def claimed(made: Book, count: int, millis: int = 0, **weights: int) -> list[str]:
    def weigh(line: Line) -> int:
        return weights.get(line.message, MUTE)

    return [entry.line.message for entry in made.claim(count, millis, 0, weigh) if entry.line is not None]


def lost(made: Book) -> list[str]:
    return [entry.line.message for entry in made.lost if entry.line is not None]


def test_a_line_that_had_been_read_before_the_write_is_not_its_own() -> None:
    made = book("one", read=1_000)
    made.read = 3_000
    made.put(b"two\n")
    assert (claimed(made, 4, 2_900), lost(made)) == (["two"], ["one"])


def test_a_line_that_others_have_passed_is_given_up() -> None:
    made = book("one", "a longer one", "two")
    assert claimed(made, 13, 1_000) == ["a longer one"]
    assert (claimed(made, 4, 1_200), lost(made)) == (["two"], ["one"])


def test_writers_that_met_are_not_taken_for_lost() -> None:
    made = book("one", "a longer one", "two")
    assert [claimed(made, 13, 1_000), claimed(made, 4, 1_010), claimed(made, 4, 1_020)] == [
        ["a longer one"],
        ["one"],
        ["two"],
    ]


def test_a_line_that_was_begun_and_not_ended_holds_nobody_up() -> None:
    made = book("abcd", "0123456789")
    assert claimed(made, 2) == []
    assert (claimed(made, 11), lost(made), made.partial) == (["0123456789"], ["abcd"], 0)


def test_several_lines_of_one_write_are_found_behind_a_lost_one() -> None:
    made = book("one", "three", "eleven")
    assert claimed(made, 13) == ["three", "eleven"]


def test_lines_in_pieces_are_not_mistaken_for_short_lines() -> None:
    made = book("abcdef", "abcdef", "xyz")
    assert [claimed(made, size) for size in (3, 4, 4, 3, 4)] == [[], ["abcdef"], [], ["abcdef"], ["xyz"]]


def test_a_line_from_after_the_write_is_nobodys_yet() -> None:
    made = book("2026-11-22T01:48:31Z one")
    assert claimed(made, 25, 1_795_312_111_000 - 5_000) == []
    assert claimed(made, 25, 1_795_312_111_000) == ["one"]


def test_its_own_client_comes_first_and_what_is_anothers_only_where_there_is_nothing_else() -> None:
    assert claimed(book("one", "two"), 4, one=ANOTHERS, two=OWN) == ["two"]
    assert claimed(book("one", "two"), 4, one=ANOTHERS, two=LIKELY) == ["one"]
    assert claimed(book("one", "two"), 4, one=ANOTHERS) == ["one"]
    assert claimed(book("one", "two"), 4, two=OWN, one=LIKELY) == ["one"]


def test_in_a_log_of_requests_the_right_host_comes_first_once_the_log_is_trusted() -> None:
    made = book("one", "two", "six")
    made.serves, made.doubt = True, 0
    assert claimed(made, 4, two=LIKELY, six=LIKELY) == ["two"]
    made = book("one", "two")
    made.serves = True
    assert claimed(made, 4, two=LIKELY) == ["one"]
