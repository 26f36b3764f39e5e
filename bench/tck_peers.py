"""The same scenarios on other engines: each in a process of its own, with a deadline for every answer.

Rules of this file
    - A peer gets every scenario that the language claims, the graph as our set-up made it, and the same query. Its
      answers go through the same comparison (`tck_compare`), but that any error is taken for the one expected.
    - A peer that does not answer in time, or dies, fails that scenario and is started again.
    - Scenarios that expect rows and those that expect an error are counted apart: whoever can do nothing raises errors.

Invariant: no peer is left running when `Peer` is closed.
Complexity: at most `SECONDS` of CPU for a scenario and a peer (a busy machine is not its fault), `WALL` on the clock.
"""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tck_case import Case, Empty, Phase, Raised, Rows
from tck_compare import Answer, Failure, Outcome, mismatch
from tck_graph import TckGraph
from tck_ours import shown
from tck_values import Shown
from tck_wire import Json, from_wire, plain
from testbed.processes import cpu_seconds

from policies.values import Value

SECONDS: Final = 5.0
WALL: Final = 60.0
LOOK: Final = 0.25
"""How often a peer that is busy is looked at, in seconds."""
WORKER: Final = Path(__file__).resolve().parent / "tck_peer.py"


class DiedError(Exception):
    """A peer that did not answer."""


@dataclass(slots=True)
class Score:
    """How many scenarios of each sort were met, and which were not."""

    rows: int = 0
    errors: int = 0
    of_rows: int = 0
    of_errors: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def count(self, case: Case, why: str) -> None:
        """One scenario; `why` is empty if it was met."""
        errors = any(isinstance(asked.expected, Raised) for asked in case.asked)
        self.of_errors += errors
        self.of_rows += not errors
        self.errors += errors and not why
        self.rows += not errors and not why
        if why:
            self.failed[case.scenario.title] = why


class Peer:
    """A peer's process, started when it is first asked."""

    def __init__(
        self, name: str, interpreter: Path, *, seconds: float = SECONDS, wall: float = WALL, worker: Path = WORKER
    ) -> None:
        self.name, self.version = name, ""
        self._argv = [str(interpreter), str(worker), name]
        self._seconds, self._wall = seconds, wall
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def ask(self, job: Json) -> dict[str, Json]:
        """Its answer to one line; `DiedError` if there is none in time."""
        try:
            process = self._process or self._start()
            assert process.stdin is not None, "opened with a pipe"
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            return self._reply(process)
        except (OSError, ValueError) as error:
            self.close()
            raise DiedError(f"no answer: {error}") from None

    def close(self) -> None:
        """End it, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        quiet = subprocess.DEVNULL
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._argv, stdin=pipe, stdout=pipe, stderr=quiet, text=True, encoding="utf-8")
        self.version = str(self._reply(self._process).get("version", ""))
        return self._process

    def _reply(self, process: subprocess.Popen[str]) -> dict[str, Json]:
        """One line; a peer writes it whole, so only its first byte is waited for."""
        assert process.stdout is not None, "opened with a pipe"
        used, began = cpu_seconds(process.pid), time.monotonic()
        while not select.select([process.stdout], [], [], LOOK)[0]:
            if cpu_seconds(process.pid) - used > self._seconds or time.monotonic() - began > self._wall:
                raise ValueError(f"nothing within {self._seconds:g} s of CPU")
        reply = json.loads(process.stdout.readline() or "null")
        if not isinstance(reply, dict):
            raise ValueError("the process has ended")
        return reply


def score(peer: Peer, cases: Iterable[tuple[Case, TckGraph]]) -> Score:
    """The peer on every case, with the graph it starts from."""
    total = Score()
    for case, graph in cases:
        total.count(case, next(filter(None, _mismatches(peer, case, graph)), ""))
    return total


def _mismatches(peer: Peer, case: Case, graph: TckGraph) -> Iterator[str]:
    job = loaded(graph)
    parameters: Json = {name: plain(value) for name, value in case.parameters.items()}
    for asked in case.asked:
        assert asked.expected is not None, "a case is understood"
        try:
            reply = peer.ask({**job, "query": asked.query, "parameters": parameters})
            yield mismatch(asked.expected, _outcome(reply, asked.expected), named=False)
        except DiedError as error:
            yield str(error)


def _outcome(reply: dict[str, Json], expected: Rows | Empty | Raised) -> Outcome:
    if "error" in reply:
        return Failure(str(reply["error"]), "", Phase.RUN, str(reply.get("message", "")))
    columns, rows = reply.get("columns"), reply.get("rows")
    if not isinstance(rows, list):
        raise DiedError("an answer without rows")
    if isinstance(columns, list):
        names = tuple(map(str, columns))
    else:  # no rows, and an interface that has no columns then
        names = expected.columns if isinstance(expected, Rows) else ()
    try:
        return Answer(names, tuple(_row(row) for row in rows))
    except ValueError as error:
        raise DiedError(f"an answer that is none: {error}") from None


def _row(row: Json) -> tuple[Shown, ...]:
    if not isinstance(row, list):
        raise ValueError("a row that is no list")
    return tuple(map(from_wire, row))


def _values(properties: Mapping[str, Value]) -> Json:
    return {name: plain(shown(value, TckGraph())) for name, value in properties.items()}


def loaded(graph: TckGraph) -> dict[str, Json]:
    """Nodes and edges, as a peer's process reads them."""
    numbers = {node: number for number, node in enumerate(graph.nodes())}
    nodes: Json = [[list(graph.labels(node)), _values(graph.properties(node))] for node in numbers]
    edges: Json = [
        [numbers[edge.effect], edge.relation, numbers[edge.cause], _values(edge.properties())] for edge in graph.edges()
    ]
    return {"nodes": nodes, "edges": edges}
