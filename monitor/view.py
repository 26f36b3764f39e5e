"""A model, or what one replica has shown of it, as the graph that policies read.

Rules of this file
    - Nodes are the model's ids; properties are the label's, with `command` (an example) beside.
    - A policy is evaluated on what one replica has shown: a match never joins the deeds of two containers.

Complexity: making a view is O(items of the replica).
Source: `policies.graph.PolicyGraph`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from grammar import Model, Replica, State, Transition, kind_of, properties_of
from policies import Edge


class View:
    """A read-only graph over a model; `replica` restricts it to what that replica has shown."""

    def __init__(self, model: Model, replica: Replica | None = None) -> None:
        self.model = model
        self._causes: dict[str, list[Edge]] = {}
        self._effects: dict[str, list[Edge]] = {}
        self._nodes: dict[str, State] = {}
        self._properties: dict[str, Mapping[str, str]] = {}
        for item, held in model.support.items():
            if replica is not None and replica not in held:
                continue
            if isinstance(item, Transition):
                self._add(item)
            else:
                self._nodes[model.ids[item]] = item

    def _add(self, one: Transition) -> None:
        effect, cause = self.model.ids[one.effect], self.model.ids[one.cause]
        self._nodes.setdefault(effect, one.effect)
        self._nodes.setdefault(cause, one.cause)
        edge = Edge(effect, one.relation, one.operation, cause)
        self._causes.setdefault(effect, []).append(edge)
        self._effects.setdefault(cause, []).append(edge)

    def nodes(self) -> Iterable[str]:
        """Ids in canonical order."""
        return sorted(self._nodes)

    def kind(self, node: str) -> str:
        """Process, File, Socket, …"""
        return kind_of(self._nodes[node].label)

    def properties(self, node: str) -> Mapping[str, str]:
        """What the label says, and an example command line."""
        found = self._properties.get(node)
        if found is None:
            state = self._nodes[node]
            command = self.model.commands.get(state)
            found = properties_of(state.label) | ({"command": command} if command else {})
            self._properties[node] = found
        return found

    def causes(self, node: str) -> Iterable[Edge]:
        """Edges from `node` to its causes."""
        return self._causes.get(node, ())

    def effects(self, node: str) -> Iterable[Edge]:
        """Edges from its effects to `node`."""
        return self._effects.get(node, ())
