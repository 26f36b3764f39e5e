"""Which point of a function may follow which: log strings and calls that may log, with blocks passed through.

Rules of this file
    - An engine hands over a function as its blocks (`Shape`) and the calls in them that are points (`Mark`); whether
      the blocks are x86 or come from angr is not known here.
    - From a point the next points are those that can be reached without another point between. Blocks without a point
      are passed; a block after which the function returns leads to the exit.
    - Edges stay linear in the code: where paths meet and part again, a block may stay as a point that is passed.
    - Nothing recurses.

Invariant: `masks` equals reachability in the graph of instructions, block by block.
Complexity: O((blocks + edges) * points / 64): bit sets over the points, one pass over strongly connected parts.
Source: DisProTrack section IV (LMS-CFG): an edge leads to the next log string on a path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from grammar.order import bits, closed
from grammar.profile import ENTRY, EXIT, Binary

if TYPE_CHECKING:
    from agent.static.strings import Site

MAX_BITS: Final = 1 << 28
"""Blocks times points of a function that are tried directly: 32 MB of bit sets."""
MAX_DEGREE: Final = 64
"""Edges at a block that may be moved from it to its neighbours: what bounds the time."""
MAX_ALTERNATIVES: Final = 3
FEW: Final = 64
TIMES: Final = 2
"""Direct edges are taken if they are few, or not more than so many times those with blocks between."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A call that is a point: its log strings (several are alternatives), or the functions that it calls."""

    address: int
    sites: tuple[Site, ...] = ()
    calls: tuple[tuple[int, int], ...] = ()
    waits: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """The blocks of a function: the marks in each, in order; where control goes; which return. Block 0 begins.

    `errors` are blocks that look at `errno`: they tell an event loop from one that only tries again.
    """

    marks: Sequence[Sequence[int]]
    successors: Sequence[Sequence[int]]
    returns: Set[int]
    errors: Set[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Traced:
    """One function that may log, as an engine hands it over.

    `callers` is how many functions call it as far as is known, `pointed` says that its address is taken.
    """

    binary: int
    address: int
    name: str
    marks: tuple[Mark, ...]
    shape: Shape
    callers: int = 0
    pointed: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """What an engine has found in an application's binaries; `notes` are whole when all of `traced` has been taken."""

    binaries: tuple[Binary, ...]
    traced: Iterable[Traced]
    notes: Sequence[str] = ()


def masks(shape: Shape, count: int) -> list[int]:
    """For each mark, and last for the entry, the marks that may be next; bit `count` is the exit.

    >>> loop = Shape(marks=((0,), (), (1,)), successors=((1,), (0, 2), ()), returns={2})
    >>> [format(mask, "03b") for mask in masks(loop, 2)]
    ['011', '100', '001']
    """
    leave = 1 << count
    own, passed = [], []
    for block, inside in enumerate(shape.marks):
        own.append(1 << inside[0] if inside else leave if block in shape.returns else 0)
        passed.append(() if inside else shape.successors[block])
    first = closed(own, passed)
    found = [0] * count + [first[0] if first else leave]
    for block, inside in enumerate(shape.marks):
        for before, after in pairwise(inside):
            found[before] |= 1 << after
        if inside:
            found[inside[-1]] |= leave if block in shape.returns else 0
            for successor in shape.successors[block]:
                found[inside[-1]] |= first[successor]
    return found


def below(shape: Shape, roots: Sequence[int]) -> set[int]:
    """The blocks that some blocks lead to, themselves included."""
    seen, waiting = set(roots), list(roots)
    while waiting:
        for child in shape.successors[waiting.pop()]:
            if child not in seen:
                seen.add(child)
                waiting.append(child)
    return seen


def orphans(shape: Shape) -> list[int]:
    """Blocks that nothing leads to, besides the entry; of blocks that only lead to one another, the first.

    >>> orphans(Shape(marks=((), (), (), ()), successors=((), (2,), (), (3,)), returns={0}))
    [1, 3]
    """
    seen = [False] * len(shape.marks)
    led = {child for children in shape.successors for child in children}
    found: list[int] = []
    roots = [block for block in range(1, len(seen)) if block not in led]
    for root in [0, *roots, *range(len(seen))] if seen else []:
        if seen[root]:
            continue
        if root:
            found.append(root)
        seen[root], waiting = True, [root]
        while waiting:
            for block in shape.successors[waiting.pop()]:
                if not seen[block]:
                    seen[block] = True
                    waiting.append(block)
    return sorted(found)


def adopt(shape: Shape, parents: Set[int], children: Sequence[int]) -> Shape:
    """Lead from the end of each parent to each child, through one block more, so that the edges stay few."""
    hub = len(shape.marks)
    following = [
        (*children_of, hub) if block in parents else children_of for block, children_of in enumerate(shape.successors)
    ]
    return replace(shape, marks=(*shape.marks, ()), successors=(*following, tuple(children)))


def edges_of(shape: Shape, groups: Sequence[Sequence[int]]) -> tuple[list[tuple[int, int]], int]:
    """Edges between points; `groups` are the points of each mark, alternatives of one another.

    Where there would be too many (a chain of a hundred options, each of which may log and go on), blocks stay between
    as points that are no string and call nothing: the second value is how many. Then there are not more edges than
    jumps.
    """
    count = len(groups)
    nodes = _joined(shape, count)
    few = sum(len(after) for after in nodes.values())
    if len(shape.marks) * (count + 1) <= MAX_BITS:
        found = masks(shape, count)
        if sum(mask.bit_count() for mask in found) <= max(FEW, TIMES * few):
            nodes = {mark: set(_targets(found[mark], count)) for mark in (*range(count), ENTRY)}
    ends = _Ends(groups, [node for node in nodes if node >= count])
    pairs = {
        (before, after)
        for node, following in nodes.items()
        for child in following
        for before in ends.after[node]
        for after in ends.before[child]
    }
    return sorted(pairs | ends.inner), ends.hubs


class _Ends:
    """The points where an edge to a node arrives (`before`), and where one from it begins (`after`).

    A mark with many alternatives has one point more before them and one behind them.
    """

    def __init__(self, groups: Sequence[Sequence[int]], blocks: Sequence[int]) -> None:
        self._size = sum(len(group) for group in groups)
        self.hubs = 0
        self.before: dict[int, tuple[int, ...]] = {ENTRY: (ENTRY,), EXIT: (EXIT,)}
        self.inner: set[tuple[int, int]] = set()
        for block in sorted(blocks):
            self.before[block] = (self._hub(),)
        self.after = dict(self.before)
        for mark, group in enumerate(groups):
            self.before[mark] = self.after[mark] = tuple(group)
            if len(group) > MAX_ALTERNATIVES:
                one, two = self._hub(), self._hub()
                self.before[mark], self.after[mark] = (one,), (two,)
                self.inner |= {(one, point) for point in group} | {(point, two) for point in group}

    def _hub(self) -> int:
        self.hubs += 1
        return self._size + self.hubs - 1


def _targets(mask: int, count: int) -> Iterator[int]:
    yield from bits(mask & ((1 << count) - 1))
    if mask >> count:
        yield EXIT


def _joined(shape: Shape, count: int) -> dict[int, set[int]]:
    """Marks and the blocks that are worth keeping between them (`count` + block), with their successors.

    A block without marks goes if what leads to it can lead to what follows it without more edges than there were.
    """
    following = _graph(shape, count)
    preceding: dict[int, set[int]] = {node: set() for node in following}
    for node, children in following.items():
        for child in children:
            preceding[child].add(node)
    waiting = [node for node in following if node >= count]
    while waiting:
        node = waiting.pop()
        if node not in following:
            continue
        before, after = preceding[node] - {node}, following[node] - {node}
        if len(before) * len(after) > len(before) + len(after) or len(before) + len(after) > MAX_DEGREE:
            continue
        for one in before:
            following[one].discard(node)
            following[one] |= after
        for one in after:
            preceding[one].discard(node)
            preceding[one] |= before
        del following[node], preceding[node]
        waiting += [one for one in (*before, *after) if one >= count]
    del following[EXIT]
    return following


def _graph(shape: Shape, count: int) -> dict[int, set[int]]:
    """Marks and blocks without marks as nodes, from the entry on."""
    begin = [inside[0] if inside else count + block for block, inside in enumerate(shape.marks)]
    following: dict[int, set[int]] = {node: set() for node in (*range(count), *begin, ENTRY, EXIT)}
    following[ENTRY].add(begin[0] if begin else EXIT)
    for block, inside in enumerate(shape.marks):
        for one, two in pairwise(inside):
            following[one].add(two)
        last = inside[-1] if inside else count + block
        following[last].update(begin[child] for child in shape.successors[block])
        if block in shape.returns:
            following[last].add(EXIT)
    return following
