"""Any answer as a graph: what the writers of the formats are given.

Rules of this file
    - Nodes are the design's JSON (or an instance's), edges point from effect to cause; ends of edges are nodes.
    - `flat` is a node without nesting: its properties by name, lists as one text. It is what tables, GraphML and PROV
      can hold.

Complexity: O(nodes and edges).
Source: design section 5 (a node in JSON); networkx's node-link form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from policies import Edge

Plain = str | int | float
FIRST: Final = ("id", "app", "kind", "label", "distance", "workers", "containers", "of", "first_seen", "last_seen")
"""Columns that come first, in this order."""
RESERVED: Final = frozenset({*FIRST, "context"})


@dataclass(frozen=True, slots=True)
class Picture:
    """A graph; `starts` are the nodes that were asked about, `notes` what must be said beside it."""

    nodes: Mapping[str, Mapping[str, object]]
    edges: tuple[Edge, ...]
    starts: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def node_link(self) -> dict[str, object]:
        """What `networkx.node_link_graph(value, edges="edges")` reads."""
        seen: Counter[tuple[str, str]] = Counter()
        edges = []
        for edge in self.edges:
            ends = edge.effect, edge.cause
            told: dict[str, object] = {"source": edge.effect, "target": edge.cause, "key": seen[ends]}
            edges.append({**told, "relation": edge.relation, **edge.properties()})
            seen[ends] += 1
        graph = {"start": sorted(self.starts)} | ({"notes": list(self.notes)} if self.notes else {})
        nodes = [{**node, "id": ident} for ident, node in self.nodes.items()]
        return {"directed": True, "multigraph": True, "graph": graph, "nodes": nodes, "edges": edges}

    def flat_nodes(self) -> dict[str, dict[str, Plain]]:
        """Every node without nesting, by its id."""
        return {ident: flat(node) for ident, node in self.nodes.items()}

    def table(self) -> tuple[tuple[str, ...], list[list[str]]]:
        """The nodes as columns and rows of texts."""
        nodes = self.flat_nodes()
        present = {name for node in nodes.values() for name in node}
        names = (*(name for name in FIRST if name in present), *sorted(present - set(FIRST)))
        return names, [[str(node.get(name, "")) for name in names] for node in nodes.values()]


def flat(node: Mapping[str, object]) -> dict[str, Plain]:
    """A node without nesting; a property whose name is taken is written `its_name_`.

    >>> flat({"id": "1", "properties": {"path": "/x", "id": "y"}, "support": {"workers": ["a", "b"]}})
    {'id': '1', 'path': '/x', 'id_': 'y', 'workers': 'a b'}
    """
    found: dict[str, Plain] = {}
    for name, value in node.items():
        if isinstance(value, Mapping):
            own = name == "properties"
            for inner, one in value.items():
                taken = own and (inner in RESERVED or inner in node)
                found[f"{inner}_" if taken else str(inner)] = _plain(one)
        elif value is not None:
            found[name] = _plain(value)
    return found


def _plain(value: object) -> Plain:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return value if isinstance(value, int | float) else str(value)
