"""A Sigma rule as a tree, and what becomes of it when parts of it cannot be carried over.

Rules of this file
    - Pure: whoever has read the rule (`winnower.sigma_read`) hands in the tree.
    - A condition that cannot be carried over becomes a constant. First the one that makes the rule narrower, so that it
      matches nothing it should not; only if then nothing is left of the rule (or if the caller wants that) the one that
      makes it wider, which is lossy.
    - What is dropped is listed, each once, with its place.

Invariant: a `Carried` that is exact has the meaning of the rule; one that is narrower matches only what the rule
    matches; one that is wider matches all that the rule matches.
Complexity: linear in the tree.
Source: sigmahq.io, rule specification (conditions, modifiers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from policies.syntax import NOWHERE, Place


@dataclass(frozen=True, slots=True)
class Wild:
    """`*`, any text, or `?`, any one character."""

    sign: str


@dataclass(frozen=True, slots=True)
class Like:
    """The field is this text, in which parts may be `Wild`; letters count as equal in either case unless `cased`."""

    parts: tuple[str | Wild, ...]
    cased: bool = False


@dataclass(frozen=True, slots=True)
class Regex:
    """The regular expression is found somewhere in the field; `flags` of i, m, s."""

    text: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """The field is an address in this network."""

    cidr: str


@dataclass(frozen=True, slots=True)
class Number:
    """The field is a number, in this relation (`=`, `<`, `<=`, `>`, `>=`, `<>`) to this one."""

    sign: str
    number: int | float


@dataclass(frozen=True, slots=True)
class Present:
    """The field has a value (`there`), or has none."""

    there: bool


@dataclass(frozen=True, slots=True)
class Other:
    """What has no counterpart; `what` says what it is."""

    what: str


Test: TypeAlias = Like | Regex | Network | Number | Present | Other


@dataclass(frozen=True, slots=True)
class Field:
    """One condition on one field."""

    name: str
    test: Test
    at: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    operand: Tree


@dataclass(frozen=True, slots=True)
class All:
    """Conjunction."""

    operands: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Disjunction."""

    operands: tuple[Tree, ...]


Tree: TypeAlias = Field | Not | All | Any | bool


class Loss(Enum):
    """What became of the meaning."""

    EXACT = "fully"
    NARROWER = "narrower"
    WIDER = "lossily"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A condition that was not carried over, and why."""

    field: Field
    why: str


@dataclass(frozen=True, slots=True)
class Carried:
    """What is left of a rule; `tree` is a constant if nothing is."""

    tree: Tree
    loss: Loss
    dropped: tuple[Dropped, ...] = ()


def carried(
    tree: Tree, problem: Callable[[Field], str], constant: Callable[[Field], bool | None] = lambda one: None
) -> Carried:
    """The rule without the conditions that have a `problem`: narrower if anything is left, else wider.

    A condition that is `constant` of all events is exact.
    """

    def exact(one: Field, _: bool) -> Tree:
        known = constant(one)
        return one if known is None else known

    tree = _with(tree, exact)
    dropped = tuple(dict.fromkeys(Dropped(one, why) for one in fields(tree) if (why := problem(one))))
    if not dropped:
        return Carried(tree, Loss.EXACT)
    narrow = _with(tree, lambda one, plain: not plain if problem(one) else one)
    if narrow is not False:
        return Carried(narrow, Loss.NARROWER, dropped)
    return Carried(_with(tree, lambda one, plain: plain if problem(one) else one), Loss.WIDER, dropped)


def fields(tree: Tree) -> Iterator[Field]:
    """All conditions, in reading order."""
    waiting: list[Tree] = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Field):
            yield one
        elif isinstance(one, Not):
            waiting.append(one.operand)
        elif isinstance(one, (All, Any)):
            waiting.extend(reversed(one.operands))


def _with(tree: Tree, choose: Callable[[Field, bool], Tree], plain: bool = True) -> Tree:
    """The tree with each condition replaced, simplified; one is `plain` unless an odd number of NOTs denies it."""
    match tree:
        case Field():
            return choose(tree, plain)
        case Not(operand):
            inner = _with(operand, choose, not plain)
            return (not inner) if isinstance(inner, bool) else inner.operand if isinstance(inner, Not) else Not(inner)
        case All(operands):
            return joined(All, [_with(one, choose, plain) for one in operands])
        case Any(operands):
            return joined(Any, [_with(one, choose, plain) for one in operands])
    return tree


def joined(kind: type[All] | type[Any], operands: Iterable[Tree]) -> Tree:
    """AND or OR without constants, without repeats, and without an AND in an AND."""
    unit, kept = kind is All, list[Tree]()
    for one in operands:
        if isinstance(one, bool):
            if one is not unit:
                return one
        else:
            kept += one.operands if isinstance(one, (All, Any)) and isinstance(one, kind) else [one]
    kept = list(dict.fromkeys(kept))
    return unit if not kept else kept[0] if len(kept) == 1 else kind(tuple(kept))
