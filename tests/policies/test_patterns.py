"""Regular expressions and globs of the language."""

from __future__ import annotations

import re
from fnmatch import translate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.patterns import MAX_PATTERN, REMEMBERED, compile_regex, glob_matches, regex_problem

LARGE = "".join(f"{letter}{{1000}}" for letter in "abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a.c", "abc", True),
        ("a.", "abc", False),
        ("b", "abc", False),
        (".*", "a\nb", False),
        ("(?s).*", "a\nb", True),
        ("(?i)ABC", "abc", True),
        ("ä.", "äö", True),
        (".", "\ud800", True),
        ("(a|ab)(c|bcd)", "abcd", True),
        ("", "", True),
    ],
)
def test_a_regex_must_fit_the_whole_text(pattern: str, text: str, *, fits: bool) -> None:
    fitting = compile_regex(pattern)
    assert fitting(text) is fits
    assert fitting(text) is fits  # what is remembered is the same


@pytest.mark.parametrize(
    "pattern", ["a(b", "(?=a)", r"(a)\1", "a" * (MAX_PATTERN + 1), "(((a{100}){100}){100})", LARGE]
)
def test_what_cannot_be_run_in_linear_time_and_little_memory_is_refused(pattern: str) -> None:
    assert regex_problem(pattern) is not None


def test_a_regex_stays_right_when_it_has_forgotten() -> None:
    fitting = compile_regex("x[0-9]*[02468]")
    for _ in range(2):
        assert all(fitting(f"x{n}") is (n % 2 == 0) for n in range(REMEMBERED + 100))
    known = next(cell.cell_contents for cell in fitting.__closure__ or () if isinstance(cell.cell_contents, dict))
    assert len(known) <= REMEMBERED
    assert fitting("x" + "1" * 1000) is False and fitting("x" + "1" * 1000 + "2") is True


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_a_glob_is_the_regex_that_it_stands_for(pattern: str, text: str) -> None:
    assert glob_matches(pattern, text) is (re.fullmatch(translate(pattern), text) is not None)
