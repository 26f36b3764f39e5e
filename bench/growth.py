"""How induction grows: CPU and memory against the number of vertices, and what an epoch of known behaviour costs.

    python bench/growth.py [RECORDING] [--app APP] [--sizes 1000,10000,100000,1000000] [--series usual]

Rules of this file
    - Two series of `workload.py`: *usual* (copies with variation; names that nobody has met come by Heaps' law with
      exponent 0.6) and *all new* (nearly every request reads a name of its own, so that base states grow as vertices
      do; its sizes are fractions of the others'). Beside them, smaller, the same without versions (cyclic).
    - Each size is a process of its own. Stages: histories (`agent.upg.Scope` seals every vertex as an agent does, eight
      containers to a worker), evidence, model (`Model.of`), fold, encode. The generator's seconds are not in the sum.
    - Memory is the peak less what the process held before its first vertex: interpreter, modules, templates.
    - Slopes are of logarithms: by least squares over all sizes, and the steepest between two neighbours.
    - An epoch of known behaviour: the graph of one container, again. At the agent (`Scope`), and as a `Graph` asked
      of the model with `in`: folded, and its base after a trip through the codec.

Limits: slope 1.15 (least squares), 60 CPU seconds and 2 GB at the largest usual size, 2 µs per edge; exit 1 above.
Source: issue "growth".
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import plots
from rich.console import Console
from rich.table import Table
from workload import ALL_NEW, SECOND, USUAL, Instance, Template, Variation, Workload, attacked_container, record

from agent.upg import KINDS_OF_EDGE, Clock, Scope, States, Vertex
from grammar import Edge, Evidence, Graph, Model, Replica, Span, State, Transition, decode_model, encode_model
from grammar.causal import CausalGraph
from winnower.memory import peak_rss

HERE: Final = Path(__file__).resolve().parent
RECORDING: Final = HERE.parent / "winnower" / "recording"
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
NEW_SIZES: Final = (4_000, 16_000, 64_000, 250_000)
"""Of the series of new behaviour, up to a quarter of the largest of the others: 1,000 to 50,000 base states."""
MOST_CYCLIC: Final = 100_000
SERIES: Final[Mapping[str, Variation]] = {"usual": USUAL, "all new": ALL_NEW, "cyclic": USUAL}
STAGES: Final = ("histories", "evidence", "model", "fold", "encode")
MOST_ITEMS: Final = 1 << 40
TIMES: Final = 9
SLOPE, SECONDS, BYTES, MICROSECONDS = 1.15, 60.0, 2e9, 2.0


Result = dict[str, float]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Watch:
    """CPU seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, stage: str, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Do it; its seconds are added to those of the stage."""
        begun = time.process_time()
        found = work(*given, **named)
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.process_time() - begun
        return found


def sealed(instance: Instance, states: States) -> Scope:
    """A container's graph as its agent makes it: every vertex sealed, every second told."""
    scope = Scope("bench", instance.container, states, Clock())
    fed(scope, instance)
    return scope


def fed(scope: Scope, instance: Instance) -> None:
    """Vertices and edges in event order, as `agent.node` does it."""
    labels, tags, objects, clock, tick = instance.labels, instance.tags, instance.objects, scope.clock, 0
    made: list[Vertex | None] = [None] * len(labels)
    for effect, kind, cause, millis in instance.edges:
        if millis >= tick:
            scope.flush()
            tick = millis // SECOND * SECOND + SECOND
        clock.millis = millis
        one, other = made[effect], made[cause]
        if one is None:
            one = made[effect] = scope.vertex(labels[effect], tags[effect], objects[effect])
        if other is None:
            other = made[cause] = scope.vertex(labels[cause], tags[cause], objects[cause])
        scope.edge(one, kind, other)
    scope.flush()


def told(scopes: Sequence[Scope], worker: str, states: States, evidence: Evidence) -> None:
    """What a worker's scopes have seen, as evidence: transitions, states that stand alone, and how often."""
    table = [State(*state) for state in states.states]
    for scope in scopes:
        replica = Replica(worker, scope.container)
        span = Span(scope.fresh_first, scope.fresh_last)
        for effect, kind, cause in scope.fresh:
            evidence.add(Transition(table[effect], *KINDS_OF_EDGE[kind], table[cause]), replica, span)
        for state, count in scope.counts.items():
            if count > 1 or state in scope.lone:
                evidence.add(table[state], replica, span._replace(level=count.bit_length() - 1))


def induced(workload: Workload, vertices: int, watch: Watch) -> tuple[Evidence, Result]:
    """Evidence of that many vertices, worker by worker, and how many there really were."""
    evidence, sizes = Evidence(), {"vertices": 0.0, "edges": 0.0}
    states, scopes, worker = States(), list[Scope](), ""

    def end() -> None:
        watch.time("evidence", told, scopes, worker, states, evidence)
        sizes["vertices"] += sum(scope.vertices for scope in scopes)
        sizes["edges"] += sum(scope.edges for scope in scopes)

    copies = workload.instances(vertices)
    while (instance := watch.time("generator", next, copies, None)) is not None:
        if instance.worker != worker:
            end()
            states, scopes, worker = States(), [], instance.worker
        scopes.append(watch.time("histories", sealed, instance, states))
    end()
    evidence.learned |= workload.learned
    return evidence, sizes


def induced_cyclic(workload: Workload, vertices: int, watch: Watch) -> tuple[Evidence, Result]:
    """The same for graphs without versions, by `grammar.causal`."""
    evidence, sizes = Evidence(), {"vertices": 0.0, "edges": 0.0}
    while sizes["vertices"] < vertices:
        left = vertices - int(sizes["vertices"])
        instance = watch.time("generator", workload.instance, left)
        graph = watch.time("generator", instance.cyclic)
        causal = watch.time("histories", CausalGraph.of, graph)
        watch.time("evidence", evidence.update, watch.time("evidence", causal.evidence))
        sizes["vertices"] += len(graph.nodes)
        sizes["edges"] += len(graph.edges)
    evidence.learned |= workload.learned
    return evidence, sizes


def measured(series: str, vertices: int, workload: Workload) -> Result:
    """Everything that is said about one size of one series."""
    before, watch = peak_rss(), Watch()
    evidence, sizes = (induced_cyclic if series == "cyclic" else induced)(workload, vertices, watch)
    model = watch.time("model", Model.of, "bench", evidence)
    numbers = len(model.states), len(model.transitions)
    folded = watch.time("fold", model.folded)
    data = watch.time("encode", encode_model, folded)
    return {
        **sizes,
        **watch.seconds,
        "cpu": sum(watch.seconds[stage] for stage in STAGES),
        "peak": peak_rss(),
        "before": before,
        "states": numbers[0],
        "transitions": numbers[1],
        "folded states": len(folded.states),
        "folded transitions": len(folded.transitions),
        "bytes": len(data),
    }


def known_epochs(workload: Workload, vertices: int) -> Result:
    """Microseconds per edge of an epoch in which nothing is new: at the agent, of the model, of one that is new too."""
    states, evidence = States(), Evidence()
    instances = list(workload.instances(vertices))
    scopes = [sealed(one, states) for one in instances]
    told(scopes, "w", states, evidence)
    evidence.learned |= workload.learned
    base = Model.of("bench", evidence)
    folded, data = base.folded(), encode_model(base)
    decoded = decode_model(data, MOST_ITEMS)
    last = max(instances, key=lambda one: len(one.edges))
    again = Scope("bench", "again", states, Clock())
    graph = graph_of(last, states)
    fed(again, last)
    new = [decode_model(data, MOST_ITEMS) for _ in range(TIMES)]
    return {
        "agent: Scope": per_edge([partial(fed, again, last)] * TIMES, len(last.edges)),
        "graph in folded": per_edge([partial(asked, graph, folded)] * TIMES, len(last.edges)),
        "graph in decoded base": per_edge([partial(asked, graph, decoded)] * TIMES, len(last.edges)),
        "the same, never asked before": per_edge([partial(asked, graph, one) for one in new], len(last.edges)),
    }


def asked(graph: Graph, model: Model) -> None:
    """Whether the model knows the graph: it must."""
    if graph not in model:
        raise SystemExit(f"a graph that was learned is refused: {next(model.misfits(graph))}")


class Drawing:
    """A recorder that draws one container's graph as the grammar sees it (`agent.upg.Recorder`)."""

    def __init__(self) -> None:
        self.states: list[int] = []
        self.edges: list[Edge] = []

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        """A new vertex."""
        self.states.append(-1)

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        """It has its state."""
        self.states[number - 1] = state

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """A new edge."""
        self.edges.append(Edge(effect - 1, *KINDS_OF_EDGE[kind], cause - 1))


def graph_of(instance: Instance, states: States) -> Graph:
    """A copy as a graph, with the states that an agent gives its vertices."""
    drawing = Drawing()
    fed(Scope("bench", instance.container, states, Clock(), drawing), instance)
    return Graph(tuple(State(*states.states[state]) for state in drawing.states), tuple(drawing.edges))


def per_edge(works: Sequence[Callable[[], None]], edges: int) -> float:
    """The median of CPU microseconds."""
    found = []
    for one in works:
        begun = time.process_time()
        one()
        found.append(time.process_time() - begun)
    return statistics.median(found) * 1e6 / edges


def child(series: str, vertices: int, templates: Path, seed: int, attacked: str) -> Result:
    """One size in a process of its own."""
    command = [sys.executable, str(HERE / "growth.py"), "--child", series, str(vertices), str(templates)]
    done = subprocess.run([*command, "--seed", str(seed), "--attacked", attacked], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{series}, {vertices} vertices: {done.stderr.decode(errors='replace')[-400:]}")
    found: Result = json.loads(done.stdout)
    return found


def work(options: argparse.Namespace) -> Result:
    """What a child does."""
    series, vertices, place = options.child
    templates: list[Template] = pickle.loads(Path(place).read_bytes())  # our own parent's file
    workload = Workload(templates, SERIES.get(series, USUAL), options.seed, options.attacked)
    return known_epochs(workload, int(vertices)) if series == "known" else measured(series, int(vertices), workload)


def slopes(results: Sequence[Result], what: Callable[[Result], float]) -> tuple[float, float]:
    """Of log(what) over log(vertices): by least squares, and the steepest between neighbours; nan of one size alone."""
    points = [(math.log(one["vertices"]), math.log(max(what(one), 1e-6))) for one in results]
    if len(points) < 2:
        return math.nan, math.nan
    steepest = max((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points))
    return statistics.linear_regression(*zip(*points, strict=True)).slope, steepest


def memory(one: Result) -> float:
    """Bytes that induction has added to the process."""
    return max(one["peak"] - one["before"], 4096.0)


def cpu(one: Result) -> float:
    """CPU seconds of all stages."""
    return one["cpu"]


def broken(found: Mapping[str, Sequence[Result]], known: Result) -> list[str]:
    """Limits that do not hold, as sentences."""
    said = []
    for series, results in found.items():
        for what, of in (("CPU", cpu), ("memory", memory)):
            slope = slopes(results, of)[0]
            if slope > SLOPE:
                said.append(f"{series}: the slope of {what} is {slope:.3f}, above {SLOPE}")
    largest = max(found["usual"], key=lambda one: one["vertices"])
    if largest["cpu"] > SECONDS:
        said.append(f"usual: {largest['cpu']:.1f} CPU s, above {SECONDS:.0f}")
    if largest["peak"] > BYTES:
        said.append(f"usual: a peak of {largest['peak'] / 1e9:.2f} GB, above {BYTES / 1e9:.0f}")
    said += [f"known behaviour, {where}: {us:.2f} µs per edge" for where, us in known.items() if us > MICROSECONDS]
    return said


def table_of(series: str, results: Sequence[Result]) -> Table:
    """One series: sizes, CPU seconds by stage, memory, states."""
    table = Table("vertices", title=f"{series}: CPU seconds by stage, peak MB", title_justify="left")
    for column in ("edges", *STAGES, "CPU s", "µs/vertex", "gen s", "MB", "MB added"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in results:
        shown = [f"{one[stage]:.3f}" for stage in STAGES]
        each = f"{one['cpu'] / one['vertices'] * 1e6:.1f}"
        sizes = f"{one['peak'] / 1e6:.0f}", f"{memory(one) / 1e6:.1f}"
        head = f"{one['vertices']:,.0f}", f"{one['edges']:,.0f}"
        table.add_row(*head, *shown, f"{one['cpu']:.2f}", each, f"{one['generator']:.2f}", *sizes)
    return table


def models_table(series: str, results: Sequence[Result]) -> Table:
    """What was learned."""
    table = Table("vertices", title=f"{series}: the model", title_justify="left")
    for column in ("base states", "transitions", "folded states", "transitions", "bytes"):
        table.add_column(column, justify="right")
    for one in results:
        names = ("vertices", "states", "transitions", "folded states", "folded transitions", "bytes")
        table.add_row(*(f"{one[name]:,.0f}" for name in names))
    return table


def slopes_table(found: Mapping[str, Sequence[Result]]) -> Table:
    """Slopes by series and stage."""
    table = Table("series", "of", title="slopes on log-log", title_justify="left")
    table.add_column("least squares", justify="right")
    table.add_column("steepest", justify="right")
    for series, results in found.items():
        for what, of in (("CPU", cpu), ("memory", memory)):
            table.add_row(series, what, *(f"{slope:.3f}" for slope in slopes(results, of)))
        for stage in STAGES:
            table.add_row("", stage, *(f"{slope:.3f}" for slope in slopes(results, itemgetter(stage))))
    return table


def drawn(found: Mapping[str, Sequence[Result]], path: Path) -> None:
    """CPU and memory against size."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for series, results in found.items():
        curves[f"{series}: CPU s"] = [(one["vertices"], one["cpu"]) for one in results]
        curves[f"{series}: GB added"] = [(one["vertices"], memory(one) / 1e9) for one in results]
    path.parent.mkdir(exist_ok=True)
    plots.svg(path, "Induction: cost against size", "vertices", "CPU s, GB", curves, log_x=True, log_y=True)


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU and memory of induction against size")
    parser.add_argument("recording", type=Path, nargs="?", default=RECORDING)
    parser.add_argument("--app")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="vertices, by commas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--series", default=",".join(SERIES), help="of: " + ", ".join(SERIES))
    parser.add_argument("--plot", type=Path, default=HERE / "plots" / "growth.svg")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--attacked", default="", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def sizes_of(series: str, sizes: Sequence[int]) -> list[int]:
    """The sizes of a series: what is new is smaller, what is cyclic ends sooner."""
    if series == "all new":
        return [size for size in NEW_SIZES if size <= max(sizes) // 4] or [max(sizes) // 4]
    return [size for size in sizes if series != "cyclic" or size <= MOST_CYCLIC]


def main(arguments: Sequence[str]) -> int:
    options = options_of(arguments)
    if options.child:
        print(json.dumps(work(options)))
        return 0
    sizes, attacked = [int(size) for size in options.sizes.split(",")], attacked_container(options.recording)
    found: dict[str, list[Result]] = {}
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        templates = Path(folder) / "templates"
        templates.write_bytes(pickle.dumps(record(options.recording, options.app)))
        for series in dict.fromkeys(["usual", *options.series.split(",")]):
            for size in sizes_of(series, sizes):
                print(f"{series}: {size:,} vertices …", file=sys.stderr, flush=True)
                found.setdefault(series, []).append(child(series, size, templates, options.seed, attacked))
        print("epochs of known behaviour …", file=sys.stderr, flush=True)
        known = child("known", min(max(sizes), 100_000), templates, options.seed, attacked)
    console = Console(width=None if sys.stdout.isatty() else 120)
    for series, results in found.items():
        console.print(table_of(series, results), models_table(series, results))
    console.print(slopes_table(found))
    table = Table("epoch of known behaviour", title=f"limit {MICROSECONDS} µs per edge", title_justify="left")
    table.add_column("µs per edge", justify="right")
    for where, each in known.items():
        table.add_row(where, f"{each:.2f}")
    console.print(table)
    drawn(found, options.plot)
    said = broken(found, known)
    for sentence in said:
        print(f"broken: {sentence}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
