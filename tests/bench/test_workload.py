"""Workloads: the same seed, the same graphs; copies differ, new names keep coming, and knowledge keeps its order."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from workload import (
    ALL_NEW,
    MAIN,
    SECOND,
    USUAL,
    Instance,
    Template,
    Workload,
    attacked_container,
    chosen,
    owners,
    record,
    stock_name,
)

from agent.upg import EDGE, NEXT_VERSION

RECORDING = Path(__file__).resolve().parents[2] / "winnower" / "recording"
FORK, UNIT, READ = EDGE["WAS_TRIGGERED_BY", "fork"], EDGE["WAS_TRIGGERED_BY", "unit"], EDGE["USED", "read"]


@pytest.fixture(scope="session")
def templates() -> list[Template]:
    return record(RECORDING, workers=1)


def copies(templates: list[Template], vertices: int = 9_000, seed: int = 1) -> list[Instance]:
    return list(Workload(templates, USUAL, seed).instances(vertices))


def test_the_largest_application_is_taken_and_the_attack_is_known_from_the_labels(templates: list[Template]) -> None:
    assert {f"{one.app} {one.container}" for one in templates} == {"web web11", "web web12"}
    assert attacked_container(RECORDING) == "worker3/web31"
    assert attacked_container(RECORDING / "worker1") == ""


def test_an_unknown_application_is_told_with_those_that_there_are(templates: list[Template]) -> None:
    host = replace(templates[0], app="host")
    assert chosen([host, *templates]) == templates
    assert chosen([host, *templates], "host") == [host]
    with pytest.raises(SystemExit, match="no application nothing here; there are host, web"):
        chosen([host, *templates], "nothing")


def test_the_same_seed_gives_the_same_graphs_and_another_seed_others(templates: list[Template]) -> None:
    assert copies(templates) == copies(templates)
    assert copies(templates, seed=2) != copies(templates)


def test_there_are_as_many_vertices_as_asked_for(templates: list[Template]) -> None:
    for vertices in (1_000, 9_000):
        assert vertices <= sum(len(one.labels) for one in copies(templates, vertices)) < vertices + 100


def test_what_has_passed_something_on_learns_nothing_new(templates: list[Template]) -> None:
    for one in copies(templates):
        passed: set[int] = set()
        known: set[tuple[int, int]] = set()
        for effect, _, cause, _ in one.edges:
            assert effect not in passed or (effect, cause) in known
            passed.add(cause)
            known.add((effect, cause))


def test_a_vertex_learns_within_one_second_since_the_agent_seals_by_seconds(templates: list[Template]) -> None:
    for one in copies(templates):
        begun: dict[int, int] = {}
        known: set[tuple[int, int]] = set()
        for effect, _, cause, millis in one.edges:
            if (effect, cause) not in known:
                assert begun.setdefault(effect, millis // SECOND) == millis // SECOND
            begun.setdefault(cause, millis // SECOND)
            known.add((effect, cause))


def test_time_never_goes_back(templates: list[Template]) -> None:
    for one in copies(templates):
        assert all(a[3] <= b[3] for a, b in pairwise(one.edges))


def test_copies_of_one_container_differ_in_labels_and_in_edges(templates: list[Template]) -> None:
    found = copies(templates[:1])
    assert len({frozenset(one.labels) for one in found}) == len(found)
    assert len({len(one.edges) for one in found}) == len(found)


def test_names_come_by_heaps_law(templates: list[Template]) -> None:
    workload = Workload(templates, USUAL, seed=1)
    for vertices in (3_000, 6_000, 12_000):
        list(workload.instances(vertices))
        assert len(workload.stock) == pytest.approx(USUAL.heaps * vertices**USUAL.exponent, rel=0.05)


def test_all_new_has_a_name_for_nearly_every_request(templates: list[Template]) -> None:
    usual, new = Workload(templates, USUAL, seed=1), Workload(templates, ALL_NEW, seed=1)
    few, many = (
        sum("/srv/" in label for one in work.instances(6_000) for label in one.labels) for work in (usual, new)
    )
    assert many > 3 * few


def test_stock_names_are_all_different_and_some_differ_in_numbers_only() -> None:
    names = [stock_name(number) for number in range(5_000)]
    assert len({name.label for name in names}) == len(names)
    numbered = [name for name in names if name.label != name.first]
    assert len(numbered) == len(names) // 8
    assert all("{int}" in name.label and "{" not in name.first for name in numbered)


def test_attacks_come_at_the_stated_rate(templates: list[Template]) -> None:
    attacked = "worker1/web11"
    often = Workload(templates, replace(USUAL, attacks=0.5), 1, attacked)
    kinds = [often.instance(50).attack for _ in range(100)]
    assert 35 <= sum(kinds) <= 65
    never = Workload(templates, replace(USUAL, attacks=0.0), 1, attacked)
    assert not any(never.instance(50).attack for _ in range(100))


def test_without_versions_objects_are_one_vertex_and_there_are_cycles(templates: list[Template]) -> None:
    one = copies(templates, 3_000)[0]
    graph = one.cyclic()
    assert len(graph.nodes) == len(set(zip(one.labels, one.objects, strict=True))) < len(one.labels)
    pairs = {(edge.source, edge.target) for edge in graph.edges}
    assert any((target, source) in pairs for source, target in pairs)
    assert not any(edge.label.endswith("/version") for edge in graph.edges)


def test_a_request_owns_what_it_alone_touches() -> None:
    """A server forks a unit, which reads a socket of its own and a page that another unit reads too."""
    labels = [
        "Process server",
        "Process server",
        "Socket 1",
        "File /page",
        "Process server",
        "Process server",
        "File /x",
    ]
    steps = [(1, UNIT, 0), (1, READ, 2), (1, READ, 3), (4, UNIT, 0), (4, READ, 3), (5, NEXT_VERSION["Process"], 4)]
    steps += [(0, FORK, 6)]
    edges = [(effect, kind, cause, 0) for effect, kind, cause in steps]
    assert owners(labels, edges) == [MAIN, 0, 0, MAIN, 1, 1, MAIN]
