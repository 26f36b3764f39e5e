"""Answers about a Text against its strings, one by one: True is all of them, False none, and of few strings exactly."""

import re
from itertools import product

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from grammar.pattern import FIELDS, MAX_WIDTH, WIDTHS, Pattern, Slot
from policies.text import MAX_PIECES, Text, joined
from policies.truth import UNKNOWN

LETTERS = "ab0/ "
WIDE = [Slot(name) for name in FIELDS] + [Slot(name, 2) for name in sorted(WIDTHS)] + [Slot("any"), Slot("char")] * 3
PARTS = st.one_of(st.text(LETTERS, min_size=1, max_size=3), st.sampled_from(WIDE))
CONSTANTS = st.text("ab0/ \n-é", max_size=4)
SPACE_LIKE = " \t\n\u00a0"


def text(parts: list[str | Slot]) -> str | Text:
    """As `Text.of` reads what a label writes."""
    return Text.of(str(Pattern(tuple(parts))))


TEXTS = st.lists(PARTS, min_size=1, max_size=4).map(text).filter(lambda one: isinstance(one, Text))


def strings(one: str | Text) -> st.SearchStrategy[str]:
    """Strings of its language, near to its borders as Hypothesis draws them."""
    parts = [one] if isinstance(one, str) else one.pattern.parts
    return st.tuples(
        *(st.just(part) if isinstance(part, str) else st.from_regex(expression(part), fullmatch=True) for part in parts)
    ).map("".join)


def expression(slot: Slot) -> str:
    """Its regular expression, in Python's syntax, with few characters where it allows all."""
    if slot.type in ("any", "char", "text", "word", "term"):
        letters = {"any": "[ab0/ \\né]{0,3}", "char": "[ab0/ \\né]", "word": "[ab0\\n]{1,3}", "term": "[ab0/]{1,3}"}
        return letters.get(slot.type, f"[ab0/ ]{{0,{min(slot.width or 3, 3)}}}")
    return slot.regex


QUESTIONS = {
    "equals": lambda one, other: one == other,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": lambda one, other: other in one,
    "begins": lambda one, other: other.startswith(one),
    "finishes": lambda one, other: other.endswith(one),
    "inside": lambda one, other: one in other,
    "below": lambda one, other: one < other,
    "at_most": lambda one, other: one <= other,
    "above": lambda one, other: one > other,
    "at_least": lambda one, other: one >= other,
    "matches": lambda one, other: re2.fullmatch(other, one) is not None,
    "glob": lambda one, other: re.fullmatch(".*".join(map(re.escape, other.split("*"))), one, re.DOTALL) is not None,
}
REGEXES = [
    "",
    "a",
    "(?s).*",
    ".*",
    "(?s)a.*",
    "[ab0]*",
    "(?i)A?B?/?.*",
    "\\w+",
    "^.*$",
    "(?s).*\\b0.*",
    "[^/]*/?[^/]*",
    "a|b|0",
]


def operands(question: str) -> st.SearchStrategy[str]:
    if question == "matches":
        return st.sampled_from(REGEXES)
    return st.text("ab/*", max_size=4) if question == "glob" else CONSTANTS


@pytest.mark.parametrize("question", QUESTIONS)
@given(data=st.data())
def test_true_holds_for_every_string_and_false_for_none(question: str, data: st.DataObject) -> None:
    """Of any pattern and any operand, no string of the pattern contradicts the answer."""
    one = data.draw(TEXTS)
    other = data.draw(
        st.one_of(operands(question), strings(one)) if question in ("equals", "begins") else operands(question)
    )
    answer = getattr(one, question)(other)
    for string in data.draw(st.lists(strings(one), min_size=1, max_size=4)):
        assert one.pattern.matches(string)
        assert answer is UNKNOWN or answer is QUESTIONS[question](string, other), (str(one), other, string)


FEW = [Slot("lower", 1), Slot("digits", 1), Slot("digits", 2), Slot("hex", 1)]
NARROW = {"lower": "abcdefghijklmnopqrstuvwxyz", "digits": "0123456789", "hex": "0123456789abcdefABCDEF"}


@pytest.mark.parametrize("question", QUESTIONS)
@given(data=st.data())
def test_of_few_strings_the_answer_is_exact(question: str, data: st.DataObject) -> None:
    """Where all strings can be written down, UNKNOWN means that some fulfil it and some do not."""
    parts = data.draw(
        st.lists(st.one_of(st.text("ab0", min_size=1, max_size=2), st.sampled_from(FEW)), min_size=1, max_size=3)
    )
    slots = [part for part in parts if isinstance(part, Slot)]
    one = text(parts[: parts.index(slots[1]) + 1] if len(slots) > 1 else parts)
    if isinstance(one, str):
        return
    choices = [
        [part] if isinstance(part, str) else ["".join(c) for c in product(NARROW[part.type], repeat=part.width)]
        for part in one.pattern.parts
    ]
    other = data.draw(operands(question))
    answers = {QUESTIONS[question]("".join(letters), other) for letters in product(*choices)}
    assert getattr(one, question)(other) is (answers.pop() if len(answers) == 1 else UNKNOWN), (str(one), other)


@given(TEXTS, st.frozensets(CONSTANTS, max_size=4), st.data())
def test_among_is_equal_to_any(one: Text, items: frozenset[str], data: st.DataObject) -> None:
    drawn = data.draw(strings(one))
    for chosen in (items, items | {drawn}):
        answer = one.among(chosen)
        assert answer is UNKNOWN or answer is (drawn in chosen)


def test_among_all_strings_of_a_field_is_certain() -> None:
    digit = Text.of("a{digits:1}")
    assert isinstance(digit, Text)
    assert digit.among(frozenset(f"a{number}" for number in range(10))) is True
    assert digit.among(frozenset(f"a{number}" for number in range(9))) is UNKNOWN
    assert digit.among(frozenset({"b", "a", "a10"})) is False


@given(TEXTS, TEXTS, st.data())
def test_two_texts_are_unequal_only_if_they_have_no_string_in_common(
    one: Text, other: Text, data: st.DataObject
) -> None:
    answer = one.equals(other)
    assert answer is not True
    if answer is False:
        assert not other.pattern.matches(data.draw(strings(one)))
    assert one.equals(one) is UNKNOWN


FUNCTIONS = {
    "lower": str.lower,
    "upper": str.upper,
    "trimmed": str.strip,
    "left_trimmed": str.lstrip,
    "right_trimmed": str.rstrip,
}


@pytest.mark.parametrize("function", FUNCTIONS)
@given(data=st.data())
def test_what_a_function_makes_is_among_what_it_says(function: str, data: st.DataObject) -> None:
    one = data.draw(TEXTS)
    result = getattr(one, function)()
    string = FUNCTIONS[function](data.draw(strings(one)))
    assert result is UNKNOWN or (result.pattern.matches(string) if isinstance(result, Text) else result == string)


@given(TEXTS, st.one_of(TEXTS, CONSTANTS), st.data())
def test_joining_and_size_are_right(one: Text, other: str | Text, data: st.DataObject) -> None:
    left, right = data.draw(strings(one)), data.draw(strings(other))
    for result, string in ((joined(one, other), left + right), (joined(other, one), right + left)):
        assert isinstance(result, Text)
        assert result.pattern.matches(string)
        assert Text.of(str(result)) == result
        assert result.size() in (UNKNOWN, len(string))


def test_a_written_property_is_read_once_and_for_all() -> None:
    assert Text.of("/tmp/a") == "/tmp/a"
    assert Text.of(r"/tmp/\{a\}\\") == r"/tmp/{a}" + "\\"
    assert Text.of("/tmp/{nothing}") == "/tmp/{nothing}"
    assert Text.of("{any}") == Text(Pattern((Slot("any"),)))
    assert str(Text.of(r"\{{int}")) == r"\{{int}"


def test_hard_operands_decide_nothing_and_raise_nothing() -> None:
    one = Text.of("a{any}")
    assert isinstance(one, Text)
    assert one.matches("a(") is UNKNOWN
    assert one.matches("\\C*") is UNKNOWN
    assert one.contains("\udc80") is UNKNOWN
    assert one.equals("a\udc80") is UNKNOWN
    assert (
        one.starts_with(one) is one.ends_with(one) is one.contains(one) is one.below(one) is one.above(one) is UNKNOWN
    )
    assert one.inside("b" * (MAX_PIECES + 1)) is UNKNOWN
    assert one.equals("b" * 100_000) is False
    assert Text(Pattern((Slot("hex", MAX_WIDTH),) * 8)).equals("0" * 8 * MAX_WIDTH) is UNKNOWN
    assert joined("b" * 9000, one) is UNKNOWN


def test_what_a_dot_means_is_what_re2_means() -> None:
    """A path may hold a newline: `.*` does not match it, `(?s).*` does."""
    path, name = Text.of("/tmp/{any}"), Text.of("sess_{token:26}")
    assert isinstance(path, Text)
    assert isinstance(name, Text)
    assert path.matches("/tmp/.*") is UNKNOWN
    assert path.matches("(?s)/tmp/.*") is True
    assert name.matches("sess_.*") is True
    assert name.matches("(?i)SESS_[a-z0-9]+") is True
    assert name.matches("sess_[a-z0-9]+") is UNKNOWN
    assert path.matches("/etc/.*") is False
