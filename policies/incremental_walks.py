"""Where a walk can begin, or end, that passes one of some touched nodes.

Rules of this file
    - Looking ahead and looking back take turns, whichever has fewer edges before it; the first that is through decides
      at which end of the walk the search begins. A library that everything uses is seldom looked back from.
    - Of edges it is asked what can be asked of them alone; what is found here is looked at again by the search.

Invariant: every walk of the link that holds a touched node has its named end among the nodes found.
Complexity: at most twice the edges on the cheaper side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from policies import syntax as s
from policies.frame import Context
from policies.graph import PolicyGraph
from policies.plan import Link
from policies.search_live import Live
from policies.search_walks import Leg, Near, degree


@dataclass(slots=True)
class _Side:
    """One of the two directions."""

    key: str
    near: Near
    forward: bool
    seen: dict[str, None]
    most: int | None
    cost: int = 0
    steps: int = 0
    border: list[str] = field(default_factory=list)

    def weigh(self, graph: PolicyGraph, direction: s.Direction) -> None:
        """How many edges the next step looks at; less than none if there is no next step."""
        if not self.border or (self.most is not None and self.steps >= self.most):
            self.cost = -1
            return
        self.cost = sum(degree(graph, direction, node, self.forward) for node in self.border)

    def grow(self) -> None:
        """One hop more."""
        self.steps += 1
        seen = self.seen
        far = dict.fromkeys(other for node in self.border for _, other, _ in self.near(node) if other not in seen)
        seen |= far
        self.border = list(far)


def around(link: Link, touched: Iterable[str], context: Context) -> tuple[str, frozenset[str]]:
    """An end of the walk, by its key, and the nodes that it can be."""
    each = tuple((name, condition) for name, condition in link.each if condition.needs <= {name})
    leg = Leg(Live({}, context), replace(link, each=each, along=()), (), "")
    graph, direction = context.graph, link.step.direction
    nodes = dict.fromkeys(touched)
    sides = (
        _Side(link.right, leg.near(), forward=True, seen=dict(nodes), most=link.most, border=list(nodes)),
        _Side(link.left, leg.near(back=True), forward=False, seen=dict(nodes), most=link.most, border=list(nodes)),
    )
    for side in sides:
        side.weigh(graph, direction)
    while True:
        side = min(sides, key=lambda one: one.cost)
        if side.cost < 0:
            return side.key, frozenset(side.seen)
        side.grow()
        side.weigh(graph, direction)
