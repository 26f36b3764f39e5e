"""WITH and RETURN: what is kept of each row, in groups, once, in order, from here to there.

Rules of this file
    - The order is the standard's: columns (grouped if one of them aggregates), DISTINCT, ORDER BY, SKIP, LIMIT, WHERE.
    - ORDER BY and WHERE see the columns and, unless rows were grouped or made DISTINCT, what was bound before; after
      grouping, an expression that is a column stands for that column.
    - Rows that are kept are paid for (`Budget.hold`); of ORDER BY with LIMIT only the rows that can win are kept.
    - On a model a row that is possible makes whatever is computed from it possible; under `Meaning.INSTANCES`
      aggregates are UNKNOWN, and SKIP and LIMIT drop nothing but make every row possible.

Invariant: what comes out are new rows; they share nothing with the frame that they were made of.
Complexity: O(rows) to project and group, O(rows log limit) to order.
Source: openCypher 9, WITH and RETURN.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from policies.errors import QueryError
from policies.frame import Compiled, Context, Frame
from policies.graph import Meaning
from policies.limits import Budget
from policies.ordering import OPEN, STRING, sort_key
from policies.plan import Condition
from policies.projection_groups import Groups
from policies.search_live import TRACE, Live, Made, Operation, Trace, holds
from policies.values import is_abstract, key

Rows: TypeAlias = Iterator[Made]
MAX_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class Columns:
    """A projection, ready to run."""

    items: tuple[tuple[str, Compiled], ...]
    groups: Groups | None
    distinct: bool
    order: tuple[tuple[Compiled, bool], ...]
    skip: Compiled | None
    limit: Compiled | None
    where: tuple[Condition, ...]
    order_looks_back: bool
    where_looks_back: bool
    trace: Trace | None

    @property
    def plain(self) -> bool:
        """Whether each row can be projected by itself."""
        return not (self.groups or self.distinct or self.order or self.skip or self.limit)

    def operation(self) -> Operation:
        """A plain projection as a step of a search: the new row stands while the steps after it run."""
        items, where, trace, back = self.items, self.where, self.trace, self.where_looks_back

        def run(live: Live) -> Iterator[None]:
            old, before = live.values, live.certain
            live.context.budget.spend()
            new = {name: value(live) for name, value in items}
            if trace is not None:
                new[TRACE] = trace(old)
            live.values = {**old, **new} if back else new
            if not where or holds(where, live):
                live.values = new
                yield
            live.values, live.certain = old, before

        return run

    def rows(self, source: Iterable[Live], context: Context) -> Rows:
        """The projected rows."""
        skip, limit = _number(self.skip, context, "SKIP"), _number(self.limit, context, "LIMIT")
        cut = skip is not None or limit is not None
        made = self._keyed(self.groups.rows(source, context), context) if self.groups else self._made(source)
        doubt = _Doubt(self) if cut and context.meaning is Meaning.STATES else None
        made = made if doubt is None else doubt.watch(made)
        made = _distinct(made, context) if self.distinct else made
        last = None if limit is None or context.meaning is Meaning.INSTANCES else (skip or 0) + limit
        if last != 0 and limit != 0:
            made = _ordered(made, self.order, last, context.budget)
        if doubt is not None:
            made = doubt.spread(made)
        if context.meaning is Meaning.INSTANCES:
            made = (_possible(row) for row in made) if cut else made
        elif cut:
            made = islice(made, skip or 0, last) if limit != 0 else iter(())
        return self._kept(made, context) if self.where else made

    def _made(self, source: Iterable[Live]) -> Rows:
        items, trace, order = self.items, self.trace, self.order
        for live in source:
            old = live.values
            live.context.budget.spend()
            new = {name: value(live) for name, value in items}
            row = Made(new, live.certain)
            if trace is not None:
                new[TRACE] = trace(old)
            if order:
                frame = Frame({**old, **new} if self.order_looks_back else new, live.context)
                row.keys = tuple(sort_key(value(frame)) for value, _ in order)
            if self.where_looks_back:
                row.before = dict(old)
            yield row

    def _keyed(self, made: Rows, context: Context) -> Rows:
        """Groups become columns; sort keys are made of what a group has."""
        for row in made:
            frame = Frame(row.values, context)
            new = {name: value(frame) for name, value in self.items}
            if self.order:
                both = Frame({**row.values, **new}, context)
                row.keys = tuple(sort_key(value(both)) for value, _ in self.order)
            if TRACE in row.values:
                new[TRACE] = row.values[TRACE]
            row.before, row.values = row.values, new
            yield row

    def _kept(self, made: Rows, context: Context) -> Rows:
        live = Live({}, context)
        for row in made:
            live.values = {**row.before, **row.values} if self.where_looks_back else row.values
            live.certain = row.certain
            if holds(self.where, live):
                row.certain = live.certain
                yield row


class _Doubt:
    """Of rows that are counted off by SKIP and LIMIT: whether it is known which row is the first, the second, …"""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.open = False

    def watch(self, made: Rows) -> Rows:
        """Look at rows before they are made one, or put in order, by values that may be anything."""
        for row in made:
            if self.columns.distinct and any(map(is_abstract, row.values.values())):
                self.open = True
            self.open |= any(_vague(place) for place in row.keys)
            yield row

    def spread(self, made: Rows) -> Rows:
        """After a row that may not be there, no row has its place for certain."""
        for row in made:
            self.open |= not row.certain
            row.certain &= not self.open
            yield row


def _vague(place: object) -> bool:
    """Whether a sort key, or a part of it, is that of an abstract value."""
    if not isinstance(place, tuple):
        return False
    return place[:1] == (OPEN,) or (len(place) == 3 and place[::2] == (STRING, 1)) or any(map(_vague, place))


def _possible(row: Made) -> Made:
    row.certain = False
    return row


def _distinct(made: Rows, context: Context) -> Rows:
    """Each row once; it is certain if one of those that are the same is."""
    seen: dict[Hashable, Made] = {}
    stream = context.meaning is Meaning.CONCRETE
    for row in made:
        same = tuple(key(value) for name, value in row.values.items() if name != TRACE)
        first = seen.get(same)
        if first is not None:
            first.certain |= row.certain
            continue
        context.budget.hold(weight(row))
        seen[same] = row
        if stream:
            yield row
    if not stream:
        yield from seen.values()


def _ordered(made: Rows, order: tuple[tuple[Compiled, bool], ...], last: int | None, budget: Budget) -> Rows:
    """The rows in order; with `last`, only that many of them."""
    if not order:
        yield from made
        return
    kept: list[Made] = []
    held = 0
    room = None if last is None else max(2 * last, MAX_KEPT)
    for row in made:
        kept.append(row)
        budget.hold(cost := weight(row))
        held += cost
        if room is not None and len(kept) >= room:
            _sort(kept, order, budget)
            del kept[last:]
            budget.release(held)
            held = sum(map(weight, kept))
            budget.hold(held)
    _sort(kept, order, budget)
    budget.release(held)
    yield from kept if last is None else kept[:last]


def _sort(rows: list[Made], order: tuple[tuple[Compiled, bool], ...], budget: Budget) -> None:
    """Stable, the least significant key first."""
    budget.spend(len(rows) * len(order))
    for index in reversed(range(len(order))):
        rows.sort(key=lambda row: row.keys[index], reverse=order[index][1])


def weight(row: Made) -> int:
    """What a kept row counts for: itself, and the parts of its large values."""
    return 1 + sum(len(value) >> 3 for value in row.values.values() if isinstance(value, (str, tuple, dict)))


def _number(value: Compiled | None, context: Context, clause: str) -> int | None:
    """SKIP or LIMIT of this run."""
    if value is None:
        return None
    number = value(Frame({}, context))
    if isinstance(number, bool) or not isinstance(number, int):
        raise QueryError(f"{clause} needs an integer", kind="SyntaxError", detail="InvalidArgumentType")
    if number < 0:
        raise QueryError(f"{clause} needs a number from 0", kind="SyntaxError", detail="NegativeIntegerArgument")
    return number
