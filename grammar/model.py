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
    - `Model.of(all evidence).folded()` is the canonical function of the evidence (promise 3). `extended` is the quick
      way on from there, epoch by epoch, until somebody settles anew: it keeps every class and places what is new.
    - How often a state was seen is known to the base: support of a folded model has no levels.

Complexity: making O(evidence), growing O(what is new) besides copies of two dicts; membership O(vertices + edges), each
distinct state being resolved once (0.3 µs per edge measured); tracing O(states + transitions reached); folding as
`grammar.merging`; `extended` see there.
Source: design section 3; causal history as context, bounded as in k-bisimulation indexes (A(k)); minimum description
length (`grammar.cost`); the published cost-based learner is `grammar.published`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from grammar.cost import Settings
from grammar.evidence import Evidence, Item, Replica, Span, State, Transition, join
from grammar.graph import Edge, Graph
from grammar.labels import Relabel

if TYPE_CHECKING:
    import networkx as nx
    from automata.fa.dfa import DFA

    from grammar.merging import Base, Observer
    from grammar.reach import Reach

LARGE: Final = 20_000
"""Items from which on tracing goes by arrays (`grammar.reach`)."""
HIGHEST: Final = 62
"""Levels above this weigh no more."""
REMEMBERED: Final = 1 << 16
"""How many states of instances a model remembers the place of."""


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
    lineage: object = field(repr=False, compare=False, default_factory=object)
    """The same in a model that has grown out of another without any old state's name changing."""

    @staticmethod
    def of(app: str, evidence: Evidence) -> Model:
        """The model that evidence determines; the command of a state that nobody has shown yet waits in `source`."""
        relabel = relabel_of(evidence)
        support: dict[Item, dict[Replica, Span]] = {}
        for item, replicas in evidence.seen.items():
            for one in _with_states(relabelled(item, relabel)):
                held = support.get(one)
                if held is None:
                    support[one] = dict(replicas)
                else:
                    join(held, replicas)
        commands = _shown(evidence.commands, support, relabel)
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
        from grammar.merging import fold  # noqa: PLC0415 - an agent never folds, and starts without it

        found = fold(_numbered(states, base.support, _weights(base)), settings, limit=limit, observer=observer)
        names = _names(states, base.support, found.classes)
        merged = {state: name for state, name in zip(states, names, strict=True) if state != name}
        support: dict[Item, dict[Replica, Span]] = {}
        for item, replicas in base.support.items():
            join(support.setdefault(_merged(item, merged), {}), _level(replicas))
        return _standing(base, support, merged, settings, limit)

    def extended(self, evidence: Evidence) -> Model:
        """The quick way on, between two settlings: this folded model's classes stay, only states that are new find one.

        A new state goes into a class where that saves bits, or is a class of its own. To widen the answer of a class
        costs by how often it has been seen: what was seen often is not widened by what was seen once. A function of the
        model and the evidence, but not of all evidence alone: that is `model | evidence`, which folds anew, and which
        this is where a new pattern changes labels, and of a model that is not folded.

        Invariant: `extended(e).base == (model | e).base`; every name that stood for a state still does; what was
        observed is accepted. Complexity: O(the folded model, the evidence) and trials of what is new, besides copies of
        two dicts as large as the base.
        """
        relabel = None if self.base is None else _relabel_with(self.base, evidence)
        if relabel is None or self.base is None or self.settings is None:
            return self | evidence
        known, before = self.base.support, self.merged
        news = [(relabelled(item, relabel), replicas) for item, replicas in evidence.seen.items()]
        base = _grown(self.base, evidence, relabel, news)
        fresh = {one for item, _ in news for one in _with_states(item) if isinstance(one, State) and one not in known}
        states = sorted([*self.states, *fresh])
        items = dict.fromkeys([*self.support, *(_merged(item, before) for item, _ in news)])
        numbered = _numbered(states, items, _weights(base, before), fresh)
        from grammar.merging import fold  # noqa: PLC0415 - as above

        found = fold(numbered, self.settings, limit=self.limit)
        names = _names(states, base.support, found.classes, fresh)
        placed = {state: name for state, name in zip(states, names, strict=True) if state != name}
        merged = {**before, **placed}
        support = dict(self.support)
        for item, replicas in news:
            for one in _with_states(_merged(item, merged)):
                support[one] = _joined(support.get(one, {}), _level(replicas))
        return _standing(base, support, merged, self.settings, self.limit)

    @cached_property
    def states(self) -> tuple[State, ...]:
        """All states in canonical order."""
        return tuple(sorted(item for item in self.support if isinstance(item, State)))

    @cached_property
    def transitions(self) -> tuple[Transition, ...]:
        """All transitions in canonical order."""
        return tuple(one for found in self.causes.values() for one in found)

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
        """Transitions by their effect, in canonical order: many short lists are sorted sooner than a long one."""
        groups = _grouped((item.effect, item) for item in self.support if isinstance(item, Transition))
        return {state: tuple(sorted(groups[state])) for state in sorted(groups)}

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

    @cached_property
    def _homes(self) -> dict[State, State]:
        """The model's states of the instances' states that were asked for last: see `_home`."""
        return {}

    def _home(self, state: State) -> State:
        """`state_of`, kept for the next time if it is in the model; at most `REMEMBERED` are kept."""
        home = self.state_of(state)
        if home in self.support:
            if len(self._homes) >= REMEMBERED:
                self._homes.clear()
            self._homes[state] = home
        return home

    def __contains__(self, graph: Graph) -> bool:
        return next(self.misfits(graph), None) is None

    def misfits(self, graph: Graph) -> Iterator[int | Edge]:
        """Vertices (by position) and edges that this model cannot produce, in the graph's order: the culprits only."""
        support, homes = self.support, self._homes
        found: list[State] = []
        for position, state in enumerate(graph.vertices):
            home = homes.get(state)
            if home is None:
                home = self._home(state)
                if home not in support:
                    yield position
            found.append(home)
        for edge in graph.edges:
            if (found[edge.effect], edge.relation, edge.operation, found[edge.cause]) not in support:
                yield edge

    def ancestors(self, state: State, depth: int | None = None) -> Mapping[State, int]:
        """Every state that `state` may have come from, nearest first, with its distance; itself only if on a cycle."""
        if len(self.support) > LARGE:
            return self._large.ancestors(self.merged.get(state, state), depth)
        return _reach(self.merged.get(state, state), self.causes, depth, back=True)

    def descendants(self, state: State, depth: int | None = None) -> Mapping[State, int]:
        """Every state that may have come from `state`, nearest first, with its distance; itself only if on a cycle."""
        if len(self.support) > LARGE:
            return self._large.descendants(self.merged.get(state, state), depth)
        return _reach(self.merged.get(state, state), self.effects, depth, back=False)

    @cached_property
    def _large(self) -> Reach[State]:
        """Made once, for tracing in what is large."""
        from grammar.reach import Reach  # noqa: PLC0415 - small models do without numpy

        numbers = {state: number for number, state in enumerate(self.states)}
        found = [one for one in self.support if isinstance(one, Transition)]  # in any order: to sort them costs most
        effects, causes = [numbers[one.effect] for one in found], [numbers[one.cause] for one in found]
        return Reach(self.states, zip(effects, causes, strict=True), numbers)

    def __or__(self, evidence: Evidence) -> Model:
        """The model of all evidence together; what stays is shared, so that a little evidence costs little."""
        base = self.base or self
        relabel = _relabel_with(base, evidence)
        if relabel is None:
            joined = Model.of(self.app, self.evidence | evidence)
        else:
            news = [(relabelled(item, relabel), replicas) for item, replicas in evidence.seen.items()]
            joined = _grown(base, evidence, relabel, news)
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
    return State(relabel(state.label), relabel.context(state.context))


def relabelled(item: Item, relabel: Relabel) -> Item:
    """The item after the learned patterns are applied; doing it twice changes nothing."""
    if isinstance(item, Transition):
        return Transition(_state(item.effect, relabel), item.relation, item.operation, _state(item.cause, relabel))
    return _state(item, relabel)


def _merged(item: Item, merged: Mapping[State, State]) -> Item:
    if isinstance(item, Transition):
        effect, cause = merged.get(item.effect, item.effect), merged.get(item.cause, item.cause)
        return Transition(effect, item.relation, item.operation, cause)
    return merged.get(item, item)


def _joined(held: Mapping[Replica, Span], replicas: Mapping[Replica, Span]) -> dict[Replica, Span]:
    """The same as a new value: what a model holds may be shared with another."""
    found = dict(held)
    join(found, replicas)
    return found


def _level(replicas: Mapping[Replica, Span]) -> dict[Replica, Span]:
    """Sightings without how many they are: weights are the base's business."""
    return {replica: Span(span.first, span.last) if span.level else span for replica, span in replicas.items()}


def _shown(told: Mapping[State, str], support: Container[Item], relabel: Relabel) -> dict[State, str]:
    """The commands of states that are in the model."""
    commands: dict[State, str] = {}
    for state, command in told.items():
        moved = _state(state, relabel)
        if moved in support:
            commands[moved] = min(commands.get(moved, command), command)
    return commands


def _standing(
    base: Model,
    support: Mapping[Item, Mapping[Replica, Span]],
    merged: Mapping[State, State],
    settings: Settings,
    limit: int | None,
) -> Model:
    """The folded model of these classes."""
    commands: dict[State, str] = {}
    for state, command in base.commands.items():
        name = merged.get(state, state)
        commands[name] = min(commands.get(name, command), command)
    source = base.source if base.source is not None else base.evidence
    return Model(base.app, support, commands, base.learned, base.relabel, source, merged, base, settings, limit)


def _relabel_with(base: Model, evidence: Evidence) -> Relabel | None:
    """How a base and more evidence generalise labels together; None if that changes what an old state is."""
    labels = {item.label for item in base.support if isinstance(item, State)}
    news = {state.label for state in evidence.states} - labels
    if evidence.learned <= base.learned and not Relabel((), news):
        return base.relabel
    relabel = Relabel(base.learned | evidence.learned, labels | news)
    known = (base.evidence if base.source is None else base.source).states
    return relabel if all(_state(state, relabel) == _state(state, base.relabel) for state in known) else None


def _grown(
    base: Model, evidence: Evidence, relabel: Relabel, news: Iterable[tuple[Item, Mapping[Replica, Span]]]
) -> Model:
    """`base | evidence`, sharing what stays; `news` is the evidence after relabelling, which changes no old state."""
    source = base.evidence if base.source is None else base.source
    seen, support = dict(source.seen), dict(base.support)
    for item, replicas in evidence.seen.items():
        seen[item] = _joined(seen.get(item, {}), replicas)
    for item, held in news:
        for one in _with_states(item):
            support[one] = _joined(support.get(one, {}), held)
    told = dict(source.commands)
    for state, command in evidence.commands.items():
        told[state] = min(told.get(state, command), command)
    learned, commands = base.learned | evidence.learned, _shown(told, support, relabel)
    whole = Evidence(seen, told, set(learned))
    return Model(base.app, support, commands, learned, relabel, whole, lineage=base.lineage)


def _weights(base: Model, merged: Mapping[State, State] | None = None) -> dict[State, int]:
    """How often each state was seen, or each class."""
    weights: dict[State, int] = {}
    names = merged or {}
    for item, replicas in base.support.items():
        if isinstance(item, State):
            name = names.get(item, item)
            seen = sum([1 << max(0, min(span.level, HIGHEST)) for span in replicas.values()])
            weights[name] = weights.get(name, 0) + seen
    return weights


def _numbered(
    states: Sequence[State], items: Iterable[Item], weights: Mapping[State, int], fresh: Set[State] | None = None
) -> Base:
    """States, labels and kinds by their place in canonical order; if it is told what is fresh, the rest is settled."""
    numbers = {state: number for number, state in enumerate(states)}
    labels = {label: number for number, label in enumerate(sorted({state.label for state in numbers}))}
    found = [item for item in items if isinstance(item, Transition)]
    pairs = sorted({(one.relation, one.operation) for one in found})
    kinds = {pair: number for number, pair in enumerate(pairs)}
    from grammar.merging import Base  # noqa: PLC0415 - as above

    return Base(
        [labels[state.label] for state in numbers],
        [(numbers[one.effect], kinds[one.relation, one.operation], numbers[one.cause]) for one in found],
        [float(weights[state]) for state in numbers],
        frozenset() if fresh is None else frozenset(numbers[state] for state in states if state not in fresh),
    )


def _names(
    states: Sequence[State],
    support: Mapping[Item, Mapping[Replica, Span]],
    classes: Iterable[int],
    fresh: Set[State] | None = None,
) -> list[State]:
    """For each state, the settled one of its class; if none is, the first seen; of those seen together the first."""
    first: dict[int, tuple[bool, int, State]] = {}
    numbers = list(classes)
    for number, state in zip(numbers, states, strict=True):
        is_fresh = fresh is None or state in fresh
        seen = is_fresh, min((span.first for span in support[state].values()), default=0), state
        first[number] = min(first.get(number, seen), seen)
    return [first[number][2] for number in numbers]


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
