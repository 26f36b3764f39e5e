"""Hill-climbing for the published cost: merge the pair of types that saves most bits, until no pair saves any.

Rules of this file
    - Search is split from score: `Folding` merges, tallies and takes back; `climb` only chooses.
    - No clock: a search is bounded by a number of evaluations, and says when the bound stopped it.
    - Only pairs that can merge are tried: types of one label; where there are many, those of neighbouring levels. Once
      merges have made them few, all are tried.
    - Ties go to the smallest pair of types; their numbers come from the graphs' shape (see published.py), so the same
      graphs give the same model whatever their ids and order.

Invariant: bits fall strictly with every step taken, and a trial leaves the folding exactly as it was.
Complexity: per round of t types all pairs of one label, at most `EXHAUSTIVE`, or else O(t) trials; a trial touches only
the rules that mention a state it merges.
Source: "DAG automata", TaPP 2017; incremental merge-and-undo after red-blue learners (AALpy, FlexFringe).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from grammar.nodelink import LabelledGraph
from grammar.published import (
    Left,
    PublishedModel,
    Rule,
    Tally,
    TreeAutomaton,
    Type,
    base_model,
    combined_bits,
    left_of,
)

PRECISION: Final = 6
"""Decimals of a bit that count: smaller differences are rounding and are ties."""

EXHAUSTIVE: Final = 2_000
"""Pairs up to which a round tries them all. A chain of one label collapses from any merge of neighbours, and a round of
all its pairs would cost the cube of its length."""
REACH: Final = 8
"""How many of the types that follow one (by level) it is tried with where there are too many pairs."""

Partners: TypeAlias = defaultdict[int, set[int]]
Undo: TypeAlias = list[Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Step:
    """One merge that was taken; `merged` are types in the numbers of the model that the search began with."""

    evaluations: int
    merged: tuple[Type, Type]
    bits_before: float
    bits: float
    model: PublishedModel


Observer: TypeAlias = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search; `complete` is False where `limit` ended it before a local optimum."""

    model: PublishedModel
    bits: float
    evaluations: int
    complete: bool


def learn(
    graphs: Sequence[LabelledGraph],
    *,
    counted: bool = True,
    limit: int | None = None,
    observer: Observer | None = None,
) -> Found:
    """Base model of the disjoint union of `graphs`, then `climb`. InputError for a cyclic graph."""
    return climb(base_model(graphs, counted=counted), graphs, limit=limit, observer=observer)


def climb(
    model: PublishedModel,
    graphs: Sequence[LabelledGraph],
    *,
    limit: int | None = None,
    observer: Observer | None = None,
) -> Found:
    """Steepest descent in total bits from `model`, of which `graphs` are members (ValueError otherwise).

    At most `limit` merges are tried; the round that the limit cuts still takes the best merge it has seen.
    """
    folding = Folding.of(model, graphs)
    bits, evaluations, complete = folding.bits(), 0, True
    while complete:
        best: tuple[float, tuple[Type, Type]] | None = None
        for pair in folding.pairs():
            if evaluations == limit:
                complete = False
                break
            evaluations += 1
            trial = (round(folding.trial(*pair), PRECISION), pair)
            best = trial if best is None or trial < best else best
        if best is None or best[0] >= round(bits, PRECISION):
            break
        before, pair = bits, best[1]
        folding.merge(*pair)
        folding.undo.clear()
        bits = folding.bits()
        if observer is not None:
            observer(Step(evaluations, pair, before, bits, folding.model()))
    return Found(folding.model(), bits, evaluations, complete)


@dataclass(slots=True)
class Side:
    """One automaton under merging: rules indexed by the states they touch, a tally, and the way back."""

    undo: Undo
    rules: dict[Left, int] = field(default_factory=dict)
    into: defaultdict[int, set[Left]] = field(default_factory=lambda: defaultdict(set))
    using: defaultdict[int, set[Left]] = field(default_factory=lambda: defaultdict(set))
    weight: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """State → learned vertices in it."""
    tally: Tally = field(default_factory=Tally)
    counted: bool = True

    @classmethod
    def of(cls, automaton: TreeAutomaton, vertices: Sequence[int], undo: Undo) -> Side:
        """Index an automaton; `vertices` are the states of the learned vertices."""
        side = cls(undo, counted=automaton.counted)
        for left, state in automaton.rules:
            side._put(left, state)
        side.tally = automaton.tally(vertices)
        for state in vertices:
            side.weight[state] += 1
        return side

    def add(self, left: Left, state: int) -> None:
        """Add a rule, and remember how to take it back."""
        self._insert(left, state)
        self.undo.append(lambda: self._delete(left, state))

    def remove(self, left: Left, state: int) -> None:
        """Remove a rule, and remember how to put it back."""
        self._delete(left, state)
        self.undo.append(lambda: self._insert(left, state))

    def end(self, gone: int, keep: int) -> None:
        """Give the vertices of `gone`, which no rule mentions any more, to `keep`."""
        self._give(gone, keep, 1)
        self.undo.append(lambda: self._give(gone, keep, -1))

    def dissolve(self, gone: int, keep: int) -> Iterator[tuple[int, int]]:
        """Rename `gone` to `keep` in every rule; yield pairs of states that determinism now makes equal."""
        for left in list(self.into[gone]):
            self.remove(left, gone)
            self.add(left, keep)
        for left in list(self.using[gone]):
            target = self.rules[left]
            self.remove(left, target)
            renamed = _replaced(left, gone, keep, self.counted)
            there = self.rules.get(renamed)
            if there is None:
                self.add(renamed, target)
            elif there != target:
                yield there, target
        self.end(gone, keep)

    def _give(self, gone: int, keep: int, by: int) -> None:
        vertices = by * self.weight[gone]
        self.tally.states -= by
        self.tally.arrivals[0] -= vertices
        self.tally.arrivals[len(self.into[keep])] += vertices
        self.weight[keep] += vertices

    def _put(self, left: Left, state: int) -> None:
        self.rules[left] = state
        self.into[state].add(left)
        for source in left.sources:
            self.using[source.state].add(left)

    def _insert(self, left: Left, state: int) -> None:
        self._count(left, state, 1)
        self._put(left, state)

    def _delete(self, left: Left, state: int) -> None:
        self._count(left, state, -1)
        del self.rules[left]
        self.into[state].discard(left)
        for source in left.sources:
            self.using[source.state].discard(left)

    def _count(self, left: Left, state: int, by: int) -> None:
        tally, now, vertices = self.tally, len(self.into[state]), self.weight[state]
        tally.arrivals[now] -= vertices
        tally.arrivals[now + by] += vertices
        tally.rules += by
        tally.sources += by * len(left.sources)
        for source in left.sources:
            tally.times[source.times] += by


@dataclass(slots=True)
class Folding:
    """A model under merging; a merged state keeps its smallest number, and `model` numbers states densely again."""

    undo: Undo
    labels: tuple[str, ...]
    """Label of each state of T."""
    alphabet: tuple[int, int]
    sides: tuple[Side, Side]
    alias: tuple[dict[int, int], dict[int, int]]
    """Merged state → the state that it went into."""
    partners: tuple[Partners, Partners]
    """P twice: the states of T' that each state of T is paired with, and the reverse."""
    types: int = 0

    @classmethod
    def of(cls, model: PublishedModel, graphs: Sequence[LabelledGraph]) -> Folding:
        """Fold `model`, paying for `graphs`; ValueError if one is not a member."""
        vertices = model.vertex_types(graphs)
        if vertices is None:
            raise ValueError("a graph is not a member of the model that is to be searched from")
        undo: Undo = []
        forward = Side.of(model.forward, [f for f, _ in vertices], undo)
        backward = Side.of(model.backward, [b for _, b in vertices], undo)
        folding = cls(
            undo,
            model.forward.labels,
            model.alphabet(),
            (forward, backward),
            ({}, {}),
            (defaultdict(set), defaultdict(set)),
        )
        for pair in model.types:
            folding._type(pair, present=True)
        return folding

    def pairs(self) -> Iterator[tuple[Type, Type]]:
        """The pairs of types that can merge, smallest first; of more than `EXHAUSTIVE` those next to each other."""
        types = sorted((f, b) for f, partners in self.partners[0].items() for b in partners)
        alike: defaultdict[str, list[Type]] = defaultdict(list)
        for one in types:
            alike[self.labels[one[0]]].append(one)
        many = sum(len(group) * (len(group) - 1) // 2 for group in alike.values())
        reach = None if many <= EXHAUSTIVE else REACH
        place = {one: at for group in alike.values() for at, one in enumerate(group, 1)}
        for one in types:
            after = place[one]
            for other in alike[self.labels[one[0]]][after : None if reach is None else after + reach]:
                yield one, other

    def compatible(self, one: Type, other: Type) -> bool:
        """Whether two types may merge: their vertices have one label."""
        return self.labels[one[0]] == self.labels[other[0]]

    def bits(self) -> float:
        """D(M) + D(g | M) of the current folding; O(distinct multiplicities and arrivals)."""
        return combined_bits(self.sides[0].tally, self.sides[1].tally, self.types, *self.alphabet)

    def trial(self, one: Type, other: Type) -> float:
        """The bits after merging two types; the folding stays as it was."""
        mark = len(self.undo)
        self.merge(one, other)
        bits = self.bits()
        while len(self.undo) > mark:
            self.undo.pop()()
        return bits

    def merge(self, one: Type, other: Type) -> None:
        """Merge two types in T and T', and whatever determinism then makes equal."""
        pending = [(0, one[0], other[0]), (1, one[1], other[1])]
        while pending:
            which, *states = pending.pop()
            keep, gone = sorted(self._current(which, state) for state in states)
            if keep != gone:
                pending += [(which, x, y) for x, y in self.sides[which].dissolve(gone, keep)]
                self._rename(which, gone, keep)

    def model(self) -> PublishedModel:
        """The current model, densely numbered."""
        names = [
            {state: number for number, state in enumerate(sorted(set(side.rules.values())))} for side in self.sides
        ]
        forward, backward = (_automaton(side, name) for side, name in zip(self.sides, names, strict=True))
        pairs = ((f, b) for f, partners in self.partners[0].items() for b in partners)
        return PublishedModel(forward, backward, frozenset((names[0][f], names[1][b]) for f, b in pairs))

    def _current(self, which: int, state: int) -> int:
        alias = self.alias[which]
        while state in alias:
            state = alias[state]
        return state

    def _rename(self, which: int, gone: int, keep: int) -> None:
        self.alias[which][gone] = keep
        self.undo.append(lambda: self.alias[which].__delitem__(gone))
        for partner in list(self.partners[which][gone]):
            self._retype(which, gone, partner, present=False)
            if partner not in self.partners[which][keep]:
                self._retype(which, keep, partner, present=True)

    def _retype(self, which: int, state: int, partner: int, *, present: bool) -> None:
        pair = (partner, state) if which else (state, partner)
        self._type(pair, present=present)
        self.undo.append(lambda: self._type(pair, present=not present))

    def _type(self, pair: Type, *, present: bool) -> None:
        for which in (0, 1):
            partners = self.partners[which][pair[which]]
            (partners.add if present else partners.discard)(pair[1 - which])
        self.types += 1 if present else -1


def _replaced(left: Left, gone: int, keep: int, counted: bool) -> Left:
    arcs: defaultdict[tuple[str, int], int] = defaultdict(int)
    for relation, state, times in left.sources:
        arcs[relation, keep if state == gone else state] += times
    return left_of(left.label, arcs, counted)


def _automaton(side: Side, names: dict[int, int]) -> TreeAutomaton:
    def renamed(left: Left) -> Left:
        arcs = {(source.relation, names[source.state]): source.times for source in left.sources}
        return left_of(left.label, arcs)

    rules = (Rule(renamed(left), names[state]) for left, state in side.rules.items())
    return TreeAutomaton(tuple(sorted(rules)), side.counted)
