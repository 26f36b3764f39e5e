"""Which functions matter: those that may log, those that wait for input, those that never return.

Rules of this file
    - A function may log if it holds a log string or calls one that may: directly, by a tail jump, through a slot whose
      pointer is a constant of the file, or by a name that another of the application's binaries exports.
    - Only functions that matter are decoded; who calls whom is taken from the byte scan, so a false call costs time and
      nothing else.
    - Callees come before callers, so that what a call does is known where it stands (except in a recursion).

Complexity: O(calls * depth of the call graph) array operations; nothing recurses.
Source: DisProTrack section IV (functions that generate log messages, to a fixpoint).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.static.loops import EVENTS, MAX_DEPTH, QUEUES, READS
from grammar.components import strong_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.static.code import Code
    from agent.static.strings import Found

_ENDS: Final = """
    exit _exit _Exit quick_exit abort err errx verr verrx __assert_fail __assert __chk_fail __fortify_fail longjmp
    siglongjmp __longjmp_chk _longjmp pthread_exit __cxa_throw __cxa_bad_cast _ZSt9terminatev execv execve execvp
"""
ENDS: Final = frozenset(_ENDS.split())
"""Names whose callers are looked at: they may be functions that never return. (Every function has a stack check.)"""


@dataclass(frozen=True, slots=True)
class Calls:
    """Who calls whom over all binaries; functions are numbered through: `base[binary] + index`."""

    base: tuple[int, ...]
    count: int
    callers: NDArray[np.int64]
    callees: NDArray[np.int64]

    def above(self, seeds: Iterable[int], levels: int | None = None) -> NDArray[np.bool_]:
        """The seeds and all that call them, directly or through others (at most so many levels up)."""
        found = np.zeros(self.count, dtype=np.bool_)
        found[np.fromiter(seeds, dtype=np.int64)] = True
        while levels is None or levels > 0:
            more = self.callers[found[self.callees]]
            if bool(found[more].all()):
                break
            found[more] = True
            levels = None if levels is None else levels - 1
        return found

    def fan_in(self) -> NDArray[np.int64]:
        """For each function how many others call it."""
        pairs = np.unique(np.stack((self.callers, self.callees), axis=1), axis=0)
        return np.bincount(pairs[:, 1], minlength=self.count)

    def order(self, wanted: NDArray[np.bool_]) -> list[int]:
        """The wanted functions, callees first."""
        numbers = np.flatnonzero(wanted)
        place = np.full(self.count, -1, dtype=np.int64)
        place[numbers] = np.arange(len(numbers))
        inside = wanted[self.callers] & wanted[self.callees]
        pairs = np.unique(np.stack((place[self.callers[inside]], place[self.callees[inside]]), axis=1), axis=0)
        following: list[list[int]] = [[] for _ in numbers]
        for caller, callee in pairs.tolist():
            following[caller].append(callee)
        return [int(numbers[one]) for part in strong_components(following) for one in sorted(part)]


def calls_of(found: Found, slots: Sequence[Mapping[int, Sequence[int]]]) -> Calls:
    """The call graph that the scan sees, across binaries; `slots` are for each binary calls through variables."""
    base, count = [], 0
    for code in found.codes:
        base.append(count)
        count += len(code.functions)
    callers, callees = [], []
    for binary, code in enumerate(found.codes):
        targets, inverse = np.unique(code.targets, return_inverse=True)
        numbers = np.fromiter(
            (function_at(found, binary, int(target), base) for target in targets), dtype=np.int64, count=len(targets)
        )[inverse]
        owners = code.owners.astype(np.int64)
        known = (numbers >= 0) & (owners >= 0)
        callers.append(owners[known] + base[binary])
        callees.append(numbers[known])
        through = [
            (base[binary] + code.function_of(site), base[binary] + code.index_at(target))
            for site, targets_of in slots[binary].items()
            for target in targets_of
        ]
        callers.append(np.array([caller for caller, _ in through], np.int64))
        callees.append(np.array([callee for _, callee in through], np.int64))
    empty = np.zeros(0, dtype=np.int64)
    return Calls(tuple(base), count, np.concatenate([empty, *callers]), np.concatenate([empty, *callees]))


def function_at(found: Found, binary: int, target: int, base: Sequence[int]) -> int:
    """The number of the function that a call of `target` ends in, -1 if that is in none of the binaries."""
    code = found.codes[binary]
    index = code.index_at(target)
    if index < 0:
        name = code.imported(target)
        if name:
            place = found.resolve(name)
            if place is None:
                return -1
            binary, target = place
        else:
            pointer = code.image.pointer(target)
            if pointer is None:
                return -1
            target = pointer
        index = found.codes[binary].index_at(target)
    return base[binary] + index if index >= 0 else -1


def logging(found: Found, calls: Calls) -> NDArray[np.bool_]:
    """The functions that may log."""
    return calls.above({calls.base[site.binary] + site.index for site in found.sites})


def waiting(found: Found, calls: Calls) -> NDArray[np.bool_]:
    """The functions that may wait for input, a few calls down at most; reads of files count only where they stand."""
    return calls.above(_users(found, calls, EVENTS | QUEUES), MAX_DEPTH - 1) | calls.above(
        _users(found, calls, READS), 0
    )


def ending(found: Found, calls: Calls) -> NDArray[np.bool_]:
    """The functions that may never return: those that call what does not."""
    return calls.above(_users(found, calls, ENDS), 0)


def _users(found: Found, calls: Calls, names: Iterable[str]) -> set[int]:
    return {
        calls.base[binary] + int(owner)
        for binary, code in enumerate(found.codes)
        for name in names
        for target in _targets(code, name)
        for owner in code.callers(target)
        if owner >= 0
    }


def _targets(code: Code, name: str) -> tuple[int, ...]:
    """Where a name leads: slots of imports, or the function itself in a static file that kept its symbols."""
    return code.names.get(name, ())
