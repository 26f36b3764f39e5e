"""An instance graph as the grammar sees it: vertices with label and context, edges from effect to cause.

Rules of this file
    - A vertex is its state; the same state may stand for many vertices. Edges name vertices by position.
    - No I/O: who has a graph in a file or a log makes the value.

Complexity: observing is O(vertices + edges).
Source: design section 2 (UPG).
"""

from __future__ import annotations

from dataclasses import dataclass

from grammar.evidence import Evidence, Replica, Span, State, Transition


@dataclass(frozen=True, slots=True)
class Edge:
    """From the effect's position to the cause's."""

    effect: int
    relation: str
    operation: str
    cause: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Vertices by position, edges in event order."""

    vertices: tuple[State, ...]
    edges: tuple[Edge, ...] = ()

    def transition(self, edge: Edge) -> Transition:
        """The edge between states that stands for one edge of this graph."""
        return Transition(self.vertices[edge.effect], edge.relation, edge.operation, self.vertices[edge.cause])

    def observed(self, replica: Replica, span: Span) -> Evidence:
        """What a replica has shown by producing this graph: its transitions, and the states that stand alone."""
        evidence = Evidence()
        linked = {end for edge in self.edges for end in (edge.effect, edge.cause)}
        for edge in self.edges:
            evidence.add(self.transition(edge), replica, span)
        covered = {self.vertices[position] for position in linked}
        for state in self.vertices:
            if state not in covered:
                evidence.add(state, replica, span)
        return evidence
