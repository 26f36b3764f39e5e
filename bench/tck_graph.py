"""The property graph of a scenario: any labels, any properties, parallel edges and loops; it can be written.

Rules of this file
    - Reading is `policies.graph.PolicyGraph`; writing is what CREATE, MERGE and SET need.
    - Ids are numbers in order of creation, written as text; an edge's `key` is one too, so equal edges stay two.
    - A property that is set to null is one that is not there.

Invariant: an edge is in `causes` of the node it starts at and in `effects` of the node it ends at, once each.
Complexity: O(1) per change and per question, but O(degree) for the edges of a node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count

from policies.graph import Edge, OwnEdge
from policies.values import Value


class TckGraph:
    """A graph that begins empty."""

    anonymous = True
    """A node has no property `id` but one that it was given."""

    def __init__(self) -> None:
        self._labels: dict[str, dict[str, None]] = {}
        self._having: dict[str, dict[str, None]] = {}
        self._properties: dict[str, dict[str, Value]] = {}
        self._causes: dict[str, dict[str, OwnEdge]] = {}
        self._effects: dict[str, dict[str, OwnEdge]] = {}
        self._ids = map(str, count())

    # Reading

    def nodes(self) -> Collection[str]:
        """All node ids, in order of creation."""
        return self._labels.keys()

    def labels(self, node: str) -> tuple[str, ...]:
        """The node's labels, in the order given."""
        return tuple(self._labels[node])

    def having(self, label: str) -> Collection[str]:
        """The nodes with that label."""
        return self._having.get(label, {}).keys()

    def properties(self, node: str) -> Mapping[str, Value]:
        """The node's properties."""
        return self._properties[node]

    def causes(self, node: str) -> Sequence[Edge]:
        """The edges that start at the node."""
        return tuple(self._causes[node].values())

    def effects(self, node: str) -> Sequence[Edge]:
        """The edges that end at the node."""
        return tuple(self._effects[node].values())

    def edges(self) -> Iterable[OwnEdge]:
        """All edges, by the node they start at."""
        return (edge for edges in self._causes.values() for edge in edges.values())

    # Writing

    def add_node(self, labels: Iterable[str] = (), properties: Mapping[str, Value] | None = None) -> str:
        """A new node; gives its id."""
        node = next(self._ids)
        self._labels[node], self._properties[node] = {}, {}
        self._causes[node], self._effects[node] = {}, {}
        for label in labels:
            self.add_label(node, label)
        self.set_properties(node, properties or {})
        return node

    def add_edge(self, start: str, relation: str, end: str, properties: Mapping[str, Value] | None = None) -> OwnEdge:
        """A new relationship from `start` to `end`."""
        own: dict[str, Value] = {}
        edge = OwnEdge(start, relation, "", end, next(self._ids), own)
        self.set_properties(edge, properties or {})
        self._causes[start][edge.key] = edge
        self._effects[end][edge.key] = edge
        return edge

    def add_label(self, node: str, label: str) -> None:
        """Nothing changes if the node has it."""
        self._labels[node][label] = None
        self._having.setdefault(label, {})[node] = None

    def set_properties(self, what: str | Edge, properties: Mapping[str, Value], replace: bool = False) -> None:
        """Add to, or replace, what a node (by id) or an edge has."""
        own = what.properties() if isinstance(what, Edge) else self._properties[what]
        assert isinstance(own, dict), "only a graph of this class makes them"
        if replace:
            own.clear()
        for name, value in properties.items():
            if value is None:
                own.pop(name, None)
            else:
                own[name] = value
