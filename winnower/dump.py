"""`--dump DIR`: every instance graph and the model beside it, so that what compression loses can be measured by anybody.

Rules of this file
    - Instances are written to temporary files as they appear (bounded memory), labels and states when the model is known.
    - `APP.instance.json`: node-link; nodes `id, label, state, object`; edges `source (effect), target (cause), relation,
      operation, time` in event order. `APP.model.json`: nodes `id, label, support`.

Complexity: O(vertices + edges) on disk.
Source: design section 5 (--dump).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from agent.upg import KINDS_OF_EDGE, Scope, States
from grammar import Model, State, escape


class _Part:
    """One application's instances on one worker."""

    def __init__(self, states: States) -> None:
        self.states = states
        self.moved: dict[str, int] = {}
        self.vertices: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as the dump
        self.edges: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as the dump


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
        folder.mkdir(parents=True, exist_ok=True)
        for app, model in models.items():
            name = file_name(app)
            with (folder / f"{name}.instance.json").open("w", encoding="utf-8") as file:
                self._instance(file, app, model)
            (folder / f"{name}.model.json").write_text(json.dumps(model_value(model), indent=1), encoding="utf-8")

    def _instance(self, file: IO[str], app: str, model: Model) -> None:
        file.write('{"directed": true, "multigraph": true, "graph": {}, "nodes": [\n')
        mark = ""
        parts = [(worker, part) for (worker, name), part in self.parts.items() if name == app]
        for _worker, part in parts:
            resolved: dict[int, tuple[str, str]] = {}
            part.vertices.seek(0)
            for line in part.vertices:
                ident, state, obj = line.rstrip("\n").split("\t")
                number = part.moved.get(ident, int(state))
                if number not in resolved:
                    known = model.state_of(State(*part.states.states[number]))
                    resolved[number] = (shown(known.label), model.ids[known])
                label, state_id = resolved[number]
                node = {"id": ident, "label": label, "state": state_id, "object": obj}
                file.write(mark + json.dumps(node))
                mark = ",\n"
        file.write('\n], "edges": [\n')
        mark = ""
        for _worker, part in parts:
            part.edges.seek(0)
            for line in part.edges:
                file.write(mark + line.rstrip("\n"))
                mark = ",\n"
        file.write("\n]}\n")


class WorkerDump:
    """Takes one worker's vertices and edges (`agent.upg.Recorder`)."""

    def __init__(self, dump: Dump, worker: str) -> None:
        self._dump, self._worker = dump, worker

    def _part(self, scope: Scope) -> _Part:
        return self._dump.parts.get((self._worker, scope.app)) or self._dump.new(self._worker, scope)

    def vertex(self, scope: Scope, number: int, state: int, ident: str) -> None:
        """One new vertex."""
        where = f"{self._worker}/{scope.container}"
        self._part(scope).vertices.write(f"{where}/{number}\t{state}\t{where}/{shown(ident)}\n")

    def moved(self, scope: Scope, number: int, state: int) -> None:
        """A vertex changed its state before it passed anything on."""
        self._part(scope).moved[f"{self._worker}/{scope.container}/{number}"] = state

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """One new edge."""
        where = f"{self._worker}/{scope.container}"
        relation, operation = KINDS_OF_EDGE[kind]
        edge = {"source": f"{where}/{effect}", "target": f"{where}/{cause}", "relation": relation}
        self._part(scope).edges.write(json.dumps(edge | {"operation": operation, "time": millis / 1000}) + "\n")


def model_value(model: Model) -> dict[str, object]:
    """The model as node-link JSON."""
    nodes = [
        {
            "id": model.ids[state],
            "label": shown(state.label),
            "context": [shown(entry) for entry in state.context],
            "support": sorted(f"{replica.worker}/{replica.container}" for replica in model.support[state]),
        }
        for state in model.states
    ]
    edges = [
        {
            "source": model.ids[one.effect],
            "target": model.ids[one.cause],
            "relation": one.relation,
            "operation": one.operation,
        }
        for one in model.transitions
    ]
    return {"directed": True, "multigraph": True, "graph": {"app": model.app}, "nodes": nodes, "edges": edges}


def shown(text: str) -> str:
    """Text for a file or a terminal: control and undecodable characters escaped."""
    return text if text.isascii() and text.isprintable() else escape(text, 4096)


def file_name(app: str) -> str:
    """An application's name as a file name: nothing in it can leave the folder."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in app)
    return safe.lstrip(".") or "app"
