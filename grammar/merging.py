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
first round answers may eat `CAUTION` of what the model saves, so that clear cases come before doubtful ones.

Invariant: bits fall with every merge, by what `score` said; answers are those of the graph of classes, cycles included.
Complexity: a state is tried against `candidates` in each of the first two rounds, later only what has changed; so
trials are O(states), whatever the groups (measured slope 1.00; of seconds 1.0 to 1.25 as caches overflow). A trial
looks at the links of the class that has fewer, and at the descendants that learn something until the budget is spent.
A merge moves the links of the class that has fewer. Memory O(transitions), and states * labels bits.
Source: grammar/cost.py; blue-fringe state merging with search split from score (AALpy, FlexFringe); Tarjan 1972.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

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
    """For each class, after how many merges its answer or links changed last."""
    _into: list[int]
    """For each state that is gone, a state of the class that it went into."""
    _log: list[float]
    """log2 of every size of an answer."""
    _kinds: int
    merges: int = 0
    _each: float = 0.0
    _per: float = 0.0

    @classmethod
    def of(cls, base: Base, tracing: float) -> Classes:
        """Every state for itself."""
        causes: list[Links] = [{} for _ in base.labels]
        effects: list[Links] = [{} for _ in base.labels]
        transitions = set(base.transitions)
        for effect, kind, cause in sorted(transitions):
            causes[effect][cause] = effects[cause][effect] = causes[effect].get(cause, 0) | 1 << kind
        states, labels = len(base.labels), len(set(base.labels))
        kinds = len({kind for _, kind, _ in transitions})
        classes = cls(
            labels=base.labels,
            weights=list(base.weights),
            causes=causes,
            effects=effects,
            answers=ancestor_labels(base.labels, causes),
            tracing=tracing,
            states=states,
            transitions=len(transitions),
            bits=model_bits(states, len(transitions), labels, kinds),
            changed=[0] * states,
            _into=list(range(states)),
            _log=[log2(size) for size in range(labels + 1)],
            _kinds=kinds,
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
        """Whether two classes may merge: they have one label."""
        return one != other and self.labels[one] == self.labels[other]

    def score(self, one: int, other: int, share: float = 1.0) -> Merge | None:
        """What merging two classes saves, in bits; None once answers cost `share` of what the model saves, or more."""
        gain = self._each + self._per * self.repeated(one, other)
        if self.answers[one] == self.answers[other]:
            return Merge(one, other, gain, {})
        if math.isinf(self.tracing):
            return None
        spread = self._spread(one, other, gain * share)
        return None if spread is None else Merge(one, other, gain - spread[0], spread[1])

    def repeated(self, one: int, other: int) -> int:
        """How many transitions become equal to others when two classes merge."""
        found = union = 0
        for links in (self.causes, self.effects):
            mine, theirs = links[one], links[other]
            for neighbour in mine.keys() & theirs.keys():
                if neighbour not in (one, other):
                    found += (mine[neighbour] & theirs[neighbour]).bit_count()
        for causes in (self.causes[one], self.causes[other]):
            for kinds in (causes.get(one, 0), causes.get(other, 0)):
                found += kinds.bit_count()
                union |= kinds
        return found - union.bit_count()

    def merge(self, merge: Merge) -> tuple[int, int]:
        """Do what `score` has tried last; which class is kept, and which is gone."""
        kept, gone = merge.one, merge.other
        if self._degree(kept) < self._degree(gone):
            kept, gone = gone, kept
        self.transitions -= self.repeated(kept, gone)
        self.states -= 1
        self.merges += 1
        self.bits -= merge.bits
        self._relink(kept, gone)
        for state, answer in merge.answers.items():
            self.answers[state] = answer
            self.changed[state] = self.merges
        self.weights[kept] += self.weights[gone]
        self._into[gone] = kept
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

    def _spread(self, one: int, other: int, budget: float) -> tuple[float, dict[int, int]] | None:
        """What a merge costs in answers, and those that it changes; None as soon as the cost reaches the budget.

        Every path from the merged class is made of old paths from the two, so its answer is the union of theirs; and
        whatever descends from them learns that union, and nothing else: its old answer has their label, and all that
        lies between. Where nothing is new, nothing is new further down.
        """
        answers, weights, log, tracing = self.answers, self.weights, self._log, self.tracing
        grown: dict[int, int] = {}
        waiting: list[int] = []
        cost = 0.0
        union = answers[one] | answers[other]
        reached: Iterable[int] = (one, other)
        while True:
            for effect in reached:
                before = answers[effect]
                after = before | union
                if after != before and effect not in grown:
                    cost += tracing * weights[effect] * (log[after.bit_count()] - log[before.bit_count()])
                    grown[effect] = after
                    waiting.append(effect)
            if cost >= budget:
                return None
            if not waiting:
                return cost, grown
            reached = self.effects[waiting.pop()]


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
    since: int = -1
    """Pairs that have not changed since that many merges have been tried already."""
    groups: list[list[int]] = field(default_factory=list)

    def run(self) -> bool:
        """The whole search; whether it ended by itself."""
        self._free()
        while self.round < self.settings.rounds:
            self.round += 1
            before = self.classes.merges
            share = CAUTION if self.round == 1 else 1.0
            for number, group in enumerate(self.groups):
                self.groups[number] = self._gather(group, share)
                if self.cut:
                    return False
            if share == 1.0 and self.classes.merges == before:
                return True
            self.since = before if share == 1.0 else -1
        return False

    def _free(self) -> None:
        """All merges that change no answer: they save bits at any price, and each leaves the others free."""
        classes = self.classes
        equal: dict[tuple[int, int], int] = {}
        for state, label in enumerate(classes.labels):
            key = label, classes.answers[state]
            first = equal.setdefault(key, state)
            found = classes.score(first, state) if first != state else None
            if found is not None:
                equal[key] = self._take(found)
        groups: dict[int, list[int]] = {}
        for (label, _), state in equal.items():
            groups.setdefault(label, []).append(state)
        self.groups = [group for _, group in sorted(groups.items()) if len(group) > 1]

    def _gather(self, group: list[int], share: float) -> list[int]:
        """Go through one label's classes, heaviest first; the classes that are left."""
        classes = self.classes
        founders: list[tuple[int, int, int]] = []
        for state in sorted(group, key=lambda one: (-classes.weights[one], one)):
            answer = classes.answers[state]
            place = answer.bit_count(), answer, state
            best = self._best(place, founders, share)
            if best is None:
                insort(founders, place)
            else:
                self._take(best)
        return [classes.root(founder) for _, _, founder in founders]

    def _best(self, place: tuple[int, int, int], founders: list[tuple[int, int, int]], share: float) -> Merge | None:
        """The merge with one of the nearest classes that saves most bits, if any does."""
        at = bisect_left(founders, place)
        classes, _, answer, state = self.classes, *place
        reach = POOL * self.settings.candidates // 2
        near = [classes.root(founder) for _, _, founder in founders[max(0, at - reach) : at + reach]]
        changed, since = classes.changed, self.since
        if changed[state] <= since and all(changed[one] <= since for one in near):
            return None
        near.sort(key=lambda one: ((classes.answers[one] ^ answer).bit_count(), one))
        best: Merge | None = None
        for other in near[: self.settings.candidates]:
            if changed[other] <= since and changed[state] <= since:
                continue
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
    for members in components(causes):
        own = set(members)
        answer = 0
        for member in members:
            for cause in causes[member]:
                answer |= 1 << labels[cause] if cause in own else answers[cause] | 1 << labels[cause]
        for member in members:
            answers[member] = answer
    return answers


def components(causes: Sequence[Iterable[int]]) -> list[list[int]]:
    """Strongly connected components, each after all that it can reach, without recursion."""
    order, low = [0] * len(causes), [0] * len(causes)
    closed = [False] * len(causes)
    found: list[list[int]] = []
    waiting: list[int] = []
    met = 0
    for root in range(len(causes)):
        work = [] if order[root] else [(root, iter(causes[root]))]
        while work:
            state, rest = work[-1]
            if not order[state]:
                met += 1
                order[state] = low[state] = met
                waiting.append(state)
            cause = next((one for one in rest if not closed[one]), None)
            if cause is not None and not order[cause]:
                work.append((cause, iter(causes[cause])))
            elif cause is not None:
                low[state] = min(low[state], order[cause])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[state])
                if low[state] == order[state]:
                    found.append(_pop_through(waiting, state))
                    for member in found[-1]:
                        closed[member] = True
    return found


def _pop_through(stack: list[int], last: int) -> list[int]:
    popped = [stack.pop()]
    while popped[-1] != last:
        popped.append(stack.pop())
    return popped
