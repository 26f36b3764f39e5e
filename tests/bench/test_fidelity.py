"""The evaluator on graphs small enough to check by hand, and against the definition on generated ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fidelity import DumpError, Report, ancestor_labels, evaluate, main, reports
from hypothesis import given
from hypothesis import strategies as st

Edges = list[tuple[str, str, float]]
# A server reads its configuration, answers, and later reads a secret: the answer did not know the secret.
STORY: Edges = [("server", "conf", 1.0), ("reply", "server", 2.0), ("server", "secret", 3.0), ("late", "server", 4.0)]


def write_dump(folder: Path, edges: Edges, states: dict[str, str | None], *, app: str = "web", lack: int = 0) -> None:
    """A dump whose model is the quotient of `edges` by `states` (a vertex's name is its label), less `lack` edges."""
    nodes = [{"id": name, "label": name, "state": state, "object": name[0]} for name, state in states.items()]
    kind = {"relation": "USED", "operation": "read"}
    links = [{"source": effect, "target": cause, "time": time, **kind} for effect, cause, time in edges]
    model_nodes = {state: {"id": state, "label": name, "support": []} for name, state in states.items() if state}
    pairs = sorted({(str(states[e]), str(states[c])) for e, c, _ in edges if states[e] and states[c]})
    model_links = [{"source": effect, "target": cause, **kind} for effect, cause in pairs[lack:]]
    (folder / f"{app}.instance.json").write_text(json.dumps({"nodes": nodes, "edges": links}))
    (folder / f"{app}.model.json").write_text(json.dumps({"nodes": list(model_nodes.values()), "links": model_links}))


def story(folder: Path, edges: Edges = STORY, **options: Any) -> Report:
    names = sorted({name for effect, cause, _ in STORY for name in (effect, cause)})
    write_dump(folder, edges, {name: f"s-{name}" for name in names}, **options)
    return evaluate(folder, "web")


def test_time_is_what_an_unversioned_graph_loses(tmp_path: Path) -> None:
    """`server` knew both files, `late` all three, `reply` two of the three that it is answered: (1 + 1 + 2/3) / 3."""
    report = story(tmp_path)
    assert report.scores["model"].recall == 1
    assert report.scores["model"].precision == pytest.approx(8 / 9)
    assert report.scores["unmerged"].precision == pytest.approx(8 / 9)
    assert (report.vertices, report.edges, report.objects, report.dropped) == (5, 4, 4, 0)


def test_the_order_of_the_file_does_not_matter_but_for_one_time(tmp_path: Path) -> None:
    assert story(tmp_path, STORY[::-1]).scores == story(tmp_path).scores
    at_once: Edges = [(effect, cause, 1.0) for effect, cause, _ in STORY]
    assert story(tmp_path, at_once).scores["model"].precision == pytest.approx(8 / 9)
    assert story(tmp_path, at_once[::-1]).scores["model"].precision == pytest.approx((1 + 2 / 3 + 1 / 3) / 3)


def test_goal_is_half_way_from_the_quotient_and_falling_short_is_said(tmp_path: Path) -> None:
    report = story(tmp_path)
    assert report.goal == pytest.approx((1 + 8 / 9) / 2)
    assert [sentence.split(" ")[0] for sentence in report.broken] == ["precision"]


def test_versions_and_causal_history_make_answers_exact(tmp_path: Path) -> None:
    """Two versions of one process with one label: the quotient merges them, causal history keeps them apart."""
    nodes = [("c", "conf"), ("p1", "server"), ("p2", "server"), ("r", "reply"), ("s", "secret")]
    links = [("p1", "c", 1), ("r", "p1", 2), ("p2", "p1", 3), ("p2", "s", 3)]
    kind = {"relation": "USED", "operation": "read"}
    vertices = [{"id": name, "label": label, "state": name, "object": name[0]} for name, label in nodes]
    edges = [{"source": effect, "target": cause, "time": time, **kind} for effect, cause, time in links]
    (tmp_path / "web.instance.json").write_text(json.dumps({"nodes": vertices, "edges": edges}))
    (tmp_path / "web.model.json").write_text(json.dumps({"nodes": vertices, "edges": edges}))
    report = evaluate(tmp_path, "web")
    # Quotient: p1 knew 1 of 3 answered (conf, secret, server), r 2 of 3, p2 all.
    assert report.scores["label quotient"].precision == pytest.approx((1 / 3 + 2 / 3 + 1) / 3)
    assert (report.scores["label quotient"].states, report.scores["label quotient"].transitions) == (4, 4)
    assert report.scores["causal history"].precision == report.scores["model"].precision == 1
    assert (report.objects, report.broken) == (4, [])


def test_a_lost_transition_costs_recall_and_is_named(tmp_path: Path) -> None:
    report = story(tmp_path, lack=1)
    assert report.scores["model"].recall < 1
    assert report.violations["edges that the model lacks"] == (1, "late -> server USED read")


def test_a_vertex_without_a_state_is_a_violation_and_a_dropped_object(tmp_path: Path) -> None:
    write_dump(tmp_path, [("b", "a", 1.0)], {"a": "A", "b": None})
    report = evaluate(tmp_path, "web")
    assert (report.dropped, report.violations) == (1, {"vertices without a state": (1, "b")})
    assert report.scores["model"].recall == 0


def test_a_state_that_the_model_lacks_is_a_violation(tmp_path: Path) -> None:
    write_dump(tmp_path, [("b", "a", 1.0)], {"a": "A", "b": "B"})
    (tmp_path / "web.model.json").write_text(json.dumps({"nodes": [{"id": "A", "label": "other"}], "edges": []}))
    assert set(evaluate(tmp_path, "web").violations) == {
        "states that the model lacks",
        "states with another label than their vertex",
    }


def test_a_cycle_answers_with_its_own_labels() -> None:
    assert ancestor_labels([0, 1, 2, 3], [(0, 1), (1, 0), (2, 1), (3, 3)]) == [0b0011, 0b0011, 0b0011, 0b1000]


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_ancestors_are_what_walking_finds(graph: tuple[int, list[tuple[int, int]]]) -> None:
    """On any graph the condensed answer for each vertex is the set of vertices that a plain walk reaches."""
    size, pairs = graph
    for vertex, answer in enumerate(ancestor_labels(range(size), pairs)):
        reached: set[int] = set()
        ahead = [vertex]
        while ahead:
            here = ahead.pop()
            fresh = {cause for effect, cause in pairs if effect == here} - reached
            reached |= fresh
            ahead += fresh
        assert answer == sum(1 << one for one in reached)


def test_the_command_reports_every_app_of_every_dump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for app in ("one", "two"):
        write_dump(tmp_path, [("b", "a", 1.0)], {"a": "A", "b": "B"}, app=app)
    assert main([str(tmp_path), "--json"]) == 0
    assert [row["app"] for row in json.loads(capsys.readouterr().out)] == ["one", "two"]
    assert main([str(tmp_path)]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


def test_a_dump_that_is_none_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DumpError, match=r"no APP\.instance\.json"):
        reports(tmp_path)
    (tmp_path / "web.instance.json").write_text('{"nodes": [{}], "edges": []}')
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("fidelity: ")
