"""The graph that a policy sees: a read interface of five questions, and a small graph in memory.

Rules of this file
    - Edges point from effect to cause (OPM, W3C PROV); an edge is its four words, so equal edges are one edge.
    - Whatever answers `PolicyGraph` can be asked: a global model, a worker's epoch, a test graph.
    - Properties are strings; on a model they may hold typed fields (`sess_{alnum:26}`), which are compared as they
      are written.

Invariant: in `MemoryGraph`, an edge is in `causes(e.effect)` exactly if it is in `effects(e.cause)`; order is that of
    the input.
Complexity: building is linear; every question of `MemoryGraph` is one dictionary lookup.
Source: design section 2 (kinds, relations), section 5 (node-link form).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from grammar.errors import InputError

KINDS: Final = ("Process", "File", "Socket", "Pipe", "Memory", "LogMessage")
RELATIONS: Final = ("USED", "WAS_GENERATED_BY", "WAS_TRIGGERED_BY", "WAS_DERIVED_FROM")


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`effect` depends on `cause`: one of `RELATIONS`, and the system call family that made it so."""

    effect: str
    relation: str
    operation: str
    cause: str

    def other(self, node: str) -> str:
        """The end that is not `node`; of a loop, `node` itself."""
        return self.cause if self.effect == node else self.effect


class PolicyGraph(Protocol):
    """What the evaluator asks of a graph. Node ids are opaque; answers must not change during one evaluation."""

    def nodes(self) -> Iterable[str]:
        """All node ids, each once."""
        ...

    def kind(self, node: str) -> str:
        """One of `KINDS`."""
        ...

    def properties(self, node: str) -> Mapping[str, str]:
        """What abstraction left: File {path}, Process {name, exe, command}, Socket {address, port, family}."""
        ...

    def causes(self, node: str) -> Iterable[Edge]:
        """The edges whose effect is `node`."""
        ...

    def effects(self, node: str) -> Iterable[Edge]:
        """The edges whose cause is `node`."""
        ...


class MemoryGraph:
    """A graph held in dictionaries: for tests, and for the graphs that each policy is tried against."""

    __slots__ = ("_causes", "_effects", "_nodes")

    def __init__(self, nodes: Mapping[str, tuple[str, Mapping[str, str]]], edges: Iterable[Edge] = ()) -> None:
        """Nodes are `id: (kind, properties)`; an edge between unknown nodes is an `InputError`."""
        self._nodes = dict(nodes)
        self._causes: dict[str, list[Edge]] = {node: [] for node in self._nodes}
        self._effects: dict[str, list[Edge]] = {node: [] for node in self._nodes}
        for edge in dict.fromkeys(edges):
            for end in (edge.effect, edge.cause):
                if end not in self._nodes:
                    raise InputError("an edge names a node that is not in the graph", offending=end)
            self._causes[edge.effect].append(edge)
            self._effects[edge.cause].append(edge)

    @classmethod
    def from_node_link(cls, data: object, file: str = "") -> MemoryGraph:
        """Read node-link data: nodes `{id, kind, properties}`, edges `{source, target, relation, operation}`.

        `source` is the effect, `target` the cause. Raises `InputError`; nothing is guessed.

        >>> g = MemoryGraph.from_node_link({"nodes": [{"id": "p", "kind": "Process"}], "edges": []})
        >>> g.kind("p"), dict(g.properties("p"))
        ('Process', {})
        """
        table = _object(data, "a graph", file)
        nodes: dict[str, tuple[str, Mapping[str, str]]] = {}
        for item in _items(table, "nodes", file):
            name = _text(item, "id", file)
            if name in nodes:
                raise InputError("two nodes have one id", file=file, offending=name)
            nodes[name] = (_word(item, "kind", KINDS, file), _properties(item, file))
        edges = [
            Edge(
                _end(item, "source", nodes, file),
                _word(item, "relation", RELATIONS, file),
                _text(item, "operation", file),
                _end(item, "target", nodes, file),
            )
            for item in _items(table, "edges", file)
        ]
        return cls(nodes, edges)

    def nodes(self) -> Iterable[str]:
        """All node ids, in the order given."""
        return self._nodes.keys()

    def kind(self, node: str) -> str:
        """The node's kind."""
        return self._nodes[node][0]

    def properties(self, node: str) -> Mapping[str, str]:
        """The node's properties."""
        return self._nodes[node][1]

    def causes(self, node: str) -> Iterable[Edge]:
        """The edges whose effect is `node`."""
        return self._causes[node]

    def effects(self, node: str) -> Iterable[Edge]:
        """The edges whose cause is `node`."""
        return self._effects[node]


def _object(value: object, what: str, file: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InputError(f"{what} must be an object", file=file, offending=repr(value))
    return value


def _items(table: dict[str, object], key: str, file: str) -> list[dict[str, object]]:
    value = table.get(key)
    if not isinstance(value, list):
        raise InputError(f"a graph needs a list of '{key}'", file=file, hint="node-link form, see design section 5")
    return [_object(item, f"each of '{key}'", file) for item in value]


def _text(item: dict[str, object], key: str, file: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise InputError(f"'{key}' must be a string", file=file, offending=repr(item))
    return value


def _word(item: dict[str, object], key: str, words: tuple[str, ...], file: str) -> str:
    value = _text(item, key, file)
    if value not in words:
        raise InputError(f"unknown {key}", file=file, offending=value, hint="one of " + ", ".join(words))
    return value


def _end(item: dict[str, object], key: str, nodes: Mapping[str, object], file: str) -> str:
    value = _text(item, key, file)
    if value not in nodes:
        raise InputError("an edge names a node that is not in the graph", file=file, offending=value)
    return value


def _properties(item: dict[str, object], file: str) -> dict[str, str]:
    table = _object(item.get("properties", {}), "'properties'", file)
    return {key: _text(table, key, file) for key in table}
