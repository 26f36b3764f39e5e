"""Ancestors and descendants in a large model: breadth-first search over compressed rows, in C.

Rules of this file
    - The same answers as the plain search of `grammar.model`, nearest first: a state is its own ancestor only if it is
      on a cycle. States are numbered once; a search touches arrays, and texts only when somebody reads the answer.
    - numpy and scipy are imported here and nowhere else in `grammar`: small models never need them.

Invariant: `order[0]` is the start; `bounds[k]` is where distance k begins in it, `bounds[-1]` its length.
Complexity: O(states + transitions log transitions) to make (0.2 s at 10^6 transitions); a search O(reached + their
transitions), 3 to 14 ms at 10^6; an answer that is read whole O(reached).
Source: Winnower's getAncestors, getDescendants; `scipy.sparse.csgraph.breadth_first_order`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from numpy import int32
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Numbers = NDArray[int32]

Node = TypeVar("Node")


class Reach(Generic[Node]):
    """A graph's nodes and its edges, as positions of effect and cause; in which order they come leaves no trace."""

    def __init__(
        self, nodes: Sequence[Node], edges: Iterable[tuple[int, int]], numbers: Mapping[Node, int] | None = None
    ) -> None:
        import numpy as np  # noqa: PLC0415 - see the rules

        self.nodes = nodes
        self._numbers = numbers or {node: number for number, node in enumerate(nodes)}
        flat = np.fromiter(chain.from_iterable(edges), np.int64)
        pairs = np.sort(flat[0::2] * max(len(nodes), 1) + flat[1::2])
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        effects, causes = (part.astype(np.int32) for part in np.divmod(pairs, max(len(nodes), 1)))
        self._causes = _rows(effects, causes, len(nodes))
        self._effects = _rows(causes, effects, len(nodes))

    def ancestors(self, node: Node, depth: int | None = None) -> Distances[Node]:
        """What `node` may have come from, at most `depth` edges away."""
        return self._search(self._causes, self._effects, self._numbers[node], depth)

    def descendants(self, node: Node, depth: int | None = None) -> Distances[Node]:
        """What may have come from `node`, at most `depth` edges away."""
        return self._search(self._effects, self._causes, self._numbers[node], depth)

    def _search(self, rows: csr_matrix, back: csr_matrix, start: int, depth: int | None) -> Distances[Node]:
        import numpy as np  # noqa: PLC0415 - see the rules
        from scipy.sparse.csgraph import breadth_first_order  # noqa: PLC0415 - see the rules

        order, came = breadth_first_order(rows, start, directed=True, return_predecessors=True)
        places = np.full(len(self.nodes), -1, np.int32)
        places[order] = np.arange(len(order), dtype=np.int32)
        parents = places[came[order[1:]]]  # ascending: that is what breadth first means
        bounds = [0, 1]
        while bounds[-1] < len(order):
            bounds.append(1 + int(np.searchsorted(parents, bounds[-1], "left")))
        before = places[back.indices[back.indptr[start] : back.indptr[start + 1]]]
        before = before[before >= 0]
        cycle = int(np.searchsorted(bounds, before.min(), "right")) if len(before) else 0
        if depth is not None:
            bounds = bounds[: depth + 2]
            cycle = cycle if cycle <= depth else 0
        return Distances(self.nodes, order[: bounds[-1]], tuple(bounds), cycle)


def _rows(effects: Numbers, causes: Numbers, count: int) -> csr_matrix:
    """Compressed rows by effect, in the order given; the data are what `breadth_first_order` takes without a copy."""
    import numpy as np  # noqa: PLC0415 - see the rules
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - see the rules

    by_effect = np.argsort(effects, kind="stable")
    starts = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(effects, minlength=count), out=starts[1:])
    return csr_matrix((np.ones(len(causes)), causes[by_effect], starts), shape=(count, count))


@dataclass(frozen=True, eq=False)
class Distances(Mapping[Node, int]):
    """What was reached, nearest first, with its distance; `cycle` is the start's own (0: it is on none)."""

    nodes: Sequence[Node]
    order: Numbers
    bounds: tuple[int, ...]
    cycle: int

    def __len__(self) -> int:
        return len(self.order) - 1 + (self.cycle > 0)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._told)

    def __getitem__(self, node: Node) -> int:
        return self._told[node]

    @cached_property
    def _told(self) -> dict[Node, int]:
        nodes, found = self.nodes, {}
        for distance in range(1, max(len(self.bounds) - 1, self.cycle + 1)):
            if distance + 1 < len(self.bounds):
                for number in self.order[self.bounds[distance] : self.bounds[distance + 1]].tolist():
                    found[nodes[number]] = distance
            if distance == self.cycle:
                found[nodes[self.order[0]]] = distance
        return found
