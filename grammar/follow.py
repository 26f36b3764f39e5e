"""Which log string may come next: the factored edges of a profile, answered with call and return matched.

Rules of this file
    - A path goes down into a callee at a call and comes back to that call; from where it began it goes up to every
      known caller. A callee that may return without having logged is passed through.
    - Nothing is listed pair by pair: sets of strings are bit sets (bit i is `profile.strings[i]`), made once for each
      function, and for a string when it is asked for.
    - What a function without known callers returns to is not known: `leaves` says so, `entries` is what may come then.

Invariant: `successors` equals reachability over the graph of all functions with calls and returns matched.
Complexity: building, O(points + edges) operations on bit sets; a question, O(points of one function), then one look-up.
Source: DisProTrack section IV (LMS-CFG); Reps, Horwitz, Sagiv 1995 (summary edges, realizable paths).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence, Set
from typing import Final

from grammar.order import bits, closed
from grammar.profile import ENTRY, EXIT, Point, Profile

MAX_KEPT: Final = 64 << 20
"""Bytes of masks that are remembered; older ones are made again when they are asked for."""


class Follow:
    """The questions that a matcher asks of a profile.

    >>> from grammar.profile import Function, LogString, Point, Profile
    >>> strings = tuple(LogString(text, text, text, 0, 0, "emits") for text in ("started", "request"))
    >>> main = Function("main", 0, 0, (Point(0), Point(1)), ((ENTRY, 0), (0, 1), (1, 1), (1, EXIT)))
    >>> follow = Follow(Profile((), strings, (main,)))
    >>> sorted(follow.successors(0)), sorted(follow.successors(1)), follow.follows(1, 0)
    ([1], [1], False)
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._next = [_edges(len(one.points), one.edges) for one in profile.functions]
        self._places = _places(profile)
        self._silent = _silent(profile, self._next)
        self._first = self._firsts()
        self._up, self._unknown = self._returns()
        self._kept: OrderedDict[int, tuple[int, bool]] = OrderedDict()
        self._room = max(1_024, MAX_KEPT // (1 + len(profile.strings) // 8))
        self.entries: Final = frozenset(bits(self._entries()))
        position = {one.id: at for at, one in enumerate(profile.strings)}
        self.loop_firsts: Final = frozenset(position[name] for loop in profile.loops for name in loop.first)
        self.loop_lasts: Final = frozenset(position[name] for loop in profile.loops for name in loop.last)

    def mask(self, string: int) -> int:
        """The strings that may come next, as a bit set."""
        return self._answer(string)[0]

    def successors(self, string: int) -> frozenset[int]:
        """The positions of the strings that may come next."""
        return frozenset(bits(self.mask(string)))

    def follows(self, a: int, b: int) -> bool:
        """True if `b` may be the next string after `a`."""
        if not 0 <= b < len(self._profile.strings):
            raise IndexError(b)
        return bool(self.mask(a) >> b & 1)

    def starts(self, function: int) -> frozenset[int]:
        """The strings that may come first when a function is called."""
        return frozenset(bits(self._first[function]))

    def leaves(self, string: int) -> bool:
        """True if after it control may return to a caller that the profile does not know."""
        return self._answer(string)[1]

    def _answer(self, string: int) -> tuple[int, bool]:
        kept = self._kept.get(string)
        if kept is not None:
            self._kept.move_to_end(string)
            return kept
        if not 0 <= string < len(self._places):
            raise IndexError(string)
        mask, unknown = 0, False
        for function, point in self._places[string]:
            found, leaves = self.after(function, point)
            mask |= found
            if leaves:
                mask |= self._up[function]
                unknown |= self._unknown[function]
        self._kept[string] = mask, unknown
        if len(self._kept) > self._room:
            self._kept.popitem(last=False)
        return mask, unknown

    def after(self, function: int, start: int, allowed: Set[int] | None = None) -> tuple[int, bool]:
        """What may come next after a point inside its function and what it calls, and whether it may return before.

        With `allowed`, only these points of the function are gone through (an event loop's).
        """
        points, following = self._profile.functions[function].points, self._next[function]
        mask, leaves = 0, False
        waiting = list(following[start])
        seen = set(waiting)
        while waiting:
            at = waiting.pop()
            if at == EXIT:
                leaves = True
            elif at >= 0 and (allowed is None or at in allowed):
                mask |= self._begin(points[at])
                if _is_passed(points[at], self._silent):
                    more = [child for child in following[at] if child not in seen]
                    seen.update(more)
                    waiting += more
        return mask, leaves

    def _ahead(self, function: int) -> list[int]:
        """The same for every point at once; the bit above all strings says that the function may return before."""
        points, following = self._profile.functions[function].points, self._next[function]
        leave = 1 << len(self._profile.strings)
        own = [self._begin(point) for point in points]
        passed = [
            [child for child in following[at] if child >= 0] if _is_passed(point, self._silent) else []
            for at, point in enumerate(points)
        ]
        for at, point in enumerate(points):
            own[at] |= leave if EXIT in following[at] and _is_passed(point, self._silent) else 0
        reached = closed(own, passed)
        found = []
        for children in following[:-1]:
            mask = 0
            for child in children:
                mask |= reached[child] if child >= 0 else leave if child == EXIT else 0
            found.append(mask)
        return found

    def _begin(self, point: Point) -> int:
        if point.string >= 0:
            return 1 << point.string
        mask = 0
        for call in point.calls:
            mask |= self._first[call]
        return mask

    def _firsts(self) -> list[int]:
        """For each function the strings that may come first: its own before any other, and those of what it calls."""
        own, calls = [], []
        for at, function in enumerate(self._profile.functions):
            mask, called = 0, set[int]()
            for point in _passed(function.points, self._next[at], self._silent):
                mask |= 1 << point.string if point.string >= 0 else 0
                called.update(point.calls)
            own.append(mask)
            calls.append(sorted(called))
        return closed(own, calls)

    def _returns(self) -> tuple[list[int], list[bool]]:
        """For each function what may come after it has returned, in all its known callers and theirs.

        One more bit than there are strings says that a function without known callers may have been returned from.
        """
        functions = self._profile.functions
        unknown = 1 << len(self._profile.strings)
        own = [0] * len(functions)
        callers: list[list[int]] = [[] for _ in functions]
        called = [False] * len(functions)
        for caller, function in enumerate(functions):
            if not any(point.calls for point in function.points):
                continue
            for point, mask in zip(function.points, self._ahead(caller), strict=True):
                for callee in point.calls:
                    own[callee] |= mask & (unknown - 1)
                    called[callee] = True
                    if mask >= unknown:
                        callers[callee].append(caller)
        for at, one in enumerate(called):
            own[at] |= 0 if one else unknown
        found = closed(own, callers)
        return [mask & (unknown - 1) for mask in found], [mask >= unknown for mask in found]

    def _entries(self) -> int:
        called = {call for one in self._profile.functions for point in one.points for call in point.calls}
        mask = 0
        for at, first in enumerate(self._first):
            mask |= 0 if at in called else first
        return mask


def _edges(points: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Successors by position; those of ENTRY stand last, so that -1 finds them."""
    following: list[list[int]] = [[] for _ in range(points + 1)]
    for a, b in edges:
        if a != EXIT:
            following[a].append(b)
    return following


def _places(profile: Profile) -> list[list[tuple[int, int]]]:
    places: list[list[tuple[int, int]]] = [[] for _ in profile.strings]
    for number, function in enumerate(profile.functions):
        for at, point in enumerate(function.points):
            if point.string >= 0:
                places[point.string].append((number, at))
    return places


def _is_passed(point: Point, silent: Sequence[bool]) -> bool:
    return point.string < 0 and (not point.calls or any(silent[call] for call in point.calls))


def _passed(points: Sequence[Point], following: Sequence[Sequence[int]], silent: Sequence[bool]) -> Iterator[Point]:
    """The points that can be reached from ENTRY when silent calls are passed."""
    seen, waiting = set[int](), list(following[ENTRY])
    while waiting:
        at = waiting.pop()
        if at >= 0 and at not in seen:
            seen.add(at)
            yield points[at]
            if _is_passed(points[at], silent):
                waiting += following[at]


def _silent(profile: Profile, following: Sequence[Sequence[Sequence[int]]]) -> list[bool]:
    """Which functions may return without having logged: the least solution, by a list of what has changed.

    A path stops at the first call that is not known to be silent; it goes on when the callee turns out to be.
    """
    functions = profile.functions
    silent = [False] * len(functions)
    reached: list[set[int]] = [set() for _ in functions]
    blocked: list[list[tuple[int, int]]] = [[] for _ in functions]
    waiting = [(number, at) for number in range(len(functions)) for at in following[number][ENTRY]]
    while waiting:
        number, at = waiting.pop()
        if at == EXIT:
            if not silent[number]:
                silent[number] = True
                waiting += [(a, b) for a, point in blocked[number] for b in following[a][point]]
        elif at >= 0 and at not in reached[number]:
            reached[number].add(at)
            point = functions[number].points[at]
            if _is_passed(point, silent):
                waiting += [(number, b) for b in following[number][at]]
            elif point.string < 0:
                for call in point.calls:
                    blocked[call].append((number, at))
    return silent
