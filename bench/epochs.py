"""What induction costs epoch by epoch: the first of the busiest server, and later ones, beside Winnower's times.

    python bench/epochs.py [RECORDING] [--lengths 50,10] [--runs 3]

Rules of this file
    - Induction is what turns the graph of an epoch into what the monitor shows. At the agent: sealing every vertex and
      telling every transition (the epoch's graph, once it is known, goes through a second `Scope`, which is timed),
      `Epochs.close`, encoding the delta (with the cluster's words, taking in new ones included). At the monitor, for
      an application that has news: the first time evidence, `Model.of` and `folded`, later `extended` (it stands in
      the column of fold). *Anew* is what making and folding the whole model of all workers so far would cost instead:
      it is not in the sum.
    - A cell is an epoch of an application on a worker: its agent's work (`close` that of all applications of the
      worker) and all of the monitor's for that application after that epoch: nothing is divided by workers.
    - All agents, the monitor and this bench's own books share one process here, as they never do elsewhere. Therefore
      the garbage collector is kept from going through what was there before an epoch ended (`gc.freeze`).
    - Epochs count from the worker's first event, so that the first one is whole. CPU seconds; median of runs, by cell.

Limits: 1 s for the first epoch of 50 s, 50 ms for every later epoch; exit 1 above.
Source: issue "growth"; Winnower (NDSS 2018) gives 12-26 s for the first epoch of 50 s and 0-3 s for later ones.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from rich.console import Console
from rich.table import Table

from agent.abstraction import Abstraction
from agent.containers import Container, Containers
from agent.epochs import Epoch, Epochs
from agent.events import AuditParser, Event
from agent.node import Node
from agent.recording import open_recording, read_log
from agent.upg import Clock, Scope, States, Vertex
from grammar import Evidence, Lexicon, Model, Span, apply_extension, encode_delta, encode_extension
from grammar.history import MARK, MUCH

RECORDING: Final = Path(__file__).resolve().parent.parent / "winnower" / "recording"
SECOND: Final = 1_000
AGENT: Final = ("seal", "close", "encode")
MONITOR: Final = ("evidence", "model", "fold")
ANEW: Final = "anew"
STAGES: Final = (*AGENT, *MONITOR)
FIRST, LATER = 1.0, 0.05
ROWS: Final = ("first", "later, median", "later, worst")
PUBLISHED_FOR: Final = 50
PUBLISHED: Final = {"first": "12-26 s", "later": "0-3 s"}
Cell = tuple[int, str, str]
"""Number of an epoch, a worker and an application."""
Seconds = dict[str, float]
Sizes = tuple[int, int, int]
"""States of a base model, of the folded one as it has been extended, and of one that is folded anew."""
P = ParamSpec("P")
T = TypeVar("T")


def timed(seconds: Seconds, stage: str, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do it; its CPU seconds are added to those of the stage."""
    begun = time.process_time()
    found = work(*given, **named)
    seconds[stage] = seconds.get(stage, 0.0) + time.process_time() - begun
    return found


@dataclass(slots=True)
class _Part:
    """A container's graph, and the scope that goes through it again."""

    scope: Scope
    shadow: Scope
    vertices: list[tuple[str, str]] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    edges: list[tuple[int, int, int, int]] = field(default_factory=list)
    made: list[Vertex] = field(default_factory=list)

    def prepare(self) -> list[Vertex]:
        """Vertices that are new since the last epoch, not sealed, in the shadow's numbers."""
        table, new = self.scope.states.states, []
        for number in range(len(self.made), len(self.vertices)):
            label, ident = self.vertices[number]
            context = table[self.states[number]][1]
            told = context and (context[-1] == MUCH or (context[-1].startswith(MARK) and len(context[-1]) == 9))
            new.append(Vertex(label, context[:-1] if told else context, ident, number + 1))
        self.made += new
        return new

    def run(self, new: list[Vertex]) -> None:
        """The epoch's graph, as it came about."""
        made, shadow, edge, clock, tick = self.made, self.shadow, self.shadow.edge, self.shadow.clock, 0
        waiting = iter(new)
        shadow.vertices += len(new)
        upto = len(made) - len(new)
        for effect, kind, cause, millis in self.edges:
            if millis >= tick:
                shadow.flush()
                tick = millis // SECOND * SECOND + SECOND
            clock.millis = millis
            while upto <= max(effect, cause):
                shadow.open.append(next(waiting))
                upto += 1
            edge(made[effect], kind, made[cause])
        shadow.open += waiting
        shadow.flush()
        self.edges.clear()


class Shadow:
    """A recorder that goes through each epoch's graph once more, to time that (`agent.upg.Recorder`)."""

    def __init__(self) -> None:
        self.parts: dict[str, _Part] = {}
        self.states: dict[str, States] = defaultdict(States)

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        """A new vertex."""
        part = self.parts.get(scope.container)
        if part is None:
            shadow = Scope(scope.app, scope.container, self.states[scope.app], Clock())
            part = self.parts[scope.container] = _Part(scope, shadow)
        part.vertices.append((label, ident))
        part.states.append(-1)

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        """It has its state."""
        self.parts[scope.container].states[number - 1] = state

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """A new edge."""
        self.parts[scope.container].edges.append((effect - 1, kind, cause - 1, millis))

    def seal(self, seconds: dict[str, Seconds], edges: dict[str, int]) -> None:
        """All of an epoch again, by application: everything in it is sealed and told."""
        for part in self.parts.values():
            app = part.scope.app
            edges[app] = edges.get(app, 0) + len(part.edges)
            new = part.prepare()
            timed(seconds.setdefault(app, {}), "seal", part.run, new)
            part.shadow.fresh.clear()
            part.shadow.lone.clear()


@dataclass(frozen=True, slots=True)
class Closed:
    """An epoch of a worker: by application what closing and sealing it cost, and how many edges it had."""

    epoch: Epoch
    seconds: dict[str, Seconds]
    edges: dict[str, int]


class Server:
    """One worker's agent, cut into epochs from its first event."""

    def __init__(self, name: str, log: Path, containers: Sequence[Container], length: int) -> None:
        self.name, self.log, self.length = name, log, length
        self.shadow, self.parser = Shadow(), AuditParser()
        self.node = Node(Containers.of(containers), Abstraction(), self.shadow)
        self.epochs = Epochs(self.node, length)

    def run(self) -> Iterator[Closed]:
        """Epochs, one after another."""
        start = end = 0
        for event in self._events():
            if not end:
                start = event.millis // SECOND * SECOND
                end = start + self.length
            if event.millis >= end:
                yield self._close(start)
                start += (event.millis - start) // self.length * self.length
                end = start + self.length
            self.node.apply((event,))
        if end:
            yield self._close(start)

    def _events(self) -> Iterator[Event]:
        for chunk in read_log(self.log):
            yield from self.parser.feed(chunk)
        yield from self.parser.finish()

    def _close(self, start: int) -> Closed:
        close: Seconds = {}
        gc.freeze()
        epoch = timed(close, "close", self.epochs.close, start, self.parser.lines, {})
        found = Closed(epoch, {}, {})
        self.shadow.seal(found.seconds, found.edges)
        for seconds in found.seconds.values():
            seconds.update(close)
        return found


class Cluster:
    """The monitor's side: words, evidence and models of all applications; and how the agents' deltas are encoded."""

    def __init__(self) -> None:
        self.words: dict[str, Lexicon] = defaultdict(Lexicon)
        self.evidence: dict[str, Evidence] = defaultdict(Evidence)
        self.news: dict[str, Evidence] = defaultdict(Evidence)
        self.folded: dict[str, Model] = {}
        self.anew: dict[str, int] = {}
        self.states: dict[str, Sizes] = {}

    def take(self, server: Server, closed: Closed, monitor: dict[str, Seconds]) -> None:
        """An epoch's deltas."""
        epoch = closed.epoch
        for app, delta in sorted(epoch.deltas.items()):
            agent, seconds = closed.seconds.setdefault(app, {}), monitor.setdefault(app, {})
            words, known = self.words[app], server.epochs.lexicons.setdefault(app, Lexicon())
            news = encode_extension(words, known.revision)
            timed(agent, "encode", apply_extension, known, news)
            timed(agent, "encode", encode_delta, delta, known)
            words.extend(delta.states, delta.transitions)
            span = Span(epoch.start, epoch.start)
            evidence = timed(seconds, "evidence", delta.evidence, server.name, span)
            timed(seconds, "evidence", self.news[app].update, evidence)
            self.evidence[app].update(evidence)

    def models(self, monitor: dict[str, Seconds]) -> None:
        """The models of applications that have news."""
        gc.freeze()
        for app, seconds in sorted(monitor.items()):
            whole, before = self.evidence[app], self.folded.get(app)
            if before is None:
                model = timed(seconds, "model", Model.of, app, whole)
                folded = self.folded[app] = timed(seconds, "fold", model.folded)
            else:
                folded = self.folded[app] = timed(seconds, "fold", before.extended, self.news[app])
                model = timed(seconds, ANEW, Model.of, app, whole)
                self.anew[app] = len(timed(seconds, ANEW, model.folded).states)
            del self.news[app]
            self.states[app] = len(model.states), len(folded.states), self.anew.get(app, len(folded.states))


@dataclass(slots=True)
class Run:
    """Seconds of every epoch of every worker; the edges of each, and the sizes of the models at the end."""

    seconds: dict[Cell, Seconds] = field(default_factory=dict)
    edges: dict[Cell, int] = field(default_factory=dict)
    states: dict[str, Sizes] = field(default_factory=dict)


def run(folder: Path, length: int) -> Run:
    """A recording, epoch by epoch."""
    recording, cluster, found = open_recording(folder), Cluster(), Run()
    servers = [Server(name, log, recording.containers.get(name, []), length) for name, log in recording.logs.items()]
    going = {server: server.run() for server in servers}
    number = 0
    while going:
        monitor: dict[str, Seconds] = {}
        ended = {server: closed for server, epochs in going.items() if (closed := next(epochs, None)) is not None}
        for server, closed in ended.items():
            cluster.take(server, closed, monitor)
        cluster.models(monitor)
        for server, closed in ended.items():
            for app, agent in closed.seconds.items():
                found.seconds[number, server.name, app] = agent | monitor.get(app, {})
                found.edges[number, server.name, app] = closed.edges.get(app, 0)
        going = {server: going[server] for server in ended}
        number += 1
    found.states = cluster.states
    return found


def medians(runs: Sequence[Run]) -> dict[Cell, Seconds]:
    """By cell and stage."""
    return {
        cell: {stage: statistics.median(one.seconds[cell].get(stage, 0.0) for one in runs) for stage in (*STAGES, ANEW)}
        for cell in runs[0].seconds
    }


def total(seconds: Seconds) -> float:
    """Of all stages."""
    return sum(seconds[stage] for stage in STAGES)


def rows(cells: dict[Cell, Seconds], edges: dict[Cell, int]) -> dict[str, list[Cell]]:
    """By application: the first epoch of the busiest server; of later epochs the middle one and the worst."""
    found: dict[str, list[Cell]] = {}
    for app in sorted({cell[2] for cell in cells}):
        own = [cell for cell in cells if cell[2] == app]
        least = min(cell[0] for cell in own)
        later = sorted((cell for cell in own if cell[0] > least), key=lambda cell: total(cells[cell]))
        found[app] = [max((cell for cell in own if cell[0] == least), key=lambda cell: edges[cell])]
        found[app] += [later[len(later) // 2], later[-1]] if later else []
    return found


def shown(length: int, cells: dict[Cell, Seconds], edges: dict[Cell, int]) -> tuple[Table, list[str]]:
    """One length of epochs; what is above its limit, as sentences."""
    table = Table("app", title=f"induction by epochs of {length} s: CPU milliseconds", title_justify="left")
    table.columns[0].no_wrap = True
    for column in ("epoch", "of"):
        table.add_column(column, no_wrap=True)
    for column in ("edges", *STAGES, "sum", ANEW, "Winnower"):
        table.add_column(column, justify="right", no_wrap=True)
    broken = []
    for app, chosen in rows(cells, edges).items():
        for name, cell in zip(ROWS, chosen, strict=False):
            limit = LATER if name.startswith("later") else FIRST
            sums = total(cells[cell])
            stages = [f"{cells[cell][stage] * 1e3:.1f}" for stage in STAGES]
            published = PUBLISHED[name.split(",")[0]] if length == PUBLISHED_FOR else ""
            which = f"{cell[1]} #{cell[0] + 1}"
            table.add_row(
                app,
                name,
                which,
                f"{edges[cell]:,}",
                *stages,
                f"{sums * 1e3:.1f}",
                f"{cells[cell][ANEW] * 1e3:.1f}",
                published,
            )
            if sums > limit:
                what = f"epochs of {length} s, {app}, {name}"
                broken.append(f"{what}: {sums * 1e3:.0f} ms, above {limit * 1e3:.0f} ms")
        table.add_section()
    return table, broken


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="CPU seconds of induction by epoch")
    parser.add_argument("recording", type=Path, nargs="?", default=RECORDING)
    parser.add_argument("--lengths", default="50,10", help="seconds, by commas")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 130)
    broken: list[str] = []
    states: dict[str, Sizes] = {}
    for length in map(int, options.lengths.split(",")):
        runs = []
        for number in range(options.runs):
            print(f"epochs of {length} s, run {number + 1} of {options.runs} …", file=sys.stderr, flush=True)
            runs.append(run(options.recording, length * SECOND))
        table, said = shown(length, medians(runs), runs[0].edges)
        console.print(table)
        broken += said
        states = runs[0].states
    for app, (base, folded, anew) in sorted(states.items()):
        print(f"{app}: {base:,} base states, {folded:,} as folded and extended, {anew:,} folded anew, at the end")
    for sentence in broken:
        print(f"broken: {sentence}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
