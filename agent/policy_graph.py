"""What one container has shown, as the graph that policies read at the worker: states and transitions, abstracted.

Rules of this file
    - The same graph as the monitor's view of that replica (`monitor.view`), in this worker's words: labels that the
      cluster has generalised meanwhile may still be literal here, so this graph says no less.
    - It follows its scope: `grow` takes in what is new; what the scope forgets stays until the graph is dropped.
    - Ids are the worker's numbers of states, as text.

Complexity: making O(transitions seen), growing O(what is new).
Source: `policies.graph.PolicyGraph`; issue "policies and questions" (identical answers at both ends).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from agent.upg import KINDS_OF_EDGE, Scope, States, Transition
from grammar import kind_of
from policies.graph import Edge
from policies.instances import state_properties
from policies.values import Value


class Properties:
    """Of the states of one application, shared by its containers."""

    __slots__ = ("_known", "states")

    def __init__(self, states: States) -> None:
        self.states = states
        self._known: dict[int, Mapping[str, Value]] = {}

    def of(self, number: int) -> Mapping[str, Value]:
        """What the label says."""
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = state_properties(self.states.states[number][0])
        return found


class ScopeGraph:
    """One scope's states and transitions."""

    __slots__ = ("_causes", "_effects", "_having", "_labels", "_nodes", "known", "properties_of_state", "scope")

    def __init__(self, scope: Scope, properties: Properties) -> None:
        self.scope, self.properties_of_state = scope, properties
        self._causes: dict[str, list[Edge]] = {}
        self._effects: dict[str, list[Edge]] = {}
        self._having: dict[str, list[str]] = {}
        self._nodes: dict[str, int] = {}
        self._labels: dict[str, tuple[str, ...]] = {}
        self.known: set[Transition] = set()
        self.grow(scope.seen, scope.counts)

    def grow(self, transitions: Iterable[Transition], states: Iterable[int] = ()) -> None:
        """Take in what is new."""
        for one in transitions:
            if one not in self.known:
                self.known.add(one)
                effect, kind, cause = one
                edge = Edge(self._node(effect), *KINDS_OF_EDGE[kind], self._node(cause))
                self._causes.setdefault(edge.effect, []).append(edge)
                self._effects.setdefault(edge.cause, []).append(edge)
        for number in states:
            self._node(number)

    def __len__(self) -> int:
        return len(self._nodes)

    def number(self, node: str) -> int:
        """The worker's number of a state."""
        return self._nodes[node]

    def label(self, node: str) -> str:
        """The label of a node."""
        return self.state(node)[0]

    def state(self, node: str) -> tuple[str, tuple[str, ...]]:
        """Label and context of a node."""
        return self.scope.states.states[self._nodes[node]]

    def nodes(self) -> Iterable[str]:
        """All states, in order of appearance."""
        return self._nodes.keys()

    def labels(self, node: str) -> tuple[str, ...]:
        """Its kind."""
        return self._labels[node]

    def having(self, label: str) -> Collection[str]:
        """All states of a kind."""
        return self._having.get(label, ())

    def properties(self, node: str) -> Mapping[str, Value]:
        """What abstraction has left of its vertices."""
        return self.properties_of_state.of(self._nodes[node])

    def causes(self, node: str) -> Sequence[Edge]:
        """Edges from `node` to its causes."""
        return self._causes.get(node, ())

    def effects(self, node: str) -> Sequence[Edge]:
        """Edges from its effects to `node`."""
        return self._effects.get(node, ())

    def _node(self, number: int) -> str:
        node = str(number)
        if node not in self._nodes:
            self._nodes[node] = number
            kind = kind_of(self.scope.states.states[number][0])
            self._labels[node] = (kind,)
            self._having.setdefault(kind, []).append(node)
        return node
