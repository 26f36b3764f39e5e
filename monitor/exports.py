"""Answers as graphs, and in the formats that other programs read.

Rules of this file
    - A `Picture` is any answer as a graph: nodes as the design's JSON, edges from effect to cause. A writer for each
      format takes pictures only, so what can be drawn can be written in all of them.
    - Every text goes through `safe` (or `to_json`): printable ASCII, the rest as escapes; no format gets characters
      that it has no way to hold (promise 7).
    - A picture of rows has the nodes, relationships and paths in them. If there are nodes only, they come with the
      edges among them.

Complexity: O(nodes and edges of the picture).
Source: issue "policies and questions", item 8; design section 5 (`--format`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rich.console import Group

from grammar import InputError, Model, Transition
from monitor.exports_csv import csv_of
from monitor.exports_dot import dot
from monitor.exports_graphml import graphml
from monitor.exports_picture import Picture
from monitor.exports_prov import prov
from monitor.instances import Gathered, instances_dot, instances_table
from monitor.query import Answer, node_value
from monitor.query_rows import Rows
from monitor.query_values import Writer
from monitor.render import answer_table, lost_lines, rows_table, to_json
from policies import Edge, Value
from policies.graph import OwnEdge
from policies.limits import SpentError
from policies.values import NodeValue, PathValue

FORMATS: Final = ("table", "json", "csv", "dot", "graphml", "node-link", "prov")
GRAPHS: Final[Mapping[str, Callable[[Picture], str]]] = {
    "dot": dot,
    "graphml": graphml,
    "node-link": lambda picture: to_json(picture.node_link()),
    "prov": prov,
}
SHOWN: Final = 1_000
"""Rows of a table when nothing else is said."""


def show_answer(answer: Answer, how: str) -> Group | str:
    """Nodes, or a trace, in one of the `FORMATS`."""
    if how == "table":
        return answer_table(answer)
    if how == "json":
        return to_json(answer.value())
    return _drawn(picture_of_answer(answer), how)


def show_rows(rows: Rows, how: str) -> tuple[Group | str, list[str]]:
    """The rows of a query in one of the `FORMATS`, and what must be said beside them (a table says it itself)."""
    if how == "table":
        cells = rows.cells(labels=True)
        return rows_table(cells.columns, cells.rows, cells.notes), []
    if how == "csv":
        cells = rows.cells(labels=False)
        return csv_of(cells.columns, cells.rows), cells.notes
    if how == "json":
        value = rows.value()
        told = f"not all there is: {value['cut']}"
        return to_json(value["rows"]), [*([told] if value["cut"] and not rows.cut else []), *rows.notes]
    picture = picture_of_rows(rows)
    return _drawn(picture, how), list(picture.notes)


def show_gathered(gathered: Gathered, how: str) -> Group | str:
    """Instances in one of the `FORMATS`."""
    if how == "table":
        return instances_table(gathered)
    if how == "json":
        return to_json(gathered.value())
    return instances_dot(gathered) if how == "dot" else _drawn(picture_of_instances(gathered), how)


def _drawn(picture: Picture, how: str) -> str:
    if how == "csv":
        return csv_of(*picture.table())
    if how not in GRAPHS:
        raise InputError("no such format", offending=how, hint=", ".join(FORMATS))
    return GRAPHS[how](picture)


def picture_of_answer(answer: Answer) -> Picture:
    """The nodes of an answer, its start first, and the edges among them."""
    model, ids = answer.model, answer.model.ids
    nodes = {ids[state]: node_value(model, state) | _distance(answer.states.get(state)) for state in answer.nodes}
    starts = frozenset([ids[answer.start]] if answer.start else [])
    notes = [*answer.notes, *(line.plain.strip() for line in lost_lines(answer.lost))]
    return Picture(nodes, tuple(edge_of(model, one) for one in answer.edges), starts, tuple(notes))


def _distance(distance: int | None) -> dict[str, object]:
    return {} if distance is None else {"distance": distance}


def edge_of(model: Model, one: Transition) -> Edge:
    """A transition by the ids of its states."""
    return Edge(model.ids[one.effect], one.relation, one.operation, model.ids[one.cause])


def picture_of_instances(gathered: Gathered) -> Picture:
    """Instances on the workers, and the links among them."""
    value = gathered.value()
    nodes = {str(one["id"]): one for one in _table(value["instances"])}
    edges = [
        OwnEdge(
            str(one["effect"]),
            str(one["relation"]),
            str(one["operation"]),
            str(one["cause"]),
            str(number),
            {"operation": str(one["operation"]), "time": float(str(one["time"]))},
        )
        for number, one in enumerate(_table(value["links"]))
        if str(one["effect"]) in nodes and str(one["cause"]) in nodes
    ]
    starts = frozenset(ident for ident, one in nodes.items() if one.get("asked"))
    return Picture(nodes, tuple(edges), starts)


def _table(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []


@dataclass(slots=True)
class _Collector:
    """Gathers what rows hold of a graph."""

    writer: Writer = field(default_factory=Writer)
    nodes: dict[str, dict[str, object]] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)

    def add(self, model: Model, value: Value) -> None:
        """A value, and what is in it."""
        self.writer.spend(1)
        if isinstance(value, NodeValue):
            self.node(model, value.name)
        elif isinstance(value, Edge):
            self.edge(model, value)
        elif isinstance(value, PathValue):
            for name in value.nodes:
                self.node(model, name)
            for one in value.edges:
                self.edge(model, one)
        elif isinstance(value, tuple):
            for part in value:
                self.add(model, part)
        elif isinstance(value, Mapping):
            for part in value.values():
                self.add(model, part)

    def node(self, model: Model, name: str) -> None:
        """A node."""
        if name not in self.nodes:
            self.nodes[name] = self.writer.node(model, name)
            self.models[name] = model

    def edge(self, model: Model, edge: Edge) -> None:
        """A relationship, and its ends."""
        if edge not in self.edges:
            self.writer.spend(5)
            self.node(model, edge.effect)
            self.node(model, edge.cause)
            self.edges[edge] = None

    def join(self) -> None:
        """All edges among the nodes."""
        for name, model in list(self.models.items()):
            for one in model.causes.get(model.by_id[name], ()):
                edge = edge_of(model, one)
                if edge.cause in self.nodes:
                    self.edge(model, edge)


def picture_of_rows(rows: Rows) -> Picture:
    """What the rows hold of a graph: see the rules."""
    found, notes = _Collector(), rows.notes
    try:
        for model, row in rows.rows:
            for value in row.values:
                found.add(model, value)
        if not found.edges:
            found.join()
    except SpentError as error:
        notes.append(f"not all there is: {error}")
    if rows.rows and not found.nodes:
        notes.append("no node in these rows: RETURN nodes, relationships or paths to draw them")
    return Picture(found.nodes, tuple(found.edges), frozenset(), tuple(notes))
