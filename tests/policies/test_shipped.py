"""Every policy that comes with Winnower fires on its own graph and on nothing benign, however that is written down."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from policies import Meaning, MemoryGraph, evaluate
from policies.policy import Policy, parse_policy
from policies.values import Value

SHIPPED = Path(policies.__file__).parent / "shipped"
FILES = sorted(SHIPPED.glob("*.cypher"))
NAMES = [file.stem for file in FILES]

ONLY_POSSIBLE = {"discovery-burst", "mass-file-encryption", "ptrace-injection"}
"""Their benign graphs differ by a count, or by what is not there: a model cannot tell (one state may be many things),
so that it must not be sure."""
ABSENT = [file for file in FILES if re.search(r"NOT (EXISTS|\(\w+\)-)", file.read_text(encoding="utf-8"))]
"""What they say is not there may be cut away from a benign graph, and then they are right to fire."""
STARTED = [file for file in ABSENT if "(manager:Process)" in file.read_text(encoding="utf-8")]
"""They let go what certain programs have started."""

Data = dict[str, list[dict[str, Any]]]


def policy(name: str) -> Policy:
    file = SHIPPED / f"{name}.cypher"
    return parse_policy(file.read_text(encoding="utf-8"), file.name)


def data(name: str, kind: str) -> Data:
    found: Data = json.loads((SHIPPED / f"{name}.{kind}.json").read_text(encoding="utf-8"))
    return found


def answers(one: Policy, graph: Data, meaning: Meaning = Meaning.CONCRETE) -> list[bool]:
    """Of each match, whether it is certain."""
    return [match.certain for match in evaluate(one.query, MemoryGraph.from_node_link(graph), meaning=meaning)]


POLICIES = {name: policy(name) for name in NAMES}


def test_enough_are_shipped_and_each_has_its_two_graphs() -> None:
    assert len(FILES) >= 25
    here = {file.name for file in SHIPPED.iterdir() if file.suffix in (".cypher", ".json")}
    assert here == {f"{name}{end}" for name in NAMES for end in (".cypher", ".match.json", ".benign.json")}


@pytest.mark.parametrize("name", NAMES)
def test_its_head_says_what_it_should(name: str) -> None:
    one = POLICIES[name]
    assert one.id == name
    assert len(one.title) <= 90
    assert one.description.endswith(".")
    assert one.false_positives
    assert one.references
    assert one.query.parts


@pytest.mark.parametrize("name", NAMES)
def test_it_fires_on_its_graph_only(name: str) -> None:
    found = answers(POLICIES[name], data(name, "match"))
    assert found
    assert all(found)
    assert answers(POLICIES[name], data(name, "benign")) == []


@pytest.mark.parametrize("name", NAMES)
def test_on_a_model_its_graph_is_at_least_possible_and_the_benign_one_is_not(name: str) -> None:
    assert answers(POLICIES[name], data(name, "match"), Meaning.INSTANCES)
    benign = answers(POLICIES[name], data(name, "benign"), Meaning.INSTANCES)
    assert not any(benign) if name in ONLY_POSSIBLE else not benign


def told(row: Mapping[str, Value]) -> dict[str, Value]:
    """A row without the examples that it collects, of which any will do."""
    return {column: value for column, value in row.items() if not isinstance(value, tuple)}


@pytest.mark.parametrize("meaning", [Meaning.CONCRETE, Meaning.INSTANCES])
@pytest.mark.parametrize("name", NAMES)
def test_a_match_is_found_from_each_of_its_nodes(name: str, meaning: Meaning) -> None:
    """The monitor asks only what a change has touched."""
    query, graph = POLICIES[name].query, MemoryGraph.from_node_link(data(name, "match"))
    for match in evaluate(query, graph, meaning=meaning):
        for node in match.nodes:
            rows = [told(one.row) for one in evaluate(query, graph, frozenset({node}), meaning=meaning)]
            assert told(match.row) in rows


@pytest.mark.parametrize("name", sorted(ONLY_POSSIBLE))
def test_what_a_model_cannot_tell_is_possible_there(name: str) -> None:
    assert answers(POLICIES[name], data(name, "benign"), Meaning.INSTANCES)


@pytest.mark.parametrize("name", NAMES)
def test_every_node_of_the_match_counts_for_something(name: str) -> None:
    """The graphs are small: what is in neither a match nor the benign story of the same file should not be there."""
    assert len(data(name, "match")["nodes"]) <= 60
    assert len(data(name, "benign")["edges"]) >= 2


def renamed(graph: Data, taken: Data) -> Data:
    """The same under ids that `taken` does not have."""
    used = {node["id"] for node in taken["nodes"]}
    mark = next(m for m in map(str, range(1000)) if not any(f"{node['id']}~{m}" in used for node in graph["nodes"]))
    nodes = [{**node, "id": f"{node['id']}~{mark}"} for node in graph["nodes"]]
    edges = [{**e, "source": f"{e['source']}~{mark}", "target": f"{e['target']}~{mark}"} for e in graph["edges"]]
    return {"nodes": nodes, "edges": edges}


def beside(one: Data, other: Data) -> Data:
    """Both, with nothing between them."""
    return {key: [*one[key], *other[key]] for key in ("nodes", "edges")}


def with_a_version(graph: Data, at: int) -> Data:
    """One process goes on as a new version of itself: later edges to and from it are the new one's."""
    processes = [node for node in graph["nodes"] if node["kind"] == "Process"]
    old = processes[at % len(processes)]
    new = renamed({"nodes": [old], "edges": []}, graph)["nodes"][0]
    touching = [n for n, edge in enumerate(graph["edges"]) if old["id"] in (edge["source"], edge["target"])]
    later = set(touching[(at * 7) % (len(touching) + 1) :])
    edges = [
        {**edge, **{end: new["id"] for end in ("source", "target") if n in later and edge[end] == old["id"]}}
        for n, edge in enumerate(graph["edges"])
    ]
    version = {"source": new["id"], "target": old["id"], "relation": "WAS_TRIGGERED_BY", "operation": "version"}
    return {"nodes": [*graph["nodes"], new], "edges": [*edges, version]}


def without(graph: Data, at: int) -> Data:
    """One vertex less, and what hung on it."""
    gone = graph["nodes"][at % len(graph["nodes"])]["id"]
    edges = [edge for edge in graph["edges"] if gone not in (edge["source"], edge["target"])]
    return {"nodes": [node for node in graph["nodes"] if node["id"] != gone], "edges": edges}


def cut(graph: Data, at: int) -> Data:
    """One edge less."""
    return {
        "nodes": graph["nodes"],
        "edges": [e for n, e in enumerate(graph["edges"]) if n != at % len(graph["edges"])],
    }


NOISE = data("run-from-temp", "benign")
HARMLESS = st.sampled_from(("twice", "noise", "reversed"))
LOSING = st.sampled_from(("twice", "noise", "reversed", "version", "without", "cut"))


def mutated(graph: Data, what: str, at: int) -> Data:
    """`graph` written down in another way, or with less in it."""
    match what:
        case "twice":
            return beside(graph, renamed(graph, graph))
        case "noise":
            return beside(graph, renamed(NOISE, graph))
        case "reversed":
            return {key: graph[key][::-1] for key in ("nodes", "edges")}
        case "version":
            return with_a_version(graph, at) if any(n["kind"] == "Process" for n in graph["nodes"]) else graph
        case "without":
            return without(graph, at) if graph["nodes"] else graph
    return cut(graph, at) if graph["edges"] else graph


@given(name=st.sampled_from(NAMES), draws=st.data())
def test_benign_stays_benign_however_it_is_written_down(name: str, draws: st.DataObject) -> None:
    """A benign graph beside itself, beside others, in another order, with versions, or cut down is benign still."""
    kinds = HARMLESS if SHIPPED / f"{name}.cypher" in ABSENT else LOSING
    graph = data(name, "benign")
    doubled = False
    for what, at in draws.draw(st.lists(st.tuples(kinds, st.integers(0, 50)), min_size=1, max_size=4)):
        if what == "twice" and doubled:
            continue  # a count that is reached is no longer benign
        doubled |= what == "twice"
        graph = mutated(graph, what, at)
    assert answers(POLICIES[name], graph) == []
    assert not any(answers(POLICIES[name], graph, Meaning.INSTANCES))


@given(name=st.sampled_from(NAMES), kinds=st.lists(st.tuples(HARMLESS, st.integers(0, 50)), min_size=1, max_size=3))
def test_what_stands_beside_it_does_not_hide_a_match(name: str, kinds: list[tuple[str, int]]) -> None:
    graph = data(name, "match")
    for what, at in kinds:
        graph = mutated(graph, what, at)
    assert any(answers(POLICIES[name], graph))


@pytest.mark.parametrize("file", STARTED, ids=lambda file: file.stem)
def test_what_a_package_manager_has_started_is_its_work(file: Path) -> None:
    """All that has no origin in the graph was started by the script of a package: neither a match nor certain."""
    graph = data(file.stem, "match")
    word = "logrotate" if "logrotate" in file.read_text(encoding="utf-8").split("manager.name IN")[1] else "dpkg"
    started = {edge["source"] for edge in graph["edges"] if edge["relation"] == "WAS_TRIGGERED_BY"}
    orphans = [n["id"] for n in graph["nodes"] if n["kind"] == "Process" and n["id"] not in started]
    names = [("manager", word), ("script", "pkg.postinst")]
    nodes = [{"id": n, "kind": "Process", "properties": {"name": v, "exe": f"/usr/bin/{v}"}} for n, v in names]
    by = {"relation": "WAS_TRIGGERED_BY", "operation": "execve"}
    edges = [{"source": one, "target": "script", **by} for one in orphans]
    both = beside(graph, {"nodes": nodes, "edges": [*edges, {"source": "script", "target": "manager", **by}]})
    assert answers(POLICIES[file.stem], both) == []
    found = answers(POLICIES[file.stem], both, Meaning.INSTANCES)
    assert found
    assert not any(found)
    assert answers(POLICIES[file.stem], beside(graph, {"nodes": nodes, "edges": edges}))


def test_the_theft_in_the_recording_is_told_whole() -> None:
    graph = MemoryGraph.from_node_link(data("read-then-send", "match"))
    match = evaluate(POLICIES["read-then-send"].query, graph)
    assert [m.row["secret"] for m in match] == ["/etc/shadow"]
    assert match[0].nodes == ("peer", "nc", "loot", "cat", "shadow")


EXCUSED = [
    ("shadow-file-read", "cat"), ("write-below-binary-directory", "cp"), ("cron-persistence", "busy"),
    ("systemd-persistence", "tee"), ("authorized-keys-changed", "sh"), ("account-files-changed", "sh"),
    ("setuid-program-created", "chmod"), ("library-replaced", "cp"), ("login-configuration-changed", "sed"),
    ("security-sensor-stopped", "pkill"), ("audit-configuration-changed", "rm"), ("history-removed", "ln"),
    ("ptrace-injection", "inject"), ("process-memory-access", "dump"), ("host-files-through-proc", "nsenter"),
    ("namespace-change-in-container", "unshare"), ("mount-in-container", "mount"), ("container-engine-socket", "curl"),
    ("raw-disk-in-container", "debugfs"), ("kernel-module-by-hand", "modprobe"), ("listener-below-server", "nc"),
    ("read-then-send", "cat"), ("web-server-starts-shell", "id"), ("database-starts-shell", "curl"),
]  # fmt: skip
"""Policies that let go certain names, and who in their graphs would be let go."""


@pytest.mark.parametrize(("name", "who"), EXCUSED)
@pytest.mark.parametrize("properties", [{}, {"name": "x", "exe": "/x"}, {"name": "\n"}])
def test_an_unnamed_process_is_not_an_excuse(name: str, who: str, properties: dict[str, str]) -> None:
    """An exclusion by name must not let a process through whose name, or whose program, is unknown."""
    graph = data(name, "match")
    found = [node for node in graph["nodes"] if node["id"] == who]
    assert len(found) == 1
    found[0]["properties"] = properties
    assert answers(POLICIES[name], graph)


@pytest.mark.parametrize("path", ["/usr/bin/a\nb", "/usr/local/sbin/\n"])
def test_a_newline_in_a_file_name_is_no_way_around(path: str) -> None:
    graph = {
        "nodes": [
            {"id": "p", "kind": "Process", "properties": {"name": "cp"}},
            {"id": "f", "kind": "File", "properties": {"path": path}},
        ],
        "edges": [{"source": "f", "target": "p", "relation": "WAS_GENERATED_BY", "operation": "create"}],
    }
    assert answers(POLICIES["write-below-binary-directory"], graph) == [True]


@pytest.mark.parametrize(("added", "fires"), [(9, False), (10, True)])
def test_the_count_of_encrypted_files_is_of_files(added: int, fires: bool) -> None:
    graph = data("mass-file-encryption", "match")
    locked = [node["id"] for node in graph["nodes"] if node["id"].startswith("l")][added:]
    for ident in locked:
        graph = without(graph, next(n for n, node in enumerate(graph["nodes"]) if node["id"] == ident))
    assert bool(answers(POLICIES["mass-file-encryption"], graph)) is fires
