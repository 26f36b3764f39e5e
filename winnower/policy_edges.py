"""Which edges there can be in Winnower's graphs at all: between what, of which relation, by which operation.

Rules of this file
    - Rather too much than too little: a warning that rests on it must be right. A test holds it against what agents
      make of real logs, and against their table of operations.

Complexity: O(1) a question, but for `joined`: O(kinds x steps).
Source: `agent.upg` (take, give, derive, trigger), `agent.syscalls.MEANING`, `agent.logmessages`; design section 2.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from policies.graph import KINDS

ALL: Final = frozenset(KINDS)
PROCESS: Final = frozenset({"Process"})
LOG: Final = frozenset({"LogMessage"})
THINGS: Final = ALL - PROCESS - LOG
MAX_STEPS: Final = len(KINDS) + 1
"""Steps after which the kinds that a walk can have come to are all that it will ever come to."""


class Edges(NamedTuple):
    """Edges from one of `effects` to one of `causes`."""

    effects: frozenset[str]
    relation: str
    operations: frozenset[str]
    causes: frozenset[str]


def _edges(effects: frozenset[str], relation: str, operations: str, causes: frozenset[str]) -> Edges:
    return Edges(effects, relation, frozenset(operations.split()), causes)


TABLE: Final = (
    _edges(PROCESS, "USED", "read recv accept mmap execve copy", THINGS),
    _edges(
        THINGS,
        "WAS_GENERATED_BY",
        "write send copy create truncate unlink rmdir rename link symlink mkdir mount chmod chmod_setuid chown setxattr"
        " bind listen connect open pipe module",
        PROCESS,
    ),
    _edges(
        PROCESS,
        "WAS_TRIGGERED_BY",
        "fork execve version unit kill ptrace vm_write vm_read setuid setns chroot",
        PROCESS,
    ),
    _edges(THINGS, "WAS_DERIVED_FROM", "version rename link copy", THINGS),
    _edges(LOG, "WAS_GENERATED_BY", "log log_near covers", PROCESS),
    _edges(LOG, "WAS_DERIVED_FROM", "covers version", THINGS | LOG),
)
OPERATIONS: Final = frozenset(operation for edges in TABLE for operation in edges.operations)


class Wanted(NamedTuple):
    """What a step of a pattern asks of each of its edges; None: anything. `forward`: along the arrow, or both ways."""

    relations: frozenset[str] | None
    operations: frozenset[str] | None
    forward: bool | None = True

    def moves(self) -> list[tuple[frozenset[str], frozenset[str]]]:
        """From which kinds to which kinds one edge leads, in the direction of the pattern."""
        found = []
        for edges in TABLE:
            right = self.relations is None or edges.relation in self.relations
            if right and (self.operations is None or self.operations & edges.operations):
                if self.forward is not False:
                    found.append((edges.effects, edges.causes))
                if self.forward is not True:
                    found.append((edges.causes, edges.effects))
        return found


def joined(start: AbstractSet[str], wanted: Wanted, least: int, most: int | None) -> frozenset[str]:
    """The kinds at which a walk of `least` to `most` such edges from one of `start` can end.

    >>> sorted(joined({"File"}, Wanted(frozenset({"USED"}), None), 1, 1))
    []
    >>> sorted(joined({"LogMessage"}, Wanted(None, frozenset({"covers"})), 1, 2))
    ['File', 'LogMessage', 'Memory', 'Pipe', 'Process', 'Socket']
    """
    moves = wanted.moves()
    here, found = frozenset(start), frozenset(start) if not least else frozenset[str]()
    least = min(least, MAX_STEPS)
    for step in range(1, (2 * MAX_STEPS if most is None else min(most, 2 * MAX_STEPS)) + 1):
        here = frozenset(kind for begin, end in moves if begin & here for kind in end)
        if step >= least:
            found |= here
        if not here:
            break
    return found
