"""A dump is node-link JSON that networkx reads; instances map onto the model; no name leads out of its folder."""

import json
from pathlib import Path
from typing import Any

import networkx
import pytest
from scribe import Scribe, ordinary
from stage import Played, Stage, left_in

from winnower.dump import file_name, unique


def graph(path: Path) -> Any:
    text = path.read_text("ascii")
    assert "<" not in text
    read: Any = networkx.node_link_graph
    return read(json.loads(text), edges="edges")


@pytest.fixture
def played(scribe: Scribe, stage: Stage) -> Played:
    return stage.play(ordinary(scribe).save(), 1_000, dump=True)


def test_both_files_are_graphs_with_the_fields_of_the_contract(played: Played) -> None:
    instance, model = (graph(played.dump / f"web.{kind}.json") for kind in ("instance", "model"))
    assert all({"label", "state", "object"} <= set(data) for _, data in instance.nodes(data=True))
    assert all({"relation", "operation", "time"} <= set(data) for *_, data in instance.edges(data=True))
    assert all({"label", "support"} <= set(data) for _, data in model.nodes(data=True))
    assert instance.is_directed()
    assert instance.number_of_edges() > 20


def test_every_instance_maps_onto_the_model_edge_by_edge(played: Played) -> None:
    instance, model = (graph(played.dump / f"web.{kind}.json") for kind in ("instance", "model"))
    state = dict(instance.nodes(data="state"))
    assert all(model.nodes[state[node]]["label"] == label for node, label in instance.nodes(data="label"))
    known = {(a, b, data["relation"], data["operation"]) for a, b, data in model.edges(data=True)}
    shown = {(state[a], state[b], data["relation"], data["operation"]) for a, b, data in instance.edges(data=True)}
    assert shown == known


def test_the_edges_of_a_container_are_in_event_order(played: Played) -> None:
    edges = json.loads((played.dump / "web.instance.json").read_bytes())["edges"]
    times = [edge["time"] for edge in edges if edge["source"].startswith("worker1/web1/")]
    assert times == sorted(times)
    assert 1_700_000_000 < times[0] < 1_700_000_100


@pytest.mark.parametrize(
    "app",
    ["../../x", "..", ".", "", "/etc/passwd", "a/b", "a\\b", "x\0y", "\x1b[31m", ".hidden", "é", "a" * 300, "\udcff"],
)
def test_no_application_has_a_file_name_that_leads_elsewhere(app: str, tmp_path: Path) -> None:
    name = file_name(app)
    assert name.isascii()
    assert name.isprintable()
    assert not name.startswith(".")
    (tmp_path / f"{name}.instance.json").write_text("x")
    assert left_in(tmp_path) == [f"{name}.instance.json"]


def test_different_applications_have_different_file_names_and_plain_ones_their_own() -> None:
    apps = ["a/b", "a_b", "a\\b", "a b", "../a_b", "a" * 200, "a" * 201]
    assert len({file_name(app) for app in apps}) == len(apps)
    assert file_name("web") == "web"
    assert file_name("shop.api-v2_x") == "shop.api-v2_x"


def test_different_texts_stay_different_when_they_are_escaped() -> None:
    texts = ["a\tb", "a\\tb", "a\nb", 'a"b', "a\\u0000", "a\0", "\udcff", "\\udcff", "\x7f"]
    assert len({unique(text) for text in texts}) == len(texts)
    assert all(unique(text).isascii() and unique(text).isprintable() for text in texts)


def test_a_folder_that_holds_other_files_keeps_them(scribe: Scribe, stage: Stage) -> None:
    folder = ordinary(scribe).save()
    played = stage.play(folder, 1_000, dump=True)
    (played.dump / "notes.txt").write_text("mine")
    stage.played -= 1
    stage.play(folder, 1_000, dump=True)
    assert (played.dump / "notes.txt").read_text() == "mine"
