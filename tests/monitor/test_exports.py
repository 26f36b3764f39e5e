"""Every format is read back by the program that it is for, with the same nodes and edges; hostile text stays text."""

from __future__ import annotations

import builtins
import csv
import io
import json
import re
import subprocess
from shutil import which
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_instances import QUESTION, stolen
from test_query_rows import MODELS, rows
from test_render import HOSTILE

from grammar import Evidence, InputError, Model, Replica, Span, State, Transition
from monitor.exports import FORMATS, picture_of_answer, picture_of_rows, show_answer, show_gathered, show_rows
from monitor.exports_csv import csv_of
from monitor.exports_graphml import graphml
from monitor.exports_picture import Picture
from monitor.exports_prov import prov
from monitor.instances import Gathered
from monitor.query import Answer, find_nodes, trace
from policies import Edge, MemoryGraph

MODEL = MODELS[1]
KINDS = ("Process", "File", "Socket", "Pipe", "Memory", "LogMessage")
WRITTEN = tuple(how for how in FORMATS if how != "table")


@pytest.fixture
def answer() -> Answer:
    start = next(number for number, state in MODEL.by_id.items() if state.label == "Socket 10.0.0.1:80")
    return trace([MODEL], start, "ancestors")


def hostile(text: str) -> Model:
    evidence = Evidence()
    replica = Replica(text, text)
    ends = [State(f"{kind} {text}", (text,)) for kind in KINDS]
    for number, effect in enumerate(ends):
        cause = ends[(number + 1) % len(ends)]
        evidence.add(Transition(effect, "USED", text or "x", cause), replica, Span(0, 5))
    evidence.command(ends[0], text)
    return Model.of(text, evidence)


def edges_of(answer: Answer) -> list[tuple[str, str]]:
    ids = answer.model.ids
    return sorted((ids[one.effect], ids[one.cause]) for one in answer.edges)


def test_node_link_is_networkx_own_and_a_policy_can_be_tried_on_it(answer: Answer) -> None:
    value = json.loads(str(show_answer(answer, "node-link")))
    graph = nx.node_link_graph(value, edges="edges")
    assert sorted(graph.nodes) == sorted(answer.model.ids[state] for state in answer.nodes)
    assert sorted(graph.edges()) == edges_of(answer)
    assert value["graph"]["start"] == [answer.model.ids[answer.start]]  # type: ignore[index]
    assert set(MemoryGraph.from_node_link(value).nodes()) == set(graph.nodes)


def test_graphml_is_read_by_networkx(answer: Answer) -> None:
    graph = nx.read_graphml(io.BytesIO(str(show_answer(answer, "graphml")).encode()), force_multigraph=True)
    assert sorted(graph.edges()) == edges_of(answer)
    for state in answer.nodes:
        node = graph.nodes[answer.model.ids[state]]
        assert node["label"] == state.label
        assert node["containers"] == 1
    assert {data["operation"] for _, _, data in graph.edges(data=True)} == {one.operation for one in answer.edges}


def test_prov_json_is_read_by_prov(answer: Answer) -> None:
    prov_model = pytest.importorskip("prov.model")
    document = prov_model.ProvDocument.deserialize(content=str(show_answer(answer, "prov")), format="json")
    records = document.get_records()
    activities = {str(one.identifier) for one in records if isinstance(one, prov_model.ProvActivity)}
    entities = {str(one.identifier) for one in records if isinstance(one, prov_model.ProvEntity)}
    ids = answer.model.ids
    processes = {f"w:{ids[state]}" for state in answer.nodes if state.label.startswith("Process")}
    assert (activities, entities) == (processes, {f"w:{ids[state]}" for state in answer.nodes} - processes)
    told = sorted(
        tuple(str(one).removeprefix("w:") for _, one in record.formal_attributes[:2])
        for record in records
        if record.is_relation()
    )
    assert told == edges_of(answer)


@pytest.mark.parametrize(
    ("effect", "relation", "cause", "says"),
    [
        ("Process", "USED", "File", "used"),
        ("File", "WAS_GENERATED_BY", "Process", "wasGeneratedBy"),
        ("Process", "WAS_TRIGGERED_BY", "Process", "wasInformedBy"),
        ("Socket", "WAS_DERIVED_FROM", "File", "wasDerivedFrom"),
        ("LogMessage", "USED", "File", "wasInfluencedBy"),
        ("File", "nonsense", "Process", "wasInfluencedBy"),
    ],
)
def test_relations_are_prov_s_own(effect: str, relation: str, cause: str, says: str) -> None:
    pytest.importorskip("prov")
    nodes = {"a": {"id": "a", "kind": effect, "label": effect}, "b": {"id": "b", "kind": cause, "label": cause}}
    value = json.loads(prov(Picture(nodes, (Edge("a", relation, "read", "b"),))))
    (relation_of,) = value[says].values()
    assert relation_of["w:operation"] == "read"
    assert ("w:a" in value.get("activity", {})) == (effect == "Process")


def test_without_prov_an_error_says_what_to_do(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("prov"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match="winnower\\[prov\\]"):
        show_answer(answer, "prov")


def test_csv_has_a_row_for_each_node_and_no_formula(answer: Answer) -> None:
    told = list(csv.DictReader(io.StringIO(str(show_answer(answer, "csv")))))
    assert [one["id"] for one in told] == [answer.model.ids[state] for state in answer.nodes]
    assert {one["label"] for one in told} == {state.label for state in answer.nodes}
    shown = csv_of(["x"], [["=1+1"], ["@x"], ["-2"], ["-bash"], ["+1"], ["a=b"], ["\r=1"]]).splitlines()
    assert shown == ["x", "'=1+1", "'@x", "-2", "'-bash", "'+1", "a=b", "\\r=1"]


def test_rows_are_drawn_with_what_they_hold() -> None:
    path = picture_of_rows(rows("MATCH p = (:Socket)-[*2]->() RETURN {a: [p]} AS x", models=[MODEL]))
    assert (len(path.nodes), len(path.edges)) == (3, 2)
    ends = picture_of_rows(rows("MATCH ()-[r:WAS_GENERATED_BY]->() RETURN r", models=[MODEL]))
    assert ({one.operation for one in ends.edges}, len(ends.nodes)) == ({"connect"}, 2)
    joined = picture_of_rows(rows("MATCH (n) RETURN n", models=[MODEL]))
    assert len(joined.edges) == len(MODEL.transitions)
    nothing = picture_of_rows(rows("MATCH (n) RETURN n.kind AS k", models=[MODEL]))
    assert not nothing.nodes
    assert "RETURN nodes" in nothing.notes[0]


def test_rows_of_two_applications_are_two_graphs_in_one() -> None:
    both = picture_of_rows(rows("MATCH (n) RETURN n"))
    assert len(both.nodes) == 2 * len(MODEL.states)
    assert {one["app"] for one in both.nodes.values()} == {"db", "web"}


def test_what_is_cut_is_said_in_every_format() -> None:
    found = rows("MATCH (n) RETURN n").page(0, 2)
    for how in WRITTEN:
        text, notes = show_rows(found, how)
        assert isinstance(text, str)
        assert "rows 1-2 of" in notes[0]
        if how in ("dot", "graphml", "node-link"):
            assert "rows 1-2 of" in text


def test_instances_can_be_written_too() -> None:
    gathered = Gathered.of(QUESTION, ["w1/x y"], [stolen("w1/x y")], 5)
    graph = nx.read_graphml(io.BytesIO(str(show_gathered(gathered, "graphml")).encode()))
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (3, 2)
    value = json.loads(str(show_gathered(gathered, "node-link")))
    assert nx.node_link_graph(value, edges="edges").number_of_edges() == 2
    assert len(value["graph"]["start"]) == 1
    assert all("time" in edge for edge in value["edges"])
    for how in ("csv", "prov", "dot", "json"):
        assert "nc" in str(show_gathered(gathered, how))


RAW = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(st.sampled_from([HOSTILE, "]]>", "--", "&#0;", "\ufffe\uffff", "", "\u2028"]) | RAW)
def test_hostile_text_breaks_no_format(text: str) -> None:
    model = hostile(text)
    answer = find_nodes(model, {})
    picture = picture_of_answer(answer)
    shown = {how: str(show_answer(answer, how)) for how in WRITTEN}
    for written in shown.values():
        assert set(re.findall(r"[^ -~\n]", written)) <= {"…"}
    assert nx.read_graphml(io.BytesIO(shown["graphml"].encode())).number_of_nodes() == len(picture.nodes)
    assert len(json.loads(shown["node-link"])["edges"]) == len(picture.edges)
    assert len(json.loads(shown["prov"])["wasInfluencedBy"]) >= 1
    assert len(list(csv.reader(io.StringIO(shown["csv"])))) == 1 + len(picture.nodes)
    assert graphml(picture) == shown["graphml"]


@pytest.mark.skipif(which("dot") is None, reason="graphviz is not installed")
def test_dot_reads_it() -> None:
    text = str(show_answer(find_nodes(hostile(HOSTILE), {}), "dot"))
    assert subprocess.run(["dot", "-Tplain"], input=text.encode(), capture_output=True, check=True).stdout
