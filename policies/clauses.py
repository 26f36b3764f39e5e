"""The clauses of a query as stages: steps that bind, and between them what makes new rows.

Rules of this file
    - A stage is a stack of operations (MATCH, OPTIONAL MATCH, UNWIND, WITH that only renames) over one frame, and a
      projection that needs all rows of it, or stops it early (DISTINCT, ORDER BY, LIMIT, aggregates).
    - Stages are lazy, so LIMIT and EXISTS stop everything before them; every `MAX_LAZY` of them the rows are gathered,
      so that a long query does not recurse.
    - Under `Meaning.INSTANCES` a row is certain only if each connected part of what it matched has at most one edge:
      every MATCH of a stage is looked at together with those before it.

Invariant: compiling reads no graph; a compiled query can be run any number of times, also while it is running.
Source: openCypher 9, clauses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from policies import syntax as s
from policies.aggregates import is_aggregate
from policies.clauses_patterns import Finder, Matching, Subquery
from policies.frame import Compiled, Context
from policies.graph import Edge, Meaning
from policies.plan import Pattern
from policies.plan_names import parts
from policies.projection import Columns
from policies.projection_build import build_columns
from policies.search import solutions
from policies.search_live import TRACE, Live, Made, Operation, Trace, walked
from policies.truth import UNKNOWN
from policies.values import Value

MAX_LAZY: Final = 16
Seeds: TypeAlias = Mapping[str, Collection[str]] | None
Seal: TypeAlias = Callable[[dict[str, Value]], bool]


@dataclass(frozen=True, slots=True)
class Stage:
    """Operations, and what is made of their rows; the last stage of a query in EXISTS may make nothing."""

    steps: tuple[Operation, ...]
    columns: Columns | None

    def rows(self, source: Iterable[Made], context: Context, seeds: Seeds = None) -> Iterator[Made]:
        """The rows of this stage, given those of the one before."""
        lives = self._lives(source, context, seeds)
        if self.columns is not None:
            return self.columns.rows(lives, context)
        return (Made(live.values, live.certain) for live in lives)

    def _lives(self, source: Iterable[Made], context: Context, seeds: Seeds) -> Iterator[Live]:
        live = Live({}, context, seeds=seeds)
        for row in source:
            live.values, live.certain = row.values, row.certain
            for _ in solutions(self.steps, live):
                yield live


@dataclass(frozen=True, slots=True)
class Single:
    """A query without UNION, ready to run."""

    stages: tuple[Stage, ...]
    columns: tuple[str, ...]
    first: Finder | None
    """Its first MATCH, if it begins with one."""

    def rows(self, start: Made, context: Context, seeds: Seeds = None) -> Iterator[Made]:
        """All rows; `seeds` restricts where the first MATCH begins."""
        rows: Iterator[Made] = iter((start,))
        for index, stage in enumerate(self.stages):
            rows = stage.rows(rows, context, None if index else seeds)
            if index % MAX_LAZY == MAX_LAZY - 1:
                gathered = list(_held(rows, context))
                rows = iter(gathered)
        return rows


def _held(rows: Iterator[Made], context: Context) -> Iterator[Made]:
    for row in rows:
        context.budget.hold()
        yield row


def compile_single(query: s.SingleQuery, matching: Matching, traced: bool = False, once: bool = False) -> Single:
    """Make a query ready; what `matching` has in scope is bound before. With `once` only the first row matters."""
    compiler = _Compiler(matching, list(matching.scope), traced, frozenset(matching.scope))
    for index, clause in enumerate(query.clauses):
        compiler.clause(clause, _indifferent(query.clauses[index:], once))
    return compiler.finish()


def subquery(query: s.Query, matching: Matching) -> Subquery:
    """The query of EXISTS { }: each row only by whether it is certain."""
    singles = [compile_single(part, matching, once=True) for part in query.parts]

    def rows(live: Live) -> Iterator[bool]:
        for single in singles:
            for row in single.rows(Made(live.values, live.certain), live.context):
                yield row.certain

    return rows


def _indifferent(rest: Sequence[s.Clause], once: bool) -> bool:
    """Whether rows that are the same may as well be one: the next projection is DISTINCT, or only the first counts."""
    for clause in rest:
        if isinstance(clause, (s.With, s.Return)):
            columns = clause.projection
            grouped = any(is_aggregate(part) for item in columns.items for part in parts(item.expression, False))
            if columns.distinct:
                return not grouped
            if grouped or columns.skip is not None or columns.limit is not None:
                return False
    return once


@dataclass(slots=True)
class _Compiler:
    matching: Matching
    scope: list[str]
    traced: bool
    carried: frozenset[str]
    """What was bound before this stage: nobody knows any more which edges that took."""
    steps: list[Operation] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    first: Finder | None = None
    clauses: int = 0

    def clause(self, clause: s.Clause, indifferent: bool) -> None:
        """Compile one clause."""
        match clause:
            case s.Match():
                self._match(clause, indifferent)
            case s.Unwind(items, variable):
                self.steps.append(_unwind(self._inside().compile(items), variable))
                self._bind([variable])
            case s.With(projection, where):
                self._project(projection, where)
            case s.Return(projection):
                self._project(projection, None)
                self.columns = tuple(self.scope)
        self.clauses += 1

    def finish(self) -> Single:
        """The stages; rows that nothing projects are left as they are."""
        if self.steps or not self.stages:
            self.stages.append(Stage(tuple(self.steps), None))
        return Single(tuple(self.stages), self.columns, self.first)

    def _inside(self) -> Matching:
        return self.matching.within(frozenset(self.scope))

    def _bind(self, names: Iterable[str]) -> None:
        self.scope += [name for name in names if name not in self.scope]

    def _match(self, clause: s.Match, indifferent: bool) -> None:
        finder = self._inside().finder(clause, frozenset(self.scope), indifferent)
        seal = _seal(finder.pattern, self.patterns, self.carried)
        if clause.optional:
            self.steps.append(_optional(finder))
        else:
            if not self.clauses:
                self.first = finder
            self.steps.append(_sealed(finder, seal))
        self.patterns.append(finder.pattern)
        self._bind(finder.pattern.names)

    def _project(self, projection: s.Projection, where: s.Expression | None) -> None:
        trace = _trace(self.patterns) if self.traced else None
        columns = build_columns(projection, where, tuple(self.scope), self._inside(), trace)
        self.scope = [name for name, _ in columns.items]
        if columns.plain:
            self.steps.append(columns.operation())
        else:
            self.stages.append(Stage(tuple(self.steps), columns))
            self.steps = []
        self.patterns, self.carried = [], frozenset(self.scope)


def _trace(patterns: list[Pattern]) -> Trace:
    """Nodes and edges that the matches since the last projection bound, after those of the rows before."""
    paths = [path.words for pattern in patterns for path in pattern.paths]

    def trace(values: dict[str, Value]) -> Value:
        nodes: dict[Value, None] = {}
        edges: dict[Value, None] = {}
        before = values.get(TRACE)
        found: list[Value] = [before, *(walked(words, values) for words in paths)]
        for trace in found:
            for kept, new in zip((nodes, edges), trace if isinstance(trace, tuple) else (), strict=False):
                kept.update(dict.fromkeys(new if isinstance(new, tuple) else ()))
        return tuple(nodes), tuple(edges)

    return trace


# Matching


def _sealed(finder: Finder, seal: Seal) -> Operation:
    def run(live: Live) -> Iterator[None]:
        if live.context.meaning is not Meaning.INSTANCES:
            return finder.run(live)
        return _checked(finder, seal, live)

    return run


def _checked(finder: Finder, seal: Seal, live: Live) -> Iterator[None]:
    before = live.certain
    for _ in finder.run(live):
        live.certain = live.certain and seal(live.values)
        yield
    live.certain = before


def _optional(finder: Finder) -> Operation:
    """Every match, or a row of nulls; both if it is not certain that there is a match."""
    names = finder.pattern.names

    def run(live: Live) -> Iterator[None]:
        before, values = live.certain, live.values
        found = sure = False
        abstract = live.context.meaning is Meaning.INSTANCES
        live.certain = True
        for _ in finder.run(live):
            found, certain = True, live.certain and not abstract
            sure |= certain
            live.certain = certain and before
            yield
        if not sure:
            values.update(dict.fromkeys(names))
            live.certain = before and not found
            yield
            for name in names:
                values.pop(name, None)
        live.certain = before

    return run


def _seal(pattern: Pattern, earlier: list[Pattern], carried: frozenset[str]) -> Seal:
    """Whether no connected part of what was matched has more than one edge."""
    links = [link for one in (*earlier, pattern) for link in one.links.values()]
    groups: list[tuple[set[str], list[str]]] = []
    for link in links:
        slots, keys = {link.left, link.right}, [link.key]
        joined = [group for group in groups if group[0] & slots]
        for group in joined:
            slots |= group[0]
            keys += group[1]
        groups = [group for group in groups if group not in joined] + [(slots, keys)]
    loops = any(link.left == link.right or link.bound for link in links)
    own = list(pattern.links)

    def seal(values: dict[str, Value]) -> bool:
        if loops:
            return False
        for slots, keys in groups:
            count = sum(_length(values.get(key)) for key in keys)
            if count > 1 or (count and not slots.isdisjoint(carried)):
                return False
        edges = [edge for key in own for edge in _edges(values.get(key))]
        return len(set(edges)) == len(edges)

    return seal


def _edges(held: Value) -> Sequence[Value]:
    return held if isinstance(held, tuple) else (held,)


def _length(held: Value) -> int:
    return len(held) if isinstance(held, tuple) else isinstance(held, Edge)


def _unwind(items: Compiled, variable: str) -> Operation:
    """One row for each element; of null none, of anything else that is no list one."""

    def run(live: Live) -> Iterator[None]:
        values, before = live.values, live.certain
        elements = items(live)
        spend = live.context.budget.spend
        if elements is UNKNOWN:
            live.certain = False
        for element in elements if isinstance(elements, tuple) else () if elements is None else (elements,):
            spend()
            values[variable] = element
            yield
        values.pop(variable, None)
        live.certain = before

    return run
