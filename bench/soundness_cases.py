"""Random models, the instance graphs that they may stand for, and random queries about them.

Rules of this file
    - Everything is drawn from the `Random` that is given: the same seed, the same case.
    - Names, fields and constants are few and alike, so that conditions hold, fail and are undecided.
    - An instance graph keeps the promise of a model: each state has a vertex, each edge a real one between vertices of
      its two states, no real edge without one of the model, every property a string of its state's pattern.
    - A query is built with the names that are bound where it stands, so that nearly all of them can be asked.

Source: issue "a real query language" (soundness); design section 3 (what a state and a transition stand for).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from grammar.pattern import Slot
from policies.graph import Edge, MemoryGraph
from policies.text import Text

KINDS: Final = ("File", "Process", "Socket")
RELATIONS: Final = ("USED", "WAS_GENERATED_BY")
OPERATIONS: Final = ("read", "write")
KEYS: Final = ("name", "path")
WRITTEN: Final = (
    "a",
    "b",
    "ab",
    "{lower:1}",
    "a{lower:1}",
    "{word}",
    "{any}",
    "a{any}",
    "{digits:1}",
    "/a/{token}",
    "{space}a",
)
CONSTANTS: Final = ("a", "b", "ab", "7", "/a/b", "", "aa")
REGEXES: Final = ("a", "(?s).*", ".*b", "[a-z]", "(?s)a.*", "[^/]*", "(?i)A.?", "(?s).*/.*", "[ab7]+")
FILLINGS: Final = {
    "lower": "abz",
    "word": ("a", "b", "ab", "7", "A"),
    "any": ("", "a", "b", "ab", "/a/b", "\n", "7"),
    "digits": "07",
    "token": ("b", "a", "Z9"),
    "space": ("", "  "),
}


@dataclass(frozen=True, slots=True)
class Instance:
    """A graph of real vertices, and which state each of them is."""

    graph: MemoryGraph
    state: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModelCase:
    """A model: states with a kind and written properties, and its edges."""

    states: Mapping[str, tuple[str, Mapping[str, str]]]
    edges: tuple[Edge, ...]

    @property
    def graph(self) -> MemoryGraph:
        """The model as queries read it."""
        return MemoryGraph(
            {
                name: (kind, {key: Text.of(written) for key, written in written_properties.items()})
                for name, (kind, written_properties) in self.states.items()
            },
            self.edges,
        )

    def instance(self, random: Random, most: int = 3) -> Instance:
        """A graph that the model may stand for; of `most` 1, the model with every property filled in."""
        real = {
            name: [name, *(f"{name}.{number}" for number in range(1, random.randint(1, most)))] for name in self.states
        }
        nodes = {
            vertex: (kind, {key: filled(random, written) for key, written in properties.items()})
            for name, (kind, properties) in self.states.items()
            for vertex in real[name]
        }
        edges = []
        for edge in self.edges:
            pairs = [(one, other) for one in real[edge.effect] for other in real[edge.cause]]
            chosen = random.sample(pairs, random.randint(1, min(len(pairs), 3)))
            edges += [Edge(one, edge.relation, edge.operation, other) for one, other in chosen]
        return Instance(MemoryGraph(nodes, edges), {one: name for name, ones in real.items() for one in ones})


def filled(random: Random, written: str) -> str:
    """A string of a written pattern."""
    text = Text.of(written)
    if isinstance(text, str):
        return text
    return "".join(
        "".join(random.choice(FILLINGS[part.type]) for _ in range(part.width or 1)) if isinstance(part, Slot) else part
        for part in text.pattern.parts
    )


def model(random: Random) -> ModelCase:
    """A model of 1 to 4 states, seldom without edges, often with loops and parallel edges."""
    states: dict[str, tuple[str, Mapping[str, str]]] = {}
    for number in range(random.randint(1, 4)):
        properties = {key: random.choice(WRITTEN) for key in KEYS if key == "name" or random.random() < 0.6}
        states[f"s{number}"] = (random.choice(KINDS), properties)
    names = list(states)
    edges = {
        Edge(random.choice(names), random.choice(RELATIONS), random.choice(OPERATIONS), random.choice(names))
        for _ in range(random.choice((0, 1, 1, 2, 2, 3, 4)))
    }
    return ModelCase(states, tuple(sorted(edges)))


@dataclass(slots=True)
class Query:
    """A query in the making: its clauses and what is bound so far."""

    random: Random
    nodes: list[str] = field(default_factory=list)
    edges: list[str] = field(default_factory=list)
    walks: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    made: int = 0
    cuts: bool = True

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.random.random() < share

    def fresh(self, bound: list[str]) -> str:
        """A new name, bound from now on."""
        self.made += 1
        bound.append(f"x{self.made}")
        return bound[-1]

    def quoted(self, words: tuple[str, ...] = CONSTANTS) -> str:
        """A constant as it is written."""
        return "'" + self.random.choice(words) + "'"

    def node(self, *, binding: bool = True) -> str:
        """A node pattern, with a new name or one that is bound."""
        name = ""
        if self.nodes and self.chance(0.25):
            name = self.random.choice(self.nodes)
        elif binding and self.chance(0.8):
            name = self.fresh(self.nodes)
        label = ":" + "|".join(self.random.sample(KINDS, self.random.choice((1, 1, 2)))) if self.chance(0.3) else ""
        value = f"{self.random.choice(self.nodes)}.name" if len(self.nodes) > 1 and self.chance(0.2) else self.quoted()
        having = f" {{name: {value}}}" if self.chance(0.1) and f"{name}." not in value else ""
        return f"({name}{label}{having})"

    def step(self, *, binding: bool = True, walks: bool = True) -> str:
        """A relationship pattern, sometimes of variable length."""
        long = walks and self.chance(0.25)
        if binding and not long and self.earlier and self.chance(0.2):
            return f"-[{self.earlier.pop()}]{self.random.choice(('->', '-'))}"
        name = self.fresh(self.walks if long else self.edges) if binding and self.chance(0.5) else ""
        kind = ":" + "|".join(self.random.sample(RELATIONS, self.random.choice((1, 1, 2)))) if self.chance(0.4) else ""
        hops = self.random.choice(("*", "*1..2", "*0..1", "*2", "*..3", "*0..")) if long else ""
        having = f" {{operation: '{self.random.choice(OPERATIONS)}'}}" if self.chance(0.2) else ""
        left, right = self.random.choice((("-", "->"), ("<-", "-"), ("-", "->"), ("-", "-")))
        return f"{left}[{name}{kind}{hops}{having}]{right}"

    def path(self, *, binding: bool = True, most: int = 3) -> str:
        """A path pattern, sometimes named."""
        steps = self.random.choice((0, 1, 1, 1, 2, 2, 3)[: most + 3])
        text = self.node(binding=binding)
        for _ in range(steps):
            text += self.step(binding=binding) + self.node(binding=binding)
        if binding and steps == 1 and "*" in text and "*2" not in text and self.chance(0.3):
            text = f"{self.random.choice(('shortestPath', 'allShortestPaths'))}({text})"
        return f"{self.fresh(self.paths)} = {text}" if binding and self.chance(0.1) else text

    def match(self) -> str:
        """A reading clause, with its condition."""
        optional = "OPTIONAL " if self.nodes and self.chance(0.4) else ""
        self.earlier = list(self.edges)
        paths = ", ".join(self.path() for _ in range(self.random.choice((1, 1, 1, 2))))
        return f"{optional}MATCH {paths}" + self.where(0.7)

    def where(self, share: float) -> str:
        """A condition, in this share of the cases."""
        return f" WHERE {self.condition(2)}" if self.chance(share) else ""

    def condition(self, depth: int) -> str:
        """Any truth value."""
        if depth and self.chance(0.5):
            inner = [self.condition(depth - 1) for _ in range(2)]
            return self.random.choice(
                (
                    f"NOT ({inner[0]})",
                    f"({inner[0]} AND {inner[1]})",
                    f"({inner[0]} OR {inner[1]})",
                    f"({inner[0]} XOR {inner[1]})",
                    f"CASE WHEN {inner[0]} THEN {inner[1]} ELSE false END",
                )
            )
        kinds = [self.of_text] * bool(self.nodes) * 4 + [self.of_nodes] * bool(self.nodes) * 2
        kinds += [self.of_pattern] * bool(self.nodes) + [self.of_edge] * bool(self.edges)
        kinds += [self.of_walk] * bool(self.walks) + [self.of_value] * bool(self.values) * 2
        kinds += [self.of_path] * bool(self.paths) + [self.of_list] * bool(self.lists) * 2
        return self.random.choice(kinds)() if kinds else self.random.choice(("true", "false", "null"))

    def text(self) -> str:
        """An expression that is a string, or null."""
        one = f"{self.random.choice(self.nodes)}.{self.random.choice(KEYS)}"
        forms = (one,) * 8 + (
            f"toUpper({one})",
            f"toLower({one})",
            f"trim({one})",
            f"({one} + 'a')",
            f"coalesce({one}, 'a')",
        )
        return self.random.choice(
            (*forms, f"left({one}, 1)", f"('a' + {one})", f"toString({one})", f"head(split({one}, '/'))")
        )

    def of_text(self) -> str:
        """What may be asked of a string."""
        one, other = self.text(), self.quoted()
        items = ", ".join(self.quoted() for _ in range(2))
        operator = self.random.choice(("=", "=", "<>", "STARTS WITH", "ENDS WITH", "CONTAINS", "<", ">="))
        return self.random.choice(
            (
                f"{one} {operator} {other}",
                f"{one} {operator} {other}",
                f"{other} {operator} {one}",
                f"{one} IN [{items}]",
                f"NOT {one} IN [{items}, null]",
                f"{one} =~ {self.quoted(REGEXES)}",
                f"{one} IS NULL",
                f"{one} IS NOT NULL",
                f"{one} {operator} {self.text()}",
                f"size({one}) {self.random.choice(('=', '<', '>'))} 1",
                f"{one} IN [{self.text()}, {other}]",
                f"toInteger({one}) > 0",
                f"CASE {one} WHEN {other} THEN true WHEN 'a' THEN false END",
                f"substring({one}, 0, 1) = {other}",
                f"[{one}, 1] = [{other}, 1]",
                f"{{k: {one}}} = {{k: {other}}}",
                f"size([v IN [{one}, {other}] WHERE v STARTS WITH 'a']) = 1",
                f"reduce(t = '', v IN [{one}, 'b'] | t + v) = 'ab'",
            )
        )

    def of_nodes(self) -> str:
        """What may be asked of nodes."""
        one, other = self.random.choice(self.nodes), self.random.choice(self.nodes)
        return self.random.choice(
            (
                f"{one} = {other}",
                f"{one} <> {other}",
                f"{one}:{self.random.choice(KINDS)}",
                f"{one} IN [{other}]",
                f"id({one}) = id({other})",
                f"labels({one}) = labels({other})",
                f"{one} IS NULL",
                f"'path' IN keys({one})",
                f"{one}.name = {other}.name",
                f"[{one}] = [{other}]",
                f"exists({one}.path)",
                f"{one} < {other}",
            )
        )

    def inside(self) -> Query:
        """A query within an expression: what it binds is not bound outside."""
        return Query(self.random, list(self.nodes), list(self.edges), made=self.made + 100, cuts=self.cuts)

    def of_pattern(self) -> str:
        """Whether there is something, or is not; how many."""
        start = f"({self.random.choice(self.nodes)})"
        step, quiet = self.step(binding=False), self.node(binding=False)
        inner, listed = self.inside(), self.inside()
        path = start + inner.step() + inner.node()
        size = self.random.choice(("= 0", "> 0", "> 1", "= 1", "< 2"))
        name = listed.fresh(listed.nodes)
        return self.random.choice(
            (
                f"{start}{step}{quiet}",
                f"NOT {start}{step}{quiet}",
                f"EXISTS {{ MATCH {path}{inner.where(0.7)} }}",
                f"NOT EXISTS {{ MATCH {path}{inner.where(0.7)} }}",
                f"EXISTS {{ MATCH {path}{inner.where(0.3)} WITH count(*) AS n WHERE n {size} RETURN n }}",
                f"size([{start}{step}({name}){listed.where(0.4)} | {name}.name]) {size}",
                f"any(v IN [{start}{step}({name}) | {name}.name] WHERE v = {self.quoted()})",
                f"none(v IN [{start}{step}({name}) | {name}.name] WHERE v = {self.quoted()})",
            )
        )

    def of_edge(self) -> str:
        """What may be asked of relationships."""
        one, other = self.random.choice(self.edges), self.random.choice(self.edges)
        return self.random.choice(
            (
                f"{one}.operation = '{self.random.choice(OPERATIONS)}'",
                f"type({one}) <> '{self.random.choice(RELATIONS)}'",
                f"{one} = {other}",
                f"{one} <> {other}",
                f"startNode({one}) = endNode({other})",
                f"startNode({one}).name = {self.quoted()}",
                f"{one} IS NULL",
            )
        )

    def of_walk(self) -> str:
        """What may be asked of a list of relationships."""
        one = self.random.choice(self.walks)
        quantity = self.random.choice(("all", "any", "none", "single"))
        return self.random.choice(
            (
                f"{quantity}(v IN {one} WHERE v.operation = '{self.random.choice(OPERATIONS)}')",
                f"{quantity}(v IN {one} WHERE type(v) = '{self.random.choice(RELATIONS)}')",
                f"size({one}) {self.random.choice(('=', '>', '<'))} {self.random.choice('12')}",
                f"{one}[0].operation = '{self.random.choice(OPERATIONS)}'",
                f"size([v IN {one} WHERE v.operation = 'read' | v]) = 1",
            )
        )

    def of_path(self) -> str:
        """What may be asked of a path."""
        one = self.random.choice(self.paths)
        quantity = self.random.choice(("all", "any", "none", "single"))
        return self.random.choice(
            (
                f"{quantity}(v IN nodes({one}) WHERE v.name = {self.quoted()})",
                f"length({one}) {self.random.choice(('=', '>', '<'))} {self.random.choice('12')}",
                f"size(relationships({one})) > 1",
            )
        )

    def of_list(self) -> str:
        """What may be asked of a list that was collected."""
        one = self.random.choice(self.lists)
        return self.random.choice(
            (
                f"size({one}) {self.random.choice(('=', '>', '<'))} {self.random.choice('012')}",
                f"{one}[0] IS NULL",
                f"{self.random.choice(self.nodes)} IN {one}" if self.nodes else f"{one} = []",
                f"any(v IN {one} WHERE v.name = {self.quoted()})",
                f"none(v IN {one} WHERE v.name = {self.quoted()})",
                f"size([v IN {one} WHERE v.path IS NULL | v]) = 0",
            )
        )

    def of_value(self) -> str:
        """What may be asked of something that was computed."""
        one = self.random.choice(self.values)
        other = self.random.choice(("0", "1", "2", self.quoted()))
        return f"{one} {self.random.choice(('=', '<>', '>', '<', '>='))} {other}"

    def grouped(self) -> str:
        """A WITH that may aggregate, or leave out, or join rows that are alike."""
        kept = self.random.sample(self.nodes, self.random.randint(0, min(2, len(self.nodes))))
        items, values, lists = list(kept), list[str](), list[str]()
        counted = self.random.choice([*self.nodes, "*"])
        text = f"{self.random.choice(self.nodes)}.name" if self.nodes else "1"
        if self.chance(0.3):
            items.append(f"{text} AS {self.fresh(values)}")
        if self.chance(0.6) or not items:
            call = self.random.choice(
                (
                    f"count({counted})",
                    "count(*)",
                    f"count(DISTINCT {text})",
                    f"min({text})",
                    f"max({text})",
                    f"size(collect({text}))",
                    f"head(collect({text}))",
                )
            )
            items.append(f"{call} AS {self.fresh(values)}")
        if self.nodes and self.chance(0.3):
            items.append(f"collect({self.random.choice(self.nodes)}) AS {self.fresh(lists)}")
        self.nodes, self.edges, self.walks, self.paths, self.values, self.lists = kept, [], [], [], values, lists
        distinct = "DISTINCT " if self.chance(0.3) else ""
        text = f"WITH {distinct}{', '.join(items)}{self.cut(0.15)}{self.where(0.7)}"
        if lists and self.chance(0.5):
            source = lists.pop()
            text += f" UNWIND {source} AS {self.fresh(self.nodes)}"
        elif lists and self.chance(0.3):
            text += f" WITH *, head({lists[0]}) AS {self.fresh(self.nodes)}"
        return text

    def cut(self, share: float) -> str:
        """ORDER BY, SKIP and LIMIT."""
        if not (self.cuts and self.chance(share)):
            return ""
        known = [f"{one}.name" for one in self.nodes] + self.values
        order = f" ORDER BY {self.random.choice(known)}" if known and self.chance(0.7) else ""
        return order + self.random.choice((" LIMIT 1", " SKIP 1", " LIMIT 2", ""))

    def returned(self) -> str:
        """The last clause."""
        everything = [*self.nodes, *self.edges, *self.values, *self.walks, *self.paths, *self.lists]
        items = self.random.sample(everything, self.random.randint(1, min(3, len(everything)))) if everything else ["1"]
        if self.nodes and self.chance(0.4):
            items.append(self.text())
        if self.nodes and self.chance(0.15):
            one = self.random.choice(self.nodes)
            items.append(
                self.random.choice((f"properties({one})", f"[({one})-->(w) | w.name]", f"labels({one})", f"id({one})"))
            )
        if self.chance(0.12):
            items.append("count(*)")
        columns = ", ".join(f"{item} AS c{number}" for number, item in enumerate(items))
        distinct = "DISTINCT " if self.chance(0.3) else ""
        cut = self.random.choice((" LIMIT 1", " SKIP 1")) if self.cuts and self.chance(0.2) else ""
        return f"RETURN {distinct}{columns}{cut}"


def query(random: Random, *, cuts: bool = True) -> str:
    """A query of one or two parts; without `cuts`, SKIP and LIMIT are not in it."""
    if random.random() < 0.06:
        one = Query(random)
        start = f"{one.match()} RETURN {one.nodes[0] if one.nodes else 1} AS c0"
        other = Query(random)
        return f"{start} UNION {other.match()} RETURN {other.nodes[0] if other.nodes else 1} AS c0"
    made = Query(random, cuts=cuts)
    clauses = [made.match()]
    if random.random() < 0.4:
        clauses.append(made.match())
    if random.random() < 0.06:
        made.values.append("u1")
        clauses.append("UNWIND [1, 2] AS u1")
    if random.random() < 0.35:
        clauses.append(made.grouped())
        if random.random() < 0.3:
            clauses.append(made.match())
    clauses.append(made.returned())
    return " ".join(clauses)
