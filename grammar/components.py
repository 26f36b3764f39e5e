"""Strongly connected components: the cycles of a graph, and an order in which causes come before effects.

Rules of this file
    - Vertices are numbers from 0; without recursion, so that a chain of a million vertices is no harder than a bush.

Invariant: every vertex is in one component; what an edge leads to is in the same component or in an earlier one.
Complexity: O(V + E) time and memory.
Source: Tarjan, "Depth-first search and linear graph algorithms", 1972.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def strong_components(targets: Sequence[Iterable[int]]) -> list[tuple[int, ...]]:
    """The strongly connected components of a graph, each ascending, what an edge leads to before what it leaves.

    >>> strong_components([[1], [2], [1], [0]])
    [(1, 2), (0,), (3,)]
    """
    order, low = [0] * len(targets), [0] * len(targets)
    closed = [False] * len(targets)
    found: list[tuple[int, ...]] = []
    waiting: list[int] = []
    met = 0
    for root in range(len(targets)):
        work = [] if order[root] else [(root, iter(targets[root]))]
        while work:
            vertex, rest = work[-1]
            if not order[vertex]:
                met += 1
                order[vertex] = low[vertex] = met
                waiting.append(vertex)
            target = next((one for one in rest if not closed[one]), None)
            if target is not None and not order[target]:
                work.append((target, iter(targets[target])))
            elif target is not None:
                low[vertex] = min(low[vertex], order[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[vertex])
                if low[vertex] == order[vertex]:
                    found.append(_pop_through(waiting, vertex))
                    for member in found[-1]:
                        closed[member] = True
    return found


def _pop_through(stack: list[int], last: int) -> tuple[int, ...]:
    popped = [stack.pop()]
    while popped[-1] != last:
        popped.append(stack.pop())
    return tuple(sorted(popped))
