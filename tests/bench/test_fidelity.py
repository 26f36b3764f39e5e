"""The evaluator on graphs small enough to check by hand, and against the definition on generated ones."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fidelity import DumpError, Report, ancestor_labels, as_json, evaluate, main, reports
from fidelity_bytes import model_of, numbered
from fidelity_graphs import Labels, read_instance
from fidelity_published import classes_of
from fidelity_replay import SHIPPED
from hypothesis import given
from hypothesis import strategies as st

from grammar import Replica, Span, State, Transition
from grammar.cost import TRACING

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
    return evaluate(folder, "web", seconds=0)


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
    assert [sentence.split(" ")[0] for sentence in report.broken] == ["precision", "bits"]


def test_versions_and_causal_history_make_answers_exact(tmp_path: Path) -> None:
    """Two versions of one process with one label: the quotient merges them, causal history keeps them apart."""
    nodes = [("c", "conf"), ("p1", "server"), ("p2", "server"), ("r", "reply"), ("s", "secret")]
    links = [("p1", "c", 1), ("r", "p1", 2), ("p2", "p1", 3), ("p2", "s", 3)]
    kind = {"relation": "USED", "operation": "read"}
    vertices = [{"id": name, "label": label, "state": name, "object": name[0]} for name, label in nodes]
    edges = [{"source": effect, "target": cause, "time": time, **kind} for effect, cause, time in links]
    (tmp_path / "web.instance.json").write_text(json.dumps({"nodes": vertices, "edges": edges}))
    (tmp_path / "web.model.json").write_text(json.dumps({"nodes": vertices, "edges": edges}))
    report = evaluate(tmp_path, "web", seconds=0)
    # Quotient: p1 knew 1 of 3 answered (conf, secret, server), r 2 of 3, p2 all.
    assert report.scores["label quotient"].precision == pytest.approx((1 / 3 + 2 / 3 + 1) / 3)
    assert (report.scores["label quotient"].states, report.scores["label quotient"].transitions) == (4, 4)
    assert report.scores["causal history"].precision == report.scores["model"].precision == 1
    assert report.objects == 4
    assert report.broken == ["bits of the unmerged graph are 1.00 times ours, not 4"]


def test_a_lost_transition_costs_recall_and_is_named(tmp_path: Path) -> None:
    report = story(tmp_path, lack=1)
    assert report.scores["model"].recall < 1
    assert report.violations["edges that the model lacks"] == (1, "late -> server USED read")


def test_a_vertex_without_a_state_is_a_violation_and_a_dropped_object(tmp_path: Path) -> None:
    write_dump(tmp_path, [("b", "a", 1.0)], {"a": "A", "b": None})
    report = evaluate(tmp_path, "web", seconds=0)
    assert (report.dropped, report.violations) == (1, {"vertices without a state": (1, "b")})
    assert report.scores["model"].recall == 0


def test_a_state_that_the_model_lacks_is_a_violation(tmp_path: Path) -> None:
    write_dump(tmp_path, [("b", "a", 1.0)], {"a": "A", "b": "B"})
    (tmp_path / "web.model.json").write_text(json.dumps({"nodes": [{"id": "A", "label": "other"}], "edges": []}))
    assert set(evaluate(tmp_path, "web", seconds=0).violations) == {
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


def requests(folder: Path, many: int, *, app: str = "web", merged: bool = True) -> None:
    """`many` requests, each a process `p` that reads the file `f`; the model has one state for each, or all apart."""
    kind = {"relation": "USED", "operation": "read"}
    names = [(f"w1/c1/{n}{label}", label, label if merged else f"{label}{n}") for n in range(many) for label in "pf"]
    nodes = [{"id": name, "label": label, "state": state, "object": name} for name, label, state in names]
    edges = [{"source": f"w1/c1/{n}p", "target": f"w1/c1/{n}f", "time": 20.5 + n, **kind} for n in range(many)]
    states = {state: {"id": state, "label": label, "support": []} for _, label, state in names}
    pairs = {(f"p{n}", f"f{n}") for n in range(many)} if not merged else {("p", "f")}
    links = [{"source": effect, "target": cause, **kind} for effect, cause in sorted(pairs)]
    (folder / f"{app}.instance.json").write_text(json.dumps({"nodes": nodes, "edges": edges}))
    (folder / f"{app}.model.json").write_text(json.dumps({"nodes": list(states.values()), "edges": links}))


def test_bits_are_those_of_the_cost_function(tmp_path: Path) -> None:
    """8 requests. Unmerged 16 states, 8 transitions, 2 labels, 1 kind: 16 + 8 * 2 * 4; merged 2 + 1 * 2 * 1."""
    requests(tmp_path, 8)
    report = evaluate(tmp_path, "web", seconds=0)
    assert report.scores["unmerged"].bits == report.scores["unmerged"].model_bits == 16 + 8 * 2 * 4
    assert {report.scores[name].bits for name in ("label quotient", "causal history", "model")} == {2 + 2}
    assert (report.ratio, report.goal, report.broken) == (20, 1, [])


def test_what_answers_leave_open_is_paid_for_by_each_vertex(tmp_path: Path) -> None:
    """In STORY `reply` is told 3 labels of which 2 are true: log2(3/2) bits, at `TRACING` each."""
    ours = story(tmp_path).scores["model"]
    assert ours.model_bits == pytest.approx(5 * math.log2(5) + 4 * 2 * math.log2(5))
    assert ours.bits - ours.model_bits == pytest.approx(TRACING * math.log2(3 / 2))


def test_a_vertex_that_came_from_nothing_pays_for_all_that_it_is_told(tmp_path: Path) -> None:
    """Two vertices of one label, of which one has two causes: log2(2 / 1) for the other, and no say in precision."""
    nodes = [("a1", "a"), ("a2", "a"), ("b", "b"), ("c", "c")]
    kind = {"relation": "USED", "operation": "read", "time": 1}
    vertices = [{"id": name, "label": label, "state": name} for name, label in nodes]
    edges = [{"source": "a1", "target": "b", **kind}, {"source": "a1", "target": "c", **kind}]
    for part in ("instance", "model"):
        (tmp_path / f"web.{part}.json").write_text(json.dumps({"nodes": vertices, "edges": edges}))
    quotient = evaluate(tmp_path, "web", seconds=0).scores["label quotient"]
    assert quotient.precision == 1
    assert quotient.bits - quotient.model_bits == pytest.approx(TRACING)


def test_a_model_that_is_too_large_is_broken(tmp_path: Path) -> None:
    requests(tmp_path, 8, merged=False)
    assert evaluate(tmp_path, "web", seconds=0).broken == ["bits of the unmerged graph are 1.00 times ours, not 4"]


def test_what_lacks_an_answer_has_no_finite_code(tmp_path: Path) -> None:
    report = story(tmp_path, lack=1)
    assert (report.scores["model"].bits, report.ratio) == (math.inf, 0)
    assert as_json(report)["scores"]["model"]["bits"] is None
    assert {sentence.split(" ")[0] for sentence in report.broken} >= {"edges", "recall", "bits"}


def test_bytes_are_of_a_model_with_the_support_that_the_instances_show(tmp_path: Path) -> None:
    """Three requests at 20.5, 21.5 and 22.5 s: in the epoch of 20 s; seen at least 2 ** 1 times."""
    requests(tmp_path, 3)
    labels = Labels()
    instance = read_instance(tmp_path / "web.instance.json", labels)
    states = numbered(labels, instance, instance.labels)
    assert states == [State("p"), State("f")]
    model = model_of("web", instance, [states[label] for label in instance.labels])
    one = Replica("w1", "c1")
    assert model.support == {
        State("p"): {one: Span(20_000, 20_000, 1)},
        State("f"): {one: Span(20_000, 20_000, 1)},
        Transition(State("p"), "USED", "read", State("f")): {one: Span(20_000, 20_000)},
    }
    apart = numbered(labels, instance, range(6))
    assert apart[1:3] == [State("f", ("#00000001",)), State("p", ("#00000002",))]


def test_more_classes_take_more_bytes(tmp_path: Path) -> None:
    requests(tmp_path, 64)
    scores = evaluate(tmp_path, "web", seconds=0).scores
    assert scores["unmerged"].bytes > 2 * scores["model"].bytes
    assert scores["model"].bytes == scores["label quotient"].bytes


def test_the_published_method_merges_what_its_cost_wants_and_says_how_far_it_got(tmp_path: Path) -> None:
    """Equal requests are one type each way before any merge: the base model has 2 types, and no pair to try."""
    requests(tmp_path, 3)
    reached = classes_of(tmp_path / "web.instance.json", 5)
    assert reached.classes == (0, 1, 0, 1, 0, 1)
    assert reached.said == "complete, 0 merges; base model of 2 types, 0 pairs of one label"
    report = evaluate(tmp_path, "web", seconds=5)
    assert (report.scores["published"].states, report.published) == (2, reached.said)
    assert list(report.scores) == ["unmerged", "label quotient", "causal history", "published", "model"]


def test_the_published_method_refuses_a_cycle_and_has_no_row(tmp_path: Path) -> None:
    write_dump(tmp_path, [("b", "a", 1.0), ("a", "b", 2.0)], {"a": "A", "b": "B"})
    report = evaluate(tmp_path, "web", seconds=5)
    assert "published" not in report.scores
    assert "cycle" in report.published


def test_each_check_stands_alone(tmp_path: Path) -> None:
    """From a report that breaks nothing, each number alone breaks it."""
    requests(tmp_path, 8)
    report = evaluate(tmp_path, "web", seconds=0)
    ours, unmerged = report.scores["model"], report.scores["unmerged"]
    worse = [
        {"scores": report.scores | {"model": replace(ours, recall=0.99)}},
        {"scores": report.scores | {"model": replace(ours, precision=0.99)}},
        {"scores": report.scores | {"unmerged": replace(unmerged, bits=3.9 * ours.bits)}},
        {"violations": {"edges that the model lacks": (1, "a -> b")}},
    ]
    assert [len(replace(report, **one).broken) for one in worse] == [1, 1, 1, 1]


def test_the_command_reports_every_app_of_every_dump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for app in ("one", "two"):
        requests(tmp_path, 8, app=app)
    assert main([str(tmp_path), "--published", "0", "--json"]) == 0
    assert [row["app"] for row in json.loads(capsys.readouterr().out)] == ["one", "two"]
    assert main([str(tmp_path), "--published", "0"]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 100


@pytest.mark.parametrize("broken", ["size", "edge", "precision"])
def test_the_command_fails_for_what_is_broken(tmp_path: Path, broken: str) -> None:
    if broken == "size":
        requests(tmp_path, 8, merged=False)
    else:
        story(tmp_path, lack=int(broken == "edge"))
    assert main([str(tmp_path), "--published", "0"]) == 1


def test_without_arguments_it_is_the_shipped_recording(capsys: pytest.CaptureFixture[str]) -> None:
    """And our bytes by the rule of all rows are near those of the model as it is stored, less its command lines."""
    assert (SHIPPED / "recording.json").is_file()
    main(["--published", "0", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {row["app"] for row in rows} == {"host", "web"}
    for row in rows:
        assert row["scores"]["model"]["recall"] == 1
        assert 0.7 < row["scores"]["model"]["bytes"] / row["stored"] <= 1.05


def test_a_dump_that_is_none_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DumpError, match=r"no APP\.instance\.json"):
        reports(tmp_path)
    (tmp_path / "web.instance.json").write_text('{"nodes": [{}], "edges": []}')
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("fidelity: ")
