"""Patterns: writing and reading are inverse; a general shape matches what it came from; nothing is too odd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import InputError, Pattern, Slot, generalise, quote
from grammar.pattern import FIELDS, MAX_WIDTH, WIDTHS, writable

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=30)
SLOTS = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda kind: st.builds(Slot, st.just(kind), st.integers(0, MAX_WIDTH) if kind in WIDTHS else st.just(0))
)
PATTERNS = st.lists(ANYTHING | SLOTS, max_size=6).map(lambda parts: Pattern(tuple(parts)))


def merged(pattern: Pattern) -> Pattern:
    """The same pattern with neighbouring literals joined and empty ones left out: what reading gives."""
    parts: list[str | Slot] = []
    for part in pattern.parts:
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        elif part != "":
            parts.append(part)
    return Pattern(tuple(parts))


@given(PATTERNS)
def test_writing_and_reading_are_inverse(pattern: Pattern) -> None:
    assert Pattern.parse(str(pattern)) == merged(pattern)


@given(st.text("{}\\:a1int", max_size=30))
def test_what_can_be_read_is_written_the_same_way_again(written: str) -> None:
    """Any text is a pattern or a located error; a pattern's written form is read as the same pattern."""
    try:
        pattern = Pattern.parse(written)
    except InputError as error:
        assert error.column > 0
    else:
        assert Pattern.parse(str(pattern)) == pattern


@given(ANYTHING, ANYTHING)
def test_a_literal_matches_itself_and_nothing_else(literal: str, other: str) -> None:
    pattern = Pattern.parse(quote(literal))
    assert pattern.matches(literal)
    assert pattern.matches(other) == (writable(literal) == writable(other))
    assert pattern.is_literal


@given(st.lists(ANYTHING | st.text("ab01", max_size=6), min_size=1, max_size=6), ANYTHING, ANYTHING)
def test_a_generalised_shape_matches_every_name(names: list[str], before: str, after: str) -> None:
    """However odd the names, the shape can be written, read again, and matches each of them."""
    whole = [before + name + after for name in names]
    shape = Pattern.parse(str(generalise(whole)))
    assert all(shape.matches(name) for name in whole)
    assert writable(str(shape)) == str(shape)


@pytest.mark.parametrize(
    ("names", "shape"),
    [
        (["a", "a"], "a"),
        (["sess_0a", "sess_9z"], "sess_{token:2}"),
        (["p1.html", "p22.html"], "p{int}.html"),
        (["ab", "abc"], "ab{any}"),
        (["x" * 1200 + "a", "y" * 1200 + "a"], "{lower}a"),
        (["a/b", "a c"], "a{any}"),
        (["é-1", "é-2"], "é-{digits:1}"),
    ],
)
def test_shapes(names: list[str], shape: str) -> None:
    assert str(generalise(names)) == shape


@pytest.mark.parametrize(
    "bad", ["{nothing}", "{int", "{int:3}", "{hex:0}", "{hex:01}", "{hex:1000}", "{hex:٣}", "{hex:}x{"]
)
def test_what_is_no_field_is_refused_with_its_column(bad: str) -> None:
    with pytest.raises(InputError, match="not a typed field"):
        Pattern.parse(bad)


def test_a_pattern_too_large_for_the_automaton_is_bad_input() -> None:
    with pytest.raises(InputError, match="too large"):
        Pattern.parse("{token:999}" * 300).matches("x")


def test_a_pattern_that_would_take_for_ever_elsewhere_takes_no_time() -> None:
    pattern = Pattern.parse("{any}a" * 40)
    assert not pattern.matches("a" * 20_000 + "b")
