"""Grouping: rows with equal keys become one, and aggregating calls are fed with each of them.

Rules of this file
    - Columns that aggregate nothing are the keys; without keys all rows are one group, even if there is no row.
    - A group knows its keys and the results of its calls, each under a name that no variable can have; columns are
      computed from those (`projection`).
    - A group that a possible row is part of is possible, and its results are UNKNOWN; so is one whose key is a text
      that could be another group's. Under `Meaning.INSTANCES` every group is: nobody knows how many real rows stand
      behind a row.
    - The trace of a group is the union of its rows' traces, cut at `MAX_TRACE` nodes and edges.

Invariant: groups come out in the order of their first rows.
Complexity: O(rows); memory by groups, and by what collect and DISTINCT keep.
Source: openCypher 9, aggregation.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from policies.aggregates import Group, MakeGroup
from policies.frame import Compiled, Context
from policies.graph import Meaning
from policies.ordering import equal
from policies.search_live import TRACE, Live, Made, Trace
from policies.truth import UNKNOWN
from policies.values import Value, is_abstract, key

MAX_TRACE: Final = 256
MAX_PAIRS: Final = 20_000
"""Beyond so many comparisons of keys that are texts known by their patterns, all of them may be equal."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Keys and calls of one projection, by their hidden names."""

    keys: tuple[tuple[str, Compiled], ...]
    calls: tuple[tuple[str, MakeGroup], ...]
    trace: Trace | None

    def rows(self, source: Iterable[Live], context: Context) -> Iterator[Made]:
        """One row for each group."""
        groups: dict[Hashable, _Group] = {}
        for live in source:
            context.budget.spend(1 + len(self.calls))
            values = [value(live) for _, value in self.keys]
            same = tuple(map(key, values))
            group = groups.get(same)
            if group is None:
                context.budget.hold()
                group = groups[same] = self._new(values)
            for call in group.calls:
                call.feed(live)
            group.certain &= live.certain
            group.rows += 1
            if self.trace is not None:
                group.follow(self.trace(live.values))
        if not groups and not self.keys:
            yield self._made(self._new([]))
        _doubt(list(groups.values()), context)
        for group in groups.values():
            yield self._made(group)

    def _new(self, values: list[Value]) -> _Group:
        return _Group(values, [make() for _, make in self.calls])

    def _made(self, group: _Group) -> Made:
        values: dict[str, Value] = {name: value for (name, _), value in zip(self.keys, group.values, strict=True)}
        for (name, _), call in zip(self.calls, group.calls, strict=True):
            values[name] = call.result() if group.certain else UNKNOWN
        if self.trace is not None:
            values[TRACE] = (tuple(group.nodes), tuple(group.edges))
        return Made(values, group.certain)


@dataclass(slots=True)
class _Group:
    values: list[Value]
    calls: list[Group]
    certain: bool = True
    rows: int = 0
    nodes: dict[Value, None] = field(default_factory=dict)
    edges: dict[Value, None] = field(default_factory=dict)

    def follow(self, trace: Value) -> None:
        """Add the trace of one more row."""
        if isinstance(trace, tuple):
            for kept, new in zip((self.nodes, self.edges), trace, strict=True):
                if len(kept) < MAX_TRACE and isinstance(new, tuple):
                    kept.update(dict.fromkeys(new[: MAX_TRACE - len(kept)]))


def _doubt(groups: list[_Group], context: Context) -> None:
    """Groups of which it is not known which rows they have are possible."""
    if context.meaning is Meaning.INSTANCES:
        for group in groups:
            group.certain = False
    if context.meaning is not Meaning.STATES:
        return
    vague = [group for group in groups if any(map(is_abstract, group.values))]
    many = len(vague) * len(groups) > MAX_PAIRS
    for one in vague:
        one.certain &= one.rows == 1  # of several rows with one pattern as key, each may have a text of its own
        for other in groups:
            if other is not one and (many or _may_be_one(one.values, other.values)):
                one.certain = other.certain = False


def _may_be_one(left: list[Value], right: list[Value]) -> bool:
    return all(
        (one is None) is (other is None) and equal(one, other) is not False
        for one, other in zip(left, right, strict=True)
    )
