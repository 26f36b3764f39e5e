"""The reader of regular expressions against RE2 itself: which strings a tree matches is what RE2 says."""

from itertools import product

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from policies.languages_automaton import Automaton, Sort, build, sort_of
from policies.languages_regex import MAX_DEPTH, read
from policies.languages_sets import FULL, NAMED, asked, complement, folded, holds, union

ALPHABET = "aB_ \n0é\u017f"
WORDS = ["".join(letters) for size in range(4) for letters in product("aB \n", repeat=size)] + list(ALPHABET)


def accepts(automaton: Automaton, word: str) -> bool:
    state, before = automaton.start, Sort.EDGE
    for code in map(ord, word):
        sort = sort_of(code)
        reading = automaton.opened(state, before, sort)
        state, before = 0, sort
        for at, ranges in enumerate(automaton.sets):
            if reading >> at & 1 and holds(ranges, code):
                state |= automaton.follow[at]
    return bool(automaton.opened(state, before, Sort.EDGE) & 1)


def agrees(regex: str, words: list[str]) -> None:
    options = re2.Options()
    options.log_errors = False
    try:
        program = re2.compile(regex, options)
    except re2.error:
        assert read(regex) is None
        return
    tree = read(regex)
    assert tree is not None, regex
    automaton = build(tree)
    assert automaton is not None
    for word in words:
        assert accepts(automaton, word) == (program.fullmatch(word) is not None), (regex, word)


@pytest.mark.parametrize(
    "regex",
    [
        *(
            "",
            "|",
            "()",
            "a|",
            "(?:)*",
            "(|a)*",
            "(a*)*",
            "(a*)+?",
            "a{2}",
            "a{,2}",
            "a{1,2}?",
            "a{2,}",
            "a{",
            "a{x}",
            "{",
        ),
        *(".", "(?s).", "(?s).*", ".*", "(?s:.)a", "(?i)b", "(?i)S", "(?i:b)a", "(?i)b(?-i)a", "(?i-s:b.)", "(?U)a*?b"),
        *("(?i)[^a]", "(?i)[s]", "(?i)\\w", "(?i)é", "(?i)[à-ê]", "(?i)\\x{17f}", "(?i)[[:upper:]]", "a(?i)b|b"),
        *(
            "[]a]",
            "[^]a]",
            "[a-]",
            "[-a]",
            "[^a\\n]",
            "[\\x41-\\x{42}]",
            "[[:alpha:]_]",
            "[[:^alpha:]]",
            "[\\d\\s]",
            "[^\\S]",
        ),
        *(
            "\\d",
            "\\D",
            "\\w\\W",
            "\\s",
            "\\pL",
            "\\PL",
            "\\p{Latin}",
            "\\p{^Latin}",
            "[\\pN_]",
            "\\x61",
            "\\060",
            "\\_",
        ),
        *(
            "\\Qa*\\E",
            "\\QaB\\E*",
            "\\Qa",
            "^a$",
            "a^",
            "$a",
            "^*a",
            "(^|a)+",
            "(?m)^a$",
            "(?m)a$\\n^B",
            "(?m)(^.*$\\n?)*",
        ),
        *(
            "\\ba\\b",
            "\\b.*",
            "a\\B.*",
            "\\A.\\z",
            "(?:\\b|B)+a?",
            "(a|\\b)*B",
            "(?P<n>a)B",
            "(?<n>a)B",
            "[^\\x00-\\x{10FFFF}]",
        ),
        *(
            "x{1000}",
            "(?i)k",
            "\\a|\\f|\\t|\\n|\\r|\\v",
            "(?s)(?:a|.B)*",
            "[[.a.]]",
            "a++",
            "a**",
            "(?=a)",
            "\\1",
            "\\Z",
            "(",
        ),
    ],
)
def test_every_form_is_read_as_re2_reads_it(regex: str) -> None:
    agrees(regex, WORDS)


ATOMS = st.sampled_from(
    [
        *"aB",
        " ",
        ".",
        "\\n",
        "[aB]",
        "[^a]",
        "[^\\n]",
        "\\w",
        "\\s",
        "^",
        "$",
        "\\b",
        "\\B",
        "\\A",
        "\\z",
        "(?m:^)",
        "(?m:$)",
        "(?s:.)",
    ]
)
REGEXES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?"])).map(
            lambda p: f"(?:{p[0]}){p[1]}"
        ),
        inner.map(lambda one: f"(?i:{one})"),
    ),
    max_leaves=8,
)


@given(REGEXES)
def test_random_expressions_match_what_re2_matches(regex: str) -> None:
    """Whatever the expression, its automaton accepts exactly the short words that RE2 accepts."""
    agrees(regex, WORDS)


@given(st.text("ab|*+?{}()[]^$\\.-,:012dwsbBAzQEipLPxmUs<>=\n", max_size=14))
def test_any_text_is_read_as_re2_reads_it_or_not_at_all(regex: str) -> None:
    options = re2.Options()
    options.log_errors = False
    tree = read(regex)
    if tree is None:
        return
    automaton, program = build(tree), re2.compile(regex, options)
    for word in WORDS[:40] if automaton else []:
        assert accepts(automaton, word) == (program.fullmatch(word) is not None), (regex, word)  # type: ignore[arg-type]


def test_what_is_unknown_or_too_large_is_not_read() -> None:
    assert read("\\C") is None
    assert read("(" * (MAX_DEPTH + 2) + "a" + ")" * (MAX_DEPTH + 2)) is None
    assert read("a" * 20_000) is None
    assert read("a\udc80") is None
    tree = read("(?:[ab]{30}){30}|x{900}")
    assert tree is not None
    assert build(tree) is None


def test_named_sets_are_those_of_re2() -> None:
    for name, ranges in NAMED.items():
        assert asked(f"[[:{name}:]]") == ranges
    for code in (*range(32, 127), 0):
        assert asked(f"(?i)\\x{{{code:x}}}") == folded(((code, code),))
    assert asked("(?s).") == FULL
    assert complement(asked("\\pL")) == asked("\\PL")


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda p: (p[0], sum(p)))))
def test_union_and_complement_are_sets(pairs: list[tuple[int, int]]) -> None:
    ranges = union((pair,) for pair in pairs)
    codes = {code for first, last in pairs for code in range(first, last + 1)}
    assert codes == {code for code in range(100) if holds(ranges, code)}
    assert complement(complement(ranges)) == ranges
