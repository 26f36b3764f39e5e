"""State merging by minimum description length: which base states are worth telling apart.

Rules of this file
    - Works on numbers (`Base`); who numbers them by canonical order gets a function of the set of states, transitions
      and weights, because ties go by number and nothing else decides.
    - Search is split from score: `Classes` knows what a merge saves (exactly) and does it; `Search` only chooses.
    - Answers (the ancestors' labels of each class) are bits of integers and are kept up to date: the union of two
      spreads to their descendants, each visited once, as far as it is news; the bits that it costs are compared on the
      way with the bits that the model saves. A good merge spreads little; a bad one is given up early.
    - No clock: a search is bounded by trials and rounds, and says whether it ended by itself.

How the search goes: first all merges that change no answer. Then, in rounds, label by label, heaviest class first: each
is tried against the nearest (by answer) of those before it and joins the one that saves most bits, or stays. In the
first round answers may eat `CAUTION` of what the model saves, so that clear cases come before doubtful ones. From the
third round on only classes that have changed since they were tried are tried again, against all that stand about them;
what they become is tried at once. Where states are settled (the classes of an earlier search) all rounds are like that,
and only what is not settled is placed.

Invariant: bits fall with every merge, by what `score` said; answers are those of the graph of classes, cycles included.
Complexity: a state is tried against `candidates` in each of the first two rounds, later only what has changed; so
trials are O(states), whatever the groups (measured slope 1.00 for large groups). A trial reads two answers, which are
bits of all labels; only if their union costs less than the two classes' transitions could ever save (one in six), it
looks at the links of the class that has fewer, and at the descendants that learn something until the budget is spent.
A merge moves the links of the class that has fewer. Memory O(transitions), and states * labels bits. Measured slope of
CPU time against states, 1,000 to 50,000: 1.0 to 1.2, as caches overflow (the same calls per state, each dearer), and
1.3 where 400 labels are fixed, since there groups grow from two to 125 classes and trials from 3 to 12 per state.
Source: grammar/cost.py; blue-fringe state merging with search split from score (AALpy, FlexFringe).
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from grammar.components import strong_components
from grammar.cost import Settings, log2, model_bits, transition_bits

CAUTION: Final = 0.5
"""Share of the saved model bits that answers may cost in the first round; all of them later. Over 14 recorded
applications that saves 0.7 % of the bits in the same time, and brings the worst from 3.1 % above exhaustive greed to
0.4 %."""
POOL: Final = 2
"""Times as many classes as candidates, next to one in order of their answers' size: its nearest are among them."""
EPSILON: Final = 1e-6
"""Bits that count: what saves less is rounding."""

Links = dict[int, int]
"""Neighbour → the kinds of transition between, as bits."""


@dataclass(frozen=True, slots=True)
class Base:
    """What is to be merged. A state is a position; labels and kinds are numbered from 0 without gaps."""

    labels: Sequence[int]
    transitions: Sequence[tuple[int, int, int]]
    """(effect, kind, cause)."""
    weights: Sequence[float]
    """How often each state is asked for."""
    settled: frozenset[int] = frozenset()
    """States that stay apart from one another: the classes of an earlier search. Only the others are placed."""


class Merge(NamedTuple):
    """A merge that has been tried: what it saves, and the answers that it changes."""

    one: int
    other: int
    bits: float
    answers: dict[int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """A merge that was taken: `gone` went into `kept`; how far the search is, and the size of the model now."""

    kept: int
    gone: int
    bits: float
    tried: int
    round: int
    states: int
    transitions: int


Observer = Callable[[Step], None]
Place = tuple[int, int, int]
"""Where a class stands among those of its label: size of its answer, answer, number."""


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search: for each base state the smallest state of its class; `bits` is D(M) + D(g|M)."""

    classes: tuple[int, ...]
    bits: float
    states: int
    transitions: int
    tried: int
    complete: bool
    """False where `limit` or the number of rounds ended it before a local optimum."""


def fold(
    base: Base, settings: Settings | None = None, *, limit: int | None = None, observer: Observer | None = None
) -> Found:
    """Merge states of `base` while that saves bits, trying at most `limit` merges; free merges need no trial."""
    settings = settings or Settings()
    search = Search(Classes.of(base, settings.tracing), settings, limit, observer)
    complete = search.run()
    classes = search.classes
    return Found(classes.members(), classes.bits, classes.states, classes.transitions, search.tried, complete)


@dataclass(slots=True)
class Classes:
    """States under merging. A class is known by the number of one of its members; only `root` is up to date."""

    labels: Sequence[int]
    weights: list[float]
    causes: list[Links]
    effects: list[Links]
    answers: list[int]
    """The labels of all ancestors of each class, as bits."""
    tracing: float
    states: int
    transitions: int
    bits: float
    """D(M) + D(g|M) now."""
    changed: list[int]
    """For each class, after how many merges its answer or links changed last; -1 if it was settled then and is now."""
    settled: set[int]
    """Classes that hold a settled state."""
    _into: list[int]
    """For each state that is gone, a state of the class that it went into."""
    _log: list[float]
    """log2 of every size of an answer."""
    _kinds: int
    _degrees: list[int]
    """For each class, at least how many transitions it has, as an effect and as a cause."""
    _prices: list[float]
    """For each class, what a bit that its answer leaves open costs: `tracing` as often as it is asked for."""
    _sizes: list[float]
    """For each class, log2 of the size of its answer."""
    merges: int = 0
    _each: float = 0.0
    _per: float = 0.0

    @classmethod
    def of(cls, base: Base, tracing: float) -> Classes:
        """Every state for itself."""
        causes: list[Links] = [{} for _ in base.labels]
        effects: list[Links] = [{} for _ in base.labels]
        transitions = set(base.transitions)
        degrees = [0] * len(base.labels)
        for effect, kind, cause in sorted(transitions):
            degrees[effect] += 1
            degrees[cause] += 1
            causes[effect][cause] = effects[cause][effect] = causes[effect].get(cause, 0) | 1 << kind
        states, labels = len(base.labels), len(set(base.labels))
        kinds = len({kind for _, kind, _ in transitions})
        answers, log = ancestor_labels(base.labels, causes), [log2(size) for size in range(labels + 1)]
        classes = cls(
            labels=base.labels,
            weights=list(base.weights),
            causes=causes,
            effects=effects,
            answers=answers,
            tracing=tracing,
            states=states,
            transitions=len(transitions),
            bits=model_bits(states, len(transitions), labels, kinds),
            changed=[-1 if state in base.settled else 0 for state in range(states)],
            settled=set(base.settled),
            _into=list(range(states)),
            _log=log,
            _kinds=kinds,
            _degrees=degrees,
            _prices=[tracing * weight for weight in base.weights],
            _sizes=[log[answer.bit_count()] for answer in answers],
        )
        classes._rate()
        return classes

    def root(self, state: int) -> int:
        """The class that a state is in now."""
        into = self._into
        while into[state] != state:
            into[state] = state = into[into[state]]
        return state

    def members(self) -> tuple[int, ...]:
        """For each state, the smallest state of its class."""
        least: dict[int, int] = {}
        return tuple(least.setdefault(self.root(state), state) for state in range(len(self._into)))

    def compatible(self, one: int, other: int) -> bool:
        """Whether two classes may merge: they have one label, and one of them is not settled."""
        if one == other or self.labels[one] != self.labels[other]:
            return False
        return one not in self.settled or other not in self.settled

    def score(self, one: int, other: int, share: float = 1.0) -> Merge | None:
        """What merging two classes saves, in bits; None once answers cost `share` of what the model saves, or more."""
        mine, theirs = self.answers[one], self.answers[other]
        if mine == theirs:
            return Merge(one, other, self._each + self._per * self.repeated(one, other), {})
        if math.isinf(self.tracing):
            return None
        prices, sizes, degrees = self._prices, self._sizes, self._degrees
        union = mine | theirs
        size = self._log[union.bit_count()]
        cost = prices[one] * (size - sizes[one]) + prices[other] * (size - sizes[other])
        fewer = degrees[one] if degrees[one] < degrees[other] else degrees[other]
        if cost >= (self._each + self._per * fewer) * share:
            return None
        grown = {state: union for state in (one, other) if self.answers[state] != union}
        gain = self._each + self._per * self.repeated(one, other)
        whole = self._spread(union, grown, cost, gain * share)
        return None if whole is None else Merge(one, other, gain - whole, grown)

    def repeated(self, one: int, other: int) -> int:
        """How many transitions become equal to others when two classes merge."""
        found = 0
        for links in (self.causes, self.effects):
            few, many = links[one], links[other]
            if len(few) > len(many):
                few, many = many, few
            for neighbour, kinds in few.items():
                if neighbour in many and neighbour not in (one, other):
                    found += (kinds & many[neighbour]).bit_count()
        up, on = self.causes[one], self.causes[other]
        if one in up or other in up or one in on or other in on:
            between = up.get(one, 0), up.get(other, 0), on.get(one, 0), on.get(other, 0)
            found += sum(kinds.bit_count() for kinds in between)
            found -= (between[0] | between[1] | between[2] | between[3]).bit_count()
        return found

    def merge(self, merge: Merge) -> tuple[int, int]:
        """Do what `score` has tried last; which class is kept, and which is gone."""
        kept, gone = merge.one, merge.other
        if self._degree(kept) < self._degree(gone):
            kept, gone = gone, kept
        repeated = self.repeated(kept, gone)
        self.transitions -= repeated
        self._degrees[kept] += self._degrees[gone] - repeated
        self.states -= 1
        self.merges += 1
        self.bits -= merge.bits
        self._relink(kept, gone)
        for state, answer in merge.answers.items():
            self.answers[state] = answer
            self.changed[state] = self.merges
            self._sizes[state] = self._log[answer.bit_count()]
        self.weights[kept] += self.weights[gone]
        self._prices[kept] = self.tracing * self.weights[kept]
        self._into[gone] = kept
        if gone in self.settled:
            self.settled.add(kept)
        self._rate()
        return kept, gone

    def _degree(self, one: int) -> int:
        return len(self.causes[one]) + len(self.effects[one])

    def _relink(self, kept: int, gone: int) -> None:
        causes, effects = self.causes, self.effects
        up, down = causes[gone], effects[gone]
        causes[gone], effects[gone] = {}, {}
        pairs = [(kept, kept if cause == gone else cause, kinds) for cause, kinds in up.items()]
        pairs += [(effect, kept, kinds) for effect, kinds in down.items() if effect != gone]
        for cause in up:
            effects[cause].pop(gone, None)
        for effect in down:
            causes[effect].pop(gone, None)
        for effect, cause, kinds in pairs:
            causes[effect][cause] = effects[cause][effect] = causes[effect].get(cause, 0) | kinds
            self.changed[effect] = self.changed[cause] = self.merges

    def _rate(self) -> None:
        """What the next merge saves: `_each` in any case, `_per` for each transition that it makes equal to another."""
        now, then = (transition_bits(states, self._kinds) for states in (self.states, self.states - 1))
        self._each = self._log[-1] + self.transitions * (now - then)
        self._per = then

    def _spread(self, union: int, grown: dict[int, int], cost: float, budget: float) -> float | None:
        """What a merge costs in answers, with those that it changes further down; None as soon as that is the budget.

        Every path from the merged class is made of old paths from the two, so its answer is the union of theirs; and
        whatever descends from them learns that union, and nothing else: its old answer has their label, and all that
        lies between. Where nothing is new, nothing is new further down.
        """
        answers, prices, sizes, log, effects = self.answers, self._prices, self._sizes, self._log, self.effects
        waiting = list(grown)
        while not cost >= budget:
            if not waiting:
                return cost
            for effect in effects[waiting.pop()]:
                before = answers[effect]
                after = before | union
                if after != before and effect not in grown:
                    cost += prices[effect] * (log[after.bit_count()] - sizes[effect])
                    grown[effect] = after
                    waiting.append(effect)
        return None


@dataclass(slots=True)
class Search:
    """Chooses merges until none saves bits. `groups` are the classes of each label."""

    classes: Classes
    settings: Settings
    limit: int | None = None
    observer: Observer | None = None
    tried: int = 0
    round: int = 0
    cut: bool = False
    """Whether the limit has kept a merge from being tried."""
    asked: list[int] = field(default_factory=list)
    """For each class, after how many merges it was last tried at full share; -1 if never."""
    groups: list[list[int]] = field(default_factory=list)

    @property
    def reach(self) -> int:
        """How many classes on each side are looked at."""
        return POOL * self.settings.candidates // 2

    def run(self) -> bool:
        """The whole search; whether it ended by itself."""
        self.asked = [-1] * len(self.classes.labels)
        self._free()
        while self.round < self.settings.rounds:
            self.round += 1
            before = self.classes.merges
            share = CAUTION if self.round == 1 else 1.0
            for number, group in enumerate(self.groups):
                again = self.round > 2 or self.classes.settled
                self.groups[number] = self._revisit(group, share) if again else self._gather(group, share)
                if self.cut:
                    return False
            if share == 1.0 and self.classes.merges == before:
                return True
        return False

    def _free(self) -> None:
        """All merges that change no answer: they save bits at any price, and each leaves the others free."""
        classes = self.classes
        equal: dict[tuple[int, int], int] = {}
        for state, label in enumerate(classes.labels):
            key = label, classes.answers[state]
            first = equal.setdefault(key, state)
            found = classes.score(first, state) if classes.compatible(first, state) else None
            if found is not None:
                equal[key] = self._take(found)
        groups: dict[int, list[int]] = {}
        for (label, _), state in equal.items():
            groups.setdefault(label, []).append(state)
        self.groups = [group for _, group in sorted(groups.items()) if len(group) > 1 and self._open(group)]

    def _open(self, group: Iterable[int]) -> bool:
        """Whether any of these classes may merge."""
        return not self.classes.settled.issuperset(group)

    def _gather(self, group: list[int], share: float) -> list[int]:
        """Go through all of one label's classes, heaviest first; the classes that are left."""
        answers, reach = self.classes.answers, self.reach
        founders: list[Place] = []
        heads: list[int] = []
        for state in self._heaviest(group):
            place = answers[state].bit_count(), answers[state], state
            at = bisect_left(founders, place)
            start = max(0, at - reach)
            best = self._best(state, heads[start : at + reach], share)
            if best is None:
                founders.insert(at, place)
                heads.insert(at, state)
            else:
                heads[heads.index(best.one, start)] = self._take(best)
        return heads

    def _revisit(self, group: list[int], share: float) -> list[int]:
        """Try those of one label's classes that have changed since they were tried; the classes that are left."""
        classes, answers = self.classes, self.classes.answers
        stale = [state for state in group if classes.changed[state] > self.asked[state]]
        if not stale:
            return group
        row: list[Place] = sorted([(answers[state].bit_count(), answers[state], state) for state in group])
        placed = {place[2]: place for place in row}
        for state in self._heaviest(stale):
            best = self._nearest(state, row, placed, share)
            while best is not None:
                for one in (best.one, best.other):
                    del row[bisect_left(row, placed.pop(one))]
                kept = self._take(best)
                placed[kept] = answers[kept].bit_count(), answers[kept], kept
                insort(row, placed[kept])
                best = self._nearest(kept, row, placed, share)
        return [state for _, _, state in row]

    def _nearest(self, state: int, row: list[Place], placed: dict[int, Place], share: float) -> Merge | None:
        """The best merge with those that stand about a class, heavier or not; none if it is gone."""
        if state not in placed:
            return None
        at = bisect_left(row, placed[state])
        about = row[max(0, at - self.reach) : at + self.reach + 1]
        return self._best(state, [one for _, _, one in about if self.classes.compatible(state, one)], share)

    def _heaviest(self, group: Iterable[int]) -> list[int]:
        weights = self.classes.weights
        return sorted(group, key=lambda one: (-weights[one], one))

    def _best(self, state: int, near: Iterable[int], share: float) -> Merge | None:
        """The merge with one of the nearest of these classes that saves most bits, if any does."""
        classes = self.classes
        answers, answer = classes.answers, classes.answers[state]
        best: Merge | None = None
        if share == 1.0:
            self.asked[state] = classes.merges
        nearest = sorted([((answers[one] ^ answer).bit_count(), one) for one in near])
        for _, other in nearest[: self.settings.candidates]:
            if self.tried == self.limit:
                self.cut = True
                break
            self.tried += 1
            found = classes.score(other, state, share)
            if found is not None and found.bits > EPSILON + (0.0 if best is None else best.bits):
                best = found
        return best

    def _take(self, merge: Merge) -> int:
        kept, gone = self.classes.merge(merge)
        if self.observer is not None:
            now = self.classes
            self.observer(Step(kept, gone, merge.bits, self.tried, self.round, now.states, now.transitions))
        return kept


def ancestor_labels(labels: Sequence[int], causes: Sequence[Iterable[int]]) -> list[int]:
    """For each state the labels of all that it reaches in one step or more, as bits; O(states + links)."""
    answers = [0] * len(labels)
    for members in strong_components(causes):
        own = set(members)
        answer = 0
        for member in members:
            for cause in causes[member]:
                answer |= 1 << labels[cause] if cause in own else answers[cause] | 1 << labels[cause]
        for member in members:
            answers[member] = answer
    return answers
