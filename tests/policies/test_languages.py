"""Deciding a condition of a pattern, against automata-lib: inclusion is True, disjointness False, anything else None.

The oracle works on one character of each sort that the conditions here can tell apart, so it decides for Unicode.
"""

from time import perf_counter

import pytest
from automata.fa.dfa import DFA
from automata.fa.nfa import NFA
from hypothesis import given
from hypothesis import strategies as st

from grammar.pattern import Pattern
from policies import languages
from policies.languages import MAX_STEPS, Question, decide

SIGMA = "abgBG01lsne"
"""a, b (other small hexadecimal), g (other small), B, G (large), 0, 1 (other digits), / space newline, all the rest."""


def one_of(letters: str) -> str:
    return "(" + "|".join(letters) + ")"


ANY, SMALL, TOKEN, LINE = one_of(SIGMA), one_of("abg"), one_of("abgBG01"), one_of(SIGMA.replace("n", ""))
HEX, WORD = one_of("abB01"), one_of(SIGMA.replace("l", "").replace("s", ""))
FIELDS = {
    "{token}": TOKEN + TOKEN + "*",
    "{token:2}": TOKEN * 2,
    "{hex:3}": HEX * 3,
    "{lower:1}": SMALL,
    "{digits}": "(0|1)(0|1)*",
    "{digits:2}": "(0|1)(0|1)",
    "{word}": WORD + WORD + "*",
    "{char}": ANY,
    "{any}": ANY + "*",
    "{text:2}": f"{LINE}?{LINE}?",
    "{space}": "s*",
}
LITERALS = {"a": "a", "0": "0", "/": "l", "a/": "al"}
CLASSES = {
    ".": LINE,
    "(?s:.)": ANY,
    "[^/]": one_of(SIGMA.replace("l", "")),
    "[a-f]": "(a|b)",
    "\\d": "(0|1)",
    "(?i:[a-z])": one_of("abgBG"),
}
Both = tuple[str, str]
"""The same in our words and in the oracle's."""

PATTERNS = st.lists(st.sampled_from([*FIELDS.items(), *LITERALS.items()]), min_size=1, max_size=4).map(
    lambda parts: ("".join(part for part, _ in parts), "".join(f"({oracle})" for _, oracle in parts))
)
CONDITIONS = st.recursive(
    st.sampled_from([*LITERALS.items(), *CLASSES.items()]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: (two[0][0] + two[1][0], two[0][1] + two[1][1])),
        st.tuples(inner, inner).map(lambda two: (f"(?:{two[0][0]}|{two[1][0]})", f"({two[0][1]}|{two[1][1]})")),
        st.tuples(inner, st.sampled_from("*?")).map(lambda p: (f"(?:{p[0][0]}){p[1]}", f"({p[0][1]}){p[1]}")),
    ),
    max_leaves=6,
)


def oracle(pattern: str, condition: str) -> bool | None:
    mine, asked = (DFA.from_nfa(NFA.from_regex(one, input_symbols=set(SIGMA))) for one in (pattern, condition))
    if mine.issubset(asked):
        return True
    return False if mine.isdisjoint(asked) else None


@given(PATTERNS, CONDITIONS)
def test_true_is_inclusion_and_false_is_disjointness(pattern: Both, condition: Both) -> None:
    """For every pattern and expression the decision is what automata-lib computes of their languages."""
    assert decide(Pattern.parse(pattern[0]), Question.MATCHES, condition[0]) is oracle(pattern[1], condition[1])


@given(
    PATTERNS,
    st.lists(st.sampled_from(["a", "0", "/"]), max_size=3),
    st.sampled_from(["STARTS_WITH", "ENDS_WITH", "CONTAINS"]),
)
def test_parts_of_strings_are_decided_exactly(pattern: Both, part: list[str], question: str) -> None:
    """STARTS WITH, ENDS WITH and CONTAINS are the expressions that they mean."""
    wanted = "".join(LITERALS[one] for one in part)
    before = "" if question == "STARTS_WITH" else ANY + "*"
    after = "" if question == "ENDS_WITH" else ANY + "*"
    answer = decide(Pattern.parse(pattern[0]), Question[question], "".join(part))
    assert answer is oracle(pattern[1], before + wanted + after or "()")


@given(PATTERNS, PATTERNS)
def test_two_patterns_are_told_apart_exactly(one: Both, other: Both) -> None:
    assert decide(Pattern.parse(one[0]), Question.IS, Pattern.parse(other[0])) is oracle(one[1], other[1])


def test_a_costly_decision_is_given_up() -> None:
    """Subsets that double with each character: after the same number of steps on every machine, nothing is decided."""
    started = perf_counter()
    assert decide(Pattern.parse("{any}"), Question.MATCHES, "(?s).*a.{60}b.*|(?s).*b.{50}a.*|(?s)c.*") is None
    assert decide(Pattern.parse("{any}0{token:400}{any}"), Question.MATCHES, "(?:(?:a?){30}){30}(?s:.*)0.{500}") is None
    assert decide(Pattern.parse("{hex:999}" * 8), Question.MATCHES, "[0-9a-f]+") is None
    assert perf_counter() - started < 5  # some 0.1 s


def test_the_limit_is_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern, regex = Pattern.parse("/{token:26}"), "/[0-9A-Za-z]{26}"
    assert decide.__wrapped__(pattern, Question.MATCHES, regex) is True
    monkeypatch.setattr(languages, "MAX_STEPS", 20)
    assert decide.__wrapped__(pattern, Question.MATCHES, regex) is None
    assert MAX_STEPS > 20


def test_the_literal_beginning_decides_whatever_comes_after() -> None:
    """Nothing is built for the rest, not even where it would be too large."""
    huge = Pattern.parse("/tmp/" + "{hex:999}" * 8)
    assert decide(huge, Question.MATCHES, "(?s)/tmp/.*") is True
    assert decide(huge, Question.MATCHES, "(?s)/etc/.*") is False
    assert decide(huge, Question.STARTS_WITH, "/tmp") is True
