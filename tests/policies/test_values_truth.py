"""The laws of three-valued logic, and of the fourth value that stands for all three."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.truth import UNKNOWN, Truth, all_of, any_of, negated, none_of, odd_of, single_of

VALUES: tuple[Truth, ...] = (True, False, None, UNKNOWN)
LISTS = st.lists(st.sampled_from(VALUES), max_size=5)
Connective = Callable[[Iterable[object]], Truth]
CONNECTIVES: tuple[Connective, ...] = (all_of, any_of, odd_of, none_of, single_of)


def concretised(values: Iterable[Truth]) -> Iterable[tuple[Truth, ...]]:
    return product(*((True, False, None) if value is UNKNOWN else (value,) for value in values))


def test_the_tables_of_the_standard() -> None:
    for a, b in product((True, False, None), repeat=2):
        assert all_of((a, b)) is (False if a is False or b is False else None if None in (a, b) else True)
        assert any_of((a, b)) is (True if a is True or b is True else None if None in (a, b) else False)
        assert odd_of((a, b)) is (None if None in (a, b) else a is not b)
    assert [negated(a) for a in VALUES] == [False, True, None, UNKNOWN]


@given(LISTS)
def test_de_morgan(values: list[Truth]) -> None:
    assert negated(all_of(values)) is any_of(map(negated, values))
    assert negated(any_of(values)) is all_of(map(negated, values))
    assert none_of(values) is negated(any_of(values))


@given(LISTS, st.data())
def test_order_does_not_matter(values: list[Truth], data: st.DataObject) -> None:
    other = data.draw(st.permutations(values))
    for connective in CONNECTIVES:
        assert connective(values) is connective(other)


@given(LISTS, LISTS)
def test_and_or_and_xor_are_associative(first: list[Truth], second: list[Truth]) -> None:
    for connective in (all_of, any_of, odd_of):
        assert connective(first + second) is connective((connective(first), connective(second)))


@pytest.mark.parametrize("connective", CONNECTIVES)
@given(values=LISTS)
def test_what_is_said_of_unknown_holds_for_all_that_it_can_be(connective: Connective, values: list[Truth]) -> None:
    """The answer is UNKNOWN, or it is the answer for every choice; and UNKNOWN only where choices differ."""
    answer = connective(values)
    answers = {str(connective(choice)) for choice in concretised(values)}
    assert answers == {str(answer)} if answer is not UNKNOWN else len(answers) > 1
