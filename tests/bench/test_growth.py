"""The growth benches: they learn as the agent does, and a limit that does not hold is an exit code."""

from __future__ import annotations

import argparse
import math
import pickle
from pathlib import Path

import epochs
import growth
import pytest
from epochs import Cell, Run, Seconds, Server
from growth import STAGES, Result, Watch, broken, graph_of, induced, main, measured, sealed, sizes_of, slopes
from workload import ALL_NEW, USUAL, Template, Workload, record

from agent.recording import open_recording
from agent.upg import Scope, States
from grammar import Model

RECORDING = Path(__file__).resolve().parents[2] / "winnower" / "recording"


@pytest.fixture(scope="session")
def templates() -> list[Template]:
    return record(RECORDING, workers=1)


def result(vertices: float, cpu: float, added: float = 1e6) -> Result:
    stages = {stage: cpu / len(STAGES) for stage in STAGES}
    names = ("edges", "states", "transitions", "folded states", "folded transitions", "bytes", "generator")
    return {"vertices": vertices, "cpu": cpu, "before": 0.0, "peak": added, **stages, **dict.fromkeys(names, 1.0)}


def test_a_small_size_has_all_that_the_tables_need(templates: list[Template]) -> None:
    for series in ("usual", "cyclic"):
        found = measured(series, 1_000, Workload(templates))
        assert found.keys() == result(1.0, 1.0).keys()
        assert found["folded states"] < found["states"]
        assert found["bytes"] > 100


def test_base_states_of_new_behaviour_grow_as_vertices_do(templates: list[Template]) -> None:
    one, four = (measured("all new", size, Workload(templates, ALL_NEW)) for size in (2_000, 8_000))
    assert four["states"] > 2.5 * one["states"]


def test_what_was_learned_is_accepted_and_so_is_it_after_folding(templates: list[Template]) -> None:
    workload, states = Workload(templates, USUAL), States()
    evidence, sizes = induced(workload, 5_000, Watch())
    model = Model.of("bench", evidence)
    graph = graph_of(next(Workload(templates, USUAL).instances(5_000)), states)
    assert graph in model
    assert graph in model.folded()
    assert sizes["vertices"] >= 4_900


def test_known_behaviour_adds_nothing(templates: list[Template]) -> None:
    instance, states = Workload(templates).instance(3_000), States()
    scope = sealed(instance, states)
    known = len(scope.seen)
    growth.fed(scope, instance)
    assert len(scope.seen) == known


def test_slopes_are_those_of_powers() -> None:
    results = [result(10.0**power, 10.0 ** (power * 1.1)) for power in (3, 4, 5)]
    assert slopes(results, growth.cpu) == pytest.approx((1.1, 1.1))
    assert all(math.isnan(slope) for slope in slopes(results[:1], growth.cpu))


def test_limits_are_told_one_by_one() -> None:
    good = {"usual": [result(1e3, 0.1, 1e6), result(1e6, 50.0, 1e8)]}
    assert broken(good, {"agent": 1.9}) == []
    steep = {"usual": [result(1e3, 0.01), result(1e6, 70.0, 3e9)]}
    said = broken(steep, {"agent": 2.1})
    assert [sentence.split(",")[0] for sentence in said] == [
        "usual: the slope of CPU is 1.282",
        "usual: the slope of memory is 1.159",
        "usual: 70.0 CPU s",
        "usual: a peak of 3.00 GB",
        "known behaviour",
    ]


def test_new_behaviour_comes_in_smaller_sizes() -> None:
    assert sizes_of("all new", [1_000, 100_000]) == [4_000, 16_000]
    assert sizes_of("all new", [1_000]) == [250]
    assert sizes_of("cyclic", [1_000, 1_000_000]) == [1_000]


@pytest.mark.parametrize(("power", "code"), [(1.0, 0), (1.2, 1)])
def test_a_slow_learner_is_exit_code_1(
    power: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def child(series: str, vertices: int, templates: Path, seed: int, attacked: str) -> Result:
        return {"agent": 1.0} if series == "known" else result(float(vertices), 1e-6 * vertices**power)

    monkeypatch.setattr(growth, "child", child)
    monkeypatch.setattr(growth, "record", lambda folder, app: [])
    plot = tmp_path / "plots" / "growth.svg"
    assert main(["--sizes", "1000,100000", "--plot", str(plot)]) == code
    assert ("broken: " in capsys.readouterr().out) == bool(code)
    assert plot.read_text().startswith("<svg")


def test_a_child_prints_its_result(
    tmp_path: Path, templates: list[Template], capsys: pytest.CaptureFixture[str]
) -> None:
    found = growth.work(argparse.Namespace(child=("usual", "500", _saved(tmp_path, templates)), seed=1, attacked=""))
    assert found["vertices"] >= 480
    known = growth.work(argparse.Namespace(child=("known", "1500", _saved(tmp_path, templates)), seed=1, attacked=""))
    assert all(each > 0 for each in known.values())


def _saved(folder: Path, templates: list[Template]) -> str:
    place = folder / "templates"
    place.write_bytes(pickle.dumps(templates))
    return str(place)


def _shown(scope: Scope) -> tuple[dict[tuple[str, tuple[str, ...]], int], int]:
    """How many vertices each state has stood for, and the number of transitions."""
    return {scope.states.states[state]: count for state, count in scope.counts.items()}, len(scope.seen)


def test_what_epochs_times_again_is_what_the_agent_has_done() -> None:
    recording = open_recording(RECORDING)
    server = Server("worker1", recording.logs["worker1"], recording.containers["worker1"], 50_000)
    closed = list(server.run())
    assert [one.epoch.start - closed[0].epoch.start for one in closed] == [0, 50_000, 100_000, 150_000]
    for part in server.shadow.parts.values():
        assert _shown(part.shadow) == _shown(part.scope)
    assert all(sum(one.edges.values()) == one.epoch.edges for one in closed)
    assert closed[0].seconds.keys() == {"host", "web"}
    assert all(seconds.keys() == {"seal", "close"} for one in closed for seconds in one.seconds.values())


def run_of(first: float, later: float) -> Run:
    cells: dict[Cell, Seconds] = {(0, "w", "web"): {"seal": first}, (1, "w", "web"): {"fold": later}}
    cells[0, "v", "web"] = {"seal": 9.0}
    return Run(cells, {(0, "w", "web"): 20, (1, "w", "web"): 1, (0, "v", "web"): 3}, {"web": (2, 1, 1)})


@pytest.mark.parametrize(
    ("first", "later", "said"),
    [(0.9, 0.04, []), (1.1, 0.04, ["first: 1100 ms"]), (0.9, 0.06, ["later, median: 60 ms", "later, worst: 60 ms"])],
)
def test_a_slow_epoch_of_the_busiest_server_is_exit_code_1(
    first: float, later: float, said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(epochs, "run", lambda folder, length: run_of(first, later))
    assert epochs.main(["--lengths", "50"]) == (1 if said else 0)
    out = capsys.readouterr().out
    assert out.count("broken: ") == len(said)
    assert all(f"epochs of 50 s, web, {one}, above" in out for one in said)
    assert "12-26 s" in out
