"""What matches is what Cypher says; a search in any order finds what trying everything finds."""

from collections.abc import Iterator, Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.errors import InputError
from policies import Edge, LimitError, Limits, Match, MemoryGraph, evaluate, parse_query, rendered
from policies.values import NodeValue

GRAPH = MemoryGraph(
    {
        "sh": ("Process", {"name": "sh"}),
        "cp": ("Process", {"name": "cp", "exe": "/usr/bin/cp"}),
        "src": ("File", {"path": "/tmp/.x"}),
        "dst": ("File", {"path": "/usr/bin/.sshd-helper"}),
        "peer": ("Socket", {"address": "10.89.0.1", "port": "4444"}),
    },
    [
        Edge("cp", "WAS_TRIGGERED_BY", "fork", "sh"),
        Edge("cp", "USED", "read", "src"),
        Edge("dst", "WAS_GENERATED_BY", "write", "cp"),
        Edge("dst", "WAS_GENERATED_BY", "open", "cp"),
        Edge("peer", "WAS_GENERATED_BY", "connect", "sh"),
    ],
)


def rows(text: str, graph: MemoryGraph = GRAPH) -> list[tuple[str | None, ...]]:
    return [tuple(map(rendered, match.row.values())) for match in evaluate(parse_query(text), graph)]


def names(condition: str) -> set[str | None]:
    return {row[0] for row in rows(f"MATCH (a) WHERE {condition} RETURN a")}


def test_the_published_example_finds_a_write_although_its_edge_points_the_other_way() -> None:
    text = 'MATCH (a:Process {name:"*"}) used (b:File {path:"/usr/bin/*", operation:"write"}) RETURN a.id'
    assert rows(text) == [("cp",)]
    assert rows('MATCH (a:Process) used (b:File {path: "*.x"}) RETURN a.id') == [("cp",)]
    assert rows('MATCH (a:Process) used (b:File {path: "/usr/*"}) RETURN a.id') == []


def test_a_match_carries_its_trace_in_the_order_of_the_pattern() -> None:
    match = evaluate(
        parse_query("MATCH (d:File)-[*2]->(p {name: 'sh'}) WHERE d.path ENDS WITH 'helper' RETURN d"), GRAPH
    )
    assert match[0] == Match(
        {"d": NodeValue("dst")},
        ("dst", "cp", "sh"),
        (Edge("dst", "WAS_GENERATED_BY", "write", "cp"), Edge("cp", "WAS_TRIGGERED_BY", "fork", "sh")),
    )
    assert len(match) == 2


def test_directions() -> None:
    assert rows("MATCH (a {name: 'cp'})-->(b) RETURN b") == [("sh",), ("src",)]
    assert rows("MATCH (a {name: 'cp'})<-[r]-(b) RETURN b, type(r), r.operation") == [
        ("dst", "WAS_GENERATED_BY", "write"),
        ("dst", "WAS_GENERATED_BY", "open"),
    ]
    assert len(rows("MATCH (a {name: 'cp'})--(b) RETURN b")) == 4


def test_an_edge_is_used_once_in_a_match() -> None:
    assert rows("MATCH (a:File {path: '/tmp/.x'})--(p)--(b:File {path: '/tmp/.x'}) RETURN a") == []
    assert len(rows("MATCH (p)<-[x]-(d), (p)<-[y]-(d) RETURN d")) == 2


def test_a_loop_is_met_once() -> None:
    graph = MemoryGraph({"p": ("Process", {})}, [Edge("p", "WAS_TRIGGERED_BY", "version", "p")])
    assert rows("MATCH (a)--(b) RETURN a, b", graph) == [("p", "p")]
    assert rows("MATCH (a)-[*1..5]->(a) RETURN a", graph) == [("p",)]


def test_zero_hops_and_shared_variables() -> None:
    assert len(rows("MATCH (a)-[*0..0]->(b) RETURN a, b")) == 5
    text = "MATCH (s:Socket)-->(p), (f:File)-[*1..2]->(p) RETURN DISTINCT s.address AS address, f.path"
    assert rows(text) == [("10.89.0.1", "/usr/bin/.sshd-helper")]
    assert len(rows("MATCH (a:File), (b:Process) RETURN a, b")) == 4


def test_null_is_unknown() -> None:
    everything = {"sh", "cp", "src", "dst", "peer"}
    assert names("a.exe = '/usr/bin/cp'") == {"cp"}
    assert names("NOT a.exe = '/usr/bin/cp'") == set()
    assert names("a.exe IS NULL") == everything - {"cp"}
    assert names("a.exe = null OR a.name = 'sh'") == {"sh"}
    assert names("NOT (a.exe = null AND a.name = 'sh')") == {"cp"}
    assert names("a.name IN ['sh', null]") == {"sh"}
    assert names("NOT a.name IN ['sh', null]") == set()
    assert names("NOT coalesce(a.name, '') IN ['sh']") == everything - {"sh"}


def test_sorts_do_not_mix() -> None:
    assert names("a.port = 4444") == set()
    assert names("a.port < 5000") == set()
    assert names("1024 <= toInteger(a.port) < 5000") == {"peer"}
    assert names("true = 1") == set()
    assert names("a.name > 'd'") == {"sh"}


def test_tests_of_text() -> None:
    assert names("a.path STARTS WITH '/usr'") == {"dst"}
    assert names("a.path CONTAINS 'ssh'") == {"dst"}
    assert names("a.path =~ '/usr/bin'") == set(), "=~ is the whole string"
    assert names("a.path =~ '/(usr|tmp)/.*'") == {"src", "dst"}
    assert names("toUpper(a.name) = 'SH' AND size(a.name) = 2 AND id(a) = 'sh'") == {"sh"}


def test_quantifiers_over_a_variable_step() -> None:
    text = "MATCH (d:File)-[r*2]->(p) WHERE {}(e IN r WHERE e.operation IN ['write', 'fork']) RETURN d, p"
    assert rows(text.format("all")) == [("dst", "sh")]
    assert rows(text.format("none")) == [("dst", "src")]


def test_limit_and_distinct() -> None:
    assert rows("MATCH (a) RETURN a LIMIT 0") == []
    assert len(rows("MATCH (a) RETURN a LIMIT 2")) == 2
    assert rows("MATCH (f)-[:WAS_GENERATED_BY]->(p:Process {name: 'cp'}) RETURN DISTINCT p") == [("cp",)]


def test_values_in_rows_are_text() -> None:
    assert rows("MATCH (s:Socket)-[r]->(p), (q)-[rs*1]->(p) WHERE q.name = 'cp' RETURN r, rs, 1, true, s.nothing") == [
        ("peer WAS_GENERATED_BY connect sh", "[cp WAS_TRIGGERED_BY fork sh]", "1", "true", None)
    ]


def test_limits_cut_loudly_and_keep_what_was_found() -> None:
    size = 30
    ids = [f"p{n}" for n in range(size)]
    dense = MemoryGraph(
        {name: ("Process", {}) for name in ids},
        [Edge(a, "WAS_TRIGGERED_BY", "fork", b) for a, b in product(ids, ids)],
    )
    query = parse_query("MATCH (a)-[*]->(b) RETURN a, b")
    with pytest.raises(LimitError, match="1000 rows") as caught:
        evaluate(query, dense, limits=Limits(rows=1000))
    assert len(caught.value.matches) == 1000
    with pytest.raises(LimitError, match="5000 steps"):
        evaluate(query, dense, limits=Limits(steps=5000))
    assert isinstance(caught.value, InputError)
    long = parse_query("MATCH (a) WHERE " + " OR ".join(["a.x = 1"] * 1000) + " RETURN a")
    with pytest.raises(LimitError, match="2000 steps"):
        evaluate(long, dense, limits=Limits(steps=2_000))


def test_the_rarest_node_is_searched_first() -> None:
    """From the one shadow file, not from ten thousand processes: few steps are enough."""
    nodes: dict[str, tuple[str, Mapping[str, str]]] = {f"p{n}": ("Process", {}) for n in range(10_000)}
    edges = [Edge(f"p{n}", "WAS_TRIGGERED_BY", "fork", f"p{n - 1}") for n in range(1, 10_000)]
    graph = MemoryGraph({**nodes, "f": ("File", {"path": "/etc/shadow"})}, [*edges, Edge("p5", "USED", "read", "f")])
    query = parse_query("MATCH (p:Process)-[*0..3]->(q:Process)-[:USED]->(f:File {path: '/etc/shadow'}) RETURN p")
    assert [rendered(m.row["p"]) for m in evaluate(query, graph, limits=Limits(steps=60_000))] == [
        "p5",
        "p6",
        "p7",
        "p8",
    ]
    near = evaluate(query, graph, frozenset({"p8", "gone"}))
    assert [rendered(m.row["p"]) for m in near] == ["p8"]


# The same answers as trying every assignment, on small random graphs.

NODES = st.dictionaries(
    st.sampled_from("abcd"),
    st.tuples(st.sampled_from(["Process", "File"]), st.dictionaries(st.just("name"), st.sampled_from("xy"))),
    min_size=1,
)
DIRECTIONS = {"->": ("-", "->"), "<-": ("<-", "-"), "--": ("-", "-")}
Step = tuple[str, str, int, int]


@st.composite
def graphs(draw: st.DrawFn) -> MemoryGraph:
    nodes: Mapping[str, tuple[str, Mapping[str, str]]] = draw(NODES)
    ends = st.sampled_from(sorted(nodes))
    edge = st.builds(Edge, ends, st.sampled_from(["USED", "WAS_GENERATED_BY"]), st.sampled_from(["r", "w"]), ends)
    return MemoryGraph(nodes, draw(st.lists(edge, max_size=6)))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(sorted(DIRECTIONS)), st.sampled_from(["", ":USED"]), st.integers(0, 2), st.integers(1, 2)
    ),
    max_size=2,
)
SHAPES = st.sampled_from(["", ":File", " {name: 'x'}", ":Process {name: 'y'}"])


def admits(graph: MemoryGraph, shape: str, node: str) -> bool:
    kind, name = graph.labels(node)[0], graph.properties(node).get("name")
    wanted = {"": True, ":File": kind == "File", " {name: 'x'}": name == "x"}
    return wanted.get(shape, kind == "Process" and name == "y")


def brute_force(graph: MemoryGraph, shapes: list[str], steps: list[Step]) -> Iterator[tuple[str, ...]]:
    """All nodes, then all edges one after another, whatever they are; only then is anything checked."""
    edges = list(dict.fromkeys(edge for node in graph.nodes() for edge in graph.causes(node)))
    for ends in product(graph.nodes(), repeat=len(shapes)):
        if all(admits(graph, shape, node) for shape, node in zip(shapes, ends, strict=True)):
            choices = [
                [walk for n in range(least, most + 1) for walk in product(edges, repeat=n)]
                for _, _, least, most in steps
            ]
            for walks in product(*choices):
                used = [edge for walk in walks for edge in walk]
                if len(set(used)) == len(used) and all(
                    leads(walk, start, end, direction, relation)
                    for walk, start, end, (direction, relation, _, _) in zip(walks, ends, ends[1:], steps, strict=False)
                ):
                    yield ends


def leads(walk: tuple[Edge, ...], start: str, end: str, direction: str, relation: str) -> bool:
    at = {start}
    for edge in walk:
        if relation and edge.relation != relation[1:]:
            return False
        forward = {edge.cause} if edge.effect in at and direction != "<-" else set()
        backward = {edge.effect} if edge.cause in at and direction != "->" else set()
        at = forward | backward
    return end in at


@given(graphs(), st.lists(SHAPES, min_size=3, max_size=3), STEPS, st.sets(st.sampled_from("abcd")))
def test_evaluate_agrees_with_trying_everything(
    graph: MemoryGraph, shapes: list[str], steps: list[Step], touched: set[str]
) -> None:
    """For any single path on a small graph, the matches are those of brute force; `touched` only filters them."""
    steps = [(d, r, min(a, b), max(a, b)) for d, r, a, b in steps]
    shapes = shapes[: len(steps) + 1]
    text = f"(n0{shapes[0]})"
    for index, (direction, relation, least, most) in enumerate(steps):
        left, right = DIRECTIONS[direction]
        hops = "" if least == most == 1 else f"*{least}..{most}"
        text += f"{left}[{relation}{hops}]{right}(n{index + 1}{shapes[index + 1]})"
    query = parse_query(f"MATCH {text} RETURN *")
    found = evaluate(query, graph)
    assert sorted(tuple(rendered(v) or "" for v in m.row.values()) for m in found) == sorted(
        brute_force(graph, shapes, steps)
    )
    some = evaluate(query, graph, frozenset(touched))
    assert set(map(str, some)) == {str(m) for m in found if touched & set(m.nodes)}
