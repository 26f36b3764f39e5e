"""Execution units: one per request? And what they save an investigator from.

    python bench/units.py [RECORDING] [--profile FILE]...        # ../shared/recordings/portal

Three tables. Units found against requests sent, by container; edges and components of the units' graph by scenario of
`labels.json` (the paper's Figure 5), with the time of each phase; the ancestors of the socket that the stolen data left
by, with units and without (a process is one vertex, in versions).

Rules of this file
    - The agent's own pipeline, worker by worker; its graph is taken down by a recorder. "Without units" is the same
      code with `begin` switched off.
    - A request is a line of an access log, whatever the graph says.
    - Exit code 1 if a container has not one unit per request, or units add to an attack's ancestors.

Source: DisProTrack section VII (E1, E2, E3, Figure 5, 600-900 ms); issue "application logs".
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from unittest.mock import patch

from units_graph import Watched, ancestors, requests_of

from agent import calls_sockets
from agent.containers import HOST, Containers
from agent.events import AuditParser
from agent.lognames import LogNames, Profiles
from agent.node import Node
from agent.pipeline import Pipeline
from agent.processes import Process
from agent.profile_files import read_profiles
from agent.recording import Recording, open_recording, read_log
from agent.recording_logs import logs_of
from agent.upg import Actor

EPOCH = 10_000
HERE = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="units, components, dependency explosion")
    parser.add_argument("recording", nargs="?", type=Path, default=HERE.parent / "shared" / "recordings" / "portal")
    parser.add_argument("--profile", action="append", type=Path, default=[])
    given = parser.parse_args(arguments)
    recording = open_recording(given.recording)
    labels = json.loads((given.recording / "labels.json").read_text(encoding="utf-8"))
    names = LogNames(Profiles(read_profiles(given.profile)))
    graphs = {worker: watched(recording, worker, names) for worker in recording.logs}
    right = units(graphs, recording)
    sessions(graphs, recording)
    if "scenarios" in labels:
        scenarios(recording, graphs, labels["scenarios"])
    saved = all(explosion(recording, names, graphs, attack) for attack in labels.get("attacks", ()))
    print(f"\nPeak memory of all of it: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0 if right and saved else 1


def watched(recording: Recording, worker: str, names: LogNames, *, with_units: bool = True) -> Watched:
    """One worker's graph."""
    graph = Watched()
    logs = logs_of(recording.logs[worker].parent, names)
    containers = Containers.of(recording.containers.get(worker, []))
    pipeline = Pipeline(containers, EPOCH, recorder=graph, logs=logs)
    begun = process_time()
    with patch.object(calls_sockets, "begin", calls_sockets.begin if with_units else none_begins):
        for chunk in read_log(recording.logs[worker]):
            for epoch in pipeline.feed(chunk):
                graph.told += epoch.seconds
        for epoch in pipeline.finish():
            graph.told += epoch.seconds
    graph.seconds = process_time() - begun
    graph.logs = logs
    return graph


def none_begins(process: Process, source: str, peer: str = "") -> Actor:
    """A process that is never divided."""
    del source, peer
    process.current = process.base
    return process.base


def units(graphs: dict[str, Watched], recording: Recording) -> bool:
    """Requests sent, units found, and how they meet."""
    print("| container | requests (access log) | units of its port | with one | with more | none: silent | other |")
    print("|---|---|---|---|---|---|---|")
    right = True
    silent = 0
    for worker, graph in graphs.items():
        for container, sent in requests_of(recording.logs[worker].parent / "logs").items():
            found = [unit for unit in graph.units.values() if unit.container == container and unit.served]
            held = Counter(min(unit.requests, 2) for unit in found)
            none = sum(not unit.requests and not unit.heard for unit in found)
            rest = held[0] - none
            print(f"| {container} | {sent:,} | {len(found):,} | {held[1]:,} | {held[2]:,} | {none:,} | {rest:,} |")
            right &= held[1] == sent
            silent += none
    if silent:
        print("\nSilent: the client connected and closed without sending a byte (the server's read ended at once).")
    return right


def sessions(graphs: dict[str, Watched], recording: Recording) -> None:
    """Containers without an access log: connections that were accepted, and the lines of logs that belong to each."""
    rows = []
    for worker, graph in graphs.items():
        served = requests_of(recording.logs[worker].parent / "logs")
        for container in sorted({unit.container for unit in graph.units.values()} - {*served, HOST}):
            found = graph.sessions(container)
            lines = sum(key[0] == container and op == "log" for key, _, op, _, _ in graph.edges)
            rows.append(
                f"| {container} | {len(found):,} | {sum(map(bool, found.values())):,} | {lines:,} | "
                f"{lines - sum(found.values()):,} |"
            )
    if rows:
        print("\n| container | sessions (units) | with lines of a log | lines joined exactly | of them in no session |")
        print("|---|---|---|---|---|")
        print("\n".join(rows))


def scenarios(recording: Recording, graphs: dict[str, Watched], told: Sequence[dict[str, object]]) -> None:
    """By scenario: what its units are in the graph."""
    starts = sorted((float(str(one["start"])), str(one["name"])) for one in told)
    ends = [start for start, _ in starts[1:]] + [starts[-1][0] + 5]
    rows: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    for (start, name), end in zip(starts, ends, strict=True):
        row = [0, 0, 0, 0]
        for graph in graphs.values():
            for position, number in enumerate(graph.within(int(start * 1000), int(end * 1000))):
                row[position] += number
        rows[name].append((row[0], row[1], row[2], row[3]))
    seconds = sum(graph.seconds for graph in graphs.values())
    rounds = len(starts)
    print("\nUnits are those of the web servers (one a request) and of the database (one a connection).\n")
    print("| scenario | rounds | requests | units | edges of units | components | edges a unit |")
    print("|---|---|---|---|---|---|---|")
    for name, found in sorted(rows.items()):
        requests, served, edges, parts = (sum(one[position] for one in found) for position in range(4))
        each = edges / max(1, served)
        print(f"| {name} | {len(found)} | {requests:,} | {served:,} | {edges:,} | {parts:,} | {each:.1f} |")
    phases(recording, graphs, seconds, rounds)


def phases(recording: Recording, graphs: dict[str, Watched], seconds: float, rounds: int) -> None:
    """CPU time of each phase, by scenario run (the paper: 600 to 900 ms)."""
    begun = process_time()
    events = []
    for log in recording.logs.values():
        parser = AuditParser()
        events.append([event for chunk in read_log(log) for event in parser.feed(chunk)])
    parsing = process_time() - begun
    begun = process_time()
    for worker, found in zip(recording.logs, events, strict=True):
        Node(Containers.of(recording.containers.get(worker, []))).apply(found)
    graph_alone = process_time() - begun
    told = sum(graph.told for graph in graphs.values())
    lines = max(0.0, seconds - parsing - graph_alone - told)
    total = sum(sum(graph.logs.joined.values()) for graph in graphs.values() if graph.logs is not None)
    print("\n| phase | CPU s | ms a scenario run |")
    print("|---|---|---|")
    for name, spent in (
        ("read and parse records", parsing),
        ("graph of system calls, with units", graph_alone),
        (f"{total:,} lines: read, named, joined; and the recorder of this bench", lines),
        ("epochs: what is new, as deltas", told),
        ("all", seconds),
    ):
        print(f"| {name} | {spent:.2f} | {1000 * spent / rounds:.0f} |")


def explosion(recording: Recording, names: LogNames, graphs: dict[str, Watched], attack: dict[str, str]) -> bool:
    """Ancestors of the socket that the attack's last step has connected to."""
    worker, container = attack["worker"], attack["container"]
    undivided = watched(recording, worker, names, with_units=False)
    print(f"\n{attack['name']} in {container} on {worker}: ancestors of the socket to the attacker")
    print("\n| graph | vertices in all | ancestors: vertices | processes | files | sockets |")
    print("|---|---|---|---|---|---|")
    sizes = []
    served = False
    for title, graph in (("with units", graphs[worker]), ("without units", undivided)):
        end = graph.last_connection(container, float(str(attack["start"])) * 1000, float(str(attack["end"])) * 1000)
        found = ancestors(graph, end) if end else set()
        kinds = Counter(graph.labels[one].partition(" ")[0] for one in found)
        sizes.append(len(found))
        served = served or any(one in graphs[worker].unit_of for one in found if not sizes[1:])
        size = sum(1 for one in graph.labels if one[0] == container)
        parts = " | ".join(f"{kinds[kind]:,}" for kind in ("Process", "File", "Socket"))
        print(f"| {title} | {size:,} | **{len(found):,}** | {parts} |")
    if sizes[0] == sizes[1]:
        where = "through a process that serves one connection" if served else "through no server"
        print(f"\nThe attack has come {where}: there is nothing for units to divide.")
    return 0 < sizes[0] <= sizes[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
