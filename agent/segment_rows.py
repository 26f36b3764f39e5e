"""The open columns of one scope: vertices and edges as they come, until a segment is made of them.

Rules of this file
    - Append only; nothing is kept of a vertex but its identity, its time, its state. Lists, not arrays: they hold
      numbers and names that the graph holds anyway, and take them in six times faster. The hot path writes them itself
      (`agent.instances`).
    - Another thread may copy them at any time (`frozen`): each slice is one step of the interpreter, and edges are
      copied first, so that the vertices that they name are there.

Invariant: row n is vertex `first + n`; no edge names a vertex that has not come yet.
Complexity: `frozen` and `split` O(rows), the first in C.
"""

from __future__ import annotations

from typing import Final

from agent.upg import Scope

UNSEALED: Final = -1
FIELDS: Final = 4
"""Of an edge in `Rows.edges`: effect, kind, cause, milliseconds."""


class Rows:
    """Vertices of one scope from number `first` on, and edges in event order."""

    __slots__ = ("edges", "first", "idents", "scope", "states", "times")

    def __init__(self, scope: Scope, first: int) -> None:
        self.scope, self.first = scope, first
        self.idents: list[str] = []
        self.times: list[int] = []
        self.states: list[int] = []
        self.edges: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.idents or self.edges)

    @property
    def held(self) -> int:
        """Vertices and edges in it."""
        return len(self.idents) + len(self.edges) // FIELDS

    @property
    def start(self) -> int:
        """The earliest time in it."""
        return min(*self.times[:1], *self.edges[3:FIELDS], 1 << 62)

    @property
    def end(self) -> int:
        """The latest time in it (times never go back)."""
        return max(*self.times[-1:], *self.edges[-1:], 0)

    def frozen(self) -> Rows:
        """A copy; what is being written at this moment is in it or not."""
        copy = Rows(self.scope, self.first)
        copy.edges = self.edges[:]
        copy.states, copy.times, copy.idents = self.states[:], self.times[:], self.idents[:]
        count = min(len(copy.states), len(copy.times), len(copy.idents))
        del copy.states[count:], copy.times[count:], copy.idents[count:]
        del copy.edges[len(copy.edges) // FIELDS * FIELDS :]
        return copy

    def split(self) -> tuple[Rows, Rows | None]:
        """What is settled (vertices before the first that is not sealed, and the edges among them), and the rest."""
        try:
            at = self.states.index(UNSEALED)
        except ValueError:
            return self, None
        border, edges = self.first + at, self.edges
        ready, rest = Rows(self.scope, self.first), Rows(self.scope, border)
        ready.idents, rest.idents = self.idents[:at], self.idents[at:]
        ready.times, rest.times = self.times[:at], self.times[at:]
        ready.states, rest.states = self.states[:at], self.states[at:]
        for n in range(0, len(edges), FIELDS):
            waits = edges[n] >= border or edges[n + 2] >= border
            (rest if waits else ready).edges.extend(edges[n : n + FIELDS])
        return ready, rest
