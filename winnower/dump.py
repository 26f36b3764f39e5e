"""`--dump DIR`: every instance graph and the model beside it, so that anybody can measure what compression loses.

Rules of this file
    - Instances are written to temporary files as they appear, labels and states when the model is known.
    - `APP.instance.json`: node-link; nodes `id, label, state, object`; edges `source` (effect), `target` (cause),
      `relation, operation, time` in event order. `APP.model.json`: nodes `id, label, support`.
    - ASCII only. Ids and objects are escaped so that different ones stay different; a file's name never leaves DIR.

Complexity: O(vertices + edges) on disk; in memory one number per vertex.
Source: design section 5 (--dump).
"""

from __future__ import annotations

import json
import re
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final

from agent.upg import KINDS_OF_EDGE, Scope, States
from grammar import Model, State, escape
from monitor.render import to_json

MAX_NAME: Final = 100


class _Part:
    """One application's instances on one worker."""

    def __init__(self, states: States) -> None:
        self.table = states
        self.states: dict[str, array[int]] = {}
        self.vertices: IO[str] = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - lives as long as the dump
        self.edges: IO[str] = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - lives as long as the dump

    def nodes(self, model: Model) -> Iterator[str]:
        """Every vertex as JSON, with the model's state."""
        resolved: dict[int, tuple[str, str]] = {}
        self.vertices.seek(0)
        for line in self.vertices:
            where, vertex, obj = line.rstrip("\n").split("\t")
            number = self.states[where][int(vertex) - 1]
            if number not in resolved:
                known = model.state_of(State(*self.table.states[number]))
                resolved[number] = (shown(known.label), model.ids[known])
            label, state_id = resolved[number]
            yield to_json({"id": f"{where}/{vertex}", "label": label, "state": state_id, "object": obj}, None)

    def links(self) -> Iterator[str]:
        """Every edge as JSON."""
        self.edges.seek(0)
        for line in self.edges:
            yield line.rstrip("\n")

    def close(self) -> None:
        """The temporary files are gone."""
        self.vertices.close()
        self.edges.close()


class Dump:
    """A recorder of all workers; `of(worker)` gives what that worker's node wants, `write` ends it."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], _Part] = {}

    def of(self, worker: str) -> WorkerDump:
        """The recorder of one worker."""
        return WorkerDump(self, worker)

    def new(self, worker: str, scope: Scope) -> _Part:
        """The part of an application that is seen for the first time on a worker."""
        part = self.parts[worker, scope.app] = _Part(scope.states)
        return part

    def write(self, folder: Path, models: Mapping[str, Model]) -> None:
        """Write both files of every application."""
        for app, model in models.items():
            name = file_name(app)
            parts = [part for (_, of), part in self.parts.items() if of == app]
            with (folder / f"{name}.instance.json").open("w", encoding="ascii") as file:
                file.write('{"directed": true, "multigraph": true, "graph": {}, "nodes": [\n')
                _list(file, (line for part in parts for line in part.nodes(model)))
                file.write('\n], "edges": [\n')
                _list(file, (line for part in parts for line in part.links()))
                file.write("\n]}\n")
            (folder / f"{name}.model.json").write_text(to_json(model_value(model)), encoding="ascii")
        for part in self.parts.values():
            part.close()


class WorkerDump:
    """Takes one worker's vertices and edges (`agent.upg.Recorder`)."""

    def __init__(self, dump: Dump, worker: str) -> None:
        self._dump, self._worker = dump, worker
        self._wheres: dict[str, str] = {}

    def _part(self, scope: Scope) -> _Part:
        return self._dump.parts.get((self._worker, scope.app)) or self._dump.new(self._worker, scope)

    def _where(self, scope: Scope) -> str:
        found = self._wheres.get(scope.container)
        if found is None:
            found = self._wheres[scope.container] = f"{unique(self._worker)}/{unique(scope.container)}"
        return found

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        """One new vertex."""
        where = self._where(scope)
        part = self._part(scope)
        part.states.setdefault(where, array("l")).append(-1)
        part.vertices.write(f"{where}\t{number}\t{where}/{unique(ident)}\n")

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        """A vertex has its state."""
        self._part(scope).states[self._where(scope)][number - 1] = state

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """One new edge."""
        where = self._where(scope)
        relation, operation = KINDS_OF_EDGE[kind]
        edge = {"source": f"{where}/{effect}", "target": f"{where}/{cause}", "relation": relation}
        self._part(scope).edges.write(to_json(edge | {"operation": operation, "time": millis / 1000}, None) + "\n")


def _list(file: IO[str], lines: Iterable[str]) -> None:
    for position, line in enumerate(lines):
        file.write(f",\n{line}" if position else line)


def model_value(model: Model) -> dict[str, object]:
    """The model as node-link JSON."""
    nodes = [
        {
            "id": model.ids[state],
            "label": shown(state.label),
            "context": [shown(entry) for entry in state.context],
            "support": sorted(f"{unique(one.worker)}/{unique(one.container)}" for one in model.support[state]),
        }
        for state in model.states
    ]
    edges = [
        {
            "source": model.ids[one.effect],
            "target": model.ids[one.cause],
            "relation": shown(one.relation),
            "operation": shown(one.operation),
        }
        for one in model.transitions
    ]
    return {"directed": True, "multigraph": True, "graph": {"app": model.app}, "nodes": nodes, "edges": edges}


def shown(text: str) -> str:
    """Text for people: control and undecodable characters escaped."""
    return text if text.isascii() and text.isprintable() else escape(text, 4096)


def unique(text: str) -> str:
    r"""Text as printable ASCII, different for different texts (backslashes are doubled).

    >>> unique("a\tb\\t")
    'a\\tb\\\\t'
    """
    return (
        text
        if text.isascii() and text.isprintable() and "\\" not in text
        else json.dumps(text)[1:-1].replace("\x7f", "\\u007f")
    )


def file_name(app: str) -> str:
    """An application's name as a file name: nothing in it can leave the folder, no two applications share one.

    >>> file_name("web"), file_name("../../x").startswith(".")
    ('web', False)
    """
    if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", app) and len(app) <= MAX_NAME:
        return app
    digest = blake2b(app.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", app[:MAX_NAME]).lstrip("._")
    return f"{readable or 'app'}-{digest}"
