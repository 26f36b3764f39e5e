"""What lies around some vertices, whatever way the edges point: what a policy's match is held against.

Rules of this file
    - Sweeps towards causes and towards effects take turns, from all that has been reached so far: a way that turns
      round n times is found by n + 2 of them. The distance is that of the shortest way found.
    - Limits and deadline are the walk's; past one of them the answer says so (`cut`).

Complexity: sweeps times what a walk costs; it ends where a sweep finds nothing new.
Source: `agent.instance_walk`; issue "policies and questions" (negation must stay sound: nothing near is left out).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from agent.instance_walk import Walk
from grammar.control import Link
from grammar.finding import Instance

WAYS: Final[tuple[Literal["ancestors", "descendants"], ...]] = ("ancestors", "descendants")


@dataclass(slots=True)
class Ball:
    """One question about surroundings; `turns` is how often a way may turn round."""

    walk: Walk
    turns: int

    def run(self) -> tuple[tuple[Instance, ...], tuple[Link, ...]]:
        """The whole answer, nearest first; links by time."""
        walk, idle, late = self.walk, 0, self.walk.late
        walk.most, walk.late = walk.limit, lambda: walk.cut or late()  # what is cut anyway need not be large
        walk.find()
        for number in range(self.turns + 2):
            before = walk.count
            walk.question = msgspec.structs.replace(walk.question, direction=WAYS[number % 2])
            walk.sweep(whole=number > 0 and self.turns > 0)  # effects of what is older than all that was asked about
            walk.links = list(dict.fromkeys(walk.links))
            idle = idle + 1 if walk.count == before else 0
            if idle > 1 or walk.cut:
                break
        return walk.told()
