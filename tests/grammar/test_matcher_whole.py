"""One pattern asked whole: the short ways say what the regular expression says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.matcher_field import Field, sample
from grammar.matcher_heads import Heads, popularity
from grammar.matcher_whole import Whole
from grammar.pattern import FIELDS, WIDTHS, Pattern, Slot

LITERALS = st.text("a1-: \n", min_size=1, max_size=2) | st.sampled_from(["é", "\udc80", "\0"])
SLOTS = st.sampled_from(["text", "text", "any", "int", "digits", "hex", "term", "token", "space", "char", "float"])
PATTERNS = st.lists(
    LITERALS | SLOTS.map(Slot) | st.builds(Slot, st.sampled_from(["text", "hex"]), st.integers(1, 3)), max_size=7
).map(lambda parts: Pattern(tuple(parts)))
FILLED = st.text("a1-: é", max_size=3) | st.sampled_from(["", "1", "a", "-1", "\n", "\udc80"])


def matches(pattern: Pattern, text: str) -> bool:
    return Whole(pattern).matches(text.encode("utf-8", "backslashreplace"), text, "\n" in text)


def parse(text: str) -> Pattern:
    return Pattern.parse(text)


@given(PATTERNS, st.data())
def test_it_says_what_the_expression_says(pattern: Pattern, data: st.DataObject) -> None:
    """For any pattern and any text made from it: true exactly where `Pattern.matches` is."""
    for _ in range(4):
        kept = data.draw(st.lists(st.booleans(), min_size=len(pattern.parts), max_size=len(pattern.parts)))
        parts = [one if isinstance(one, str) else data.draw(FILLED) for one in pattern.parts]
        fitting = [sample([one]) if keep else part for one, part, keep in zip(pattern.parts, parts, kept, strict=True)]
        for text in ("".join(parts), "".join(fitting), "".join(fitting) + parts[-1] if parts else ""):
            assert matches(pattern, text) == pattern.matches(text), (str(pattern), text)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a{int}1", "a11"),  # the field can hold what the literal after it begins with
        ("{text} {int} b {text}", "x 1 b 2 b y"),
        ("{text}a{int}b{text}", "axa1by"),  # the leftmost literal is not the one
        ("1{int}", "11"),
        ("{text}: {digits}", "a: b: 7"),
        ("{digits}-{text}", "1-2-3"),
        ("{int}-{int}", "1--2"),
        ("x{any}y{text}", "x\ny"),
        ("x{any}y{text}", "x\nyz\nyw"),
        ("{text}y{any}", "xy\n"),
        ("b{text}a", "b\na"),
        ("{text:2}", "éé"),
        ("name {text:2}", "name abc"),
        ("{int}11{text}", "111"),
        ("{text}11{int}", "111"),
        ("{space}{digits}", "  7"),
        ("{term}{char}", "é"),
    ],
)
def test_places_where_a_short_way_could_go_wrong(written: str, text: str) -> None:
    assert matches(parse(written), text) == parse(written).matches(text)


@pytest.mark.parametrize(("written", "text"), [("aa{text}aa", "aaa"), ("ab{int}ab", "ab"), ("x", "xx"), ("x\n", "x")])
def test_both_ends_need_room(written: str, text: str) -> None:
    assert not matches(parse(written), text)


def planned(written: str) -> bool:
    return Whole(parse(written)).planned


def test_most_patterns_need_no_automaton_of_their_own() -> None:
    for written in ("{int}", "{text}", "{text} a {text}", "{int} of {digits}", "{int}: {text} (at {int}, {digits}"):
        assert planned(written)
    assert not planned("{int}1{text}")
    assert not planned("{text} {int} {text}")
    assert not planned("{int}{text}")


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_every_field_has_a_sample_and_a_check_that_agree(kind: str) -> None:
    for slot in [Slot(kind), *([Slot(kind, 3)] if kind in WIDTHS else [])]:
        pattern, field = Pattern((slot,)), Field.of((slot,))
        assert pattern.matches(sample([slot]))
        for text in (sample([slot]), "", "-", "12", "1a", "1A", "aé", "é", "a b", "a/b", "-1", "abc", "٣"):
            if kind != "text" or not slot.width:
                assert field.holds(text.encode()) == pattern.matches(text), (str(slot), text)


@given(st.lists(st.text("ab", max_size=4).map(str.encode)), st.text("ab", max_size=6).map(str.encode))
def test_a_text_leads_to_all_its_beginnings(heads: list[bytes], text: bytes) -> None:
    """The trie gives exactly those entries that the text begins with, and knows how many share each."""
    found = Heads({head: [head] for head in heads}).of(text)
    assert sorted(found) == sorted({head for head in heads if text.startswith(head)})
    assert popularity(heads) == {head: sum(one.startswith(head) for one in heads) for head in heads}
