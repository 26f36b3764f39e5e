"""An investigation's questions: on the unmerged graph, at the worker's store, on our model; beside Winnower's figures.

    python bench/questions.py [RECORDING…] [--runs 20]

Rules of this file
    - The questions that Winnower's paper times: getNodes by name, getAncestors of what the attack left, getDescendants
      of where it came in; and the attack itself in the query language.
    - Unmerged is every vertex of every replica (`winnower replay --dump`): networkx for tracing, our evaluator for
      queries. The worker's store is that of the attacked worker, which alone is asked (`ancestors --instances`).
    - Model cold: the state folder is opened, the model made, the question answered; warm: the question alone. Wall
      milliseconds, the median of the runs; in brackets, how many vertices, states or rows the answer has.

Limits: warm at most 9 ms, the published figure for the model; exit 1 above.
Source: Winnower (NDSS 2018), section on query times: 68 to 135 ms on raw graphs, 5 to 9 ms on models.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import networkx as nx
from fidelity_replay import SHIPPED
from instances import play, question
from logs import plain_log
from rich.console import Console
from rich.table import Table

from agent.instances import Instances
from agent.pipeline import Pipeline
from agent.recording import open_recording
from grammar import Model, kind_of, properties_of
from monitor.application import Application
from monitor.novelty import Settings
from monitor.query import find_nodes, trace
from monitor.query_rows import Views, ask
from monitor.store import Store
from policies import Edge, MemoryGraph, parse_query, run
from winnower.policy_command import shipped_policies
from winnower.replay import replay
from winnower.replay_command import Runner

LIMIT_MS: Final = 9.0
EPOCH: Final = 10_000
STOLEN: Final = (
    "MATCH (s:Socket {{address: '{peer}'}})-[:WAS_GENERATED_BY]->(p:Process)-[:USED]->(f:File {{path: '{path}'}}) "
    "RETURN DISTINCT p.name AS program, f.path AS read, s.peer AS sent_to"
)
CHAIN: Final = "MATCH p = shortestPath((s:File {{path: '{left}'}})-[*..12]->(f:File {{path: '{path}'}})) RETURN p"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: nodes that match, what led to them, what they led to; or a query."""

    text: str
    conditions: dict[str, str]
    label: str = ""
    direction: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is asked about one recording, and where its attack was."""

    app: str
    worker: str
    asked: tuple[Asked, ...]


def scene(app: str, worker: str, *, left: str, peer: str, entry: str, sent: str, read: str) -> Scene:
    """The questions about an attack: the file that it left, whom it sent what, where it came in, what it read."""
    address = peer.partition(":")[0]
    key = "path" if entry.startswith("File") else "exe"
    where = entry.rpartition(" ")[2]
    asked = (
        Asked(f"getNodes path={left}", {"path": left}),
        Asked(f"getAncestors of {left}", {"path": left}, f"File {left}", "ancestors"),
        Asked(f"getAncestors of socket {peer}", {"peer": peer}, f"Socket {peer}", "ancestors"),
        Asked(f"getDescendants of {entry}", {key: where}, entry, "descendants"),
        Asked("query: who read it and sent", {}, query=STOLEN.format(peer=address, path=sent)),
        Asked("query: shortest path", {}, query=CHAIN.format(left=left, path=read)),
    )
    return Scene(app, worker, asked)


SCENES: Final = {
    "web": scene(
        "web",
        "worker3",
        left="/usr/bin/.sshd-helper",
        peer="10.89.0.1:4444",
        entry="Process .x /tmp/.x",
        sent="/tmp/.loot",
        read="/etc/passwd",
    ),
    "portal": scene(
        "portal",
        "worker2",
        left="/tmp/.r",
        peer="10.89.0.1:9998",
        entry="File /var/www/html/mal.sh",
        sent="/tmp/.r",
        read="/var/www/html/mal.sh",
    ),
}


def median(work: Callable[[], int], runs: int) -> tuple[float, int]:
    """Wall milliseconds, and how long the answer is."""
    times, size = [], 0
    for _ in range(runs):
        begun = time.perf_counter()
        size = work()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times), size


def cell(found: tuple[float, int] | None) -> str:
    return f"{found[0]:,.2f} ({found[1]:,})" if found else ""


class Unmerged:
    """Every vertex that any replica has shown."""

    def __init__(self, file: Path) -> None:
        document = json.loads(file.read_text("ascii"))
        self.graph = nx.node_link_graph(document, edges="edges")
        labels = {node["id"]: node["label"] for node in document["nodes"]}
        edges = (Edge(e["source"], e["relation"], e["operation"], e["target"]) for e in document["edges"])
        self.memory = MemoryGraph({n: (kind_of(one), dict(properties_of(one))) for n, one in labels.items()}, edges)

    def ask(self, asked: Asked) -> int:
        """How long the answer is."""
        if asked.query:
            return len(run(parse_query(asked.query), self.memory).rows)
        (key, value), *_ = asked.conditions.items()
        nodes = self.graph.nodes(data="label")
        found = {ident for ident, label in nodes if properties_of(label).get(key) == value}
        if not asked.direction:
            return len(found)
        reach = nx.descendants if asked.direction == "ancestors" else nx.ancestors  # edges go to causes
        return len(set().union(*(reach(self.graph, one) for one in found)))


def of_model(model: Model, asked: Asked, views: Views) -> int:
    """How long the answer is."""
    if asked.query:
        return ask([model], parse_query(asked.query), views, time.monotonic).total
    found = find_nodes(model, asked.conditions)
    if not asked.direction:
        return len(found.states)
    return len({other for one in found.states for other in trace([model], model.ids[one], asked.direction).states})


def cold(state: Path, app: str, asked: Asked) -> int:
    """The same with nothing in memory."""
    with closing(Store(state)) as store:
        return of_model(Application.load(store, app).model, asked, Views())


def at_worker(store: Instances, pipeline: Pipeline, asked: Asked) -> int | None:
    """Instances in the worker's answer."""
    if not asked.direction:
        return None
    return len(store.answer(question(pipeline, asked.label, asked.direction), 60).instances)


def about(folder: Path, runs: int, console: Console) -> bool:
    """The table of one recording; whether the limit is kept."""
    recording = open_recording(folder)
    at, kept = SCENES[recording.name], True
    with tempfile.TemporaryDirectory(prefix="questions-") as name:
        scratch = Path(name)
        replay(folder, scratch / "state", Runner(EPOCH, shipped_policies(), Settings()), dump=scratch / "dump")
        unmerged = Unmerged(scratch / "dump" / f"{at.app}.instance.json")
        log = plain_log(recording.logs[at.worker], scratch)
        store = Instances(scratch / "store", "bench")
        pipeline, _ = play(log, recording.containers[at.worker], store)
        with closing(Store(scratch / "state")) as opened:
            model = Application.load(opened, at.app).model
        graph = unmerged.graph
        title = (
            f"{recording.name}: {graph.number_of_nodes():,} vertices and {graph.number_of_edges():,} edges unmerged, "
        )
        title += f"{len(model.states):,} states, {len(model.transitions):,} transitions (wall ms)"
        table = Table(title=title, title_justify="left")
        for column in ("question", "unmerged", "worker's store", "model, cold", "model, warm"):
            table.add_column(column, justify="left" if column == "question" else "right")
        views = Views()
        for one in at.asked:
            raw = median(lambda one=one: unmerged.ask(one), runs)  # type: ignore[misc]
            seen = median(lambda one=one: at_worker(store, pipeline, one) or 0, runs) if one.direction else None  # type: ignore[misc]
            first = median(lambda one=one: cold(scratch / "state", at.app, one), runs)  # type: ignore[misc]
            warm = median(lambda one=one: of_model(model, one, views), runs)  # type: ignore[misc]
            kept &= warm[0] <= LIMIT_MS and warm[1] > 0
            table.add_row(one.text, *map(cell, (raw, seen, first, warm)))
        table.add_section()
        table.add_row("Winnower, published", "68-135", "", "", "5-9")
    console.print(table)
    return kept


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recordings", type=Path, nargs="*", default=[SHIPPED])
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 130)
    kept = [about(one, options.runs, console) for one in options.recordings]
    if not all(kept):
        console.print(f"a question to the model took more than {LIMIT_MS:g} ms, or found nothing")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
