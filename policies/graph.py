"""The graph that a query sees: a read interface of six questions, and a small graph in memory.

Rules of this file
    - Edges point from effect to cause (OPM, W3C PROV); a plain edge is its four words, so equal edges are one edge.
    - Whatever answers `PolicyGraph` can be asked: a global model, a worker's epoch, a test graph, a networkx graph.
    - A node has labels (on a model one, its kind), an edge one type (its relation); both have properties.
    - What a graph stands for is not the graph's to say but the caller's: `Meaning`.

Invariant: in `MemoryGraph`, an edge is in `causes(e.effect)` exactly if it is in `effects(e.cause)`; order is that of
    the input.
Complexity: building is linear; every question of `MemoryGraph` is one dictionary lookup.
Source: design section 2 (kinds, relations), section 5 (node-link form); openCypher 9 (property graph).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from grammar.errors import InputError

if TYPE_CHECKING:
    from policies.values import Value

KINDS: Final = ("Process", "File", "Socket", "Pipe", "Memory", "LogMessage")
RELATIONS: Final = ("USED", "WAS_GENERATED_BY", "WAS_TRIGGERED_BY", "WAS_DERIVED_FROM")
MAX_NESTING: Final = 32


class Meaning(Enum):
    """What the nodes and edges of a graph stand for, which decides what a match of it says."""

    CONCRETE = "concrete"
    """All is as it says."""
    STATES = "states"
    """Rows speak of states of a model: structure as it stands, but a property may be known only as a pattern."""
    INSTANCES = "instances"
    """A node stands for one or more real ones, an edge for at least one real edge between some of them."""


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

    def properties(self) -> Mapping[str, Value]:
        """What a query can ask of it."""
        return {"operation": self.operation}


@dataclass(frozen=True, slots=True)
class OwnEdge(Edge):
    """An edge with properties of its own and a `key` that tells parallel edges apart.

    It has its place among plain edges, which have no key: a graph may hold both.
    """

    key: str = ""
    own: Mapping[str, Value] = field(default_factory=dict, compare=False)

    def properties(self) -> Mapping[str, Value]:
        """Its own, and nothing else."""
        return self.own

    def __lt__(self, other: Edge) -> bool:
        return _rank(self) < _rank(other)

    def __le__(self, other: Edge) -> bool:
        return _rank(self) <= _rank(other)

    def __gt__(self, other: Edge) -> bool:
        return _rank(self) > _rank(other)

    def __ge__(self, other: Edge) -> bool:
        return _rank(self) >= _rank(other)


def _rank(edge: Edge) -> tuple[str, ...]:
    key = edge.key if isinstance(edge, OwnEdge) else ""
    return (edge.effect, edge.relation, edge.operation, edge.cause, key)


class PolicyGraph(Protocol):
    """What the evaluator asks of a graph. Node ids are opaque; answers must not change during one evaluation."""

    def nodes(self) -> Iterable[str]:
        """All node ids, each once."""
        ...

    def labels(self, node: str) -> tuple[str, ...]:
        """The node's labels; on a model one of `KINDS`."""
        ...

    def having(self, label: str) -> Collection[str]:
        """The nodes with that label: an index lookup, never a scan, or evaluation grows with the model."""
        ...

    def properties(self, node: str) -> Mapping[str, Value]:
        """What is known of it; on a model File {path}, Process {name, exe, command}, Socket {address, port, family}."""
        ...

    def causes(self, node: str) -> Sequence[Edge]:
        """The edges whose effect is `node`: those that start there."""
        ...

    def effects(self, node: str) -> Sequence[Edge]:
        """The edges whose cause is `node`: those that end there."""
        ...


class NetworkxGraph(Protocol):
    """As much of `networkx.Graph` (`DiGraph`, `MultiDiGraph`) as is read here."""

    @property
    def nodes(self) -> Mapping[object, Mapping[str, object]]:
        """Attributes of each node."""
        ...

    @property
    def edges(self) -> Mapping[tuple[object, ...], Mapping[str, object]]:
        """Attributes of each edge `(source, target)` or `(source, target, key)`."""
        ...


class MemoryGraph:
    """A graph held in dictionaries: for tests, and for the graphs that each policy is tried against."""

    __slots__ = ("_causes", "_effects", "_having", "_nodes")

    def __init__(
        self,
        nodes: Mapping[str, tuple[str | tuple[str, ...], Mapping[str, Value]]],
        edges: Iterable[Edge] = (),
    ) -> None:
        """Nodes are `id: (label or labels, properties)`; an edge between unknown nodes is an `InputError`."""
        self._nodes: dict[str, tuple[tuple[str, ...], Mapping[str, Value]]] = {}
        self._having: dict[str, dict[str, None]] = {}
        for node, (labels, properties) in nodes.items():
            words = (labels,) if isinstance(labels, str) else labels
            self._nodes[node] = (words, properties)
            for label in words:
                self._having.setdefault(label, {})[node] = None
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
        >>> g.labels("p"), dict(g.properties("p"))
        (('Process',), {})
        """
        table = _object(data, "a graph", file)
        nodes: dict[str, tuple[str, Mapping[str, Value]]] = {}
        for item in _items(table, "nodes", file):
            name = _text(item, "id", file)
            if name in nodes:
                raise InputError("two nodes have one id", file=file, offending=name)
            nodes[name] = (_word(item, "kind", KINDS, file), _properties(item.get("properties", {}), file))
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

    @classmethod
    def from_networkx(cls, graph: NetworkxGraph, file: str = "") -> MemoryGraph:
        """Read a networkx graph: a node's `kind`, `label` and `labels`, an edge's `relation` or `type` are labels.

        All other attributes are properties; an edge points from its first node to its second. A node's id is its text.
        """
        names = {node: str(node) for node in graph.nodes}
        if len(set(names.values())) < len(names):
            raise InputError("two nodes have one id", file=file, hint="ids are compared as text")
        nodes = {names[node]: _labelled(attributes, file) for node, attributes in graph.nodes.items()}
        edges = []
        for (first, second, *rest), attributes in graph.edges.items():
            own = dict(attributes)
            relation = str(own.pop("relation", own.pop("type", "")))
            values, key = _properties(own, file), "".join(map(str, rest))
            operation = values.get("operation")
            plain = not key and isinstance(operation, str) and len(values) == 1
            four = (names[first], relation, str(operation or ""), names[second])
            edges.append(Edge(*four) if plain else OwnEdge(*four, key, values))
        return cls(nodes, edges)

    def nodes(self) -> Collection[str]:
        """All node ids, in the order given."""
        return self._nodes.keys()

    def labels(self, node: str) -> tuple[str, ...]:
        """The node's labels, its kind first."""
        return self._nodes[node][0]

    def having(self, label: str) -> Collection[str]:
        """The nodes with that label, in the order given."""
        return self._having.get(label, {}).keys()

    def properties(self, node: str) -> Mapping[str, Value]:
        """The node's properties."""
        return self._nodes[node][1]

    def causes(self, node: str) -> Sequence[Edge]:
        """The edges whose effect is `node`."""
        return self._causes[node]

    def effects(self, node: str) -> Sequence[Edge]:
        """The edges whose cause is `node`."""
        return self._effects[node]


def _labelled(attributes: Mapping[str, object], file: str) -> tuple[tuple[str, ...], Mapping[str, Value]]:
    own = dict(attributes)
    labels: list[str] = []
    for key in ("kind", "label", "labels"):
        words = own.pop(key, ())
        labels += [words] if isinstance(words, str) else map(str, words) if isinstance(words, Iterable) else []
    return tuple(dict.fromkeys(labels)), _properties(own, file)


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


def _properties(value: object, file: str) -> dict[str, Value]:
    """A property that is null is one that the node does not have."""
    table = _object(value, "'properties'", file)
    return {str(key): _value(item, file, 0) for key, item in table.items() if item is not None}


def _value(value: object, file: str, depth: int) -> Value:
    if depth > MAX_NESTING:
        raise InputError(f"a property is nested deeper than {MAX_NESTING}", file=file)
    if value is None or isinstance(value, (str, bool, float)):
        return value
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_value(item, file, depth + 1) for item in value)
    if isinstance(value, dict):
        return {str(key): _value(item, file, depth + 1) for key, item in value.items()}
    raise InputError("no property can have this value", file=file, offending=repr(value), hint="any JSON value")
