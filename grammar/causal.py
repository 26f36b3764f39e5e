"""Graph files as causes read them: a vertex's base state is its label and the labels of all its ancestors.

Rules of this file
    - Edges point from effect to cause, as in the graphs that `winnower replay --dump` writes. Parallel edges of one
      label are one: causes are a set.
    - Cycles are fine: the vertices of one strongly connected component have each other as ancestors, so all of them
      know the labels of the component and of what it reaches.
    - Base states and evidence depend on the graph's shape alone, not on ids or on the order of a file: histories are
      not rationed here, and labels are numbered in their own order.
    - One graph is one replica, named by a digest of what it shows. A graph that is learned twice has shown it once.

Invariant: `evidence` holds the base state of every vertex and the transition of every edge, so that the map from
vertices to base states is a label-preserving homomorphism into any model that is made of it.
Complexity: O(V + E) steps, each on a set of labels (at most `Ration.labels` bits).
Source: `grammar.history`, `grammar.components`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from grammar.components import strong_components
from grammar.errors import InputError
from grammar.evidence import Evidence, Replica, Span, State, Transition
from grammar.history import Histories, Ration
from grammar.nodelink import LabelledGraph, NodeId, operation_of
from grammar.wire import MAX_TEXT

UNLIMITED: Final = 1 << 62


class Arc(NamedTuple):
    """An edge as its effect sees it; `cause` is the position of a vertex."""

    relation: str
    operation: str
    cause: int


@dataclass(frozen=True, slots=True)
class CausalGraph:
    """Vertices by position, their causes, and their base states; `components` come with causes before effects.

    >>> from grammar.nodelink import Edge
    >>> graph = LabelledGraph((1, 2), ("Process sh", "File /a"), (Edge(1, 2, "USED/read"), Edge(1, 2, "USED/read")))
    >>> causal = CausalGraph.of(graph)
    >>> causal.causes, causal.components
    (((Arc(relation='USED', operation='read', cause=1),), ()), ((1,), (0,)))
    """

    nodes: tuple[NodeId, ...]
    causes: tuple[tuple[Arc, ...], ...]
    components: tuple[tuple[int, ...], ...]
    states: tuple[State, ...]
    file: str = ""

    def __len__(self) -> int:
        return len(self.nodes)

    @classmethod
    def of(cls, graph: LabelledGraph) -> CausalGraph:
        """Order a graph by cause and find every vertex's base state; InputError for labels that no model can hold."""
        for text in sorted({*graph.labels, *(edge.label for edge in graph.edges)}):
            _check_text(text, graph.file)
        number = {node: position for position, node in enumerate(graph.nodes)}
        split = {label: operation_of(label) for label in {edge.label for edge in graph.edges}}
        arcs: list[dict[Arc, None]] = [{} for _ in graph.nodes]
        for edge in graph.edges:
            arcs[number[edge.source]][Arc(*split[edge.label], number[edge.target])] = None
        causes = tuple(tuple(found) for found in arcs)
        components = tuple(strong_components([[arc.cause for arc in found] for found in causes]))
        return cls(graph.nodes, causes, components, _states(graph.labels, causes, components), graph.file)

    def transition(self, effect: int, arc: Arc) -> Transition:
        """The edge between base states that stands for one edge."""
        return Transition(self.states[effect], arc.relation, arc.operation, self.states[arc.cause])

    def is_cyclic(self, component: Sequence[int]) -> bool:
        """Whether a component holds a cycle: more than one vertex, or a vertex that is its own cause."""
        return len(component) > 1 or any(arc.cause == component[0] for arc in self.causes[component[0]])

    def replica(self) -> Replica:
        """The name of this graph: the same for graphs that show the same, each as often."""
        states = Counter(self.states)
        transitions = Counter(self.transition(effect, arc) for effect, arcs in enumerate(self.causes) for arc in arcs)
        digest = blake2b(digest_size=16)
        for items in (sorted(states.items()), sorted(transitions.items())):
            digest.update(repr(items).encode("utf-8", "surrogateescape"))
        return Replica("", digest.hexdigest())

    def evidence(self) -> Evidence:
        """What the graph shows; a state's level says how many vertices show it, rounded down to a power of two."""
        found, replica = Evidence(), self.replica()
        for state, vertices in Counter(self.states).items():
            found.add(state, replica, Span(0, 0, vertices.bit_length() - 1))
        for effect, arcs in enumerate(self.causes):
            for arc in arcs:
                found.add(self.transition(effect, arc), replica, Span(0, 0))
        return found


def _states(
    labels: Sequence[str], causes: Sequence[Sequence[Arc]], components: Sequence[Sequence[int]]
) -> tuple[State, ...]:
    histories = Histories(Ration(fine=UNLIMITED, coarse=UNLIMITED))
    bits = {label: histories.bit(label) for label in sorted(set(labels))}
    known = [0] * len(labels)
    for component in components:
        together = 0
        inside = set(component)
        cyclic = len(component) > 1
        for vertex in component:
            for arc in causes[vertex]:
                cyclic |= arc.cause == vertex
                together |= bits[labels[arc.cause]] | (0 if arc.cause in inside else known[arc.cause])
        if cyclic:
            for vertex in component:
                together |= bits[labels[vertex]]
        for vertex in component:
            known[vertex] = together
    # Not rationed, a context depends on the history alone: one stands for all labels.
    contexts = {history: histories.context("", (), history) for history in set(known)}
    return tuple(State(label, contexts[history]) for label, history in zip(labels, known, strict=True))


def _check_text(text: str, file: str) -> None:
    """Labels that came from JSON may hold what no byte string does, or be longer than a decoder will hold."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        kept = text == text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        kept = False
    if not kept:
        raise InputError("a label that no bytes stand for: half a surrogate pair", file=file, offending=text)
    if len(data) > MAX_TEXT:
        raise InputError(f"a label of {len(data)} bytes: at most {MAX_TEXT} fit", file=file, offending=text)
