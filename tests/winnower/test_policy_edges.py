"""The table of edges has every edge that agents make: a warning that rests on it is right."""

import json
from pathlib import Path

import pytest
from scribe import Scribe, ordinary
from stage import Stage

from agent.syscalls import OPERATIONS as MADE
from grammar import kind_of
from policies.graph import KINDS
from winnower.policy_edges import OPERATIONS, TABLE, Wanted, joined

SHIPPED = Path(__file__).parents[2] / "policies" / "shipped"


def allowed(effect: str, relation: str, operation: str, cause: str) -> bool:
    return any(
        effect in one.effects and relation == one.relation and operation in one.operations and cause in one.causes
        for one in TABLE
    )


def test_every_operation_of_the_agent_is_there_and_no_other() -> None:
    assert set(MADE) == OPERATIONS


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.json")), ids=lambda file: str(file.name))
def test_the_graphs_of_shipped_policies_have_no_other_edges(file: Path) -> None:
    graph = json.loads(file.read_bytes())
    kinds = {node["id"]: node["kind"] for node in graph["nodes"]}
    edges = {(kinds[e["source"]], e["relation"], e["operation"], kinds[e["target"]]) for e in graph["edges"]}
    assert [edge for edge in edges if not allowed(*edge)] == []


def test_agents_make_no_other_edges(scribe: Scribe, stage: Stage) -> None:
    ordinary(scribe)
    scribe.writes(101, "/usr/bin/implant")
    edges = {
        (kind_of(one.effect.label), one.relation, one.operation, kind_of(one.cause.label))
        for app in stage.play(scribe.save(), 1_000).monitor.apps.values()
        for one in app.model.transitions
    }
    assert len(edges) >= 5
    assert [edge for edge in edges if not allowed(*edge)] == []


def test_a_walk_ends_where_its_edges_lead() -> None:
    started = Wanted(frozenset({"WAS_TRIGGERED_BY"}), None)
    assert joined({"Process"}, started, 1, 9) == {"Process"}
    assert joined({"File"}, started, 0, 9) == {"File"}
    assert joined(set(KINDS), Wanted(None, frozenset({"nothing"})), 1, None) == set()
    assert joined({"Socket"}, Wanted(None, frozenset({"connect", "read"})), 2, 2) == {
        "File",
        "Memory",
        "Pipe",
        "Socket",
    }
    assert joined({"File"}, Wanted(frozenset({"USED"}), None, None), 2, 2) >= {"File"}
    assert joined({"Process"}, Wanted(None, None), 1_000_000, 1_000_000)
