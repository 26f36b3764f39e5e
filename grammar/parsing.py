"""Membership as parsing: which state of a model each vertex of a graph may stand for, and who is to blame if none.

Rules of this file
    - Causes come before effects. A vertex whose base state is known takes its state; another one takes a state of its
      label that has a transition to the state of each of its causes: a request that reads four known files instead of
      three is generalised, not blamed. Of several, the one with the fewest labels among its ancestors, then the first.
    - A vertex without such a state is a culprit, and its new edges are named. Parsing goes on from the state that has
      most of its transitions, so that what lies downstream is not blamed. A label that is new has no state at all:
      edges to it are not held against their effects.
    - The members of a cycle are chosen together: known base states if they fit; else candidates by what is outside the
      cycle, thinned until each has a partner along every inner edge, then fixed one by one.

Invariant: without culprits, `assigned` is a label-preserving homomorphism into the model; a graph whose evidence the
model was made of has no culprits.
Complexity: O(V + E) set operations on states of one label; indexing the model O(states + transitions) operations.
Source: design sections 3 (promise 1) and 5; arc consistency (Mackworth, AC-3, 1977) for cycles. The choice is greedy: a
graph that has a homomorphism may be refused, none is accepted without.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from grammar.causal import Arc, CausalGraph
from grammar.components import strong_components
from grammar.evidence import State
from grammar.model import Model

Kind: TypeAlias = tuple[str, str]
Key: TypeAlias = tuple[str, str, int]
"""Relation, operation, number of the cause's state."""
NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Culprit:
    """A vertex (by position) that the model cannot explain, and its edges that are new."""

    vertex: int
    label: str
    arcs: tuple[Arc, ...]
    is_known: bool
    """Whether the model knows the label."""


@dataclass(frozen=True, slots=True)
class Parse:
    """The end of parsing: the model's state of every vertex (None for a label that is new), and the culprits."""

    assigned: tuple[State | None, ...]
    culprits: tuple[Culprit, ...]


@dataclass(slots=True)
class Parser:
    """A model, indexed for parsing; one parser reads any number of graphs."""

    model: Model
    states: tuple[State, ...] = field(init=False)
    number: dict[State, int] = field(init=False)
    rank: list[tuple[int, int]] = field(init=False)
    """What is preferred: the fewest labels among the ancestors, then the order of states."""
    causes: list[defaultdict[Kind, set[int]]] = field(init=False)
    effects: defaultdict[tuple[str, Key], set[int]] = field(init=False)
    """Label of the effect and what it leads to → effects."""
    labelled: defaultdict[str, set[int]] = field(init=False)
    fits: dict[tuple[str, frozenset[Key]], tuple[int | None, bool]] = field(default_factory=dict)
    """What has been answered before: graphs repeat themselves."""

    def __post_init__(self) -> None:
        model = self.model
        self.states = model.states
        self.number = {state: position for position, state in enumerate(self.states)}
        self.causes = [defaultdict(set) for _ in self.states]
        self.effects, self.labelled = defaultdict(set), defaultdict(set)
        for position, state in enumerate(self.states):
            self.labelled[state.label].add(position)
        for one in model.transitions:
            effect, cause = self.number[one.effect], self.number[one.cause]
            self.causes[effect][one.relation, one.operation].add(cause)
            self.effects[one.effect.label, (one.relation, one.operation, cause)].add(effect)
        self.rank = [(count, position) for position, count in enumerate(self._told())]

    def parse(self, graph: CausalGraph) -> Parse:
        """Assign every vertex of `graph`."""
        run = _Run(self, graph)
        for component in graph.components:
            if graph.is_cyclic(component):
                run.cycle(component)
            else:
                run.single(component[0])
        assigned = tuple(None if number is None else self.states[number] for number in run.assigned)
        return Parse(assigned, tuple(sorted(run.culprits.values(), key=lambda one: run.place[one.vertex])))

    def direct(self, state: State) -> int | None:
        """The number of the state that a base state stands for, if it is known."""
        return self.number.get(self.model.state_of(state))

    def has(self, effect: int, key: Key) -> bool:
        """Whether there is this transition."""
        return key[2] in self.causes[effect].get(key[:2], NONE)

    def fit(self, label: str, keys: Sequence[Key]) -> tuple[int | None, bool]:
        """The preferred state of a label for these transitions, and whether it has them all."""
        asked = label, frozenset(keys)
        known = self.fits.get(asked)
        if known is None:
            found = self.candidates(label, keys)
            best = min(found, key=self.rank.__getitem__) if found else self.nearest(label, keys)
            known = self.fits[asked] = best, bool(found)
        return known

    def candidates(self, label: str, keys: Iterable[Key]) -> set[int]:
        """The states of a label that have all these transitions."""
        sets = sorted((self.effects.get((label, key), set()) for key in keys), key=len)
        if not sets:
            return set(self.labelled.get(label, ()))
        return sets[0].intersection(*sets[1:])

    def nearest(self, label: str, keys: Iterable[Key]) -> int | None:
        """The state of a label that has most of these transitions."""
        found = Counter(dict.fromkeys(self.labelled.get(label, ()), 0))
        for key in keys:
            found.update(self.effects.get((label, key), ()))
        return min(found, key=lambda one: (-found[one], self.rank[one]), default=None)

    def _told(self) -> list[int]:
        """How many labels the ancestors of every state have."""
        bits = {label: 1 << position for position, label in enumerate(sorted(self.labelled))}
        targets = [sorted(set().union(*found.values())) for found in self.causes]
        known = [0] * len(targets)
        for component in strong_components(targets):
            together = 0
            for state in component:
                for cause in targets[state]:
                    together |= known[cause] | bits[self.states[cause].label]
            for state in component:
                known[state] = together
        return [labels.bit_count() for labels in known]


@dataclass(slots=True)
class _Run:
    """Parsing one graph."""

    parser: Parser
    graph: CausalGraph
    assigned: list[int | None] = field(init=False)
    culprits: dict[int, Culprit] = field(default_factory=dict)
    place: dict[int, int] = field(init=False)
    """Vertex → where it comes in causal order."""

    def __post_init__(self) -> None:
        self.assigned = [None] * len(self.graph)
        order = (vertex for component in self.graph.components for vertex in component)
        self.place = {vertex: position for position, vertex in enumerate(order)}

    def single(self, vertex: int) -> None:
        """Assign a vertex that is not on a cycle."""
        keys = self._keys(vertex)
        direct = self.parser.direct(self.graph.states[vertex])
        if direct is not None and all(self.parser.has(direct, key) for key in keys):
            self.assigned[vertex] = direct
            return
        self.assigned[vertex], fits = self.parser.fit(self._label(vertex), keys)
        if not fits:
            self._blame(vertex, self._new(vertex))

    def cycle(self, component: Sequence[int]) -> None:
        """Assign the vertices of a cyclic component together."""
        inside = set(component)
        directs = [self.parser.direct(self.graph.states[vertex]) for vertex in component]
        if None not in directs:
            self._assign(component, directs)
            if all(not self._unmet(vertex) for vertex in component):
                return
            self._assign(component, [None] * len(component))
        choices: dict[int, set[int]] = {}
        for vertex in component:
            keys = self._keys(vertex)  # members have no state yet: only what is outside counts
            choices[vertex] = self.parser.candidates(self._label(vertex), keys)
            if not choices[vertex]:
                self.assigned[vertex] = self.parser.nearest(self._label(vertex), keys)
                self._blame(vertex, self._new(vertex))
                choices[vertex] = {one for one in [self.assigned[vertex]] if one is not None}
                self.assigned[vertex] = None
        self._assign(component, _Choice(self, inside, choices).made())
        for vertex in component:
            if missing := self._unmet(vertex):
                before = self.culprits.get(vertex)
                arcs = dict.fromkeys((*(before.arcs if before else ()), *missing))
                self._blame(vertex, tuple(arcs))

    def _assign(self, component: Sequence[int], states: Sequence[int | None]) -> None:
        for vertex, state in zip(component, states, strict=True):
            self.assigned[vertex] = state

    def _label(self, vertex: int) -> str:
        return self.graph.states[vertex].label

    def _keys(self, vertex: int) -> list[Key]:
        """The transitions that a vertex needs, of those whose cause has a state."""
        found: dict[Key, None] = {}
        for relation, operation, cause in self.graph.causes[vertex]:
            state = self.assigned[cause]
            if state is not None:
                found[relation, operation, state] = None
        return list(found)

    def _unmet(self, vertex: int) -> list[Arc]:
        """The edges of a vertex that its state has no transition for; none where an end has no state."""
        state, found = self.assigned[vertex], []
        for arc in self.graph.causes[vertex]:
            cause = self.assigned[arc.cause]
            if state is not None and cause is not None and not self.parser.has(state, (*arc[:2], cause)):
                found.append(arc)
        return found

    def _new(self, vertex: int) -> tuple[Arc, ...]:
        """The edges that make a vertex a culprit: all if its label is new."""
        return self.graph.causes[vertex] if self.assigned[vertex] is None else tuple(self._unmet(vertex))

    def _blame(self, vertex: int, arcs: tuple[Arc, ...]) -> None:
        known = self._label(vertex) in self.parser.labelled
        self.culprits[vertex] = Culprit(vertex, self._label(vertex), arcs, known)


@dataclass(slots=True)
class _Choice:
    """Choosing states along the inner edges of one component; `choices` are those that the outside leaves."""

    run: _Run
    inside: set[int]
    choices: dict[int, set[int]]
    arcs: list[tuple[int, Kind, int]] = field(default_factory=list)
    touching: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def made(self) -> list[int | None]:
        """One state for every member, in the order of `choices`; the nearest ones where no choice fits all edges."""
        for effect, choices in self.choices.items():
            for relation, operation, cause in self.run.graph.causes[effect]:
                if cause in self.inside and choices and self.choices[cause]:
                    for end in {effect, cause}:
                        self.touching[end].append(len(self.arcs))
                    self.arcs.append((effect, (relation, operation), cause))
        thinned = {vertex: set(found) for vertex, found in self.choices.items()}
        if self._thin(thinned, self.choices):
            for vertex in self.choices:
                if len(thinned[vertex]) > 1:
                    thinned[vertex] = {self._best(vertex, thinned[vertex])}
                    if not self._thin(thinned, [vertex]):
                        break
            else:
                return [next(iter(found), None) for found in thinned.values()]
        return [self._likely(vertex) if found else None for vertex, found in self.choices.items()]

    def _thin(self, choices: dict[int, set[int]], changed: Iterable[int]) -> bool:
        """Take away what has no partner along an edge; False if that leaves a member without any."""
        causes = self.run.parser.causes
        waiting = deque(arc for vertex in changed for arc in self.touching[vertex])
        queued = set(waiting)
        while waiting:
            at = waiting.popleft()
            queued.discard(at)
            effect, kind, cause = self.arcs[at]
            partners = {one: causes[one].get(kind, NONE) & choices[cause] for one in choices[effect]}
            fitting = {one for one, found in partners.items() if found and (effect != cause or one in found)}
            met = set().union(*(partners[one] for one in fitting)) if effect != cause else fitting
            for end, kept in ((effect, fitting), (cause, met)):
                if not kept:
                    return False
                if kept != choices[end]:
                    choices[end] = set(kept)
                    again = [arc for arc in self.touching[end] if arc not in queued]
                    waiting.extend(again)
                    queued.update(again)
        return True

    def _best(self, vertex: int, found: set[int]) -> int:
        """The known base state's, else the one with the fewest ancestors."""
        direct = self.run.parser.direct(self.run.graph.states[vertex])
        return direct if direct is not None and direct in found else min(found, key=self.run.parser.rank.__getitem__)

    def _likely(self, vertex: int) -> int:
        """The choice with most of the inner edges, by the labels at their other ends."""
        parser, graph = self.run.parser, self.run.graph
        wanted = [
            (one.relation, one.operation, graph.states[one.cause].label)
            for one in graph.causes[vertex]
            if one.cause in self.inside
        ]

        def met(state: int) -> int:
            held = {
                (*kind, parser.states[cause].label) for kind, found in parser.causes[state].items() for cause in found
            }
            return sum(one in held for one in wanted)

        return min(self.choices[vertex], key=lambda state: (-met(state), parser.rank[state]))
