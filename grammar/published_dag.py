"""Graphs as the published method reads them: one DAG of numbered vertices, in levels.

Rules of this file
    - Several graphs become their disjoint union without renaming: vertices are numbered graph by graph.
    - A cycle is an `InputError` that names the file, the cycle, and what the method needs.

Invariant: every vertex comes in a later level than all its sources.
Complexity: O(V + E).
Source: Kahn, "Topological sorting of large networks", CACM 1962; vectors' README ("one topological pass each way").
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from grammar.errors import InputError
from grammar.nodelink import LabelledGraph

NEEDS_DAG: Final = "the graph has a cycle, and the published method needs a DAG"
Arcs: TypeAlias = Sequence[Sequence[tuple[str, int]]]
"""Per vertex: (edge label, vertex at the other end)."""


@dataclass(frozen=True, slots=True)
class Dag:
    """The disjoint union of acyclic graphs; `forward` and `backward`: its levels from sources, from sinks."""

    labels: tuple[str, ...]
    sources: Arcs
    targets: Arcs
    forward: tuple[tuple[int, ...], ...]
    backward: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, graphs: Iterable[LabelledGraph]) -> Dag:
        """Number the vertices of `graphs`; InputError if one of them is cyclic."""
        parts = tuple(graphs)
        labels = tuple(label for graph in parts for label in graph.labels)
        sources: list[list[tuple[str, int]]] = [[] for _ in labels]
        targets: list[list[tuple[str, int]]] = [[] for _ in labels]
        starts: list[int] = []
        start = 0
        for graph in parts:
            number = {node: position for position, node in enumerate(graph.nodes, start)}
            for edge in graph.edges:
                sources[number[edge.target]].append((edge.label, number[edge.source]))
                targets[number[edge.source]].append((edge.label, number[edge.target]))
            starts.append(start)
            start += len(graph)
        forward = _levels(sources, targets)
        placed = {vertex for level in forward for vertex in level}
        if len(placed) < len(labels):
            raise _cycle(parts, starts, sources, placed)
        return cls(labels, sources, targets, forward, _levels(targets, sources))


def _levels(sources: Arcs, targets: Arcs) -> tuple[tuple[int, ...], ...]:
    """Vertices by the length of the longest path that ends in them; vertices on or after a cycle are left out."""
    missing = [len(arcs) for arcs in sources]
    found: list[tuple[int, ...]] = []
    level = [vertex for vertex, count in enumerate(missing) if not count]
    while level:
        found.append(tuple(sorted(level)))
        following = []
        for vertex in level:
            for _, target in targets[vertex]:
                missing[target] -= 1
                if not missing[target]:
                    following.append(target)
        level = following
    return tuple(found)


def _cycle(parts: Sequence[LabelledGraph], starts: Sequence[int], sources: Arcs, placed: set[int]) -> InputError:
    """The error that shows a cycle: walk back among the vertices that have no level until one comes again."""
    vertex = next(vertex for vertex in range(len(sources)) if vertex not in placed)
    walk: dict[int, None] = {}
    while vertex not in walk:
        walk[vertex] = None
        vertex = next(source for _, source in sources[vertex] if source not in placed)
    path = list(walk)
    at = bisect_right(starts, vertex) - 1
    names = [str(parts[at].nodes[step - starts[at]]) for step in [vertex, *reversed(path[path.index(vertex) :])]]
    hint = "break the cycle, for example by a new version of what changes, or learn with the preset `causes`"
    return InputError(NEEDS_DAG, file=parts[at].file, offending=" -> ".join(names), hint=hint)
