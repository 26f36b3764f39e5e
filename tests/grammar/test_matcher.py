"""The combined automaton says what a loop over all patterns would say, only sooner."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import matcher as matcher_module
from grammar.formats import specificity, telling
from grammar.matcher import Matcher
from grammar.matcher_field import sample
from grammar.pattern import FIELDS, Pattern, Slot

WORDS = [
    "ab",
    "abc",
    "user ",
    " user",
    " of ",
    ":",
    "1",
    "abab",
    "-",
    " ",
    "\n",
    "é",
    "\udc80",
    "\0",
    "user é of ",
    "x" * 20,
]
FILLERS = [*WORDS, "", "7", "-12", "a b", "0x1f", "(nil)", "c" * 5, "1.5e3", "a/b", "aab", "ab\nab"]
slots = st.one_of(
    st.sampled_from(sorted(FIELDS)).map(Slot),
    st.builds(Slot, st.sampled_from(["text", "hex", "token", "digits", "lower"]), st.integers(1, 4)),
)
part = st.one_of(st.sampled_from(WORDS), slots)
pattern = st.lists(part, min_size=1, max_size=6).map(lambda parts: Pattern(tuple(parts)))


def loop(patterns: Sequence[Pattern], text: str) -> tuple[int, ...]:
    """What the matcher must say."""
    found = [at for at, one in enumerate(patterns) if telling(one) and one.matches(text)]
    return tuple(sorted(found, key=lambda at: -specificity(patterns[at])))


def by_specificity(found: Sequence[int], patterns: Sequence[Pattern]) -> tuple[int, ...]:
    assert list(found) == sorted(found, key=lambda at: -specificity(patterns[at])), "most specific first"
    return tuple(sorted(found))


@st.composite
def texts(draw: st.DrawFn, patterns: Sequence[Pattern]) -> str:
    """A text of one of the patterns or nearly so."""
    chosen = draw(st.sampled_from(patterns))
    parts = [one if isinstance(one, str) and draw(st.integers(0, 9)) else _filled(draw, one) for one in chosen.parts]
    return draw(st.sampled_from(["", "", "", " "])) + "".join(parts)


def _filled(draw: st.DrawFn, one: str | Slot) -> str:
    if isinstance(one, Slot) and draw(st.booleans()):
        return sample([one])
    return draw(st.sampled_from(FILLERS))


@given(st.data())
def test_it_says_what_a_loop_over_all_patterns_says(data: st.DataObject) -> None:
    """For any patterns and any text: the same positions, the most specific first."""
    patterns = data.draw(st.lists(pattern, min_size=1, max_size=8))
    matcher = Matcher(patterns)
    for _ in range(4):
        text = data.draw(texts(patterns))
        assert by_specificity(matcher.match(text), patterns) == tuple(sorted(loop(patterns, text)))


@given(st.data())
def test_however_the_patterns_are_found(data: st.DataObject) -> None:
    """Beginnings or pieces, one automaton or several: the answer is the same."""
    patterns = data.draw(st.lists(pattern, min_size=1, max_size=8))
    text = data.draw(texts(patterns))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matcher_module, "SHORT", data.draw(st.sampled_from([1, 99])))
        patch.setattr(matcher_module, "POPULAR", data.draw(st.sampled_from([0, 1, 99])))
        patch.setattr(matcher_module, "PIECE", data.draw(st.integers(1, 4)))
        patch.setattr(matcher_module, "TOGETHER", data.draw(st.integers(1, 3)))
        found = Matcher(patterns).match(text)
    assert by_specificity(found, patterns) == tuple(sorted(loop(patterns, text)))


def parsed(*texts: str) -> list[Pattern]:
    return [Pattern.parse(text) for text in texts]


def test_the_most_specific_comes_first_and_equal_patterns_in_order() -> None:
    matcher = Matcher(parsed("user {text}", "user {text} gone", "user {text}", "user {text} {int} gone"))
    assert matcher.match("user x 7 gone") == (3, 1, 0, 2)
    assert matcher.match("user x") == (0, 2)


def test_nothing_may_be_left_over_at_the_ends() -> None:
    matcher = Matcher(parsed("server shut down", "bound to port {int}"))
    assert matcher.match("server shut down") == (0,)
    for text in ("server shut down.", " server shut down", "bound to port 80: Permission denied", "bound to port "):
        assert matcher.match(text) == ()


def test_a_pattern_that_says_too_little_never_matches() -> None:
    matcher = Matcher(parsed("{text}", "{text}: {text}", "{any}", "({int})", ""))
    assert [matcher.match(text) for text in ("anything", "a: b", "(7)", "")] == [()] * 4


def test_a_precision_is_kept() -> None:
    matcher = Matcher(parsed("name {text:5} ends", "name {text} ends"))
    assert matcher.match("name abcde ends") == (0, 1)
    assert matcher.match("name abcdef ends") == (1,)
    assert matcher.match("name ééééé ends") == (0, 1)


def test_a_pattern_too_large_for_the_engine_matches_nothing_and_breaks_nothing() -> None:
    huge = Pattern(("begins ", *[Slot("token", 999), Slot("text", 999)] * 40, " ends"))
    matcher = Matcher([huge, *parsed("begins {text} ends")])
    assert matcher.match("begins " + "a" * 4_000 + " ends") == (1,)


def test_a_pattern_without_room_for_its_states_is_asked_all_the_same() -> None:
    large = Pattern(("begins ", *[Slot("token", 999), Slot("char"), Slot("text", 9)] * 7, " ends"))
    text = sample(large.parts)
    assert large.matches(text)
    assert Matcher([large]).match(text) == (0,)
    assert Matcher([large]).match(text[:-9]) == ()


def test_a_thousand_pieces_have_room() -> None:
    """Where the automaton has no room, RE2 says nothing: it must be noticed."""
    patterns = parsed(*(f"{{text}} number {at:05} of many {{text}}" for at in range(1_000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matcher_module, "BUDGET", 64 << 10)
        matcher = Matcher(patterns)
    assert len(matcher._filters) > 1
    assert [matcher.match(f"a number {at:05} of many b") for at in range(1_000)] == [(at,) for at in range(1_000)]


def test_unknown_lines_have_nearest_patterns() -> None:
    matcher = Matcher(parsed("cannot open table {text}", "cannot bind to port {int}", "table {text} closed"))
    found = matcher.nearest("could not open table t1: denied", 2)
    assert [position for position, _ in found] == [0, 2]
    assert 1 >= found[0][1] > found[1][1] > 0
    assert matcher.nearest("\0 !", 5) == []
    assert Matcher([]).nearest("anything") == []
    assert Matcher([]).match("anything") == ()
