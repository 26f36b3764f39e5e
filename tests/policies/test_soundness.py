"""What an answer on a model promises: certain rows are on every graph that it stands for, and no graph has other rows.

The graphs' answers come from the same evaluator with nothing abstract in them; that it finds what is there is asked
of a matcher of ten lines.
"""

from collections.abc import Hashable
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soundness import GRAPHS, Count, check, compare, covers
from soundness_cases import ModelCase, model, query

from grammar.errors import InputError
from policies.evaluate import evaluate, run
from policies.graph import Edge, Meaning
from policies.limits import Match, Row
from policies.parse import parse_query
from policies.text import Text
from policies.truth import UNKNOWN
from policies.values import NodeValue, key


def broken(case: ModelCase, text: str, random: Random, meaning: Meaning, graphs: int = GRAPHS) -> list[str]:
    """The promises that some random graphs break."""
    count = Count()
    most = 3 if meaning is Meaning.INSTANCES else 1
    check(text, case, [case.instance(random, most) for _ in range(graphs)], meaning, count)
    return [str(violation) for violation in count.violations]


@pytest.mark.parametrize("meaning", [Meaning.INSTANCES, Meaning.STATES])
@given(random=st.randoms(use_true_random=False))
def test_an_answer_on_a_model_keeps_its_promises(meaning: Meaning, random: Random) -> None:
    """For random models, queries and graphs: certain is within every graph's rows, they within certain and possible."""
    case, text = model(random), query(random)
    assert broken(case, text, random, meaning) == []


PAIR = ModelCase(
    {"s0": ("Process", {"name": "a"}), "s1": ("File", {"name": "a{lower:1}"})},
    (Edge("s0", "USED", "read", "s1"), Edge("s1", "WAS_GENERATED_BY", "write", "s0")),
)
CASES = [
    "MATCH (p)-[r:USED]->(f) RETURN p, r, f",
    "MATCH (p)-[:USED]->(f) WHERE f.name STARTS WITH 'a' RETURN p, f",
    "MATCH (p)-[:USED]->(f) WHERE f.name = 'ab' RETURN p, f",
    "MATCH (p)-[:USED]->(f) WHERE NOT f.name = 'ab' RETURN p, f",
    "MATCH (p)-[:USED]->(f) WHERE NOT f.name = 'zz' RETURN p, f",
    "MATCH (p)-[:USED]->(f)-[:WAS_GENERATED_BY]->(q) RETURN p, f, q",
    "MATCH (p)-[:USED]->(f)-[:WAS_GENERATED_BY]->(p) RETURN p, f",
    "MATCH (p)-[*1..3]->(q) RETURN p, q",
    "MATCH (f:File) WHERE NOT (f)-[:WAS_GENERATED_BY]->() RETURN f",
    "MATCH (f:File) WHERE NOT EXISTS { MATCH (p)-[:USED]->(f) WHERE f.name = 'ab' } RETURN f",
    "MATCH (p:Process) OPTIONAL MATCH (p)-[:USED]->(f) RETURN p, f",
    "MATCH (f:File) WITH count(*) AS n WHERE n > 1 RETURN n",
    "MATCH (f:File), (g:File) WHERE f <> g RETURN f, g",
    "MATCH (f:File), (g:File) WHERE f = g RETURN f, g",
    "MATCH (f:File), (g:File) WHERE f.name = g.name RETURN f, g",
    "MATCH (a)-[r]->(b), (c)-[s]->(d) RETURN a, b, c, d",
    "MATCH (f:File) RETURN f LIMIT 1",
    "MATCH (f) WHERE f.name = 'ab' RETURN count(*)",
    "MATCH (f) RETURN f.name, count(*)",
    "MATCH (p) WHERE NOT EXISTS { MATCH (f) WHERE f.name = 'ab' WITH count(*) AS n WHERE n = 0 RETURN n } RETURN p",
    "MATCH allShortestPaths((f)-[*]-(g)) RETURN f, g",
    "MATCH ()-[r:USED]->(), ()-[s:USED]->() MATCH (a)-[r]->(b)<-[s]-(c) RETURN a, b, c",
    "MATCH (x) WHERE x.name = 'ab' OR x:Process RETURN x ORDER BY id(x) DESC SKIP 1",
]


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("meaning", [Meaning.INSTANCES, Meaning.STATES])
def test_the_shapes_that_policies_have_keep_their_promises(text: str, meaning: Meaning) -> None:
    assert broken(PAIR, text, Random(text), meaning, graphs=40) == []


@pytest.mark.parametrize(
    "call", ["count(DISTINCT f.name)", "size(collect(DISTINCT f.name))", "min(f.name)", "count(*)"]
)
def test_texts_that_may_be_one_are_not_counted_as_two(call: str) -> None:
    """Two states of one pattern: their strings may be one or two."""
    twins = ModelCase({name: ("File", {"name": "a{digits:1}"}) for name in ("s0", "s1")}, ())
    assert broken(twins, f"MATCH (f) RETURN {call}", Random(1), Meaning.STATES, graphs=40) == []
    assert broken(twins, f"MATCH (f) RETURN f.name, {call}", Random(1), Meaning.STATES, graphs=40) == []


def certain(text: str) -> list[bool]:
    return [row.certain for row in run(parse_query(text), PAIR.graph, meaning=Meaning.INSTANCES).rows]


def test_what_can_be_said_for_certain_is_said() -> None:
    """Soundness alone would let everything be possible."""
    assert certain(CASES[0]) == certain(CASES[1]) == certain(CASES[4]) == [True]
    assert certain(CASES[2]) == certain(CASES[3]) == certain(CASES[5]) == [False]
    assert certain("MATCH (p)-[:USED]->(f) WHERE f.name = 'b' RETURN p") == []
    assert certain("MATCH (p:Process) WHERE NOT (p)-[:WAS_TRIGGERED_BY]->() RETURN p") == [True]
    assert certain("MATCH (p:Process)-[:USED]->(f) WHERE NOT f.name ENDS WITH '.log' RETURN p") == [True]


@given(st.randoms(use_true_random=False))
def test_rows_of_a_concrete_graph_are_those_that_counting_out_finds(random: Random) -> None:
    """Two steps with a condition: the evaluator has one row for each choice of two different edges that fit."""
    graph = model(random).instance(random).graph
    edges = [edge for node in graph.nodes() for edge in graph.causes(node)]
    wanted = [
        (one.effect, one.cause, other.cause)
        for one, other in product(edges, edges)
        if one != other
        and one.cause == other.effect
        and other.operation == "read"
        and graph.properties(one.effect).get("name") != "a"
    ]
    text = "MATCH (x)-->(y)-[r]->(z) WHERE r.operation = 'read' AND x.name <> 'a' RETURN x, y, z"
    found = [tuple(value.name for value in row.values) for row in run(parse_query(text), graph).rows]
    assert sorted(found) == sorted(wanted)


@given(st.randoms(use_true_random=False))
def test_news_find_the_matches_that_they_are_part_of(random: Random) -> None:
    """With one touched node: every row that it is part of, no row that is none, and nothing more certain than it is."""
    case, written = model(random), query(random, cuts=False)
    try:
        text = parse_query(written)
    except InputError:  # one in a hundred has a pattern where only a value may stand
        return
    for graph, meaning in ((case.graph, Meaning.INSTANCES), (case.instance(random).graph, Meaning.CONCRETE)):
        everything = evaluate(text, graph, meaning=meaning)
        rows = {same(match): match.certain for match in everything}
        for node in graph.nodes():
            found = evaluate(text, graph, frozenset((node,)), meaning=meaning)
            assert {same(match) for match in everything if node in match.nodes} <= {same(match) for match in found}
            assert all(rows[same(match)] or not match.certain for match in found)


def same(match: Match) -> Hashable:
    return tuple(map(key, match.row.values()))


def test_what_stands_for_what() -> None:
    state = {"v": "s"}
    assert covers(Text.of("a{any}"), "ab", state)
    assert not covers(Text.of("a{any}"), "b", state)
    assert covers((NodeValue("s"), UNKNOWN), (NodeValue("v"), 1), state)
    assert not covers((1,), (1, 2), state)
    assert not covers(1, True, state)
    edge = Edge("v", "USED", "read", "v")
    assert covers(Edge("s", "USED", "read", "s"), edge, state)
    assert not covers(Edge("s", "USED", "write", "s"), edge, state)


def test_a_broken_promise_is_seen() -> None:
    """The check itself: to call a row certain that is not there, and to have no row for one that is, are violations."""
    state, count = {"v": "s", "w": "t"}, Count()
    one, other = Row((NodeValue("s"),)), Row((NodeValue("v"),))
    assert compare([one], [other], state, count) == []
    assert [kind for kind, _ in compare([one], [], state, count)] == ["not certain"]
    assert [kind for kind, _ in compare([], [other], state, count)] == ["missed"]
    assert compare([Row((UNKNOWN,), certain=False)], [], state, count) == []
    assert [kind for kind, _ in compare([one], [Row((NodeValue("w"),))], state, count)] == ["missed", "not certain"]
