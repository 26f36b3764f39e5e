"""Instances as a graph: the real value where there is one, a pattern where it is lost, else nothing."""

from __future__ import annotations

import pytest

from grammar.control import Link
from grammar.finding import Instance
from policies import Meaning, evaluate, parse_query
from policies.instances import ANYTHING, InstanceGraph, real_properties, state_properties
from policies.text import Text


@pytest.mark.parametrize(
    ("label", "name", "expected"),
    [
        ("File /tmp/sess_{int}", "/tmp/sess_7", {"path": "/tmp/sess_7", "name": "sess_7"}),
        ("File /tmp/{word}", "", {"path": Text.of("/tmp/{word}"), "name": Text.of("{word}")}),
        ("File {any}/x", "{any}/x", {"name": "x"}),
    ],
)
def test_what_is_known_of_a_file(label: str, name: str, expected: dict[str, object]) -> None:
    assert real_properties(Instance(1, "c", label, name)) == expected


def test_what_is_known_of_a_process_and_a_socket() -> None:
    process = real_properties(Instance(1, "c", "Process sh /bin/dash", "7@1/2", "sh -c id", 7))
    assert process == {"name": "sh", "exe": "/bin/dash", "command": "sh -c id", "pid": 7}
    socket = real_properties(Instance(1, "c", "Socket 10.0.0.{int}:80", "10.0.0.9:80"))
    assert socket["address"] == "10.0.0.9"


def test_of_a_state_s_command_nothing_is_known_whether_one_was_told_or_not() -> None:
    """Who was told an example and who was not give the same answers."""
    assert state_properties("Process sh /bin/sh")["command"] == ANYTHING
    assert state_properties("Process sh /bin/sh", "sh -c id")["command"] == ANYTHING
    assert "command" not in state_properties("File /x")
    assert state_properties("Process sh /bin/sh", "sh -c id", example=True)["command"] == "sh -c id"
    assert "command" not in state_properties("Process sh /bin/sh", example=True)


def test_links_to_what_is_not_there_are_none_and_two_of_a_kind_are_one() -> None:
    instances = [Instance(1, "c", "Process sh /bin/sh", "7@1"), Instance(2, "c", "File /x", "/x")]
    links = [Link(1, "USED", "read", 2, at) for at in (5, 6)] + [Link(1, "USED", "read", 3, 7)]
    graph = InstanceGraph(instances, links)
    assert len(graph.causes("1")) == len(graph.effects("2")) == 1
    assert list(graph.causes("2")) == []
    query = parse_query("MATCH (p:Process)-[:USED]->(f:File {path: '/x'}) RETURN p.pid AS pid")
    (match,) = evaluate(query, graph, meaning=Meaning.CONCRETE)
    assert (match.nodes, match.certain) == (("1", "2"), True)
