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

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from policies.syntax import Place

WILD: Final = ("*", "?")


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
    at: Place = Place()


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


def carried(tree: Tree, problem: Callable[[Field], str]) -> Carried:
    """The rule without the conditions that have a `problem`: narrower if anything is left, else wider."""
    dropped = tuple(dict.fromkeys(Dropped(one, why) for one in fields(tree) if (why := problem(one))))
    if not dropped:
        return Carried(_without(tree, problem, wide=False), Loss.EXACT)
    narrow = _without(tree, problem, wide=False)
    if narrow is not False:
        return Carried(narrow, Loss.NARROWER, dropped)
    return Carried(_without(tree, problem, wide=True), Loss.WIDER, dropped)


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


def _without(tree: Tree, problem: Callable[[Field], str], *, wide: bool) -> Tree:
    """The tree with constants for what has a problem, simplified.

    `wide`: where a condition stands for itself it is true, below a NOT false; else the other way round.
    """
    match tree:
        case Field():
            return wide if problem(tree) else tree
        case Not(operand):
            inner = _without(operand, problem, wide=not wide)
            return (not inner) if isinstance(inner, bool) else inner.operand if isinstance(inner, Not) else Not(inner)
        case All(operands):
            return _joined(All, [_without(one, problem, wide=wide) for one in operands], unit=True)
        case Any(operands):
            return _joined(Any, [_without(one, problem, wide=wide) for one in operands], unit=False)
    return tree


def _joined(kind: type[All] | type[Any], operands: list[Tree], *, unit: bool) -> Tree:
    """AND or OR without constants; `unit` is the constant that changes nothing."""
    kept: list[Tree] = []
    for one in operands:
        if isinstance(one, bool):
            if one is not unit:
                return one
        else:
            kept += one.operands if isinstance(one, kind) else [one]
    kept = list(dict.fromkeys(kept))
    return unit if not kept else kept[0] if len(kept) == 1 else kind(tuple(kept))
