"""A feature file is read whole, a value is the one that is written, and nothing but the expected answer meets it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tck_case import CaseError, Empty, Phase, Raised, Rows, understood
from tck_compare import Answer, Failure, mismatch
from tck_features import FeatureError, read_feature
from tck_values import Node, NotationError, Path, Relationship, Shown, key, read, written
from tck_wire import from_wire, plain

FEATURE = """
#encoding: utf-8

Feature: One

  Background:
    Given an empty graph

  @skipStyleCheck
  Scenario: [1] Plain
    And having executed:
      \"""
      CREATE ()
      \"""
    # a comment
    When executing query:
      \"""
      MATCH (n)
        RETURN n
      \"""
    Then the result should be, in order:
      | n        | a \\| b |
      | (:A)     | 'x'    |
    And no side effects

  Scenario Outline: [2] Of <what>
    And parameters are:
      | p | <value> |
    When executing query:
      \"""
      RETURN <what>
      \"""
    Then a TypeError should be raised at any time: *

    Examples:
      | what | value |
      | $p   | 1     |
      | -$p  | [1.0] |
"""

names = st.sampled_from(["a", "b", "C d", "é"])
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text("ab'\\\n \U0001f40d", max_size=4)
maps = st.dictionaries(names, scalars, max_size=3)
nodes = st.builds(Node, st.frozensets(names, max_size=2), maps)
relationships = st.builds(Relationship, names, maps)
paths = st.lists(st.tuples(relationships, st.booleans(), nodes), max_size=3).flatmap(
    lambda steps: st.builds(
        lambda first: Path((first, *(node for *_, node in steps)), tuple((one, right) for one, right, _ in steps)),
        nodes,
    )
)
values = st.recursive(
    scalars | nodes | relationships | paths,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def rows(*values_of_one_column: Shown, ordered: bool = False, loose: bool = False) -> Rows:
    return Rows(("x",), tuple((value,) for value in values_of_one_column), ordered, loose)


def answer(*values_of_one_column: Shown) -> Answer:
    return Answer(("x",), tuple((value,) for value in values_of_one_column))


# Features


def test_an_outline_is_as_many_scenarios_as_it_has_examples() -> None:
    plain_one, first, second = read_feature(FEATURE, "One.feature")
    assert (plain_one.name, first.name, second.name) == ("[1] Plain", "[2] Of $p", "[2] Of -$p")
    assert [one.title.split()[0] for one in (plain_one, first, second)] == [f"One.feature:{n}" for n in (10, 37, 38)]


def test_a_background_stands_before_every_scenario() -> None:
    assert {one.steps[0].text for one in read_feature(FEATURE)} == {"an empty graph"}


def test_doc_strings_keep_their_inner_indent_and_cells_their_bars() -> None:
    first = read_feature(FEATURE)[0]
    assert first.steps[2].doc == "MATCH (n)\n  RETURN n"
    assert first.steps[3].table[0] == ("n", "a | b")


def test_what_is_not_gherkin_is_an_error_that_names_the_line() -> None:
    with pytest.raises(FeatureError, match=r"(?s)Bad.feature: .*\(6:1\)"):
        read_feature("Feature: x\n  Scenario: y\nGiven a\n| b |\n| c | d |\nnonsense\n", "Bad.feature")


def test_a_case_has_its_set_up_its_query_and_its_expectation() -> None:
    first, second, _ = (understood(one) for one in read_feature(FEATURE))
    assert first.setups == ["CREATE ()"]
    assert first.asked[0].expected == Rows(("n", "a | b"), ((Node(frozenset("A")), "x"),), ordered=True)
    assert second.parameters == {"p": 1}
    assert second.asked[0].expected == Raised("TypeError", Phase.ANY, "*")


@pytest.mark.parametrize(
    "broken",
    ["Given a purple graph", "Then the result should be, in any order", "When executing query:", "Then nothing"],
)
def test_a_sentence_that_makes_no_sense_is_never_read_over(broken: str) -> None:
    text = f"Feature: x\n  Scenario: y\n    {broken}\n    Then the result should be empty\n"
    with pytest.raises(CaseError):
        understood(read_feature(text)[0])


def test_a_query_without_an_expectation_is_no_case() -> None:
    text = 'Feature: x\n  Scenario: y\n    When executing query:\n      """\n      RETURN 1\n      """\n'
    with pytest.raises(CaseError, match="without an expectation"):
        understood(read_feature(text)[0])


# Values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1.5e-3", -0.0015),
        (".5", 0.5),
        ("'it\\'s \\\\'", "it's \\"),
        ("[1, [], {}]", (1, (), {})),
        ("{a: null, `b c`: [true]}", {"a": None, "b c": (True,)}),
        ("(:A:B {k: 'v'})", Node(frozenset("AB"), {"k": "v"})),
        ("()", Node()),
        ("[:T {k: 1}]", Relationship("T", {"k": 1})),
        ("[[:T], [:S]]", (Relationship("T"), Relationship("S"))),
        (
            "<(:A)-[:T]->()<-[:S {k: -1}]-({n: 0})>",
            Path(
                (Node(frozenset("A")), Node(), Node(frozenset(), {"n": 0})),
                ((Relationship("T"), True), (Relationship("S", {"k": -1}), False)),
            ),
        ),
        ("-Inf", -math.inf),
    ],
)
def test_the_notation(text: str, value: Shown) -> None:
    assert key(read(text)) == key(value)


@given(values)
def test_what_is_written_is_read_as_the_same(value: Shown) -> None:
    assert key(read(written(value))) == key(value)


@pytest.mark.parametrize("text", ["", "1 2", "[1", "(:A", "yes", "<()>>", "{1: }", "'open", "<()-[:T]-()>", "§"])
def test_what_is_no_value_is_said(text: str) -> None:
    with pytest.raises(NotationError):
        read(text)


def test_types_count() -> None:
    different = [1, 1.0, True, "1", None, (1,), {"a": 1}, "true", math.nan, Node(), (), {}]
    assert len({key(value) for value in different}) == len(different)


def test_nan_is_the_answer_nan_and_minus_zero_is_zero() -> None:
    assert key(math.nan) == key(float("nan"))
    assert key(-0.0) == key(0.0)


@given(st.lists(values, max_size=4).map(tuple), st.randoms(use_true_random=False))
def test_loose_forgets_the_order_of_lists_and_nothing_else(items: tuple[Shown, ...], random: object) -> None:
    other = tuple(reversed(items))
    assert key(items, loose=True) == key(other, loose=True)
    assert key((*items, 1), loose=True) != key(other, loose=True)


# Answers


@pytest.mark.parametrize(
    ("expected", "got", "met"),
    [
        (rows(1, 2), answer(2, 1), True),
        (rows(1, 2, ordered=True), answer(2, 1), False),
        (rows(1, 1, 2), answer(1, 2, 2), False),
        (rows(1), answer(1.0), False),
        (rows(1), Answer(("y",), ((1,),)), False),
        (rows((1, 2)), answer((2, 1)), False),
        (rows((1, 2), loose=True), answer((2, 1)), True),
        (rows(), answer(), True),
        (rows(), Failure("SyntaxError", "", Phase.COMPILE), False),
        (Empty(), answer(), True),
        (Empty(), answer(1), False),
        (Raised("TypeError", Phase.RUN, "X"), Failure("TypeError", "X", Phase.RUN), True),
        (Raised("TypeError", Phase.RUN, "X"), Failure("TypeError", "Y", Phase.RUN), False),
        (Raised("TypeError", Phase.RUN, "X"), Failure("SyntaxError", "X", Phase.RUN), False),
        (Raised("TypeError", Phase.RUN, "X"), Failure("TypeError", "X", Phase.COMPILE), False),
        (Raised("TypeError", Phase.ANY, "*"), Failure("TypeError", "Y", Phase.COMPILE), True),
        (Raised("TypeError", Phase.ANY, "*"), answer(), False),
    ],
)
def test_only_the_expected_answer_meets(expected: Rows | Empty | Raised, got: Answer | Failure, met: bool) -> None:
    assert (mismatch(expected, got) == "") is met


def test_a_mismatch_shows_both() -> None:
    assert mismatch(rows(1), answer("1")) == "expected 1 rows of x: 1\ngot      1 rows of x: '1'"


def test_of_a_peer_any_error_is_the_expected_one() -> None:
    assert mismatch(Raised("TypeError", Phase.RUN, "X"), Failure("Boom", "", Phase.RUN), named=False) == ""
    assert mismatch(rows(1), Failure("Boom", "", Phase.RUN), named=False) != ""


# The wire


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (1, 1),
        (["list", 1, ["list"]], (1, ())),
        (["map", {"a": ["node", ["A"], {"k": 1}]}], {"a": Node(frozenset("A"), {"k": 1})}),
        (
            ["path", [["node", [], {}], ["node", [], {}]], [[["relationship", "T", {}], False]]],
            Path((Node(), Node()), ((Relationship("T"), False),)),
        ),
    ],
)
def test_values_of_the_wire(wire: object, value: Shown) -> None:
    assert from_wire(wire) == value  # type: ignore[arg-type]


@pytest.mark.parametrize("wire", [{}, [], ["node"], ["path", [], []], ["path", [1], []], [["list"]], ["map", 1]])
def test_what_a_peer_sends_may_be_anything(wire: object) -> None:
    with pytest.raises(ValueError, match=r"wire|name"):
        from_wire(wire)  # type: ignore[arg-type]


def test_a_parameter_is_plain() -> None:
    assert plain((1, {"a": (None,)})) == [1, {"a": [None]}]
    with pytest.raises(ValueError, match="parameter"):
        plain(Node())
