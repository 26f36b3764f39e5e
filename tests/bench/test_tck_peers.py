"""A peer that hangs, dies or talks nonsense costs one scenario, and never the run; a peer that answers is compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tck_peer
from tck_case import Case, understood
from tck_features import read_feature
from tck_graph import TckGraph
from tck_peers import DiedError, Peer, loaded, score
from testbed import peers

# A peer whose answer is in the query: `say X` answers X, `hang` waits, `spin` works for ever, `die` ends it.
FAKE = """
import json, sys, time
print(json.dumps({"version": "7"}), flush=True)
for line in sys.stdin:
    word, _, rest = json.loads(line)["query"].partition(" ")
    if word == "hang":
        time.sleep(60)
    while word == "spin":
        pass
    if word == "die":
        break
    print(rest, flush=True)
"""


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    worker = tmp_path / "fake.py"
    worker.write_text(FAKE, "utf-8")
    with Peer("fake", Path(sys.executable), worker=worker) as one:
        yield one


def case_of(query: str, then: str = "the result should be, in any order:\n| x |\n| 1 |") -> Case:
    text = f'Feature: f\nScenario: s\nGiven any graph\nWhen executing query:\n"""\n{query}\n"""\nThen {then}\n'
    return understood(read_feature(text)[0])


def test_a_peer_answers_and_says_its_version(peer: Peer) -> None:
    assert peer.ask({"query": 'say {"rows": []}'}) == {"rows": []}
    assert peer.version == "7"


@pytest.mark.parametrize("query", ["die", "say nonsense", "say []", "hang", "spin"])
def test_one_that_does_not_answer_is_ended_and_started_again(peer: Peer, query: str) -> None:
    peer.ask({"query": "say {}"})
    peer._wall, peer._seconds = (1.0 if query == "hang" else 60.0), 0.3
    with pytest.raises(DiedError):
        peer.ask({"query": query})
    peer._wall, peer._seconds = 60.0, 30.0
    assert peer.ask({"query": "say {}"}) == {}


@pytest.mark.parametrize(
    ("answer", "met"),
    [
        ('{"columns": ["x"], "rows": [[1]]}', True),
        ('{"columns": null, "rows": [[1]]}', True),
        ('{"columns": ["x"], "rows": [[1.0]]}', False),
        ('{"columns": ["x"], "rows": [["list"]]}', False),
        ('{"columns": ["y"], "rows": [[1]]}', False),
        ('{"columns": ["x"], "rows": [1]}', False),
        ('{"columns": ["x"], "rows": [[{}]]}', False),
        ('{"error": "E"}', False),
        ("{}", False),
    ],
)
def test_its_answer_is_compared_as_ours_is(peer: Peer, answer: str, met: bool) -> None:
    total = score(peer, [(case_of(f"say {answer}"), TckGraph())])
    assert (total.rows, total.of_rows, total.of_errors) == (int(met), 1, 0)
    assert (total.failed == {}) is met


def test_any_error_is_the_expected_one_and_is_counted_apart(peer: Peer) -> None:
    wanted = "a TypeError should be raised at runtime: X"
    cases = [case_of('say {"error": "E"}', wanted), case_of('say {"columns": ["x"], "rows": []}', wanted)]
    total = score(peer, [(case, TckGraph()) for case in cases])
    assert (total.errors, total.of_errors, total.of_rows) == (1, 2, 0)


def test_the_graph_is_handed_over_with_its_values() -> None:
    graph = TckGraph()
    first, second = graph.add_node(["A"], {"k": (1, {"l": None})}), graph.add_node()
    graph.add_edge(first, "T", second, {"m": 1.5})
    job = loaded(graph)
    assert job == {
        "nodes": [[["A"], {"k": [1, {"l": None}]}], [[], {}]],
        "edges": [[0, "T", 1, {"m": 1.5}]],
    }
    assert list(tck_peer.creating(job)) == [
        ("CREATE (n0:`A` {`k`: $n0_0}), (n1 ), (n0)-[:`T` {`m`: $e0_0}]->(n1)", {"n0_0": [1, {"l": None}], "e0_0": 1.5})
    ]


def test_an_empty_graph_needs_no_statement() -> None:
    assert list(tck_peer.creating({"nodes": [], "edges": []})) == []


def test_values_of_a_peer_that_marks_nodes_relationships_and_paths() -> None:
    a, b = ({"id": number, "labels": ["A"], "properties": {"k": [number]}} for number in (1, 2))
    r = {"id": 1, "type": "T", "start": 2, "end": 1, "properties": {}}
    node = ["node", ["A"], {"k": ["list", 1]}]
    assert tck_peer.graph_value(a, "start", tck_peer._plain_node) == node
    assert tck_peer.graph_value({"nodes": [a, b], "relationships": [r]}, "start", tck_peer._plain_node) == [
        "path",
        [node, ["node", ["A"], {"k": ["list", 2]}]],
        [[["relationship", "T", {}], False]],
    ]
    assert tck_peer.graph_value({"a": [a, None]}, "start", tck_peer._plain_node) == ["map", {"a": ["list", node, None]}]


def test_values_of_a_peer_that_gives_dictionaries() -> None:
    nodes = [[["A"], {"k": 1}], [[], {}]]
    host = tck_peer.Networkx({"nodes": nodes, "edges": [[0, "T", 1, {}], [0, "T", 0, {}]]})
    first, second = host.names
    edge = host.graph.edges[first, second, 0]
    a, b, t = ["node", ["A"], {"k": 1}], ["node", [], {}], ["relationship", "T", {}]
    assert host.shown([dict(host.graph.nodes[first]), first, "text"]) == ["list", a, a, "text"]
    assert host.shown([second, {0: edge}, first]) == ["path", [b, a], [[t, False]]]
    assert host.shown({"k": {"l": 1}}) == ["map", {"k": ["map", {"l": 1}]}]
    assert host.reply({"x": [1, 2], "y": [None, edge]}) == {"columns": ["x", "y"], "rows": [[1, None], [2, t]]}


@pytest.mark.parametrize("name", peers.PEERS)
def test_the_real_peer_finds_one_node(name: str) -> None:
    interpreter = peers.python()
    if interpreter is None or name not in peers.installed():
        pytest.skip(f"no {name} in .venv-peers: python bench/testbed/peers.py")
    graph = TckGraph()
    graph.add_node(["A"], {"k": 1})
    then = "the result should be, in any order:\n| n |\n| (:A {k: 1}) |"
    with Peer(name, interpreter) as one:
        assert score(one, [(case_of("MATCH (n) RETURN n", then), graph)]).failed == {}
    assert one.version == peers.PEERS[name]


def test_without_their_environment_there_are_no_peers(tmp_path: Path) -> None:
    assert peers.python(tmp_path) is None
    assert peers.installed(tmp_path) == {}
