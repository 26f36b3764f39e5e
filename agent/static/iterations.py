"""Which strings are the first and the last of an event loop's iteration.

Rules of this file
    - An iteration begins when the wait is over: its first strings are those reached from there without another
      between, inside the loop. Its last ones are those from which the wait is reached without another between.
    - Where the wait is in a callee, what that still logs after it comes first, and what it logs before it comes last.
    - Backward is forward over the profile with all edges turned round.

Complexity: O(points of the loop's function + strings) for each loop; the two `Follow` are made once.
Source: DisProTrack section IV (an execution unit is one iteration).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence, Set

from agent.static.loops import MAX_DEPTH
from grammar.follow import Follow
from grammar.order import bits
from grammar.profile import ENTRY, EXIT, EventLoop, Function, Profile

End = Callable[[int], tuple[int, bool]]


class Iterations:
    """`waits` are, for each function of the profile, the points where it waits."""

    def __init__(self, profile: Profile, waits: Sequence[Collection[int]]) -> None:
        self._profile, self._waits = profile, waits
        self._forward = Follow(profile)
        self._backward = Follow(turned(profile))
        self._tails: dict[tuple[bool, int, int], tuple[int, bool]] = {}

    def loop(self, function: int, inside: Set[int], waits: Collection[int], name: str) -> EventLoop | None:
        """The loop with its first and last strings; None if it has none of them."""
        first = last = 0
        for wait in waits:
            first |= self._side(True, function, inside, wait)
            last |= self._side(False, function, inside, wait)
        if not first and not last:
            return None
        return EventLoop(function, self._ids(first), self._ids(last), name)

    def _ids(self, mask: int) -> tuple[str, ...]:
        return tuple(self._profile.strings[at].id for at in bits(mask))

    def _side(self, forward: bool, function: int, inside: Set[int], wait: int) -> int:
        follow = self._forward if forward else self._backward
        mask, leaves = 0, False
        calls = self._profile.functions[function].points[wait].calls
        for callee in calls:
            found, left = self._tail(forward, callee, MAX_DEPTH)
            mask, leaves = mask | found, leaves or left
        if leaves or not calls:
            mask |= follow.after(function, wait, inside)[0]
        return mask

    def _tail(self, forward: bool, function: int, depth: int) -> tuple[int, bool]:
        """The strings after (before) the waits of a function, and whether it may return (begin) without one."""
        key = forward, function, depth
        if key in self._tails:
            return self._tails[key]
        follow = self._forward if forward else self._backward
        mask, leaves = 0, False
        for wait in self._waits[function]:
            calls = self._profile.functions[function].points[wait].calls if depth else ()
            passed = not calls
            for callee in calls:
                found, left = self._tail(forward, callee, depth - 1)
                mask, passed = mask | found, passed or left
            if passed:
                found, left = follow.after(function, wait)
                mask, leaves = mask | found, leaves or left
        self._tails[key] = mask, leaves or not self._waits[function]
        return self._tails[key]


def turned(profile: Profile) -> Profile:
    """The profile with every edge turned round, entries and exits exchanged."""
    functions = tuple(
        Function(one.name, one.address, one.binary, one.points, tuple((_turn(b), _turn(a)) for a, b in one.edges))
        for one in profile.functions
    )
    return Profile(profile.binaries, profile.strings, functions)


def _turn(end: int) -> int:
    return EXIT if end == ENTRY else ENTRY if end == EXIT else end
