"""The model of one application: a graph grammar that is a deterministic function of the evidence.

Rules of this file
    - States are (label, context) after the learned patterns are applied; two states that become equal are one. The
      order, batching and repetition of evidence leave no trace: same evidence, same model, same bytes (promise 3).
      Therefore a model in memory keeps the evidence as it was seen: patterns that come later apply to that.
    - A graph is a member if every vertex's state and every edge's transition is in the model. The map from vertices to
      states is then a label-preserving homomorphism, so no ancestor is ever lost (promise 1: recall 1).
    - An id is a hash of application, label and context: the same behaviour has the same id on every monitor.

Complexity: making O(evidence); membership O(vertices + edges); tracing O(states + transitions reached).
Source: design section 3; bounded causal context as in k-bisimulation indexes (A(k)); the published cost-based learner
is `grammar.published`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

from grammar.evidence import Evidence, Item, Replica, Span, State, Transition
from grammar.graph import Edge, Graph
from grammar.labels import Relabel


@dataclass(frozen=True)
class Model:
    """States and transitions with their support; `app` is the application's name.

    `graph in model`, `model | evidence`, `a <= b`, `a - b` (items of a that b lacks), `a == b`.
    """

    app: str
    support: Mapping[Item, Mapping[Replica, Span]] = field(repr=False)
    commands: Mapping[State, str] = field(repr=False, default_factory=dict)
    learned: frozenset[str] = frozenset()
    relabel: Relabel = field(repr=False, compare=False, default_factory=lambda: Relabel(()))
    source: Evidence | None = field(repr=False, compare=False, default=None)

    @staticmethod
    def of(app: str, evidence: Evidence) -> Model:
        """The model that evidence determines; the command of a state that nobody has shown yet waits in `source`."""
        relabel = relabel_of(evidence)
        support: dict[Item, dict[Replica, Span]] = {}
        for item, replicas in evidence.seen.items():
            for one in _with_states(relabelled(item, relabel)):
                held = support.setdefault(one, {})
                for replica, span in replicas.items():
                    before = held.get(replica)
                    held[replica] = span if before is None else before.joined(span)
        commands: dict[State, str] = {}
        for state, command in evidence.commands.items():
            moved = _state(state, relabel)
            if moved in support:
                commands[moved] = min(commands.get(moved, command), command)
        return Model(app, support, commands, frozenset(evidence.learned), relabel, evidence | Evidence())

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
        """The state of every id."""
        return {number: state for state, number in self.ids.items()}

    @cached_property
    def causes(self) -> dict[State, tuple[Transition, ...]]:
        """Transitions by their effect."""
        return _grouped((one.effect, one) for one in self.transitions)

    @cached_property
    def effects(self) -> dict[State, tuple[Transition, ...]]:
        """Transitions by their cause."""
        return _grouped((one.cause, one) for one in self.transitions)

    def state_of(self, state: State) -> State:
        """The model's state for an instance's state: the same after the learned patterns are applied."""
        return _state(state, self.relabel)

    def __contains__(self, graph: Graph) -> bool:
        return next(self.misfits(graph), None) is None

    def misfits(self, graph: Graph) -> Iterator[int | Edge]:
        """Vertices (by position) and edges that this model cannot produce, in the graph's order: the culprits only."""
        for position, state in enumerate(graph.vertices):
            if self.state_of(state) not in self.support:
                yield position
        for edge in graph.edges:
            if relabelled(graph.transition(edge), self.relabel) not in self.support:
                yield edge

    def ancestors(self, state: State, depth: int | None = None) -> dict[State, int]:
        """Every state that `state` may have come from, nearest first, with its distance; itself only if on a cycle."""
        return _reach(state, self.causes, depth, back=True)

    def descendants(self, state: State, depth: int | None = None) -> dict[State, int]:
        """Every state that may have come from `state`, nearest first, with its distance; itself only if on a cycle."""
        return _reach(state, self.effects, depth, back=False)

    def __or__(self, evidence: Evidence) -> Model:
        return Model.of(self.app, self.evidence | evidence)

    @property
    def evidence(self) -> Evidence:
        """Evidence that determines this very model: what it was made of, labels as they were seen, if that is known."""
        if self.source is not None:
            return self.source | Evidence()
        seen: dict[Item, dict[Replica, Span]] = {item: dict(held) for item, held in self.support.items()}
        return Evidence(seen, dict(self.commands), set(self.learned))

    def __sub__(self, other: Model) -> frozenset[Item]:
        return frozenset(item for item in self.support if item not in other.support)

    def __le__(self, other: Model) -> bool:
        return all(item in other.support for item in self.support)


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
