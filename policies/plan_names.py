"""Which names an expression mentions, how large it is, and the same expression with parts exchanged.

Rules of this file
    - The tree is walked by its fields, so an expression that the syntax gains is walked too.
    - What is mentioned is more than what is needed: names that an expression binds itself are among them. The planner
      may only wait longer because of that, never too short.

Invariant: `exchanged(e, {})` is `e`.
Complexity: linear in the expression.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TypeAlias, TypeVar, cast

from policies import syntax as s

Tree: TypeAlias = object
T = TypeVar("T")
LOCAL = (s.Quantifier, s.ListComprehension, s.Reduce)
Loop: TypeAlias = s.Quantifier | s.ListComprehension | s.Reduce


def parts(tree: Tree, queries: bool = True) -> Iterator[Tree]:
    """The tree and everything below it, in reading order; with or without what is inside of EXISTS { }."""
    waiting: list[Tree] = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting.extend(reversed(part))
        elif is_dataclass(part) and not isinstance(part, (type, s.Place)):
            yield part
            if isinstance(part, s.Exists) and not queries:
                continue
            waiting.extend(getattr(part, one.name) for one in reversed(fields(part)))


def mentioned(tree: Tree) -> frozenset[str]:
    """Every name that stands anywhere in it."""
    names: set[str | None] = set()
    for part in parts(tree):
        match part:
            case s.Variable(name):
                names.add(name)
            case s.NodePattern() | s.RelationshipPattern() | s.PathPattern():
                names.add(part.variable)
    names.discard(None)
    return frozenset(cast("set[str]", names))


def named(paths: Iterable[s.PathPattern]) -> frozenset[str]:
    """The variables that patterns bind, or meet."""
    names = {path.variable for path in paths}
    names |= {part.variable for path in paths for part in path.nodes}
    names |= {part.variable for path in paths for part in path.steps}
    return frozenset(name for name in names if name is not None)


def locals_of(tree: Tree) -> frozenset[str]:
    """The names that quantifiers, comprehensions and reduce bind in it."""
    names: set[str] = set()
    for part in parts(tree):
        if isinstance(part, LOCAL):
            names.add(part.variable)
        if isinstance(part, s.Reduce):
            names.add(part.accumulator)
    return frozenset(names)


def size(tree: Tree) -> int:
    """How many parts it has: what one evaluation may cost."""
    return sum(1 for _ in parts(tree))


def is_steady(tree: Tree) -> bool:
    """Whether it has the same value each time, of the same things."""
    return not any(isinstance(part, s.Call) and part.function == "rand" for part in parts(tree))


def properties_asked(tree: Tree, name: str) -> frozenset[str] | None:
    """If it asks nothing but some properties of this variable: which ones."""
    found: set[str] = set()
    subjects = 0
    for part in parts(tree):
        if isinstance(part, (s.Exists, s.PatternPredicate, s.PatternComprehension, s.Parameter)):
            return None
        if isinstance(part, s.Property) and part.subject == s.Variable(name) and part.key != "id":
            found.add(part.key)
            subjects += 1
    uses = sum(isinstance(part, s.Variable) and part.name == name for part in parts(tree))
    return frozenset(found) if uses == subjects else None


def conjuncts(where: s.Expression | None) -> tuple[s.Expression, ...]:
    """The parts that must all be true for the whole to be true."""
    if where is None:
        return ()
    found: list[s.Expression] = []
    waiting = [where]
    while waiting:
        part = waiting.pop()
        if isinstance(part, s.And):
            waiting.extend(reversed(part.operands))
        else:
            found.append(part)
    return tuple(found)


def exchanged(tree: T, table: Mapping[s.Expression, s.Expression]) -> T:
    """The tree with each part that is a key of `table` replaced; the largest such part wins.

    A name that a part binds itself is another one: nothing that mentions it is replaced there, and it is renamed if
    it would hide what comes in. In a pattern the names of nodes and relationships are replaced as variables are.
    """
    return cast(T, _exchanged(tree, table)) if table else tree


def _exchanged(tree: Tree, table: Mapping[s.Expression, s.Expression]) -> Tree:
    if isinstance(tree, tuple):
        return tuple(_exchanged(part, table) for part in tree)
    if not is_dataclass(tree) or isinstance(tree, (type, s.Place)):
        return tree
    found = table.get(cast(s.Expression, tree))
    if found is not None:
        return found
    if isinstance(tree, LOCAL):
        return _local(tree, table)
    if isinstance(tree, (s.NodePattern, s.RelationshipPattern)) and tree.variable is not None:
        other = table.get(s.Variable(tree.variable))
        tree = replace(tree, variable=other.name) if isinstance(other, s.Variable) else tree
    changed = {one.name: _exchanged(value, table) for one in fields(tree) if _inner(value := getattr(tree, one.name))}
    return replace(tree, **changed) if changed else tree


def _local(tree: Loop, table: Mapping[s.Expression, s.Expression]) -> Loop:
    """The same for what goes through a list: only that list, and where a sum starts, stand outside of its names."""
    own = {tree.variable, tree.accumulator} if isinstance(tree, s.Reduce) else {tree.variable}
    inner = {key: value for key, value in table.items() if own.isdisjoint(mentioned(key))}
    new = {name: f" {name}" if name in mentioned(tuple(inner.values())) else name for name in own}
    renamed: dict[s.Expression, s.Expression] = {s.Variable(name): s.Variable(new[name]) for name in own}

    def within(part: T) -> T:
        return exchanged(exchanged(part, renamed), inner)

    items, name = exchanged(tree.items, table), new[tree.variable]
    if isinstance(tree, s.Quantifier):
        return replace(tree, variable=name, items=items, condition=within(tree.condition))
    if isinstance(tree, s.ListComprehension):
        return replace(tree, variable=name, items=items, where=within(tree.where), result=within(tree.result))
    start, total = exchanged(tree.start, table), new[tree.accumulator]
    return replace(tree, accumulator=total, start=start, variable=name, items=items, step=within(tree.step))


def _inner(value: object) -> bool:
    return isinstance(value, tuple) or (is_dataclass(value) and not isinstance(value, s.Place))
