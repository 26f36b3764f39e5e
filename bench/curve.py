"""Precision against model bytes as `tracing` runs from 0 to infinity: where the default stands on the curve, and why.

    python bench/curve.py [RECORDING…] [--svg FOLDER]

Rules of this file
    - `tracing` is what one open bit of one answer may cost in bits of model (`grammar.cost`). The curve is the base
      model folded at each; beside it stand the label quotient and all histories apart (causal history).
    - Bytes are `encode_model`'s. Precision is by `fidelity`'s evaluator from a dump, each model written and read back.
    - Knee: the point farthest below the chord between the first and the last point of the curve, with log bytes and
      loss (1 - precision) both scaled to 0…1 (Kneedle); of equals the first. For the summary, means over the
      applications: loss, and bytes as a share of the causal-history model's.
    - Two charts: FOLDER/precision-bytes.svg, and precision-bytes-mean.svg for the summary.

Complexity: one replay per recording, one folding and one scoring per point.
Source: design section 3, promise 2; Satopaa et al., "Finding a Kneedle in a Haystack", 2011.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

import plots
from fidelity import Question
from fidelity_graphs import INSTANCE, DumpError, Labels, read_instance, read_model, truth
from fidelity_replay import SHIPPED, dumped
from rich.console import Console
from rich.table import Table

from agent.recording import open_recording
from grammar import InputError, Item, Model, Replica, Span, State, Transition, encode_model
from grammar.cost import TRACING, Settings
from monitor.render import to_json
from winnower.dump import model_value

STEPS: Final = tuple(sorted({0.0, *(2.0**power for power in range(9)), TRACING, math.inf}))
FOLDER: Final = Path(__file__).resolve().parent / "plots"
EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Point:
    """One model of an application: its size, and how much of what it answers is true."""

    states: float
    transitions: float
    bytes: float
    precision: float

    @property
    def loss(self) -> float:
        """What is not true of its answers."""
        return 1 - self.precision


@dataclass(frozen=True, slots=True)
class Curve:
    """One application: a point for each of `STEPS`, and the two ends beyond."""

    name: str
    points: tuple[Point, ...]
    quotient: Point
    history: Point

    @property
    def goal(self) -> float:
        """Half-way from the label quotient's precision to 1."""
        return (1 + self.quotient.precision) / 2

    @property
    def reached(self) -> list[bool]:
        """Whether each point reaches the goal."""
        return [one.precision >= self.goal - EPSILON for one in self.points]

    @property
    def relative(self) -> list[float]:
        """Bytes of each point as a share of the causal-history model's."""
        return [one.bytes / self.history.bytes for one in self.points]


def knee(points: Sequence[tuple[float, float]]) -> int:
    """Which of the points (bytes, loss) is farthest below the chord from the first to the last; bytes are above 0.

    >>> knee([(1, 1.0), (2, 0.25), (4, 0.125), (16, 0.0)])
    1
    """
    (low, most), (high, least) = points[0], points[-1]
    wide, tall = math.log(high / low), most - least
    if wide <= 0 or tall <= 0:
        return 0
    below = [1 - math.log(size / low) / wide - (loss - least) / tall for size, loss in points]
    return max(range(len(points)), key=lambda at: (round(below[at], 9), -at))


def quotient(model: Model) -> Model:
    """All states of one label merged."""
    support: dict[Item, dict[Replica, Span]] = {}
    for item, replicas in model.support.items():
        held = support.setdefault(_plain(item), {})
        for replica, span in replicas.items():
            held[replica] = held[replica].joined(span) if replica in held else span
    commands: dict[State, str] = {}
    for state, command in model.commands.items():
        commands[State(state.label)] = min(command, commands.get(State(state.label), command))
    return Model(model.app, support, commands, model.learned)


def _plain(item: Item) -> Item:
    if isinstance(item, State):
        return State(item.label)
    return Transition(State(item.effect.label), item.relation, item.operation, State(item.cause.label))


def curves(recording: Path) -> Iterator[Curve]:
    """The curve of each application of a recording; InputError if it is none."""
    with tempfile.TemporaryDirectory(prefix="curve-") as name:
        folder = Path(name)
        for app, base in sorted(dumped(recording, folder, lambda app: app.model).items()):
            yield curve(f"{open_recording(recording).name}/{app}", folder, app, base)


def curve(name: str, folder: Path, app: str, base: Model) -> Curve:
    """The curve of one application, from its dump with base states."""
    labels = Labels()
    instance = read_instance(folder / f"{app}{INSTANCE}", labels)
    question = Question(app, labels, instance, truth(instance))

    def point(model: Model, state_of: Callable[[State], State]) -> Point:
        (folder / "model.json").write_text(to_json(model_value(model)), encoding="ascii")
        read = read_model(folder / "model.json", labels)
        names = {number: model.ids[state_of(state)] for number, state in base.by_id.items()}
        told = question.told(read, [names[one] if one is not None else None for one in instance.states])
        recall, precision = question.rates(told)
        if recall < 1 - EPSILON:
            raise DumpError(f"{name}: recall is {recall:.4f}, not 1 (bench/fidelity.py says where)")
        return Point(len(model.states), len(model.transitions), len(encode_model(model)), precision)

    folded = [base.folded(Settings(tracing=step)) for step in STEPS]
    return Curve(
        name=name,
        points=tuple(point(one, one.state_of) for one in folded),
        quotient=point(quotient(base), lambda state: State(state.label)),
        history=point(base, lambda state: state),
    )


def mean(found: Sequence[Curve]) -> list[tuple[float, float]]:
    """Mean share of bytes and mean loss at each step."""
    return [
        (fmean(one.relative[at] for one in found), fmean(one.points[at].loss for one in found))
        for at in range(len(STEPS))
    ]


def table_of(one: Curve) -> Table:
    """All points of one application."""
    table = _table(f"{one.name}: precision against bytes (goal {one.goal:.4f})", "states", "transitions", "bytes")
    rows = [("label quotient", one.quotient, ""), ("causal history", one.history, "")]
    at_knee = knee([(point.bytes, point.loss) for point in one.points])
    rows[1:1] = [(_step(at), point, _marks(at, at_knee)) for at, point in enumerate(one.points)]
    for name, point, said in rows:
        counts = (f"{number:,.0f}" for number in (point.states, point.transitions, point.bytes))
        reached = "yes" if point.precision >= one.goal - EPSILON else "no"
        share = f"{point.bytes / one.history.bytes:.0%}"
        table.add_row(name, *counts, share, f"{point.precision:.4f}", reached, said, style=_style(said))
    return table


def summary(found: Sequence[Curve]) -> Table:
    """Means over all applications, and how many reach their goals."""
    table = _table(f"mean over {len(found)} applications")
    points = mean(found)
    at_knee = knee(points)
    for at, (share, loss) in enumerate(points):
        reached = f"{sum(one.reached[at] for one in found)} of {len(found)}"
        said = _marks(at, at_knee)
        table.add_row(_step(at), f"{share:.0%}", f"{1 - loss:.4f}", reached, said, style=_style(said))
    return table


def _table(title: str, *counts: str) -> Table:
    table = Table("tracing", title=title, title_justify="left")
    for column in (*counts, "of history", "precision", "goal"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    return table


def _marks(at: int, at_knee: int) -> str:
    return ", ".join(said for said, is_it in (("default", STEPS[at] == TRACING), ("knee", at == at_knee)) if is_it)


def _style(said: str) -> str:
    return "bold" * ("default" in said)


def _step(at: int) -> str:
    return "infinity" if math.isinf(STEPS[at]) else f"{STEPS[at]:g}"


def verdict(found: Sequence[Curve]) -> str:
    """From which step on all applications reach their goals, and where the knees are."""
    good = [at for at in range(len(STEPS)) if all(all(one.reached[at:]) for one in found)]
    knees = sorted(knee([(point.bytes, point.loss) for point in one.points]) for one in found)
    middle = knees[len(knees) // 2]
    goals = f"all goals are reached from tracing={_step(good[0])} on" if good else "not all goals are reached"
    return (
        f"{goals}; knee of the means at {_step(knee(mean(found)))}, of the applications at {_step(knees[0])} to "
        f"{_step(knees[-1])}, median {_step(middle)}; the default is {TRACING:g}"
    )


def draw(folder: Path, found: Sequence[Curve]) -> None:
    """Both charts: every application, and the means."""
    default = STEPS.index(TRACING)
    plots.svg(
        folder / "precision-bytes.svg",
        f"Precision of tracing against model size (ring: default, tracing = {TRACING:g})",
        "bytes of the model",
        "precision",
        {one.name: [(p.bytes, p.precision) for p in (one.quotient, *one.points, one.history)] for one in found},
        log_x=True,
        marks=[("", one.points[default].bytes, one.points[default].precision) for one in found],
    )
    points = mean(found)
    at_knee = knee(points)
    plots.svg(
        folder / "precision-bytes-mean.svg",
        f"Mean precision of {len(found)} applications as tracing grows from 0 to infinity",
        "bytes of the model, % of the causal-history model's",
        "precision",
        {"mean": [(100 * share, 1 - loss) for share, loss in points]},
        log_x=True,
        marks=[
            (f"{_step(at)} {_marks(at, at_knee)}".rstrip(), 100 * share, 1 - loss)
            for at, (share, loss) in enumerate(points)
        ],
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="precision against model bytes, by tracing")
    parser.add_argument("recordings", type=Path, nargs="*", default=[SHIPPED])
    parser.add_argument("--svg", type=Path, default=FOLDER, metavar="FOLDER")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 100)
    found: list[Curve] = []
    try:
        for recording in options.recordings:
            for one in curves(recording):
                found.append(one)
                console.print(table_of(one))
    except (DumpError, InputError) as error:
        print(f"curve: {error}", file=sys.stderr)
        return 2
    console.print(summary(found))
    console.print(verdict(found), highlight=False, markup=False)
    draw(options.svg, found)
    console.print(f"charts: {options.svg}", highlight=False, markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
