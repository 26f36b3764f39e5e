"""The unit that a line tells of: which lines cover a state, and the tree of what a unit has done.

Rules of this file
    - A state's lines are those that cover it or were written by it, or else by the nearest of those who started or made
      it that has any: what a process that a request has started does belongs to that request.
    - A unit's tree hangs under the processes that wrote its line: who was started by whom before who has read what,
      breadth first. A fork that only became another program is that program.
      Versions of a thing are one branch, and so are effects that differ in nothing a reader sees.
    - What an effect has read stands under it, but for libraries. A tree has at most `MAX_BRANCHES` branches.

Complexity: O(transitions reached).
Source: DisProTrack section IV (execution units); issue "application logs", done when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from grammar import Model, Replica, State, Transition, kind_of
from monitor.alerts import Alert
from monitor.lines_causes import (
    COVERS,
    LIBRARIES,
    LOG,
    MAX_REACHED,
    UNIT,
    WROTE,
    covered,
    earlier_of,
    effects_of,
    later_of,
    units_of,
)
from monitor.lines_index import KIND

MAX_BRANCHES: Final = 200
RANK: Final = {"WAS_TRIGGERED_BY": 0, "WAS_GENERATED_BY": 1, "WAS_DERIVED_FROM": 1, "USED": 2}
"""What is followed first: who started whom, what they made, who has taken that in."""
LAST_RANK: Final = 2
PROCESSES: Final = frozenset({"Process"})
MAX_READ: Final = 6
"""Files that are shown under one process."""
_ORDER: Final = {"Process": 0, "Socket": 1, "File": 2, "Pipe": 3, "Memory": 4, "LogMessage": 5}
KINDS: Final = frozenset(_ORDER)


@dataclass(slots=True)
class Branch:
    """One thing in a unit's tree: by which operation it came about, and what came of it; `source`: it was read."""

    state: State
    operation: str = ""
    command: str = ""
    source: bool = False
    below: list[Branch] = field(default_factory=list)

    def key(self) -> tuple[int, str, str, str]:
        """What a reader sees of it; also its order."""
        return _ORDER.get(kind_of(self.state.label), 9), self.state.label, self.operation, self.command

    def size(self) -> int:
        """How many branches it is."""
        return 1 + sum(one.size() for one in self.below)


@dataclass(slots=True)
class Tree:
    """The tree of a line's unit: its root is the line; `cut` says that there is more."""

    root: Branch
    cut: bool = False


def unit_of(model: Model, state: State, replica: Replica | None = None) -> tuple[State, ...]:
    """The `LogMessage` states whose unit a state belongs to, the surest first; `replica` has shown them."""
    if kind_of(state.label) == KIND.strip():
        return (state,)
    level, seen = [state], {state}
    while level and len(seen) <= MAX_REACHED:
        found = [one for at in level for one in _lines(model, at, replica) if at == state or _tells(one)]
        if found:
            ordered = sorted(found, key=lambda one: (one.operation not in (COVERS, LOG), one.effect))
            return tuple(dict.fromkeys(one.effect for one in ordered))
        steps = (one for at in level for one in model.causes.get(at, ()) if _made(one))
        above = dict.fromkeys(one.cause for one in steps)
        level = [one for one in above if one not in seen]
        seen.update(level)
    return ()


def unit_of_alert(model: Model, alert: Alert) -> State | None:
    """The line whose unit an alert's trace belongs to: of the last step that belongs to any."""
    replica = Replica(alert.worker, alert.container)
    for node in (*reversed([step.node for step in alert.trace]), *alert.nodes):
        state = model.by_id.get(node)
        found = unit_of(model, state, replica) if state is not None else ()
        if found:
            return min(found, key=lambda one: _away(model, one, replica, alert.time))
    return None


def _away(model: Model, line: State, replica: Replica, time: int) -> tuple[int, State]:
    span = model.support[line].get(replica)
    return (abs(span.first - time) if span else 1 << 62), line


def _lines(model: Model, state: State, replica: Replica | None) -> Iterator[Transition]:
    """The edges from lines to a state, or to what its process was later, that one replica, or any, has shown."""
    for at in (state, *later_of(model, state)):
        for one in model.effects.get(at, ()):
            tells = one.operation == COVERS or (one.operation in WROTE and at == state and _is_unit(at))
            if tells and one.effect.label.startswith(KIND) and (replica is None or replica in model.support[one]):
                yield one


def _is_unit(state: State) -> bool:
    """A line that only its program is known of says nothing of what else that has done."""
    return any(entry.startswith("unit ") for entry in state.context)


def _made(one: Transition) -> bool:
    """Whether a cause has started or made its effect, in the same unit: what was read may be another request's."""
    return one.relation != "USED" and one.operation != "unit"


def _tells(one: Transition) -> bool:
    """Whether a line tells of what came of a state: it covers it, or was written in a unit (not just by a program)."""
    return one.operation == COVERS or any(entry.startswith(UNIT) for entry in one.cause.context)


def unit_tree(model: Model, line: State) -> Tree:
    """What the unit of a line has done."""
    return _Growth(model, effects_of(model, line).distance).grown(line)


class _Growth:
    """A tree under way: `inside` are the effects that may hang in it; `pending` the edges to follow, by `RANK`."""

    def __init__(self, model: Model, inside: Mapping[State, int]) -> None:
        self.model, self.inside = model, inside
        self.placed: dict[State, Branch] = {}
        self.pending: tuple[deque[Transition], ...] = tuple(deque() for _ in range(LAST_RANK + 1))
        self.size = 1
        self.cut = False

    def grown(self, line: State) -> Tree:
        root = Branch(line, command=self.model.commands.get(line, ""))
        for one in units_of(self.model, line):
            branch = self._hang(root, one.cause, one.operation)
            for state in (one.cause, *(step.cause for step in earlier_of(self.model, one.cause))):
                self._place(state, branch)
        above = root.below[0] if root.below else root
        found = covered(self.model, line)
        for rank, kinds, tops in ((0, PROCESSES, True), (LAST_RANK, KINDS, True), (LAST_RANK, KINDS, False)):
            self._follow(rank)
            for one in found:
                fits = kind_of(one.cause.label) in kinds and not (tops and self._comes_from_inside(one.cause))
                if fits and one.cause not in self.placed:
                    self._place(one.cause, self._hang(above, one.cause, one.operation))
        self._follow(LAST_RANK)
        for state, branch in self.placed.items():
            if state in self.inside and kind_of(state.label) == "Process":
                self._show_read(branch, state)
        _tidy(root)
        return Tree(root, self.cut)

    def _place(self, state: State, branch: Branch) -> None:
        """A state is shown by a branch; what came of it is pending."""
        if state not in self.placed:
            self.placed[state] = branch
            for one in self.model.effects.get(state, ()):
                if one.effect in self.inside and one.operation != COVERS:
                    self.pending[RANK.get(one.relation, LAST_RANK)].append(one)

    def _follow(self, rank: int) -> None:
        """Hang what is pending, breadth first, but always who was started by whom before who has read what."""
        while queue := next((queue for queue in self.pending[: rank + 1] if queue), None):
            one = queue.popleft()
            if one.effect in self.placed:
                continue
            above = self.placed[one.cause]
            if one.operation == "version":
                above.command = above.command or self.model.commands.get(one.effect, "")
                self._place(one.effect, above)
            else:
                self._place(one.effect, self._hang(above, one.effect, one.operation))

    def _comes_from_inside(self, state: State) -> bool:
        """Whether an effect has started or made it; what it has read does not count."""
        causes = self.model.causes.get(state, ())
        return any(one.cause in self.inside and one.relation != "USED" for one in causes)

    def _show_read(self, branch: Branch, state: State) -> None:
        read = [one for one in self.model.causes.get(state, ()) if one.relation == "USED" and _told(one.cause.label)]
        for one in read:
            if one.cause not in self.placed and one.operation != "execve":
                if sum(below.source for below in branch.below) >= MAX_READ:
                    self.cut = True
                    return
                self._hang(branch, one.cause, one.operation, source=True)

    def _hang(self, above: Branch, state: State, operation: str, *, source: bool = False) -> Branch:
        """A new branch; where there is no more room, the one above."""
        if self.size >= MAX_BRANCHES:
            self.cut = True
            return above
        self.size += 1
        new = Branch(state, operation, self.model.commands.get(state, ""), source)
        above.below.append(new)
        return new


def _told(label: str) -> bool:
    """Whether a file that was read says anything to a reader."""
    return label.startswith("File /") and not label[len("File ") :].startswith(LIBRARIES)


def _tidy(branch: Branch) -> None:
    """Sort; children that have only become another program are that program; what looks the same is one."""
    found: dict[tuple[int, str, str, str], Branch] = {}
    for one in branch.below:
        _tidy(one)
        became = one.operation == "fork" and one.below and all(under.operation == "execve" for under in one.below)
        for child in one.below if became else [one]:
            if child.below or child.source or not child.state.label.removeprefix("File ").startswith(LIBRARIES):
                _join(found, child)
    for key, one in list(found.items()):
        named = [other for other in found.values() if other.key()[:3] == key[:3] and other.command]
        if not one.command and len(named) == 1:
            _join({named[0].key(): named[0]}, replace(found.pop(key), command=named[0].command))
    branch.below = sorted(found.values(), key=Branch.key)


def _join(known: dict[tuple[int, str, str, str], Branch], one: Branch) -> None:
    """Add a branch, or what is below it to the one that looks the same."""
    same = known.setdefault(one.key(), one)
    if same is not one:
        below = {under.key(): under for under in same.below}
        for under in one.below:
            _join(below, under)
        same.below = sorted(below.values(), key=Branch.key)
