"""Epochs: what each stretch of log time added, as deltas for the monitor.

Rules of this file
    - An epoch takes what is fresh in every scope and leaves the scopes with nothing fresh and nothing open. States are
      final when they are told, and a vertex is open for a second at most, so cutting time differently (in whole
      seconds) gives the same evidence in other portions.
    - What a container has told of `p1.html` covers `p{int}.html` once that is learned: it is not told again.
    - Words that the cluster already knows cost a number (`grammar.lexicon`); who has shown them is said all the same,
      so that the monitor knows k of n. An example command line is sent with a state that is new to the cluster only.
    - How often a state has been seen travels with news only: where there is none, there is a heartbeat.
    - By setting (`refresh`) what has been told is told again from time to time, as numbers, if it still goes on: the
      monitor can then forget what nobody has shown for long.

Complexity: O(what is new in the epoch).
Source: design section 4 (induction, publish), section 3 promise 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import process_time

from agent.node import Node
from agent.upg import KINDS_OF_EDGE, Scope, States
from grammar import Delta, Item, Lexicon, Pattern, Relabel, Sighting, State, Transition, is_numbered, relabelled


@dataclass(frozen=True, slots=True)
class Epoch:
    """One stretch of one worker: times in milliseconds of log time, counts of this epoch, deltas by application.

    `active` are the containers that have made system calls, new to their graph or not, with how many.
    """

    start: int
    length: int
    events: int
    records: int
    vertices: int
    edges: int
    states: int
    transitions: int
    lost: dict[str, int]
    active: tuple[tuple[str, int], ...]
    deltas: dict[str, Delta]
    seconds: float


@dataclass(slots=True)
class Epochs:
    """Cuts a worker's life into epochs of `length`; `lexicons` are the words shared with the monitor, by application.

    Every `refresh` milliseconds (never, if 0) what has been told is forgotten.
    """

    node: Node
    length: int
    refresh: int = 0
    lexicons: dict[str, Lexicon] = field(default_factory=dict)
    _states: dict[str, list[State]] = field(default_factory=dict)
    _learned: dict[str, set[str]] = field(default_factory=dict)
    _relabel: dict[str, Relabel] = field(default_factory=dict)
    _told: dict[tuple[str, str], set[Item]] = field(default_factory=dict)
    _events: int = 0
    _records: int = 0
    _refreshed: int = -1

    def close(self, start: int, records: int, lost: dict[str, int]) -> Epoch:
        """End the epoch that began at `start`; `records` is the parser's count so far, `lost` what is new of it."""
        begun = process_time()
        node = self.node
        scopes = list(node.scopes.values())
        for scope in scopes:
            scope.flush()
        deltas = {app: delta for app in node.states if (delta := self._delta(app, scopes, start))}
        epoch = Epoch(
            start=start,
            length=self.length,
            events=node.events - self._events,
            records=records - self._records,
            vertices=sum(scope.vertices for scope in scopes),
            edges=sum(scope.edges for scope in scopes),
            states=sum(len(scope.counts) for scope in scopes),
            transitions=sum(len(scope.seen) for scope in scopes),
            lost=lost,
            active=tuple((scope.container, scope.calls) for scope in scopes if scope.calls),
            deltas=deltas,
            seconds=process_time() - begun,
        )
        self._events, self._records = node.events, records
        self._forget(start)
        for scope in scopes:
            scope.vertices = scope.edges = scope.calls = 0
        return epoch

    def retire(self, container: str) -> None:
        """Nothing more comes of a container."""
        for key in [key for key in self._told if key[1] == container]:
            del self._told[key]

    def _forget(self, start: int) -> None:
        if self._refreshed < 0:
            self._refreshed = start
        elif self.refresh and start >= self._refreshed + self.refresh:
            self._refreshed = start
            self._told.clear()
            self.node.forget_told()

    def _delta(self, app: str, scopes: list[Scope], start: int) -> Delta:
        states = self._table(app)
        sightings = tuple(
            sighting
            for scope in scopes
            if scope.app == app and (sighting := _sighting(scope, states, start)) is not None
        )
        told = self._learned.setdefault(app, set())
        learned = tuple(sorted(self._patterns(app) - told)) if sightings else ()
        told.update(learned)
        sightings = self._news(app, sightings, bool(learned))
        known = self.lexicons.setdefault(app, Lexicon()).state_number
        if sightings:
            sightings = _with_levels(sightings, [scope for scope in scopes if scope.app == app], states, known)
        found = Delta(sightings, learned=learned)
        commands = self.node.states[app].commands
        numbers = self.node.states[app].number_of
        shown = {
            s: commands[n] for s in found.states if s not in known and (n := numbers[s.label, s.context]) in commands
        }
        return Delta(sightings, shown, learned)

    def _patterns(self, app: str) -> set[str]:
        """Labels that thresholds have made: of files on this worker, of an application's lines."""
        lines = self.node.logs.names.learned(app) if self.node.logs is not None else ()
        return {*self.node.abstraction.learned, *lines}

    def _news(self, app: str, sightings: tuple[Sighting, ...], learned: bool) -> tuple[Sighting, ...]:
        """The sightings without what the model generates already from what was told before its names became numbers.

        Only patterns of numbers count here: what they make of a name is the same in every model that has them.
        """
        if learned:
            numbers = [one for one in self._learned[app] if is_numbered(Pattern.parse(one.rpartition("/")[2]))]
            relabel = self._relabel[app] = Relabel(numbers)
            for (owner, _), told in self._told.items():
                if owner == app:
                    told.update([relabelled(item, relabel) for item in told])
        found = []
        for one in sightings:
            told = self._told.setdefault((app, one.container), set())
            rest = _without(one, told, self._relabel.get(app, Relabel(())))
            if rest.transitions or rest.states:
                found.append(rest)
        return tuple(found)

    def _table(self, app: str) -> list[State]:
        table = self._states.setdefault(app, [])
        source: States = self.node.states[app]
        table.extend(State(*state) for state in source.states[len(table) :])
        return table


def _without(one: Sighting, told: set[Item], relabel: Relabel) -> Sighting:
    """A sighting without what `told` covers after relabelling; `told` takes in the rest."""
    shown = tuple(item for item in one.transitions if not relabel or relabelled(item, relabel) not in told)
    alone = tuple(item for item in one.states if not relabel or relabelled(item, relabel) not in told)
    rest: tuple[Item, ...] = (*shown, *alone)
    for item in rest:
        moved = relabelled(item, relabel)
        told.add(moved)
        if isinstance(moved, Transition):
            told.update((moved.effect, moved.cause))
    return Sighting(one.container, shown, alone, one.first, one.last)


def _with_levels(
    sightings: tuple[Sighting, ...], scopes: list[Scope], states: list[State], known: Mapping[State, int]
) -> tuple[Sighting, ...]:
    """The sightings with how often each container has seen what has become more frequent: of told states only."""
    shown = {one.container: one for one in sightings}
    told = known.keys() | Delta(sightings).states
    for scope in scopes:
        levels = [(states[n], scope.counts[n].bit_length() - 1) for n in scope.risen if states[n] in told]
        scope.risen.clear()
        if levels:
            one = shown.get(scope.container, Sighting(scope.container, ()))
            shown[scope.container] = replace(one, levels=tuple(sorted(levels)))
    return tuple(shown.values())


def _sighting(scope: Scope, states: list[State], start: int) -> Sighting | None:
    """What is fresh in one scope; its fresh lists are emptied."""
    if not scope.fresh and not scope.lone:
        return None
    linked: set[int] = set()
    transitions = []
    for effect, kind, cause in scope.fresh:
        transitions.append(Transition(states[effect], *KINDS_OF_EDGE[kind], states[cause]))
        linked.add(effect)
        linked.add(cause)
    alone = tuple(states[state] for state in scope.lone if state not in linked)
    first, last = (max(0, at - start) for at in (scope.fresh_first or start, scope.fresh_last or start))
    scope.fresh.clear()
    scope.lone.clear()
    scope.fresh_first = scope.fresh_last = 0
    return Sighting(scope.container, tuple(transitions), alone, first, max(first, last))
