"""The curve's rules on numbers that can be checked by hand, and the whole of it on a base model of five states."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path

import plots
import pytest
from curve import STEPS, Curve, Point, curve, draw, knee, main, mean, quotient, summary, table_of, verdict
from rich.console import Console

from grammar import Model, Replica, Span, State, Transition

ONE = Replica("w1", "c1")
CONF, SECRET, REPLY = State("File /conf"), State("File /secret"), State("File /reply")
FIRST, LATER = State("Process srv", ("#00000001",)), State("Process srv", ("#00000002",))


def base() -> Model:
    """A server reads its configuration, writes a reply, and reads a secret in a later version of itself."""
    edges = [
        Transition(FIRST, "USED", "read", CONF),
        Transition(REPLY, "WAS_GENERATED_BY", "write", FIRST),
        Transition(LATER, "USED", "read", SECRET),
        Transition(LATER, "WAS_DERIVED_FROM", "version", FIRST),
    ]
    items = {*edges, *(end for edge in edges for end in (edge.effect, edge.cause))}
    return Model("app", {item: {ONE: Span(0, 0)} for item in items})


def dump_of(model: Model, folder: Path) -> None:
    """The instance graph in which every state and every transition occurs once, in the order of the story."""
    order = [(FIRST, CONF), (REPLY, FIRST), (LATER, SECRET), (LATER, FIRST)]
    nodes = [{"id": f"w1/c1/{n}", "label": s.label, "state": model.ids[s]} for n, s in enumerate(model.states)]
    ids = {node["state"]: node["id"] for node in nodes}
    kinds = {(t.effect, t.cause): {"relation": t.relation, "operation": t.operation} for t in model.transitions}
    edges = [
        {"source": ids[model.ids[effect]], "target": ids[model.ids[cause]], "time": n, **kinds[effect, cause]}
        for n, (effect, cause) in enumerate(order)
    ]
    (folder / "app.instance.json").write_text(json.dumps({"nodes": nodes, "edges": edges}))


def made(*points: tuple[float, float], quotient_precision: float = 0.5) -> Curve:
    """A curve of (bytes, precision) at the first steps, the last of them repeated; history takes 1,000 bytes."""
    every = [*points, *[points[-1]] * (len(STEPS) - len(points))]
    found = tuple(Point(1, 1, size, precision) for size, precision in every)
    return Curve("rec/app", found, Point(1, 1, 50, quotient_precision), Point(1, 1, 1000, 1.0))


def test_the_knee_is_farthest_below_the_chord() -> None:
    """On a chord from (0, 1) to (1, 0): x = 1/4 is 1/2 below with y = 1/4, x = 1/2 is 3/8 below with y = 1/8."""
    assert knee([(1, 1.0), (2, 0.25), (4, 0.125), (16, 0.0)]) == 1
    assert knee([(1, 1.0), (2, 0.75), (4, 0.125), (16, 0.0)]) == 2


def test_a_straight_or_flat_curve_has_its_knee_at_the_first_point() -> None:
    assert knee([(1, 1.0), (4, 0.5), (16, 0.0)]) == 0
    assert knee([(8, 0.5), (8, 0.5)]) == 0
    assert knee([(8, 0.0), (16, 0.0)]) == 0


def test_a_scale_does_not_move_the_knee() -> None:
    points = [(10.0, 0.3), (20.0, 0.1), (60.0, 0.05), (160.0, 0.0)]
    assert knee([(7 * size, loss / 3) for size, loss in points]) == knee(points)


def test_the_quotient_has_one_state_for_each_label() -> None:
    model = quotient(base())
    srv = State("Process srv")
    assert set(model.states) == {CONF, SECRET, REPLY, srv}
    assert Transition(srv, "WAS_DERIVED_FROM", "version", srv) in model.support
    assert len(model.transitions) == 4


def test_the_curve_of_five_states_goes_from_the_quotient_to_all_histories(tmp_path: Path) -> None:
    """Quotient: each of three is told conf, secret, srv; the first knew one of them, the reply two, the later all."""
    model = base()
    dump_of(model, tmp_path)
    found = curve("rec/app", tmp_path, "app", model)
    assert found.quotient.precision == pytest.approx((1 / 3 + 2 / 3 + 1) / 3)
    assert (found.quotient.states, found.history.states) == (4, 5)
    assert found.history.precision == found.points[-1].precision == 1
    assert found.points[0].precision == found.quotient.precision
    assert found.goal == pytest.approx(5 / 6)
    assert not found.reached[0]
    assert found.reached[-1]


def test_goals_count_from_the_step_after_which_none_is_missed() -> None:
    """A goal of 0.75 that is reached, missed and reached again is reached from the last of these on."""
    found = made((100, 0.5), (200, 0.8), (300, 0.7), (400, 0.9))
    assert found.reached[:4] == [False, True, False, True]
    assert f"from tracing={STEPS[3]:g} on" in verdict([found])
    assert "not all goals" in verdict([made((100, 0.5))])


def test_means_are_of_losses_and_of_shares() -> None:
    both = [made((100, 0.5), (200, 1.0)), made((300, 0.75), (400, 0.5))]
    assert mean(both)[:2] == [pytest.approx((0.2, 0.375)), pytest.approx((0.3, 0.25))]
    console = Console(width=100)
    with console.capture() as captured:
        console.print(table_of(both[0]), summary(both))
    assert "1 of 2" in captured.get()
    assert "default" in captured.get()


def test_the_charts_are_svg_with_a_line_for_each_application(tmp_path: Path) -> None:
    draw(tmp_path / "new", [made((100, 0.5), (200, 0.9)), made((100, 0.5), (300, 0.9))])
    for name in ("precision-bytes.svg", "precision-bytes-mean.svg"):
        root = ET.parse(tmp_path / "new" / name).getroot()
        assert root.tag.endswith("svg")


def test_what_is_no_recording_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("curve: ")


def texts(path: Path) -> list[str]:
    return [one.text or "" for one in ET.parse(path).getroot().iter() if one.tag.endswith("}text")]


def test_a_chart_escapes_and_leaves_out_what_it_cannot_show(tmp_path: Path) -> None:
    series = {"a<b>&\x1b": [(1.0, 1.0), (100.0, 0.5), (0.0, 9.0), (10.0, math.nan)], "none": []}
    plots.svg(tmp_path / "a.svg", "t<", "x", "y", series, log_x=True, marks=[("m", 10.0, 0.75), ("gone", -1.0, 0.0)])
    said = texts(tmp_path / "a.svg")
    assert {"a<b>&\ufffd", "none", "t<", "x", "y", "m"} <= set(said)
    assert "gone" not in said
    circles = [one for one in ET.parse(tmp_path / "a.svg").getroot() if one.tag.endswith("circle")]
    assert len(circles) == 2 + 2 + 1  # legend, points, mark
    assert all(plots.LEFT <= float(one.attrib["cx"]) <= plots.WIDTH for one in circles)


def test_axes_end_on_ticks_that_hold_every_value() -> None:
    assert plots.Axis.over([0.58, 1.0], 0, 100, log=False).ticks == pytest.approx((0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
    assert plots.Axis.over([1724.0, 11581.0], 0, 100, log=True).ticks == pytest.approx((1000, 2000, 5000, 10000, 20000))
    for value in (0.0, 5.0, -3.0):
        axis = plots.Axis.over([value], 0, 100, log=False)
        assert 0 < axis.at(value) < 100
    for log in (False, True):
        assert plots.Axis.over([], 0, 100, log=log).ticks
        assert 0 <= plots.Axis.over([7.0], 0, 100, log=log).at(7.0) <= 100
