"""A model as the graph that ad hoc queries read: its states, no matter who has shown them.

Rules of this file
    - Nodes are the model's ids; properties the label's, with an example of a command line beside (`monitor.view` is
      what policies read: of what one replica has shown, and without examples).
    - Order is canonical: the same model is read in the same order, however it came about.
    - Edges are made when a node is asked for them: a query seldom asks for all.

Complexity: making O(states); the first question for edges O(transitions), then O(edges of the node).
Source: `policies.graph.PolicyGraph`; issue "policies and questions", item 8.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from grammar import Model, Transition, kind_of
from policies import Edge, Value
from policies.instances import state_properties


class States:
    """The states of a model, for queries (`Meaning.STATES`); threads may share it."""

    __slots__ = ("_causes", "_effects", "_kinds", "_properties", "model")

    def __init__(self, model: Model) -> None:
        self.model = model
        self._kinds: dict[str, list[str]] = {}
        for state, ident in model.ids.items():
            self._kinds.setdefault(kind_of(state.label), []).append(ident)
        self._causes: dict[str, Sequence[Edge]] = {}
        self._effects: dict[str, Sequence[Edge]] = {}
        self._properties: dict[str, Mapping[str, Value]] = {}

    def nodes(self) -> Iterable[str]:
        """All ids."""
        return self.model.ids.values()

    def labels(self, node: str) -> tuple[str, ...]:
        """Process, File, Socket, …"""
        return (kind_of(self.model.by_id[node].label),)

    def having(self, label: str) -> Collection[str]:
        """The nodes of a kind."""
        return self._kinds.get(label, ())

    def properties(self, node: str) -> Mapping[str, Value]:
        """What the label says."""
        found = self._properties.get(node)
        if found is None:
            state = self.model.by_id[node]
            command = self.model.commands.get(state, "")
            found = self._properties[node] = state_properties(state.label, command, example=True)
        return found

    def causes(self, node: str) -> Sequence[Edge]:
        """Edges from `node` to its causes."""
        found = self._causes.get(node)
        if found is None:
            found = self._causes[node] = self._edges(self.model.causes.get(self.model.by_id[node], ()))
        return found

    def effects(self, node: str) -> Sequence[Edge]:
        """Edges from its effects to `node`."""
        found = self._effects.get(node)
        if found is None:
            found = self._effects[node] = self._edges(self.model.effects.get(self.model.by_id[node], ()))
        return found

    def _edges(self, transitions: Iterable[Transition]) -> Sequence[Edge]:
        ids = self.model.ids
        return [Edge(ids[one.effect], one.relation, one.operation, ids[one.cause]) for one in transitions]
