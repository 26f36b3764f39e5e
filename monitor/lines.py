"""From a line of an application's log to what happened: its pattern's states, ranked, with root causes and effects.

Rules of this file
    - A line stands for every `LogMessage` state whose pattern matches its message. Which of them is meant is a matter
      of evidence: `monitor.lines_rank` has the reasons.
    - `since` and `until` take the place of the line's own time, and leave out what was first shown after `until`.
    - All states are ranked, by what their units have led to at once; the first `COMPARED` are then compared by all that
      came of it, the first `EXPLAINED` are explained. Ties break by application and canonical order: the same question
      gives the same answer.

Complexity: matching O(length of the message); ranking O(candidates * replicas); explaining O(what is reached).
Source: DisProTrack section V (reverse query); issue "application logs", 6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from typing import Final

from grammar import Model, Replica, Span, State, Transition
from grammar.line import Line
from grammar.lineformat import read_line
from monitor.lines_causes import Reached, Root, causes_of, covered, effects_of, roots_of, units_of
from monitor.lines_index import NEAREST, Indexes, Near, Word
from monitor.lines_rank import (
    SOON,
    Reason,
    Window,
    asked_by,
    certainty,
    fit,
    led_to,
    literal,
    mean,
    rarity,
    root_reasons,
    when,
)
from monitor.lines_units import unit_of as unit_of  # noqa: PLC0414 - questions about lines start here

EXPLAINED: Final = 5
COMPARED: Final = 32
CONTRADICTED: Final = 0.25
"""What is left of the score of a state that was first shown after the line."""
SLOW: Final = 0.5
"""What is left of the score of a state whose request would have to have taken long, where another fits as it is."""
MAX_ROOTS: Final = 10
MAX_RANKED: Final = 1_000
"""States of one pattern that are ranked: those that go with the time best. A flood of them must not stall a monitor."""


@dataclass(frozen=True, slots=True)
class RankedRoot:
    """A root cause and its rank."""

    root: Root
    score: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state that the line may stand for; `odd` is what it has led to, and most of its pattern have not.

    Labels, with the number of states of the pattern that have led to such a thing.
    """

    model: Model
    state: State
    word: Word
    reasons: tuple[Reason, ...]
    replicas: tuple[tuple[Replica, Span], ...]
    odd: Mapping[str, int] = field(default_factory=dict)
    slow: bool = False

    @property
    def score(self) -> float:
        """From 0 to 1: the mean of the reasons by their weight; next to nothing if its time contradicts the line's."""
        found = mean(self.reasons)
        return round(found * (CONTRADICTED if self.is_later else SLOW if self.slow else 1), 4)

    @property
    def is_soon(self) -> bool:
        """Whether it was first shown soon after the line: then the request had taken so long."""
        return any(one.what == "time" and one.score == SOON for one in self.reasons)

    @property
    def is_later(self) -> bool:
        """Whether it was first shown after the line."""
        return any(one.what == "time" and not one.score for one in self.reasons)


@dataclass(frozen=True, slots=True)
class Explained:
    """A candidate with its units, effects, causes and root causes."""

    candidate: Candidate
    units: tuple[Transition, ...]
    effects: Reached
    causes: Reached
    roots: tuple[RankedRoot, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """The answer: the line as it was read, the candidates, the best first; if no pattern matches, the nearest ones.

    `later` is how many states match but were first shown after what was asked for; `beyond`, how many were not ranked.
    """

    line: Line
    window: Window
    explained: tuple[Explained, ...] = ()
    others: tuple[Candidate, ...] = ()
    nearest: tuple[Near, ...] = ()
    later: int = 0
    beyond: int = 0
    lost: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def candidates(self) -> list[Candidate]:
        """All of them, the best first."""
        return [*(one.candidate for one in self.explained), *self.others]


def trace_line(
    models: Sequence[Model],
    raw: bytes,
    since: int | None = None,
    until: int | None = None,
    *,
    indexes: Indexes | None = None,
    lost: Mapping[str, Mapping[str, int]] | None = None,
) -> Told:
    """What a line of a log stands for in these models; `since` and `until` say when, if the line does not."""
    line = read_line(raw)
    window = Window.of(line, since, until)
    known = indexes or Indexes()
    found: list[Candidate] = []
    beyond = 0
    for model in models:
        index = known.of(model)
        for word, states in index.candidates(line.message).items():
            likely = _likely(model, states, window, index.epoch)
            beyond += len(states) - len(likely)
            found += _candidates(model, word, likely, line, (window, index.epoch))
    if not found:
        near = [one for model in models for one in known.of(model).book.nearest(line.message, model.app)]
        return Told(line, window, nearest=tuple(sorted(near, key=lambda one: (-one.score, one.app))[:NEAREST]))
    kept = [one for one in found if not (window.asked and one.is_later)]
    ranked = _compared(sorted(_doubted(kept), key=_rank))
    workers = {replica.worker for one in ranked for replica, _ in one.replicas}
    told = {worker: causes for worker, causes in (lost or {}).items() if worker in workers}
    explained = tuple(_explained(one, window, known.of(one.model).epoch) for one in ranked[:EXPLAINED])
    return Told(
        line, window, explained, tuple(ranked[EXPLAINED:]), lost=told, later=len(found) - len(kept), beyond=beyond
    )


def _doubted(found: Sequence[Candidate]) -> list[Candidate]:
    """Where a state fits the time as it is, those that were first shown after it are slow requests, which are rare."""
    if all(one.is_soon or one.is_later for one in found):
        return list(found)
    return [replace(one, slow=True) if one.is_soon else one for one in found]


def _rank(one: Candidate) -> tuple[float, str, State]:
    return -one.score, one.model.app, one.state


def _likely(model: Model, states: Sequence[State], window: Window, epoch: int) -> Sequence[State]:
    """All states of a pattern, or those of them that go with the time best."""
    if len(states) <= MAX_RANKED:
        return states
    ranked = [(-max(fit(span, window, epoch) for span in model.support[one].values()), one) for one in states]
    return [one for _, one in nsmallest(MAX_RANKED, ranked)]


def _candidates(
    model: Model, word: Word, states: Sequence[State], line: Line, asked: tuple[Window, int]
) -> Iterator[Candidate]:
    """The states of one pattern that a message may stand for, each with its reasons."""
    window, epoch = asked
    direct = {state: {one.cause.label for one in covered(model, state)} for state in states}
    common = Counter(label for labels in direct.values() for label in labels)
    for state in states:
        held = model.support[state]
        odd = _odd(direct[state], common, len(states))
        reasons = (
            when(held, window, epoch),
            certainty(model, state),
            led_to(odd, len(states)),
            rarity(held, len(model.replicas)),
            asked_by(model, state, line.client),
            literal(word, line.message),
        )
        replicas = sorted(held.items(), key=lambda one: (-fit(one[1], window, epoch), one))
        told = tuple(one for one in reasons if one is not None)
        yield Candidate(model, state, word, told, tuple(replicas), odd)


def _odd(labels: set[str], common: Mapping[str, int], states: int) -> dict[str, int]:
    """The labels that at most half of the states have."""
    return {label: common[label] for label in sorted(labels) if 2 * common[label] <= states}


def _compared(ranked: Sequence[Candidate]) -> list[Candidate]:
    """The first ones compared anew by all that they have led to, within each pattern."""
    groups: dict[tuple[str, str], list[tuple[Candidate, set[str]]]] = {}
    for one in ranked[:COMPARED]:
        own = {unit.cause.label for unit in units_of(one.model, one.state)}
        labels = {state.label for state in effects_of(one.model, one.state).distance} - own
        groups.setdefault((one.model.app, one.word.text), []).append((one, labels))
    found = list(ranked[COMPARED:])
    for group in groups.values():
        common = Counter(label for _, labels in group for label in labels)
        for one, labels in group:
            odd = _odd(labels, common, len(group)) if len(group) > 1 else one.odd
            told = led_to(odd, len(group))
            others = tuple(reason for reason in one.reasons if reason.what != "effects" or told is None)
            found.append(replace(one, odd=odd, reasons=(*others, told) if told else others))
    return sorted(found, key=_rank)


def _explained(one: Candidate, window: Window, epoch: int) -> Explained:
    effects = effects_of(one.model, one.state)
    causes = causes_of(one.model, one.state, effects)
    roots = [_ranked(one.model, root, window, epoch) for root in roots_of(one.model, causes, effects)]
    roots.sort(key=lambda found: (-found.score, found.root.distance, found.root.state))
    return Explained(one, units_of(one.model, one.state), effects, causes, tuple(roots[:MAX_ROOTS]))


def _ranked(model: Model, root: Root, window: Window, epoch: int) -> RankedRoot:
    reasons = root_reasons(model, root, window, epoch)
    return RankedRoot(root, mean(reasons), reasons)
