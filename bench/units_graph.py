"""An instance graph as a recorder sees it, with its execution units.

Rules of this file
    - Vertices are (container, number). A version of a unit's process is the unit's; so are the processes that a unit
      has started, and theirs.

Complexity: O(edges).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from agent.logmessages import LogMessages
from agent.upg import KINDS_OF_EDGE, Scope

Key = tuple[str, int]
_ACCESS = re.compile(rb'\S+ \S+ \S+ \[[^\]]+\] "')
_REQUEST = re.compile(r"LogMessage (?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|\{[a-z]+\}) ")


@dataclass(slots=True)
class Unit:
    """One unit: where, when it began, whether a client began it, how many lines of an access log it has.

    `heard`: its client has sent something; `peer` is what it has accepted; `within` the unit that had started its
    process.
    """

    container: str
    begun: int
    served: bool
    requests: int = 0
    edges: int = 0
    heard: bool = False
    peer: str = ""
    within: Key | None = None


@dataclass(slots=True)
class Watched:
    """All vertices and edges of one worker."""

    labels: dict[Key, str] = field(default_factory=dict)
    edges: list[tuple[Key, str, str, Key, int]] = field(default_factory=list)
    units: dict[Key, Unit] = field(default_factory=dict)
    unit_of: dict[Key, Key] = field(default_factory=dict)
    seconds: float = 0.0
    told: float = 0.0
    logs: LogMessages | None = None

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        """A new vertex."""
        del ident
        self.labels[scope.container, number] = label

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        """Its state is of no interest here."""

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """A new edge; units grow along it."""
        relation, operation = KINDS_OF_EDGE[kind]
        here, there = (scope.container, effect), (scope.container, cause)
        self.edges.append((here, relation, operation, there, millis))
        if operation == "unit":
            context = "unit"
            self.units[here] = Unit(scope.container, millis, served=context == "unit", within=self.unit_of.get(there))
            self.unit_of[here] = here
        elif relation == "WAS_TRIGGERED_BY" and there in self.unit_of and here not in self.unit_of:
            self.unit_of[here] = self.unit_of[there]
        elif operation in ("log", "log_near") and there in self.unit_of:
            its = self.unit_of[here] = self.unit_of[there]
            self.units[its].requests += bool(_REQUEST.match(self.labels[here]))
        owner = self.unit_of.get(here) or self.unit_of.get(there)
        if owner is not None:
            unit = self.units[owner]
            unit.edges += 1
            unit.peer = unit.peer or (self.labels[there] if operation == "accept" else "")
            unit.heard = unit.heard or (operation not in ("unit", "accept", "version"))

    def within(self, start: int, end: int) -> tuple[int, int, int, int]:
        """Requests, units, edges of units and components of the units that began in a stretch of time."""
        chosen = {key for key, unit in self.units.items() if start <= unit.begun < end}
        requests = sum(self.units[key].requests for key in chosen)
        edges = sum(self.units[key].edges for key in chosen)
        return requests, len(chosen), edges, components(self, chosen)

    def sessions(self, container: str) -> dict[Key, int]:
        """The connections to a service that began a unit outside any other, and how many lines each has."""
        found = {
            key: 0
            for key, unit in self.units.items()
            if unit.container == container and unit.within is None and not unit.peer.endswith("{port}")
        }
        for line, _, operation, _, _ in self.edges:
            its = self.unit_of.get(line) if operation == "log" else None
            while its is not None and its not in found:
                its = self.units[its].within
            if its is not None:
                found[its] += 1
        return found

    def last_connection(self, container: str, start: float, end: float) -> Key | None:
        """The socket that was last connected to another host in a stretch of time."""
        found = None
        for effect, _, operation, _, millis in self.edges:
            if operation == "connect" and effect[0] == container and start <= millis <= end:
                label = self.labels[effect]
                if label.startswith("Socket ") and "/" not in label and ":3306" not in label:
                    found = effect
        return found


def components(graph: Watched, units: set[Key]) -> int:
    """Weakly connected parts of what these units have done, joined by what passes from one to another while it lasts.

    Files and sockets are versions of their own; what two units only read joins nothing.
    """
    parent: dict[Key, Key] = {}

    def root(one: Key) -> Key:
        while parent.setdefault(one, one) != one:
            parent[one] = one = parent[parent[one]]
        return one

    written: dict[Key, Key] = {}
    for effect, relation, _, cause, _ in graph.edges:
        owner = graph.unit_of.get(effect), graph.unit_of.get(cause)
        if relation == "WAS_GENERATED_BY" and owner[1] in units and owner[1] is not None:
            written[effect] = owner[1]
        elif relation == "USED" and owner[0] in units and owner[0] is not None and cause in written:
            parent[root(written[cause])] = root(owner[0])
    return len({root(one) for one in units})


def ancestors(graph: Watched, start: Key) -> set[Key]:
    """All causes of a vertex."""
    causes = defaultdict(list)
    for effect, _, _, cause, _ in graph.edges:
        causes[effect].append(cause)
    found: set[Key] = set()
    waiting = [start]
    while waiting:
        for cause in causes[waiting.pop()]:
            if cause not in found:
                found.add(cause)
                waiting.append(cause)
    return found


def requests_of(logs: Path) -> dict[str, int]:
    """Lines of access logs, by container."""
    found: dict[str, int] = {}
    for path in sorted(logs.glob("*/*")):
        lines = [line for line in path.read_bytes().splitlines() if _ACCESS.match(line)]
        if lines:
            found[path.parent.name] = found.get(path.parent.name, 0) + len(lines)
    return found
