"""Every policy that comes with Winnower fires on its own graph and on nothing benign."""

import json
from pathlib import Path

import pytest

import policies
from policies import MemoryGraph, Policy, evaluate, parse_policy

SHIPPED = Path(policies.__file__).parent / "shipped"
FILES = sorted(SHIPPED.glob("*.cypher"))


def policy(file: Path) -> Policy:
    return parse_policy(file.read_text(encoding="utf-8"), file.name)


def graph(file: Path, kind: str) -> MemoryGraph:
    path = file.with_name(f"{file.stem}.{kind}.json")
    return MemoryGraph.from_node_link(json.loads(path.read_text(encoding="utf-8")), path.name)


def test_six_are_shipped() -> None:
    assert len(FILES) == 6


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_fires_on_its_graph_only(file: Path) -> None:
    one = policy(file)
    assert one.id == file.stem
    assert evaluate(one.query, graph(file, "match"))
    assert evaluate(one.query, graph(file, "benign")) == []


def test_the_theft_in_the_recording_is_told_whole() -> None:
    file = SHIPPED / "read-then-send.cypher"
    match = evaluate(policy(file).query, graph(file, "match"))
    assert [m.row["secret"] for m in match] == ["/etc/shadow"]
    assert match[0].nodes == ("peer", "nc", "loot", "cat", "shadow")


@pytest.mark.parametrize("name", ["a", "x", ""])
def test_an_unnamed_process_is_not_an_excuse(name: str) -> None:
    """An exclusion by name must not let a process through whose name is unknown."""
    properties = {"name": name} if name else {}
    data = {
        "nodes": [
            {"id": "p", "kind": "Process", "properties": properties},
            {"id": "f", "kind": "File", "properties": {"path": "/etc/shadow"}},
        ],
        "edges": [{"source": "p", "target": "f", "relation": "USED", "operation": "open"}],
    }
    found = evaluate(policy(SHIPPED / "shadow-file-read.cypher").query, MemoryGraph.from_node_link(data))
    assert [m.row["process"] for m in found] == [name or None]


@pytest.mark.parametrize("path", ["/usr/bin/a\nb", "/usr/local/sbin/\n"])
def test_a_newline_in_a_file_name_is_no_way_around(path: str) -> None:
    data = {
        "nodes": [
            {"id": "p", "kind": "Process", "properties": {"name": "cp"}},
            {"id": "f", "kind": "File", "properties": {"path": path}},
        ],
        "edges": [{"source": "f", "target": "p", "relation": "WAS_GENERATED_BY", "operation": "create"}],
    }
    query = policy(SHIPPED / "write-below-binary-directory.cypher").query
    assert len(evaluate(query, MemoryGraph.from_node_link(data))) == 1
