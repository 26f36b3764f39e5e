"""A model, or what one replica has shown of it, as the graph that queries and policies read.

Rules of this file
    - Nodes are the model's ids; properties the label's (a pattern where instances differ), with `command` beside: an
      example for whoever asks about states, unknown to policies, which ask about all vertices of a state.
    - A policy is evaluated on what one replica has shown: a match never joins the deeds of two containers.
    - `Shown` follows its application's model: what is new costs what it is, unless new patterns rename old states.

Complexity: making O(items of the model), growing O(what is new); a view of a replica O(1), and each question of it
O(edges of the node).
Source: `policies.graph.PolicyGraph`; issue "policies and questions", item 5 (only what the delta touches).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from grammar import Evidence, Model, Replica, State, Transition, kind_of, state_id
from policies.graph import Edge
from policies.instances import state_properties
from policies.values import Value


class Shown:
    """The items of a model by id, with who has shown them."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.states: dict[str, State] = {}
        self.holders: dict[str, set[Replica]] = {}
        self.edges: dict[Edge, set[Replica]] = {}
        self.causes: dict[str, list[Edge]] = {}
        self.effects: dict[str, list[Edge]] = {}
        self.kinds: dict[str, list[str]] = {}
        self.held: dict[Replica, dict[str, list[str]]] = {}
        """The states that each replica has shown, by kind."""
        self._ids: dict[State, str] = {}
        for item, held in model.support.items():
            self._add(item, held)

    def following(self, model: Model, news: Evidence) -> Shown:
        """The same of a later model of this application: `news` is what has come since."""
        if model.lineage is not self.model.lineage:
            return Shown(model)
        self.model = model
        for item, held in news.seen.items():
            self._add(model.item_of(item), held)
        return self

    def id_of(self, state: State) -> str:
        """The id of a state."""
        found = self._ids.get(state)
        if found is None:
            found = self._ids[state] = state_id(self.model.app, state)
            self.states[found] = state
            self.holders[found] = set()
            self.kinds.setdefault(kind_of(state.label), []).append(found)
        return found

    def _add(self, item: State | Transition, held: Iterable[Replica]) -> None:
        if isinstance(item, State):
            self._hold(self.id_of(item), held)
            return
        edge = Edge(self.id_of(item.effect), item.relation, item.operation, self.id_of(item.cause))
        known = self.edges.get(edge)
        if known is None:
            known = self.edges[edge] = set()
            self.causes.setdefault(edge.effect, []).append(edge)
            self.effects.setdefault(edge.cause, []).append(edge)
        known.update(held)
        self._hold(edge.effect, held)
        self._hold(edge.cause, held)

    def _hold(self, node: str, held: Iterable[Replica]) -> None:
        holders = self.holders[node]
        fresh = [replica for replica in held if replica not in holders]
        if fresh:
            holders.update(fresh)
            kind = kind_of(self.states[node].label)
            for replica in fresh:
                self.held.setdefault(replica, {}).setdefault(kind, []).append(node)


class View:
    """A read-only graph over a model; `replica` restricts it to what that replica has shown; `states`: see above."""

    def __init__(self, model: Model | Shown, replica: Replica | None = None, *, states: bool = False) -> None:
        self.shown = model if isinstance(model, Shown) else Shown(model)
        self.model, self.replica, self._states = self.shown.model, replica, states
        self._kinds = self.shown.kinds if replica is None else self.shown.held.get(replica, {})
        self._labels: dict[str, tuple[str, ...]] = {}
        self._causes: dict[str, Sequence[Edge]] = {}
        self._effects: dict[str, Sequence[Edge]] = {}
        self._properties: dict[str, Mapping[str, Value]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def nodes(self) -> Iterable[str]:
        """Ids in canonical order."""
        return sorted(self._held([node for nodes in self._kinds.values() for node in nodes]))

    def label(self, node: str) -> str:
        """The label of a state."""
        return self.shown.states[node].label

    def labels(self, node: str) -> tuple[str, ...]:
        """Process, File, Socket, …"""
        found = self._labels.get(node)
        if found is None:
            found = self._labels[node] = (kind_of(self.shown.states[node].label),)
        return found

    def having(self, label: str) -> Collection[str]:
        """The nodes of a kind."""
        return self._held(self._kinds.get(label, ()))

    def properties(self, node: str) -> Mapping[str, Value]:
        """What the label says."""
        found = self._properties.get(node)
        if found is None:
            state = self.shown.states[node]
            command = self.model.commands.get(state, "")
            found = self._properties[node] = state_properties(state.label, command, example=self._states)
        return found

    def causes(self, node: str) -> Sequence[Edge]:
        """Edges from `node` to its causes."""
        return self._edges(node, self.shown.causes, self._causes)

    def effects(self, node: str) -> Sequence[Edge]:
        """Edges from its effects to `node`."""
        return self._edges(node, self.shown.effects, self._effects)

    def _held(self, nodes: Iterable[str]) -> Collection[str]:
        """What of these is to be seen: for those that leave out more."""
        return nodes if isinstance(nodes, Collection) else list(nodes)

    def _edges(self, node: str, known: Mapping[str, list[Edge]], kept: dict[str, Sequence[Edge]]) -> Sequence[Edge]:
        if self.replica is None:
            return known.get(node, ())
        found = kept.get(node)
        if found is None:
            held, replica = self.shown.edges, self.replica
            found = kept[node] = [edge for edge in known.get(node, ()) if replica in held[edge]]
        return found
