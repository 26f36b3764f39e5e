"""One row in the making: what is bound at a moment of a search, and how certain it is.

Rules of this file
    - Values are changed in place and taken back by whoever bound them; a row is valid until the next one is asked for.
    - `UNKNOWN` keeps a row and makes it possible; anything but that and True drops it.

Invariant: `certain` is true only if every condition on the way to this moment was True.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from policies.frame import Context, Frame
from policies.graph import Edge, Meaning
from policies.ordering import SortKey
from policies.plan import Condition, Path
from policies.truth import UNKNOWN, Truth
from policies.values import NodeValue, PathValue, Text, Value


@dataclass(frozen=True, slots=True)
class Run(Context):
    """A context with what is remembered while it lasts: nodes as values, and what was asked of single nodes."""

    named: dict[str, NodeValue] = field(default_factory=dict)
    asked: dict[tuple[int, str], Truth] = field(default_factory=dict)


class Live(Frame):
    """A frame that a search fills. `seeds` restricts where the search for some variables may begin."""

    __slots__ = ("asked", "certain", "named", "seeds")

    def __init__(
        self, values: dict[str, Value], context: Context, seeds: Mapping[str, Collection[str]] | None = None
    ) -> None:
        super().__init__(values, context)
        self.named: dict[str, NodeValue] = context.named if isinstance(context, Run) else {}
        self.asked: dict[tuple[int, str], Truth] = context.asked if isinstance(context, Run) else {}
        self.seeds = seeds
        self.certain = True

    def node(self, name: str) -> NodeValue:
        """The node as a value; one object for one node, for they are made very often."""
        found = self.named.get(name)
        if found is None:
            found = self.named[name] = NodeValue(name)
        return found


TEXTS: Final = (str, Text)
MAX_ANSWERS: Final = 4096
TRACE: Final = " trace"
"""Where a row keeps the nodes and edges that it was made of, if somebody wants to know."""
Trace: TypeAlias = Callable[[dict[str, Value]], Value]
Operation: TypeAlias = Callable[[Live], Iterator[None]]
"""Bind something in every way that fits; when it ends, all is as it was."""


@dataclass(slots=True)
class Made:
    """A row that stands for itself: its values, whether it is certain, and its sort keys."""

    values: dict[str, Value]
    certain: bool = True
    keys: tuple[SortKey, ...] = ()
    before: dict[str, Value] = field(default_factory=dict)
    """What was bound before the projection, if WHERE still needs it."""


def live(frame: Frame) -> Live:
    """A frame of one's own, to match in, that starts with what `frame` says."""
    return Live(dict(frame.values), frame.context)


def holds(conditions: tuple[Condition, ...], at: Live) -> bool:
    """Whether the row stays; what cannot be decided makes it possible."""
    for condition in conditions:
        value = condition.holds(at)
        if value is True:
            continue
        if value is not UNKNOWN:
            return False
        if not condition.implied:
            at.certain = False
    return True


class Own:
    """Conditions that speak of one node alone: asked once for a node and run.

    If they ask for nothing but properties, and those are texts, the answer is kept for all nodes that have the same.
    """

    __slots__ = ("_answers", "_conditions", "_keys")

    def __init__(self, conditions: tuple[Condition, ...]) -> None:
        self._conditions = conditions
        asked = [condition.asks for condition in conditions]
        self._keys = None if None in asked else tuple(sorted({key for keys in asked if keys for key in keys}))
        self._answers: dict[tuple[Value, ...], Truth] = {}

    def hold(self, name: str, at: Live) -> bool:
        """Whether the row stays; what cannot be decided makes it possible."""
        known = (id(self), name)
        answer = at.asked.get(known)
        if answer is None:
            answer = at.asked[known] = self._answer(name, at)
        if answer is UNKNOWN:
            at.certain = False
        return answer is not False

    def _answer(self, name: str, at: Live) -> Truth:
        if self._keys is None:
            return self._ask(at)
        properties = at.context.graph.properties(name)
        values = tuple(map(properties.get, self._keys))
        if not all(value is None or isinstance(value, TEXTS) for value in values):
            return self._ask(at)
        answer = self._answers.get(values)
        if answer is None:
            if len(self._answers) >= MAX_ANSWERS:
                self._answers.clear()
            answer = self._answers[values] = self._ask(at)
        return answer

    def _ask(self, at: Live) -> Truth:
        before, at.certain = at.certain, True
        kept = holds(self._conditions, at)
        answer: Truth = False if not kept else True if at.certain else UNKNOWN
        at.certain = before
        return answer


def price(conditions: tuple[Condition, ...]) -> int:
    """Steps for looking at one candidate."""
    return 1 + sum(condition.cost for condition in conditions)


def path_value(path: Path, values: Mapping[str, Value], meaning: Meaning) -> Value:
    """The path that is bound; where a walk stands for many, nobody knows which."""
    nodes, edges = walked(path.words, values)
    if meaning is Meaning.INSTANCES and any(isinstance(values[word], tuple) for word in path.words[1::2]):
        return UNKNOWN
    return PathValue(nodes, edges)


def walked(words: tuple[str, ...], values: Mapping[str, Value]) -> tuple[tuple[str, ...], tuple[Edge, ...]]:
    """Nodes and edges along the keys of a path, in its order; nothing if it was not matched."""
    start = values.get(words[0])
    if not isinstance(start, NodeValue):
        return (), ()
    nodes, edges = [start.name], []
    for word in words[1::2]:
        held = values.get(word)
        for edge in held if isinstance(held, tuple) else (held,):
            if not isinstance(edge, Edge):
                return (), ()
            edges.append(edge)
            nodes.append(edge.other(nodes[-1]))
    return tuple(nodes), tuple(edges)
