"""What a MATCH demands, taken apart: nodes, steps between them, conditions, and in which order they are searched.

Rules of this file
    - The pattern is slots (nodes; one variable is one slot wherever it stands) and links (steps between two slots).
      What is anonymous gets a name that no variable can have; a step of variable length keeps its walk under its `key`
      and shows its variable beside it.
    - A property map is a condition like any other. Each condition is tested at the first move after which everything
      that it names is bound; of an OR over several nodes, what it demands of one node alone is tested there as well.
    - `all(x IN r WHERE …)` and `none(…)` over the edges of a walk are tested on each edge while walking.
    - Planning changes the cost of an answer, never the answer. Ties go to what is written first.

Invariant: a move's `source` slot is bound when the move begins; after the last move every slot and link is.
Complexity: O(slots x links) for a pattern, once for each choice of where to start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from policies import syntax as s
from policies.expressions_loops import judged
from policies.frame import Compiled
from policies.plan_names import conjuncts, is_steady, mentioned, properties_asked, size

Build: TypeAlias = Callable[[s.Expression], Compiled]


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of WHERE or of a property map: what it needs, how it is asked, what it costs.

    One that is `implied` by another only saves work: it cannot make a row merely possible.
    """

    needs: frozenset[str]
    holds: Compiled
    cost: int = 1
    implied: bool = False
    steady: bool = True
    """Whether it gives the same answer when it is asked the same again."""
    asks: frozenset[str] | None = None
    """If it names one variable, and only some properties of that: which ones."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A node of the pattern; `labels` are all demanded, each of them one of its alternatives."""

    key: str
    labels: tuple[tuple[str, ...], ...]
    bound: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A step of the pattern from slot `left` to slot `right`; `bound` says that its variable was bound before."""

    key: str
    left: str
    right: str
    step: s.RelationshipPattern
    bound: bool
    shortest: s.Shortest | None = None
    each: tuple[tuple[str, Condition], ...] = ()
    """Of a walk, what each edge must fulfil, under the name that the condition has for it."""
    along: tuple[tuple[str, Condition], ...] = ()
    """Of a walk, what each node on it must fulfil."""
    once: bool = False
    """Whether it is enough to find each end once: nothing asks how one got there."""

    @property
    def single(self) -> bool:
        """Whether it is one edge and not a walk."""
        return self.step.hops is None

    @property
    def least(self) -> int:
        """The fewest edges."""
        return self.step.hops.least if self.step.hops else 1

    @property
    def most(self) -> int | None:
        """The most edges."""
        return self.step.hops.most if self.step.hops else 1

    @property
    def variable(self) -> str | None:
        """The list of edges of a walk, if it has a name."""
        return None if self.single else self.step.variable

    def meets(self, other: Link) -> bool:
        """Whether both could want the same edge."""
        mine, theirs = self.step.types, other.step.types
        return not mine or not theirs or not set(mine).isdisjoint(theirs)


@dataclass(frozen=True, slots=True)
class Path:
    """Keys of slots and links, alternating, in the order written."""

    variable: str | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A whole MATCH, in a scope of which `bound` says which of its variables have a value already."""

    slots: dict[str, Slot]
    links: dict[str, Link]
    paths: tuple[Path, ...]
    conditions: tuple[Condition, ...]
    bound: frozenset[str]
    components: tuple[tuple[str, ...], ...] = field(default=())
    """Slots that links connect, directly or not."""

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that it binds, in the order written."""
        found = dict.fromkeys(key for key in self.slots if not key.startswith(" "))
        for link in self.links.values():
            name = link.step.variable
            found |= dict.fromkeys([name] if name else [])
        found |= dict.fromkeys(path.variable for path in self.paths if path.variable)
        return tuple(name for name in found if name not in self.bound)


@dataclass(frozen=True, slots=True)
class Move:
    """Follow `link` from slot `source`, or without a link bind `source`; then build `paths` and test `conditions`."""

    source: str
    link: Link | None
    own: tuple[Condition, ...]
    """What is asked of the node that it binds, alone."""
    conditions: tuple[Condition, ...]
    paths: tuple[Path, ...]
    earlier: tuple[Link, ...] = ()
    """Links that are bound already and could hold the same edge."""
    known: bool = False
    """Whether the far end of the link is bound already."""
    late: tuple[tuple[str, Condition], ...] = ()
    """What each edge of the walk must fulfil that could not be asked while walking."""
    before: frozenset[str] = frozenset()
    """The slots that were reached before this move."""


def pattern_of(match: s.Match, bound: frozenset[str], build: Build, prefix: str, once: bool = False) -> Pattern:
    """Take a MATCH apart. `prefix` makes the names of what is anonymous different from those of other clauses."""
    builder = _Builder(bound, build, prefix, once)
    for path in match.paths:
        builder.path(path)
    for part in conjuncts(match.where):
        builder.condition(part)
    slots = {key: Slot(key, tuple(dict.fromkeys(builder.labels[key])), key in bound) for key in builder.labels}
    return Pattern(
        slots,
        builder.finished_links(),
        tuple(builder.paths),
        tuple(builder.conditions),
        bound,
        _components(slots, builder.links.values()),
    )


@dataclass(slots=True)
class _Builder:
    bound: frozenset[str]
    build: Build
    prefix: str
    once: bool
    labels: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    each: dict[str, list[tuple[str, Condition]]] = field(default_factory=dict)
    along: dict[str, list[tuple[str, Condition]]] = field(default_factory=dict)
    count: int = 0

    def path(self, path: s.PathPattern) -> None:
        keys = [self._slot(node) for node in path.nodes]
        words = [keys[0]]
        for index, step in enumerate(path.steps):
            words += [self._link(step, keys[index], keys[index + 1], path), keys[index + 1]]
        self.paths.append(Path(path.variable, tuple(words)))

    def _anonymous(self) -> str:
        self.count += 1
        return f" {self.prefix}{self.count}"

    def _slot(self, node: s.NodePattern) -> str:
        key = node.variable or self._anonymous()
        self.labels.setdefault(key, []).extend(node.labels)
        for part in _map_tests(key, node.properties):
            self.conditions.append(self._compiled(part))
        return key

    def _link(self, step: s.RelationshipPattern, left: str, right: str, path: s.PathPattern) -> str:
        named = step.variable if step.hops is None else None
        key = named or self._anonymous()
        once = self.once and path.variable is None and step.variable is None and path.shortest is None
        self.links[key] = Link(
            key, left, right, step, step.variable in self.bound, path.shortest, once=once and step.hops is not None
        )
        inner = key if step.hops is None else self._anonymous()
        for part in _map_tests(inner, step.properties):
            test = self._compiled(part)
            if step.hops is None:
                self.conditions.append(test)
            else:
                self.each.setdefault(key, []).append((inner, test))
        return key

    def condition(self, part: s.Expression) -> None:
        """A part of WHERE: to its place, and what it implies for single nodes to theirs."""
        if isinstance(part, s.Quantifier) and self._pushed(part):
            return
        if isinstance(part, s.HasLabels) and isinstance(part.subject, s.Variable) and part.subject.name in self.labels:
            self.labels[part.subject.name] += [(label,) for label in part.labels]
        self.conditions.append(self._compiled(part))
        if isinstance(part, s.Or):
            for weaker in _implied(part):
                self.conditions.append(replace(self._compiled(weaker), implied=True))

    def _pushed(self, part: s.Quantifier) -> bool:
        """Hand a condition on every edge or node of a walk to the walk; True if it need not be asked again."""
        if part.quantity not in (s.Quantity.ALL, s.Quantity.NONE):
            return False
        wanted = part.condition if part.quantity is s.Quantity.ALL else s.Not(part.condition)
        match part.items:
            case s.Variable(name):
                links = [link for link in self.links.values() if link.variable == name and not link.bound]
                for link in links:
                    self.each.setdefault(link.key, []).append((part.variable, self._compiled(wanted)))
                return bool(links)
            case s.Call("relationships" | "nodes" as function, (s.Variable(name),)):
                table = self.each if function == "relationships" else self.along
                words = {word for path in self.paths if path.variable == name for word in path.words}
                for key in words & self.links.keys():
                    if not self.links[key].single and not self.links[key].bound:
                        test = replace(self._compiled(wanted), implied=True)
                        table.setdefault(key, []).append((part.variable, test))
        return False

    def _compiled(self, part: s.Expression) -> Condition:
        cost = 1 + size(part) // 16
        needs, steady = mentioned(part), is_steady(part)
        asks = properties_asked(part, *needs) if len(needs) == 1 and steady else None
        return Condition(needs, judged(part, self.build(part)), cost, steady=steady, asks=asks)

    def finished_links(self) -> dict[str, Link]:
        return {
            key: replace(link, each=tuple(self.each.get(key, ())), along=tuple(self.along.get(key, ())))
            for key, link in self.links.items()
        }


def _map_tests(name: str, properties: s.MapOf | s.Parameter | None) -> list[s.Expression]:
    """A property map as conditions on the variable `name`."""
    subject = s.Variable(name)
    if properties is None:
        return []
    if isinstance(properties, s.MapOf):
        return [s.Comparison(s.Operator.EQUAL, s.Property(subject, key), value) for key, value in properties.pairs]
    key = s.Variable(" key")  # of a parameter the keys are known only when it is given
    same = s.Comparison(s.Operator.EQUAL, s.Index(subject, key), s.Index(properties, key))
    return [s.Quantifier(s.Quantity.ALL, " key", s.Call("keys", (properties,)), same)]


def _implied(part: s.Or) -> list[s.Expression]:
    """Of an OR, what it demands of a single variable: an OR of what each of its sides demands of it."""
    sides = [
        {name: [c for c in conjuncts(side) if mentioned(c) == {name}] for name in mentioned(side)}
        for side in part.operands
    ]
    shared = [name for name in sides[0] if all(side.get(name) for side in sides)]
    if len(mentioned(part)) < 2:
        return []
    return [
        s.Or(tuple(c[0] if len(c) == 1 else s.And(tuple(c)) for c in (side[name] for side in sides))) for name in shared
    ]


def between(pattern: Pattern, slot: str, name: str) -> Pattern:
    """The part of the pattern that leads from one slot to another; all of it if nothing leads there."""
    came: dict[str, tuple[str, Link] | None] = {slot: None}
    waiting = [slot]
    while waiting and name not in came:
        here = waiting.pop(0)
        for link in pattern.links.values():
            for near, far in ((link.left, link.right), (link.right, link.left)):
                if near == here and far not in came:
                    came[far] = (here, link)
                    waiting.append(far)
    if name not in came:
        return pattern
    links: dict[str, Link] = {}
    keys = {name}
    while (step := came[name]) is not None:
        name = step[0]
        links[step[1].key] = step[1]
        keys.add(name)
    slots = {key: pattern.slots[key] for key in pattern.slots if key in keys}
    gone = {*pattern.slots, *pattern.links, *pattern.names} - {*slots, *links}
    conditions = tuple(c for c in pattern.conditions if not c.needs & gone)
    for key, link in links.items():
        each = tuple(pair for pair in link.each if not (pair[1].needs - {pair[0]}) & gone)
        links[key] = replace(link, each=each, along=(), once=not link.single and link.shortest is None)
    return Pattern(slots, links, (), conditions, pattern.bound, (tuple(slots),))


def _components(slots: Iterable[str], links: Iterable[Link]) -> tuple[tuple[str, ...], ...]:
    head = {key: key for key in slots}

    def top(key: str) -> str:
        while head[key] != key:
            head[key] = key = head[head[key]]
        return key

    for link in links:
        head[top(link.right)] = top(link.left)
    groups: dict[str, list[str]] = {}
    for key in slots:
        groups.setdefault(top(key), []).append(key)
    return tuple(map(tuple, groups.values()))


def moves(pattern: Pattern, starts: Iterable[str], heavy: frozenset[str] = frozenset()) -> tuple[Move, ...]:
    """The moves of the search, given the slot to begin with in each component that has no bound slot.

    Links that are `heavy` where the search begins, for very many edges start there, are followed as late as may be.
    """
    return _Order(pattern, heavy).run(tuple(starts))


class _Order:
    """Moves in the making."""

    def __init__(self, pattern: Pattern, heavy: frozenset[str]) -> None:
        self.pattern = pattern
        self.heavy = heavy
        self.bound: set[str] = set(pattern.bound)
        self.reached: set[str] = set()
        self.open = dict(pattern.links)
        self.names = {*pattern.slots, *pattern.links, *pattern.names, *pattern.bound}
        self.waiting = list(pattern.conditions)
        self.paths = [path for path in pattern.paths if path.variable]
        self.done: list[Move] = []
        self.used: list[Link] = []

    def run(self, starts: tuple[str, ...]) -> tuple[Move, ...]:
        """Bound slots first (they only need a look), then each start and all that hangs on it."""
        for slot in self.pattern.slots.values():
            if slot.bound:
                self._visit(slot.key)
        for link in sorted(self.pattern.links.values(), key=lambda one: not one.bound):
            if link.bound and link.key in self.open:
                self._follow(link, link.left)
        self._spread()
        for start in starts:
            if start not in self.reached:
                self._visit(start)
                self._spread()
        return tuple(self.done)

    def _visit(self, key: str) -> None:
        self.reached.add(key)
        self.bound.add(key)
        self.done.append(Move(key, None, *self._ready(key)))

    def _spread(self) -> None:
        while near := [link for link in self.open.values() if self.reached & {link.left, link.right}]:
            link = min(near, key=self._price)
            self._follow(link, link.left if link.left in self.reached else link.right)

    def _follow(self, link: Link, source: str) -> None:
        del self.open[link.key]
        far = link.right if source == link.left else link.left
        known = far in self.reached
        outside = self.names - self.bound
        now = tuple(pair for pair in link.each if not (pair[1].needs - {pair[0]}) & outside)
        late = tuple(pair for pair in link.each if pair not in now)
        along = tuple(pair for pair in link.along if not (pair[1].needs - {pair[0]}) & outside)
        once = link.once and not late and not any(link.meets(other) for other in self.open.values())
        earlier = tuple(other for other in self.used if link.meets(other))
        self.used.append(link)
        reached = frozenset(self.reached)
        self.reached |= {source, far}
        self.bound |= {link.key, source, far} | ({link.step.variable} if link.step.variable else set())
        walked = replace(link, each=now, along=along, once=once)
        self.done.append(Move(source, walked, *self._ready(None if known else far), earlier, known, late, reached))

    def _ready(self, new: str | None) -> tuple[tuple[Condition, ...], tuple[Condition, ...], tuple[Path, ...]]:
        """What can be asked now, the short first: of the new node alone, and all else; and the paths that are whole."""
        paths = tuple(path for path in self.paths if self.bound.issuperset(path.words))
        self.paths = [path for path in self.paths if path not in paths]
        self.bound |= {path.variable for path in paths if path.variable}
        outside = self.names - self.bound
        ready = sorted((c for c in self.waiting if not c.needs & outside), key=lambda c: c.cost)
        self.waiting = [c for c in self.waiting if c.needs & outside]
        own = tuple(c for c in ready if c.needs == {new} and c.steady)
        return own, tuple(c for c in ready if c not in own), paths

    def _price(self, link: Link) -> tuple[bool, int, int, int]:
        """What is bound at both ends costs least; then one edge before many, and ends that must fulfil something."""
        free = [key for key in {link.left, link.right} if key not in self.reached]
        length = 0 if link.single else 1 if link.most is not None else 2
        asked = sum(bool(self.pattern.slots[key].labels) or any(c.needs == {key} for c in self.waiting) for key in free)
        cost = len(free) + length if free or not link.single else 0
        return bool(free) and link.key in self.heavy, cost, length, -asked
