"""Builds a query's patterns and clauses, bottom-up: one method for each rule of `policy.lark`, of the same name.

Rules of this file
    - What leaves is typed and frozen; nothing here knows the tables that call it (`lalr`).
    - What is wrong is gathered in `errors`, and building goes on: all errors of a query are reported.

Published form: `(a) used (b {operation: 'write'})`. `operation` belongs to the edge, `*` in a string is a glob, and
`used` with an operation means a pair joined by that operation whichever way the edge points: a write is File
-WAS_GENERATED_BY-> Process.
Source: openCypher 9 (clauses and patterns); Winnower's published queries.
"""

# ruff: noqa: D102 - a method says what it builds by its name, which is its rule's
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from policies import syntax as s
from policies.build_expressions import Expressions, Outcome, Where
from policies.build_literals import read_name
from policies.lexer import Token

MOST_HOPS: Final = 1 << 31
WORDS: Final = {
    "used": ("USED",),
    "wasgeneratedby": ("WAS_GENERATED_BY",),
    "wastriggeredby": ("WAS_TRIGGERED_BY",),
    "wasderivedfrom": ("WAS_DERIVED_FROM",),
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Labels:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Union:
    all: bool
    at: int


@dataclass(frozen=True, slots=True)
class _Star:
    pass


@dataclass(frozen=True, slots=True)
class _Order:
    items: tuple[s.SortItem, ...]


@dataclass(frozen=True, slots=True)
class _Skip:
    rows: s.Expression


@dataclass(frozen=True, slots=True)
class _Limit:
    rows: s.Expression


class QueryBuilder(Expressions):
    """What a rule of a clause or pattern makes of its parts; tokens come as they are."""

    # Patterns

    def labels(self, *names: Token) -> _Labels:
        return _Labels(tuple(dict.fromkeys(read_name(name.text) for name in names)))

    def node(self, *parts: object) -> s.NodePattern:
        labels = tuple(part.names for part in parts if isinstance(part, _Labels))
        return s.NodePattern(_name(parts), labels, _properties(parts), self.place())

    def first(self, _bracket: Token, *parts: object) -> s.NodePattern:
        return self.node(*parts)

    def any_hops(self) -> s.Hops:
        return s.Hops(1, None)

    def exact_hops(self, number: Token) -> s.Hops:
        return s.Hops(_count(number), _count(number))

    def least_hops(self, least: Token) -> s.Hops:
        return s.Hops(_count(least), None)

    def most_hops(self, most: Token) -> s.Hops:
        return s.Hops(1, _count(most))

    def bound_hops(self, least: Token, most: Token) -> s.Hops:
        return s.Hops(_count(least), _count(most))

    def detail(self, *parts: object) -> s.RelationshipPattern:
        labels, hops = _pick(parts, _Labels), _pick(parts, s.Hops)
        types = labels.names if labels else ()
        return s.RelationshipPattern(s.Direction.BOTH, _name(parts), types, _properties(parts), hops)

    def outgoing(self, *parts: object) -> s.RelationshipPattern:
        return self._step(s.Direction.OUT, parts)

    def incoming(self, *parts: object) -> s.RelationshipPattern:
        return self._step(s.Direction.IN, parts)

    def undirected(self, *parts: object) -> s.RelationshipPattern:
        return self._step(s.Direction.BOTH, parts)

    def _step(self, direction: s.Direction, parts: tuple[object, ...]) -> s.RelationshipPattern:
        detail = _pick(parts, s.RelationshipPattern) or s.RelationshipPattern(direction)
        return replace(detail, direction=direction, at=self.place())

    def chain(self, *parts: s.NodePattern | s.RelationshipPattern) -> s.PathPattern:
        nodes = tuple(part for part in parts if isinstance(part, s.NodePattern))
        steps = tuple(part for part in parts if isinstance(part, s.RelationshipPattern))
        return s.PathPattern(nodes, steps, at=self.place())

    def outline(self, *parts: s.NodePattern | s.RelationshipPattern) -> s.PathPattern:
        return self.chain(*parts)

    def named(self, name: Token, path: s.PathPattern) -> s.PathPattern:
        return replace(path, variable=read_name(name.text), at=self.place())

    def shortest(self, word: Token, path: s.PathPattern) -> s.PathPattern:
        which = s.Shortest.ALL if word.text.lower().startswith("all") else s.Shortest.ONE
        if len(path.steps) != 1:
            self.wrong("a shortest path is one step between two nodes", word, "(a)-[*]->(b)")
        return replace(path, shortest=which, at=self.place())

    def published(self, *parts: s.NodePattern | Token) -> s.PathPattern:
        nodes = [part for part in parts if isinstance(part, s.NodePattern)]
        steps = []
        for index, word in enumerate(part for part in parts if isinstance(part, Token)):
            # `operation` speaks of the edge to its node; the first node has only the edge from it.
            tests = _operations(nodes[index + 1], True) + (_operations(nodes[0], True) if index == 0 else ())
            either = word.text.lower() == "used" and bool(tests)
            types = ("USED", "WAS_GENERATED_BY") if either else WORDS[word.text.lower()]
            direction = s.Direction.BOTH if either else s.Direction.OUT
            properties = s.MapOf(tests) if tests else None
            steps.append(s.RelationshipPattern(direction, None, types, properties, None, self.at(word)))
        plain = []
        for node in nodes:
            rest = _operations(node, False)
            properties = s.MapOf(rest) if rest else None
            plain.append(replace(node, properties=properties) if isinstance(node.properties, s.MapOf) else node)
        return s.PathPattern(tuple(plain), tuple(steps), at=self.place())

    def pattern_predicate(self, path: s.PathPattern) -> s.PatternPredicate:
        return s.PatternPredicate(path, path.at)

    def pattern_comprehension(self, bracket: Token, *parts: object) -> s.PatternComprehension:
        path, where, result = _pick(parts, s.PathPattern), _pick(parts, Where), _pick(parts, Outcome)
        if path is None or result is None:
            raise TypeError("the grammar gives a comprehension its path and result")
        path = replace(path, variable=_name(parts))
        return s.PatternComprehension(path, where.condition if where else None, result.value, self.at(bracket))

    def exists_paths(self, word: Token, *parts: object) -> s.Exists:
        match = self.match(*parts)
        return s.Exists(s.Query((s.SingleQuery((match,)),)), self.at(word))

    def exists_query(self, word: Token, *parts: s.SingleQuery | _Union) -> s.Exists:
        return s.Exists(self.query(*parts), self.at(word))

    # Clauses

    def match(self, *parts: object) -> s.Match:
        paths = tuple(part for part in parts if isinstance(part, s.PathPattern))
        where = _pick(parts, Where)
        return s.Match(paths, where.condition if where else None, isinstance(parts[0], Token), self.place())

    def unwind(self, items: s.Expression, name: Token) -> s.Unwind:
        return s.Unwind(items, read_name(name.text), self.place())

    def with_(self, projection: s.Projection, where: Where | None = None) -> s.With:
        items = tuple(_kept(item) for item in projection.items)
        return s.With(replace(projection, items=items), where.condition if where else None, self.place())

    def return_(self, projection: s.Projection) -> s.Return:
        return s.Return(projection, self.place())

    def item(self, expression: s.Expression, alias: Token | None = None) -> s.ReturnItem:
        if alias is not None:
            return s.ReturnItem(read_name(alias.text), expression, True, self.place())
        if isinstance(expression, s.Variable) and self.begin == self.finish:
            return s.ReturnItem(expression.name, expression, False, self.place())
        text = self.source.text[self.tokens[self.begin].start : self.tokens[self.finish].end]
        return s.ReturnItem(text, expression, False, self.place())

    def star(self) -> _Star:
        return _Star()

    def ascending(self, expression: s.Expression) -> s.SortItem:
        return s.SortItem(expression)

    def descending(self, expression: s.Expression) -> s.SortItem:
        return s.SortItem(expression, descending=True)

    def order(self, *items: s.SortItem) -> _Order:
        return _Order(items)

    def skip(self, rows: s.Expression) -> _Skip:
        return _Skip(rows)

    def limit(self, rows: s.Expression) -> _Limit:
        return _Limit(rows)

    def projection(self, *parts: object) -> s.Projection:
        order, skip, limit = _pick(parts, _Order), _pick(parts, _Skip), _pick(parts, _Limit)
        return s.Projection(
            items=tuple(part for part in parts if isinstance(part, s.ReturnItem)),
            star=_pick(parts, _Star) is not None,
            distinct=isinstance(parts[0], Token),
            order=order.items if order else (),
            skip=skip.rows if skip else None,
            limit=limit.rows if limit else None,
        )

    def single(self, *clauses: s.Clause) -> s.SingleQuery:
        return s.SingleQuery(clauses)

    def union(self, every: Token | None = None) -> _Union:
        return _Union(every is not None, self.begin)

    def query(self, *parts: s.SingleQuery | _Union) -> s.Query:
        unions = [part for part in parts if isinstance(part, _Union)]
        if len({union.all for union in unions}) > 1:
            other = next(union for union in unions if union.all is not unions[0].all)
            self.wrong(
                "UNION and UNION ALL in one query",
                self.tokens[other.at],
                "use one of them",
                detail="InvalidClauseComposition",
            )
        queries = tuple(part for part in parts if isinstance(part, s.SingleQuery))
        return s.Query(queries, any(union.all for union in unions))


def _pick(parts: Iterable[object], kind: type[T]) -> T | None:
    return next((part for part in parts if isinstance(part, kind)), None)


def _name(parts: Iterable[object]) -> str | None:
    token = _pick(parts, Token)
    return read_name(token.text) if token else None


def _properties(parts: Iterable[object]) -> s.MapOf | s.Parameter | None:
    return next((part for part in parts if isinstance(part, s.MapOf | s.Parameter)), None)


def _kept(item: s.ReturnItem) -> s.ReturnItem:
    """A variable in brackets keeps its name in WITH; in RETURN its column is called what is written."""
    if item.aliased or not isinstance(item.expression, s.Variable):
        return item
    return replace(item, name=item.expression.name)


def _count(token: Token) -> int:
    digits = token.text.lstrip("0") or "0"
    return min(int(digits, 10), MOST_HOPS) if len(digits) < 12 and digits.isdigit() else MOST_HOPS


def _operations(node: s.NodePattern, wanted: bool) -> tuple[tuple[str, s.Expression], ...]:
    """What the map of a published node says of its edge, or of itself."""
    pairs = node.properties.pairs if isinstance(node.properties, s.MapOf) else ()
    return tuple((key, _globbed(value)) for key, value in pairs if (key == "operation") is wanted)


def _globbed(value: s.Expression) -> s.Expression:
    text = value.value if isinstance(value, s.Literal) else None
    return s.Glob(text) if isinstance(text, str) and "*" in text else value
