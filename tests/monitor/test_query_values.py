"""Values become JSON and cells: nodes are the contract's, patterns are written, parameters come back as they went."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_query_rows import MODELS, rows, told

from grammar import InputError
from monitor.query import node_value
from monitor.query_asked import parameter_of
from monitor.query_values import Writer, parameter
from policies import Value
from policies.limits import SpentError

MODEL = MODELS[1]


def test_a_node_is_the_contracts_and_a_relationship_its_four_words() -> None:
    (one,) = told(rows("MATCH p = (s:Socket)-[r]->(c) RETURN s, r, p, [s] AS l, {n: s} AS m", models=[MODEL]))
    assert isinstance(one, dict)
    socket = node_value(MODEL, MODEL.by_id[one["s"]["id"]])
    assert one["s"] == socket == one["l"][0] == one["m"]["n"]
    assert one["r"] == {
        "effect": socket["id"],
        "relation": "WAS_GENERATED_BY",
        "operation": "connect",
        "cause": one["p"]["nodes"][1]["id"],
    }
    assert one["p"]["edges"] == [one["r"]]


def test_what_is_known_by_its_pattern_only_is_written_as_it() -> None:
    text = "MATCH (f:File) RETURN f.path AS path, size(f.path) AS n, f.none AS nothing, 1.5 AS x, true AS t, 0.0/0 AS z"
    value = {"app": "web", "path": "/tmp/sess_{token:26}", "n": 36, "nothing": None, "x": 1.5, "t": True, "z": "NaN"}
    assert told(rows(text, models=[MODEL])) == [value]
    (cells,) = rows(text, models=[MODEL]).cells(labels=True).rows
    assert cells == ["web", "/tmp/sess_{token:26}", "36", "null", "1.5", "true", "NaN"]


def test_in_a_table_a_node_says_what_it_is() -> None:
    found = rows("MATCH (s:Socket) RETURN s", models=[MODEL])
    ((_, shown),) = found.cells(labels=True).rows
    ((_, plain),) = found.cells(labels=False).rows
    assert shown == f"{plain} Socket 10.0.0.1:80"


def test_writing_is_paid_for() -> None:
    shared: Value = tuple(range(1000))
    for _ in range(3):
        shared = (shared,) * 100
    with pytest.raises(SpentError):
        Writer().json(MODEL, shared)
    with pytest.raises(SpentError):
        Writer(100).json(MODEL, ("x" * 10_000,))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_a_parameter_comes_back_as_it_went(value: object) -> None:
    back = Writer().json(MODEL, parameter(json.loads(json.dumps(value))))
    assert back == _finite(value)


def _finite(value: object) -> object:
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return {name: _finite(one) for name, one in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("text", ["", "x", "'a'", "9" * 30, "[" * 40 + "]" * 40, "[" * 100_000, "9" * 5_000])
def test_what_is_no_parameter_is_an_error(text: str) -> None:
    with pytest.raises(InputError):
        parameter_of("n", text)
