"""A planned search, from whichever node it begins, finds what trying every node and edge in every place finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from policies.evaluate import run
from policies.graph import Edge, MemoryGraph
from policies.parse import parse_query
from policies.values import NodeValue, Value

Bound = dict[str, Value]


@dataclass(frozen=True)
class Node:
    variable: str
    label: str
    x: int | None

    def __str__(self) -> str:
        label = f":{self.label}" if self.label else ""
        return f"({self.variable}{label}{'' if self.x is None else f' {{x: {self.x}}}'})"


@dataclass(frozen=True)
class Step:
    variable: str
    types: tuple[str, ...]
    arrow: str
    hops: tuple[int, int] | None
    operation: str

    def __str__(self) -> str:
        types = ":" + "|".join(self.types) if self.types else ""
        hops = f"*{self.hops[0]}..{self.hops[1]}" if self.hops else ""
        own = f" {{operation: '{self.operation}'}}" if self.operation else ""
        inside = f"-[{self.variable}{types}{hops}{own}]-"
        return {"out": f"{inside}>", "in": f"<{inside}", "both": inside}[self.arrow]


Path = tuple[Node | Step, ...]

nodes = st.builds(
    Node,
    st.sampled_from(["a", "b", "c", "", ""]),
    st.sampled_from(["", "", "A", "B"]),
    st.sampled_from([None, None, 1]),
)
steps = st.builds(
    Step,
    st.just(""),
    st.sampled_from([(), ("R",), ("S",), ("R", "S")]),
    st.sampled_from(["out", "in", "both"]),
    st.sampled_from([None, None, None, (1, 2), (0, 1), (2, 3), (0, 0)]),
    st.sampled_from(["", "", "", "w"]),
)


@st.composite
def patterns(draw: st.DrawFn) -> tuple[Path, ...]:
    paths: list[Path] = []
    for _ in range(draw(st.integers(1, 2))):
        parts: list[Node | Step] = [draw(nodes)]
        for _ in range(draw(st.integers(0, 3 - len(paths)))):
            parts += [draw(steps), draw(nodes)]
        paths.append(tuple(parts))
    numbered, count = [], 0
    for path in paths:
        named: list[Node | Step] = []
        for part in path:
            count += 1
            own = isinstance(part, Step) and draw(st.booleans())
            named.append(replace(part, variable=f"r{count}") if own else part)
        numbered.append(tuple(named))
    return tuple(numbered)


@st.composite
def graphs(draw: st.DrawFn) -> MemoryGraph:
    size = draw(st.integers(1, 4))
    names = [f"n{i}" for i in range(size)]
    kinds = {name: (draw(st.sampled_from(["A", "B"])), {"x": draw(st.integers(1, 2))}) for name in names}
    end = st.sampled_from(names)
    edges = st.builds(Edge, end, st.sampled_from(["R", "S"]), st.sampled_from(["w", "v"]), end)
    return MemoryGraph(kinds, draw(st.lists(edges, max_size=5, unique=True)))


def tried(paths: tuple[Path, ...], graph: MemoryGraph) -> Iterator[Bound]:
    """Every node and edge in every place, from left to right."""
    yield from _path(list(paths), (), "", ({}, frozenset()), graph)


def _path(
    paths: list[Path], rest: Path, at: str, state: tuple[Bound, frozenset[Edge]], graph: MemoryGraph
) -> Iterator[Bound]:
    bound, used = state
    if not rest:
        if not paths:
            yield bound
            return
        for name in graph.nodes():
            if (new := _node(paths[0][0], name, bound, graph)) is not None:
                yield from _path(paths[1:], paths[0][1:], name, (new, used), graph)
        return
    step, node = rest[0], rest[1]
    assert isinstance(step, Step)
    least, most = step.hops or (1, 1)
    for end, walk in _walks(step, at, (), used, graph):
        if least <= len(walk) <= most and (new := _node(node, end, bound, graph)) is not None:
            held: Bound = {step.variable: walk if step.hops else walk[0]} if step.variable else {}
            yield from _path(paths, rest[2:], end, ({**new, **held}, used | set(walk)), graph)


def _walks(
    step: Step, at: str, walk: tuple[Edge, ...], used: frozenset[Edge], graph: MemoryGraph
) -> Iterator[tuple[str, tuple[Edge, ...]]]:
    yield at, walk
    if len(walk) == (step.hops or (1, 1))[1]:
        return
    for node in graph.nodes():
        for edge in graph.causes(node):
            ends = {(edge.effect, edge.cause)} if step.arrow != "in" else set()
            ends |= {(edge.cause, edge.effect)} if step.arrow != "out" else set()
            fits = (not step.types or edge.relation in step.types) and step.operation in ("", edge.operation)
            if fits and edge not in used and edge not in walk:
                for here, there in ends:
                    if here == at:
                        yield from _walks(step, there, (*walk, edge), used, graph)


def _node(node: Node | Step, name: str, bound: Bound, graph: MemoryGraph) -> Bound | None:
    assert isinstance(node, Node)
    if node.label and node.label not in graph.labels(name):
        return None
    if node.x is not None and graph.properties(name)["x"] != node.x:
        return None
    value = NodeValue(name)
    if bound.get(node.variable, value) != value:
        return None
    return {**bound, node.variable: value} if node.variable else bound


def variables(paths: tuple[Path, ...]) -> list[str]:
    return sorted({part.variable for path in paths for part in path if part.variable})


def nameless(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Without names for edges."""
    return tuple(tuple(replace(p, variable="") if isinstance(p, Step) else p for p in path) for path in paths)


def text_of(paths: tuple[Path, ...]) -> str:
    return ", ".join("".join(map(str, path)) for path in paths)


@given(patterns(), graphs())
def test_a_match_is_every_assignment_that_fits_each_once(paths: tuple[Path, ...], graph: MemoryGraph) -> None:
    columns = variables(paths)
    query = parse_query(f"MATCH {text_of(paths)} RETURN {', '.join([*columns, '1 AS one'])}")
    found = Counter(row.values[:-1] for row in run(query, graph).rows)
    assert found == Counter(tuple(bound[name] for name in columns) for bound in tried(paths, graph))


@given(patterns(), graphs())
def test_distinct_and_exists_may_take_the_short_way(paths: tuple[Path, ...], graph: MemoryGraph) -> None:
    """What is asked only once of each end is found by reachability; the answer is that of the long way."""
    plain = [name for name in variables(paths) if not name.startswith("r")]
    short = nameless(paths)
    columns = ", ".join([*plain, "1 AS one"])
    found = [
        row.values[:-1] for row in run(parse_query(f"MATCH {text_of(short)} RETURN DISTINCT {columns}"), graph).rows
    ]
    wanted = {tuple(bound[name] for name in plain) for bound in tried(short, graph)}
    assert len(found) == len(set(found))
    assert set(found) == wanted
    exists = run(parse_query(f"RETURN EXISTS {{ MATCH {text_of(short)} }} AS there"), graph)
    assert exists.rows[0].values == (bool(wanted),)


@given(patterns(), patterns(), graphs())
def test_two_matches_are_one_after_the_other(
    first: tuple[Path, ...], second: tuple[Path, ...], graph: MemoryGraph
) -> None:
    """What the first has bound the second meets; only within one MATCH no edge is used twice."""
    second = nameless(second)
    columns = sorted({*variables(first), *variables(second)})
    text = f"MATCH {text_of(first)} MATCH {text_of(second)} RETURN {', '.join([*columns, '1 AS one'])}"
    found = Counter(row.values[:-1] for row in run(parse_query(text), graph).rows)
    wanted: Counter[tuple[Value, ...]] = Counter()
    for one in tried(first, graph):
        wanted.update(
            tuple({**one, **two}[name] for name in columns)
            for two in tried(second, graph)
            if all(one.get(name, value) == value for name, value in two.items())
        )
    assert found == wanted
