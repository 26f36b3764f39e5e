"""Findings of the engines are put together: ids, patterns, factored edges, event loops; the result is the profile.

Rules of this file
    - Functions come one after the other, callees first, and are reduced at once to points and edges.
    - Ids depend on what a rebuild leaves alone: the file's name, the function's name, the text, and its number among
      equal ones. Addresses are in no id.
    - A function that cannot log is left out, a call of it is no point (where a loop waits in it, a point that is
      passed).
    - The same findings give the same profile, in whatever order the functions came.

Complexity: O(points + factored edges) memory.
Source: DisProTrack section IV (LMS-CFG, event-handling loops).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from agent.static.flow import Findings, Mark, Traced, below, edges_of
from agent.static.iterations import Iterations
from agent.static.loops import MAX_CALLERS, Loop, Wait, loops_of
from grammar.formats import Dialect, dialect_of, framed, literal_of, pattern_of
from grammar.profile import Binary, EventLoop, Function, LogString, Point, Profile

if TYPE_CHECKING:
    from agent.static.strings import Site

Key = tuple[int, int]
READING: Final = 2
"""The kind of a wait that may be for a file."""
VERSION: Final = re.compile(r"(\.so)[0-9.]*$")


@dataclass(frozen=True, slots=True)
class Draft:
    """A function before all others are known; `points` are strings (positions in `sites`), or keys of callees."""

    name: str
    points: tuple[tuple[int, tuple[Key, ...]], ...]
    edges: tuple[tuple[int, int], ...]
    groups: tuple[tuple[int, ...], ...]
    loops: tuple[Loop, ...]
    waits: tuple[int, ...]


class Assembly:
    """Takes findings, gives the profile."""

    def __init__(self, depth: int, files: int) -> None:
        self._depth = depth
        self._binaries: list[Binary | None] = [None] * files
        self._sites: list[Site] = []
        self._drafts: dict[Key, Draft] = {}
        self._waits: dict[Key, Wait] = {}
        self._notes: list[str] = []

    def add(self, findings: Findings, positions: Sequence[int]) -> None:
        """Take what an engine has found; its n-th binary is the profile's `positions[n]`-th."""
        for binary, position in zip(findings.binaries, positions, strict=True):
            self._binaries[position] = binary
        for traced in findings.traced:
            self._take(traced, positions)
        self._notes += findings.notes

    def _take(self, traced: Traced, positions: Sequence[int]) -> None:
        key = positions[traced.binary], traced.address
        points: list[tuple[int, tuple[Key, ...]]] = []
        groups: list[tuple[int, ...]] = []
        waits: dict[int, Wait] = {}
        for number, mark in enumerate(traced.marks):
            first = len(points)
            for site in mark.sites:
                points.append((len(self._sites), ()))
                self._sites.append(replace(site, binary=positions[site.binary]))
            if not mark.sites:
                points.append((-1, tuple((positions[binary], address) for binary, address in mark.calls)))
            groups.append(tuple(range(first, len(points))))
            wait = self._wait(mark, positions)
            if wait is not None:
                waits[number] = wait
        edges, hubs = edges_of(traced.shape, groups)
        points += [(-1, ())] * hubs
        logs = {number for number, mark in enumerate(traced.marks) if mark.sites or mark.calls}
        loops = [one for one in loops_of(traced.shape, waits, logs) if _is_served(one, traced)]
        waiting = tuple(point for mark in sorted(waits) for point in groups[mark])
        self._drafts[key] = Draft(traced.name, tuple(points), tuple(edges), tuple(groups), tuple(loops), waiting)
        best = min(waits.values(), key=lambda wait: wait.rank, default=None)
        returns = not traced.shape.returns.isdisjoint(below(traced.shape, (0,)))
        passed = best.below() if best is not None and returns and traced.callers <= MAX_CALLERS else None
        if passed is not None:
            self._waits[key] = passed

    def _wait(self, mark: Mark, positions: Sequence[int]) -> Wait | None:
        if mark.waits:
            return Wait(mark.waits)
        found = [self._waits.get((positions[binary], address)) for binary, address in mark.calls]
        return min((one for one in found if one is not None), key=lambda wait: wait.rank, default=None)

    def profile(self) -> Profile:
        """Put everything together; this ends the assembly."""
        keys = sorted(self._logging())
        place = {key: at for at, key in enumerate(keys)}
        owner = {point[0]: key for key in keys for point in self._drafts[key].points if point[0] >= 0}
        order = sorted(owner, key=lambda at: (self._sites[at].binary, self._sites[at].address, self._sites[at].text))
        string = {at: position for position, at in enumerate(order)}
        functions = tuple(self._function(key, place, string) for key in keys)
        sites = [self._sites[at] for at in order]
        strings = self._strings(sites, [place[owner[at]] for at in order], functions)
        binaries = tuple(one for one in self._binaries if one is not None)
        made = Profile(binaries, strings, functions, (), self._depth, tuple(dict.fromkeys(self._notes)))
        return replace_loops(made, self._loops(made, keys))

    def _logging(self) -> set[Key]:
        """The functions that hold a string, or call one that may log."""
        callers: dict[Key, list[Key]] = {}
        waiting: list[Key] = []
        for key, draft in self._drafts.items():
            for string, calls in draft.points:
                for call in calls:
                    callers.setdefault(call, []).append(key)
                if string >= 0 and (not waiting or waiting[-1] != key):
                    waiting.append(key)
        found = set(waiting)
        while waiting:
            for caller in callers.get(waiting.pop(), ()):
                if caller not in found:
                    found.add(caller)
                    waiting.append(caller)
        return found

    def _function(self, key: Key, place: Mapping[Key, int], string: Mapping[int, int]) -> Function:
        draft = self._drafts[key]
        points = tuple(
            Point(string.get(one, -1), tuple(sorted({place[call] for call in calls if call in place})))
            for one, calls in draft.points
        )
        return Function(draft.name or f"sub_{key[1]:x}", key[1], key[0], points, draft.edges)

    def _strings(
        self, sites: Sequence[Site], functions: Sequence[int], known: Sequence[Function]
    ) -> tuple[LogString, ...]:
        dialect = dialect_of(site.text for site in sites if site.format)
        patterns: dict[tuple[str, bool, str], str] = {}
        seen: Counter[str] = Counter()
        found: list[LogString] = []
        for site, function in zip(sites, functions, strict=True):
            name = known[function].name
            key = "\0".join((self._file(site.binary), "" if name.startswith("sub_") else name, site.text))
            number = seen[key]
            seen[key] += 1
            found.append(
                LogString(
                    hashlib.blake2b(f"{key}\0{number}".encode("utf-8", "backslashreplace"), digest_size=8).hexdigest(),
                    site.text,
                    _pattern(site, dialect, patterns),
                    function,
                    site.address,
                    site.sink,
                    site.level,
                    site.callee,
                    site.binary,
                )
            )
        return tuple(found)

    def _file(self, binary: int) -> str:
        one = self._binaries[binary]
        return VERSION.sub(r"\1", one.path.rsplit("/", 1)[-1]) if one is not None else ""

    def _loops(self, made: Profile, keys: Sequence[Key]) -> list[EventLoop]:
        iterations = Iterations(made, [self._drafts[key].waits for key in keys])
        found: list[EventLoop] = []
        serves = any(loop.wait.kind < READING for key in keys for loop in self._drafts[key].loops)
        for number, key in enumerate(keys):
            draft = self._drafts[key]
            for loop in draft.loops:
                if serves and loop.wait.kind == READING:
                    continue  # a server's loops over a file's lines are none of events
                inside = {point for mark in loop.marks for point in draft.groups[mark]}
                inside.update(range(sum(len(group) for group in draft.groups), len(draft.points)))
                waits = [point for mark in loop.waits for point in draft.groups[mark]]
                one = iterations.loop(number, inside, waits, loop.wait.name)
                if one is not None:
                    found.append(one)
        return found


def _is_served(loop: Loop, traced: Traced) -> bool:
    """Threads that wait for one another are servers only where a thread begins: nothing calls them by name."""
    return loop.wait.kind != 1 or (loop.wait.depth <= 1 and traced.pointed and not traced.callers)


def replace_loops(profile: Profile, loops: Sequence[EventLoop]) -> Profile:
    """The same profile with these event loops."""
    return Profile(profile.binaries, profile.strings, profile.functions, tuple(loops), profile.depth, profile.notes)


def _pattern(site: Site, dialect: Dialect, known: dict[tuple[str, bool, str], str]) -> str:
    key = site.text, site.format, site.callee
    found = known.get(key)
    if found is None:
        said = pattern_of(site.text, dialect) if site.format else literal_of(site.text)
        found = known[key] = str(framed(said, site.callee))
    return found
