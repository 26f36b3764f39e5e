"""What a line's unit has come from and led to: effects, causes, and where the causal paths begin.

Rules of this file
    - Effects of a `LogMessage` state: what its edges `covers` lead to (children that its unit has started, what it has
      sent or written) and everything that may have come from that, also from what a child was before it was as the
      line has found it. Other lines that tell of the same are none.
    - Where all that the unit had started had ended by the line, only programs that the line names are effects: what the
      same shell did in another request is not.
    - What an effect has passed on to another unit (a later request reads the session that this one has written) is said
      as such, and not followed: what that unit does is told by lines of its own.
    - Causes are its ancestors, the same that `winnower ancestors` gives, without its effects.
    - A causal path begins where something came in from elsewhere: a connection that was accepted, a file that another
      program has written, an answer of a peer, a program without a parent on record; and files that what the unit has
      started has read and nobody on record has written. Libraries are no such files.
    - What is reached is cut at `MAX_REACHED`, nearest first, and says so.

Complexity: O(transitions reached).
Source: DisProTrack section V (reverse query); design section 2 (ancestors, descendants).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final, Literal

from grammar import Model, State, Transition, kind_of
from grammar.line import MAX_PROGRAMS, RAN, STARTED

LOG: Final = "log"
LOG_NEAR: Final = "log_near"
COVERS: Final = "covers"
UNIT: Final = "unit "
"""Begins the entry in a process's context that says which unit it is in."""
WROTE: Final = frozenset({LOG, LOG_NEAR})
"""Operations from a line to the process that wrote it: the second is known by its time only."""
SAME: Final = frozenset({"version", "setuid", "setns", "chroot"})
"""Operations after which a process is the same and runs the same program."""
ALL_ITS_LIFE: Final = SAME | {"execve"}
MAX_EARLIER: Final = 200
MAX_REACHED: Final = 5_000
LIBRARIES: Final = (
    "/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/share/", "/usr/local/lib/", "/etc/ld.so.", "/proc/", "/sys/",
    "/dev/",
)  # fmt: skip
"""Where files are that everybody reads."""
Edges = Mapping[State, tuple[Transition, ...]]
Cause = tuple[State, int, Callable[[State], tuple[Transition, ...]]]
"""A state, how far it is, and the way to it."""
Beginning = Literal["client", "file", "peer", "program", "source"]


@dataclass(frozen=True, slots=True)
class Reached:
    """States with their distance, nearest first, and the transition by which each was reached; `cut`: not all.

    `onward` are transitions to other units, which were not followed.
    """

    distance: Mapping[State, int]
    came: Mapping[State, Transition]
    cut: bool = False
    onward: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True)
class Root:
    """Where a causal path begins: what it is, how far back, and the transitions to it, from the line on."""

    state: State
    kind: Beginning
    distance: int
    path: tuple[Transition, ...]
    why: str


def units_of(model: Model, line: State) -> tuple[Transition, ...]:
    """Edges from a line to the processes that wrote it; what is certain comes first."""
    found = [one for one in model.causes.get(line, ()) if one.operation in WROTE]
    return tuple(sorted(found, key=lambda one: (one.operation != LOG, one)))


def covered(model: Model, line: State) -> tuple[Transition, ...]:
    """Edges from a line to what its unit has started, sent or written."""
    return tuple(one for one in model.causes.get(line, ()) if one.operation == COVERS)


def effects_of(model: Model, line: State) -> Reached:
    """What a line's unit has led to."""
    first = covered(model, line)
    wrote = [one.cause for one in units_of(model, line)]
    earlier = [step for one in first for step in earlier_of(model, one.cause, ALL_ITS_LIFE, wrote)]
    found = _reach(line, [*first, *earlier], model.effects, _admitting(line, wrote), back=False)
    own = {*wrote, *(step.cause for one in wrote for step in earlier_of(model, one))}
    return replace(found, onward=tuple(one for one in found.onward if one.effect not in own))


def _admitting(line: State, wrote: Iterable[State]) -> Callable[[State], bool]:
    """Which states may be effects: if all that the unit has started had ended by the line, no other program's."""
    programs = {tag.removeprefix(RAN) for tag in line.context if tag.startswith(RAN)}
    if not programs or len(programs) >= MAX_PROGRAMS or any(tag.startswith(STARTED) for tag in line.context):
        return lambda state: True
    programs |= {one.label for one in wrote}  # a child is its parent's program until it runs its own
    return lambda state: kind_of(state.label) != "Process" or state.label in programs


def earlier_of(
    model: Model, state: State, operations: Set[str] = SAME, stop: Iterable[State] = ()
) -> Iterator[Transition]:
    """The way back through what one process has been, by edges of these operations, latest first; `stop` is not."""
    queue, seen = deque([state]), {state, *stop}
    while queue and len(seen) < MAX_EARLIER:
        for one in model.causes.get(queue.popleft(), ()):
            if one.relation == "WAS_TRIGGERED_BY" and one.operation in operations and one.cause not in seen:
                seen.add(one.cause)
                yield one
                queue.append(one.cause)


def later_of(model: Model, state: State) -> Iterator[State]:
    """What the process of a state was later, all its life."""
    queue, seen = deque([state]), {state}
    while queue and len(seen) < MAX_EARLIER:
        for one in model.effects.get(queue.popleft(), ()):
            if one.relation == "WAS_TRIGGERED_BY" and one.operation in ALL_ITS_LIFE and one.effect not in seen:
                seen.add(one.effect)
                yield one.effect
                queue.append(one.effect)


def causes_of(model: Model, line: State, effects: Reached) -> Reached:
    """What a line has come from, but for its effects."""
    found = _reach(line, model.causes.get(line, ()), model.causes, lambda state: True, back=True)
    rest = {state: steps for state, steps in found.distance.items() if state not in effects.distance}
    return Reached(rest, found.came, found.cut)


def _reach(
    line: State, first: Iterable[Transition], edges: Edges, admits: Callable[[State], bool], *, back: bool
) -> Reached:
    came = {one.cause: one for one in reversed(list(first))}
    came.pop(line, None)
    distance = dict.fromkeys(sorted(came), 1)
    onward: list[Transition] = []
    queue = deque(distance)
    while queue:
        state = queue.popleft()
        for one in edges.get(state, ()):
            other = one.cause if back else one.effect
            if other in distance or other == line or one.operation == COVERS or not admits(other):
                continue
            if not back and _takes_over(one):
                onward.append(one)
                continue
            if len(distance) >= MAX_REACHED:
                return Reached(distance, came, True, tuple(onward))
            distance[other] = distance[state] + 1
            came[other] = one
            queue.append(other)
    return Reached(distance, came, onward=tuple(onward))


def _takes_over(one: Transition) -> bool:
    """Whether an effect is another unit's: it begins there, or takes in there what it has not been started by."""
    in_unit = any(entry.startswith(UNIT) for entry in one.effect.context)
    return in_unit and (one.relation == "USED" or one.operation == "unit")


def lines_of(model: Model, state: State) -> tuple[State, ...]:
    """The lines that a process, as it is in a state or was later, has written."""
    every = (one for at in (state, *later_of(model, state)) for one in model.effects.get(at, ()))
    return tuple(dict.fromkeys(one.effect for one in every if one.operation in WROTE))


def roots_of(model: Model, causes: Reached, effects: Reached) -> list[Root]:
    """Where the causal paths of a line and its effects begin; of what differs in context only, the nearest."""
    readers = _readers(model, dict.fromkeys((*causes.distance, *effects.distance)))
    found: dict[tuple[str, str], Root] = {}
    for state, steps, path in (*_of_line(causes), *_of_effects(model, causes, effects)):
        told = _beginning(model, state, readers.get(state, ()), effects)
        if told is not None:
            found.setdefault((told[0], state.label), Root(state, told[0], steps, path(state), told[1]))
    return list(found.values())


def _readers(model: Model, states: Iterable[State]) -> dict[State, list[Transition]]:
    """Who of these has taken in what."""
    found: dict[State, list[Transition]] = {}
    for state in states:
        for one in model.causes.get(state, ()):
            if one.relation == "USED":
                found.setdefault(one.cause, []).append(one)
    return found


def _of_line(causes: Reached) -> Iterator[Cause]:
    for state, steps in causes.distance.items():
        yield state, steps, lambda one: _path(one, causes)


def _of_effects(model: Model, causes: Reached, effects: Reached) -> Iterator[Cause]:
    """What effects have taken in from elsewhere."""
    for state, steps in effects.distance.items():
        for one in model.causes.get(state, ()):
            if one.relation == "USED" and one.cause not in effects.distance and one.cause not in causes.distance:
                yield one.cause, steps + 1, lambda _, last=one: (*_path(last.effect, effects), last)  # type: ignore[misc]


def _path(state: State, reached: Reached) -> tuple[Transition, ...]:
    """The transitions from a line to a state."""
    steps: list[Transition] = []
    while state in reached.came and len(steps) < MAX_REACHED:
        one = reached.came[state]
        steps.append(one)
        state = one.effect if one.cause == state else one.cause
    return tuple(reversed(steps))


def _beginning(
    model: Model, state: State, readers: Sequence[Transition], effects: Reached
) -> tuple[Beginning, str] | None:
    """What begins at a state, and why one may say so; None if nothing does."""
    kind = kind_of(state.label)
    if kind == "Process":
        parents = any(one.relation == "WAS_TRIGGERED_BY" for one in model.causes.get(state, ()))
        return None if parents else ("program", "no parent on record")
    if not readers:
        return None
    if kind == "Socket":
        return _connection(state, readers)
    return _file(model, state, readers, effects) if kind == "File" else None


def _connection(state: State, readers: Sequence[Transition]) -> tuple[Beginning, str]:
    """A connection that somebody else has opened, if it was accepted or has a local end; else an answer of a peer."""
    first = readers[0]
    accepted = next((one for one in readers if one.operation == "accept"), None)
    if accepted is None and ">" not in state.label:
        return "peer", f"{name_of(first.effect)} received from it"
    served = next((one for one in readers if f"unit {state.label}" in one.effect.context), None)
    if served is not None:
        return "client", f"{name_of(served.effect)} served it in this unit"
    if accepted is not None:
        return "client", f"{name_of(accepted.effect)} accepted it"
    return "client", f"{name_of(first.effect)} received from it"


def _file(model: Model, state: State, readers: Sequence[Transition], effects: Reached) -> tuple[Beginning, str] | None:
    """A file whose writers are other programs than those who read it; one that effects have read, without a writer."""
    path = state.label.partition(" ")[2]
    if not path.startswith("/") or path.startswith(LIBRARIES):
        return None
    who = {one.effect.label: one for one in readers}
    writers = [one for one in model.causes.get(state, ()) if one.relation == "WAS_GENERATED_BY"]
    other = next((one for one in writers if one.cause.label not in who), None)
    if other is None:
        by = [one for one in readers if one.effect in effects.distance and one.operation == "read"]
        told = bool(by) and not any(one.operation == "version" or one in writers for one in model.causes.get(state, ()))
        return ("source", f"{name_of(by[0].effect)} read it, nobody on record wrote it") if told else None
    reader = next(iter(who.values()))
    did = "ran" if reader.operation == "execve" else "read"
    return "file", f"{name_of(reader.effect)} {did} it, {name_of(other.cause)} wrote it ({other.operation})"


def name_of(state: State) -> str:
    """A program's name, or the whole label."""
    kind, _, rest = state.label.partition(" ")
    return rest.partition(" ")[0] if kind == "Process" else state.label
