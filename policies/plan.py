"""In which order a MATCH is searched: from the rarest node outwards, along edges that touch what is bound.

Rules of this file
    - The pattern is slots (nodes; one variable is one slot wherever it stands) and links (steps between two slots).
    - Each condition of WHERE is tested at the first move after which everything that it names is bound; one that
      names a single node thins that slot's candidates before the search begins.
    - Planning changes the cost of an answer, never the answer. Ties go to what is written first.

Invariant: a move's `source` slot is bound when the move begins; after the last move every slot and link is.
Complexity: O(slots x links) for a pattern; candidates are counted by the evaluator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policies import syntax as s
from policies.expressions import Compiled, compile_expression, conjuncts, cost, variables


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of WHERE: what it needs, what it costs, how it is asked."""

    needs: frozenset[str]
    cost: int
    holds: Compiled


@dataclass(frozen=True, slots=True)
class Slot:
    """A node of the pattern: all that its occurrences and the conditions on it alone demand."""

    name: str
    patterns: tuple[s.NodePattern, ...]
    conditions: tuple[Condition, ...]

    @property
    def free(self) -> bool:
        """Whether any node will do."""
        return not self.conditions and not any(p.labels or p.properties for p in self.patterns)


@dataclass(frozen=True, slots=True)
class Link:
    """A step of the pattern from slot `left` to slot `right`."""

    name: str
    left: str
    right: str
    step: s.RelationshipPattern

    @property
    def hops(self) -> s.Hops:
        """Least and most edges; a plain step takes one."""
        return self.step.hops or s.Hops(1, 1)


@dataclass(frozen=True, slots=True)
class Pattern:
    """The whole MATCH: paths are the names of slots and links, alternating, in the order written."""

    slots: Mapping[str, Slot]
    links: Mapping[str, Link]
    paths: tuple[tuple[str, ...], ...]
    conditions: tuple[Condition, ...]

    @property
    def reach(self) -> int | None:
        """How many hops two nodes of one match can lie apart; None if the pattern is not connected."""
        joined = {next(iter(self.slots))}
        for _ in self.slots:
            for link in self.links.values():
                joined |= {link.left, link.right} if joined & {link.left, link.right} else set()
        return sum(link.hops.most for link in self.links.values()) if len(joined) == len(self.slots) else None


@dataclass(frozen=True, slots=True)
class Move:
    """Follow `link` from slot `source`, or without a link bind `source` to each candidate; then test `conditions`."""

    source: str
    link: Link | None
    conditions: tuple[Condition, ...]


def pattern_of(query: s.Query) -> Pattern:
    """Slots, links and conditions of a checked query. Names that no variable can have stand for what is anonymous."""
    occurrences: dict[str, list[s.NodePattern]] = {}
    links: dict[str, Link] = {}
    paths = []
    for path in query.paths:
        names: list[str] = []
        for node in path.nodes:
            names.append(node.variable or f" node {len(occurrences)}")
            occurrences.setdefault(names[-1], []).append(node)
        words = [names[0]]
        for index, step in enumerate(path.steps):
            link = Link(step.variable or f" step {len(links)}", names[index], names[index + 1], step)
            links[link.name] = link
            words += [link.name, link.right]
        paths.append(tuple(words))
    conditions = [Condition(variables(c), cost(c), compile_expression(c)) for c in conjuncts(query.where)]
    slots = {
        name: Slot(name, tuple(patterns), tuple(c for c in conditions if c.needs == {name}))
        for name, patterns in occurrences.items()
    }
    later = tuple(c for c in conditions if not (len(c.needs) == 1 and c.needs <= slots.keys()))
    return Pattern(slots, links, tuple(paths), later)


def plan(pattern: Pattern, sizes: Mapping[str, int]) -> tuple[Move, ...]:
    """The moves of the search, given how many candidates each slot has."""
    bound: set[str] = set()
    waiting, open_links = list(pattern.conditions), dict(pattern.links)
    moves: list[Move] = []
    while open_links or len(bound & pattern.slots.keys()) < len(pattern.slots):
        near = [link for link in open_links.values() if bound & {link.left, link.right}]
        if near:
            link = min(near, key=lambda one: _price(one, bound, sizes))
            del open_links[link.name]
            source = link.left if link.left in bound else link.right
            bound |= {link.name, link.left, link.right}
        else:
            link, source = None, min((n for n in pattern.slots if n not in bound), key=lambda name: sizes[name])
            bound.add(source)
        ready = tuple(c for c in waiting if c.needs <= bound)
        waiting = [c for c in waiting if not c.needs <= bound]
        moves.append(Move(source, link, ready))
    return tuple(moves)


def _price(link: Link, bound: set[str], sizes: Mapping[str, int]) -> tuple[int, int]:
    free = [end for end in (link.left, link.right) if end not in bound]
    return link.hops.most * len(free), sizes[free[0]] if free else 0
