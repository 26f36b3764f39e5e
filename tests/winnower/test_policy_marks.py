"""A caret stands below what an error speaks of, whatever stands before it on the line."""

from hypothesis import given
from hypothesis import strategies as st

from grammar.errors import InputError, escape
from winnower.policy_marks import BEFORE, WIDTH, Mark, excerpt_of, for_github, in_order, shown


@given(st.text(st.characters(exclude_characters="\r"), max_size=200), st.integers(1, 5), st.integers(1, 200))
def test_the_caret_stands_below_its_character(text: str, line: int, column: int) -> None:
    rows = excerpt_of(text, line, column)
    lines = text.removeprefix("\ufeff").split("\n")
    if line > len(lines):
        assert rows == ()
        return
    assert all(" " <= c <= "~" or c == "…" for row in rows for c in row)
    caret, raw = rows[2].index("^"), lines[line - 1]
    if column <= len(raw) and raw[column - 1] not in " \t":
        assert rows[1][caret:].startswith(escape(raw[column - 1]))
    assert len(rows[1]) <= len(str(line)) + 5 + 10 * WIDTH


def test_tabs_and_wide_characters_are_as_wide_as_they_are_shown() -> None:
    assert excerpt_of("\tñ\tx", 1, 4) == ("  |", "1 |         \\xf1    x", "  |                 ^")


def test_a_long_line_is_cut_around_the_place() -> None:
    _, row, caret = excerpt_of("a" * 500 + "X" + "b" * 500, 1, 501)
    assert row[caret.index("^")] == "X"
    assert (row.count("…"), len(row) <= WIDTH + 6) == (2, True)
    assert row.startswith("1 | …" + "a" * BEFORE)


def test_an_error_without_a_place_has_no_excerpt() -> None:
    mark = Mark.of(InputError("no such file", file="f", offending="\x1b[31m"))
    assert shown(mark, {"f": "text"}) == "f: no such file: '\\x1b[31m'\n"


def test_marks_come_in_order_each_once() -> None:
    marks = [Mark("warning", "b", "f", 2), Mark("error", "a", "f", 1), Mark("warning", "b", "f", 2)]
    assert [one.message for one in in_order(marks)] == ["a", "b"]


def test_github_is_told_one_command_a_line() -> None:
    mark = Mark("warning", "a%\nb::", "x,y:z", 3, 7, "", "", "rule")
    assert for_github(mark) == "::warning file=x%2Cy%3Az,line=3,col=7,title=rule::a%25\\nb:: [rule]"
