"""Units beside alerts: one tree for each line, bounded, escaped."""

from __future__ import annotations

from rich.console import Console

from grammar import Evidence, Model, Replica, Span, State, Transition
from monitor.alerts import Alert, Step
from monitor.render_units import MAX_UNITS, alerts_and_units

PLACE = Replica("w\x1b[2J", "c\x1b[2J")


def shown(model: Model, *alerts: Alert) -> str:
    console = Console(width=120)
    with console.capture() as told:
        console.print(alerts_and_units([model], alerts))
    return told.get()


def alarm(model: Model, state: State) -> Alert:
    node = model.ids[state]
    steps = (Step(node, state.label, "", "", ""),)
    return Alert("p", "p", "high", model.app, PLACE.worker, PLACE.container, 1_000, (1, 2), (node,), steps)


def a_model(lines: int) -> tuple[Model, list[State]]:
    evidence, made = Evidence(), []
    for number in range(lines):
        line, child = State(f"LogMessage GET /{number} 200"), State(f"Process p{number} /p{number}")
        evidence.add(Transition(line, "WAS_GENERATED_BY", "covers", child), PLACE, Span(0, 1_000))
        made.append(child)
    return Model.of("app", evidence), made


def test_an_alerts_unit_is_shown_once() -> None:
    model, children = a_model(1)
    text = shown(model, alarm(model, children[0]), alarm(model, children[0]))
    assert text.count("the unit that it happened in") == 1
    assert "request: GET /0 200" in text


def test_units_are_bounded_and_nothing_is_unescaped() -> None:
    model, children = a_model(3 * MAX_UNITS)
    text = shown(model, *(alarm(model, child) for child in children))
    assert text.count("the unit that it happened in") == MAX_UNITS
    assert "\x1b" not in text


def test_an_alert_without_a_line_has_no_unit() -> None:
    evidence = Evidence()
    state = State("Process a /a")
    evidence.add(state, PLACE, Span(0, 1))
    assert "unit" not in shown(Model.of("app", evidence), alarm(Model.of("app", evidence), state))
