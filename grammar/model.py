"""The model of one application: a graph grammar that is a deterministic function of the evidence.

Rules of this file
    - States are (label, context) after the learned patterns are applied; two states that become equal are one. The
      order, batching and repetition of evidence leave no trace: same evidence, same model, same bytes (promise 3).
      Therefore a model in memory keeps the evidence as it was seen: patterns that come later apply to that.
    - A graph is a member if every vertex's state and every edge's transition is in the model. The map from vertices to
      states is then a label-preserving homomorphism, so no ancestor is ever lost (promise 1: recall 1).
    - An id is a hash of application, label and context: the same behaviour has the same id on every monitor.
    - `Model.of` gives base states: what policies and novelty are judged on. `folded` merges those that are not worth
      their bits (`grammar.merging`): a class goes by the name of the member that was seen first, so ids stay when
      members come later. Everything a folded model is asked about a base state is answered by its class.

Complexity: making O(evidence); membership O(vertices + edges); tracing O(states + transitions reached); folding as
`grammar.merging`.
Source: design section 3; causal history as context, bounded as in k-bisimulation indexes (A(k)); minimum description
length (`grammar.cost`); the published cost-based learner is `grammar.published`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from grammar.cost import Settings
from grammar.evidence import Evidence, Item, Replica, Span, State, Transition
from grammar.graph import Edge, Graph
from grammar.labels import Relabel
from grammar.merging import Base, Observer, fold

if TYPE_CHECKING:
    import networkx as nx
    from automata.fa.dfa import DFA

HIGHEST: Final = 62
"""Levels above this weigh no more."""


@dataclass(frozen=True)
class Model:
    """States and transitions with their support; `app` is the application's name.

    `graph in model`, `model | evidence`, `a <= b`, `a - b` (base items of a that b cannot generate), `a == b`.

    Of a folded model `merged` says for each base state the state that stands for it, where that is another; it is part
    of the value. `base` is the model that was folded, `settings` and `limit` how: `model | evidence` folds again.
    """

    app: str
    support: Mapping[Item, Mapping[Replica, Span]] = field(repr=False)
    commands: Mapping[State, str] = field(repr=False, default_factory=dict)
    learned: frozenset[str] = frozenset()
    relabel: Relabel = field(repr=False, compare=False, default_factory=lambda: Relabel(()))
    source: Evidence | None = field(repr=False, compare=False, default=None)
    merged: Mapping[State, State] = field(repr=False, default_factory=dict)
    base: Model | None = field(repr=False, compare=False, default=None)
    settings: Settings | None = field(repr=False, compare=False, default=None)
    limit: int | None = field(repr=False, compare=False, default=None)

    @staticmethod
    def of(app: str, evidence: Evidence) -> Model:
        """The model that evidence determines; the command of a state that nobody has shown yet waits in `source`."""
        relabel = relabel_of(evidence)
        support: dict[Item, dict[Replica, Span]] = {}
        for item, replicas in evidence.seen.items():
            for one in _with_states(relabelled(item, relabel)):
                _join(support.setdefault(one, {}), replicas)
        commands: dict[State, str] = {}
        for state, command in evidence.commands.items():
            moved = _state(state, relabel)
            if moved in support:
                commands[moved] = min(commands.get(moved, command), command)
        return Model(app, support, commands, frozenset(evidence.learned), relabel, evidence | Evidence())

    def folded(
        self, settings: Settings | None = None, *, limit: int | None = None, observer: Observer | None = None
    ) -> Model:
        """This model with states merged that are not worth their bits, after at most `limit` trials.

        A function of the base model's states, transitions and weights (how often a state was seen: the sum of
        2 ** level over its replicas) alone. It accepts whatever this one accepts and answers with no fewer ancestors.
        What is folded already is folded again from its base. `observer` is told of every merge; its numbers are
        positions in the base model's `states`.
        """
        base = self.base or self
        settings = settings or Settings()
        states = base.states
        found = fold(_numbered(base), settings, limit=limit, observer=observer)
        names = _names(base, found.classes)
        merged = {state: name for state, name in zip(states, names, strict=True) if state != name}
        support: dict[Item, dict[Replica, Span]] = {}
        for item, replicas in base.support.items():
            _join(support.setdefault(_merged(item, merged), {}), replicas)
        commands: dict[State, str] = {}
        for state, command in base.commands.items():
            name = merged.get(state, state)
            commands[name] = min(commands.get(name, command), command)
        source = base.source if base.source is not None else base.evidence
        return Model(base.app, support, commands, base.learned, base.relabel, source, merged, base, settings, limit)

    @cached_property
    def states(self) -> tuple[State, ...]:
        """All states in canonical order."""
        return tuple(sorted(item for item in self.support if isinstance(item, State)))

    @cached_property
    def transitions(self) -> tuple[Transition, ...]:
        """All transitions in canonical order."""
        return tuple(sorted(item for item in self.support if isinstance(item, Transition)))

    @cached_property
    def replicas(self) -> frozenset[Replica]:
        """Every replica that the evidence names."""
        return frozenset(replica for replicas in self.support.values() for replica in replicas)

    @cached_property
    def ids(self) -> dict[State, str]:
        """The id of every state: 16 hex digits."""
        return {state: state_id(self.app, state) for state in self.states}

    @cached_property
    def by_id(self) -> dict[str, State]:
        """The state of every id; in a folded model also of the ids of base states, which `ids` does not list."""
        found = {number: state for state, number in self.ids.items()}
        return {state_id(self.app, state): name for state, name in self.merged.items()} | found

    @cached_property
    def causes(self) -> dict[State, tuple[Transition, ...]]:
        """Transitions by their effect."""
        return _grouped((one.effect, one) for one in self.transitions)

    @cached_property
    def effects(self) -> dict[State, tuple[Transition, ...]]:
        """Transitions by their cause."""
        return _grouped((one.cause, one) for one in self.transitions)

    def state_of(self, state: State) -> State:
        """The model's state for an instance's state: after the learned patterns are applied, and after merging."""
        state = _state(state, self.relabel)
        return self.merged.get(state, state)

    def item_of(self, item: Item) -> Item:
        """The model's item for an instance's: each state in it as `state_of`."""
        return _merged(relabelled(item, self.relabel), self.merged)

    def __contains__(self, graph: Graph) -> bool:
        return next(self.misfits(graph), None) is None

    def misfits(self, graph: Graph) -> Iterator[int | Edge]:
        """Vertices (by position) and edges that this model cannot produce, in the graph's order: the culprits only."""
        for position, state in enumerate(graph.vertices):
            if self.state_of(state) not in self.support:
                yield position
        for edge in graph.edges:
            if self.item_of(graph.transition(edge)) not in self.support:
                yield edge

    def ancestors(self, state: State, depth: int | None = None) -> dict[State, int]:
        """Every state that `state` may have come from, nearest first, with its distance; itself only if on a cycle."""
        return _reach(self.merged.get(state, state), self.causes, depth, back=True)

    def descendants(self, state: State, depth: int | None = None) -> dict[State, int]:
        """Every state that may have come from `state`, nearest first, with its distance; itself only if on a cycle."""
        return _reach(self.merged.get(state, state), self.effects, depth, back=False)

    def __or__(self, evidence: Evidence) -> Model:
        joined = Model.of(self.app, self.evidence | evidence)
        return joined if self.settings is None else joined.folded(self.settings, limit=self.limit)

    @property
    def evidence(self) -> Evidence:
        """Evidence that determines this very model: what it was made of, labels as they were seen, if that is known."""
        if self.source is not None:
            return self.source | Evidence()
        seen: dict[Item, dict[Replica, Span]] = {item: dict(held) for item, held in self.support.items()}
        return Evidence(seen, dict(self.commands), set(self.learned))

    def generates(self, item: Item) -> bool:
        """Whether an item of another model is one of this; a folded model looks at what stands for it."""
        return (item if self.settings is None else self.item_of(item)) in self.support

    def __sub__(self, other: Model) -> frozenset[Item]:
        return frozenset(item for item in (self.base or self).support if not other.generates(item))

    def __le__(self, other: Model) -> bool:
        return all(other.generates(item) for item in (self.base or self).support)

    def to_networkx(self) -> nx.MultiDiGraph:
        """The model as a networkx graph: see `grammar.algebra`. InputError if networkx is not installed."""
        from grammar.algebra import to_networkx  # noqa: PLC0415 - algebra is made of models

        return to_networkx(self)

    def to_dfa(self, max_states: int = 10_000) -> DFA:
        """The model's path language as a DFA: see `grammar.algebra`. InputError above `max_states`, or without it."""
        from grammar.algebra import to_dfa  # noqa: PLC0415 - algebra is made of models, and an extra

        return to_dfa(self, max_states)


def relabel_of(evidence: Evidence) -> Relabel:
    """How evidence generalises its own labels."""
    return Relabel(evidence.learned, (state.label for state in evidence.states))


def state_id(app: str, state: State) -> str:
    """The id of a state: a hash of what it is."""
    digest = blake2b(digest_size=8)
    for part in (app, state.label, *state.context):
        encoded = part.encode("utf-8", "surrogateescape")
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def _with_states(item: Item) -> Iterable[Item]:
    return (item, item.effect, item.cause) if isinstance(item, Transition) else (item,)


def _state(state: State, relabel: Relabel) -> State:
    if not relabel:
        return state
    return State(relabel(state.label), tuple(relabel.entry(entry) for entry in state.context))


def relabelled(item: Item, relabel: Relabel) -> Item:
    """The item after the learned patterns are applied; doing it twice changes nothing."""
    if isinstance(item, Transition):
        return Transition(_state(item.effect, relabel), item.relation, item.operation, _state(item.cause, relabel))
    return _state(item, relabel)


def _join(held: dict[Replica, Span], replicas: Mapping[Replica, Span]) -> None:
    for replica, span in replicas.items():
        before = held.get(replica)
        held[replica] = span if before is None else before.joined(span)


def _merged(item: Item, merged: Mapping[State, State]) -> Item:
    if isinstance(item, Transition):
        effect, cause = merged.get(item.effect, item.effect), merged.get(item.cause, item.cause)
        return Transition(effect, item.relation, item.operation, cause)
    return merged.get(item, item)


def _numbered(model: Model) -> Base:
    """States, labels and kinds by their place in canonical order."""
    numbers = {state: number for number, state in enumerate(model.states)}
    labels = {label: number for number, label in enumerate(sorted({state.label for state in numbers}))}
    found = [item for item in model.support if isinstance(item, Transition)]
    pairs = sorted({(one.relation, one.operation) for one in found})
    kinds = {pair: number for number, pair in enumerate(pairs)}
    return Base(
        [labels[state.label] for state in numbers],
        [(numbers[one.effect], kinds[one.relation, one.operation], numbers[one.cause]) for one in found],
        [sum(2.0 ** max(0, min(span.level, HIGHEST)) for span in model.support[state].values()) for state in numbers],
    )


def _names(model: Model, classes: Iterable[int]) -> list[State]:
    """For each state, the first seen of its class; of those seen together the first in order."""
    first: dict[int, tuple[int, State]] = {}
    numbers = list(classes)
    for number, state in zip(numbers, model.states, strict=True):
        seen = min((span.first for span in model.support[state].values()), default=0), state
        first[number] = min(first.get(number, seen), seen)
    return [first[number][1] for number in numbers]


def _grouped(pairs: Iterable[tuple[State, Transition]]) -> dict[State, tuple[Transition, ...]]:
    groups: dict[State, list[Transition]] = {}
    for key, transition in pairs:
        groups.setdefault(key, []).append(transition)
    return {key: tuple(found) for key, found in groups.items()}


def _reach(
    start: State, edges: Mapping[State, tuple[Transition, ...]], depth: int | None, *, back: bool
) -> dict[State, int]:
    distance: dict[State, int] = {}
    queue = deque([(start, 0)])
    while queue:
        at, steps = queue.popleft()
        if depth is not None and steps >= depth:
            continue
        for transition in edges.get(at, ()):
            other = transition.cause if back else transition.effect
            if other not in distance:
                distance[other] = steps + 1
                if other != start:
                    queue.append((other, steps + 1))
    return distance
