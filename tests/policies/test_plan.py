"""A plan changes what an answer costs, never what it is."""

from policies import syntax as s
from policies.clauses import subquery
from policies.clauses_patterns import Matching
from policies.parse import parse_query
from policies.plan import Pattern, between, moves, pattern_of
from policies.plan_names import exchanged, locals_of, mentioned, properties_asked


def match(text: str) -> s.Match:
    clause = parse_query(f"{text} RETURN 1 AS one").parts[0].clauses[0]
    assert isinstance(clause, s.Match)
    return clause


def pattern(text: str, bound: frozenset[str] = frozenset()) -> Pattern:
    return pattern_of(match(text), bound, Matching(frozenset(), subquery).compile, "t")


def order(text: str, start: str, bound: frozenset[str] = frozenset()) -> list[str]:
    return [move.link.key if move.link else move.source for move in moves(pattern(text, bound), (start,))]


def test_single_edges_come_before_walks_and_walks_between_known_ends_last() -> None:
    assert order("MATCH (a)-[x]->(b)-[y]->(c)", "c") == ["c", "y", "x"]
    text = "MATCH p = (a)-[*]->(b), (b)-[y]->(c), (a)-[z]->(c)"
    assert order(text, "a")[:3] == ["a", "z", "y"]


def test_what_is_bound_before_is_only_looked_at() -> None:
    assert order("MATCH (a)-[x]->(b)", "b", frozenset({"a"})) == ["a", "x"]


def test_each_condition_is_asked_once_and_as_soon_as_it_can_be() -> None:
    found = moves(pattern("MATCH (a)-[x]->(b) WHERE a.k = 1 AND b.k = a.k AND x.k = 2 AND b.k = 3"), ("a",))
    asked = [[sorted(c.needs) for c in (*move.own, *move.conditions)] for move in found]
    assert asked == [[["a"]], [["b"], ["a", "b"], ["x"]]]


def test_an_or_over_two_nodes_thins_each_of_them() -> None:
    text = "MATCH (a)-->(b) WHERE (a.k = 1 AND b.k = 2) OR (a.k = 3 AND b.k = 4)"
    implied = [c for c in pattern(text).conditions if c.implied]
    assert [c.needs for c in implied] in ([{"a"}, {"b"}], [{"b"}, {"a"}])
    assert not [c for c in pattern("MATCH (a)-->(b) WHERE a.k = 1 OR b.k = 2").conditions if c.implied]


def test_conditions_on_all_edges_of_a_walk_are_asked_while_walking() -> None:
    for word in ("all", "none"):
        found = pattern(f"MATCH (a)-[r*]->(b) WHERE {word}(e IN r WHERE e.k = 1)")
        (link,) = found.links.values()
        assert ([name for name, _ in link.each], found.conditions) == (["e"], ())
    assert pattern("MATCH (a)-[r*]->(b) WHERE any(e IN r WHERE e.k = 1)").conditions


def test_the_part_between_two_nodes_leaves_the_rest_out() -> None:
    whole = pattern("MATCH (a)-[x]->(b)-[y]->(c), (b)-[z]->(d) WHERE a.k = 1 AND d.k = 2")
    part = between(whole, "a", "c")
    assert (set(part.slots), set(part.links), len(part.conditions)) == ({"a", "b", "c"}, {"x", "y"}, 1)


def test_names_of_expressions() -> None:
    clause = match("MATCH (a), (b) WHERE any(x IN a.l WHERE x = b.k) AND a.k = 1")
    assert mentioned(clause.where) == {"a", "b", "x"}
    assert locals_of(clause.where) == {"x"}
    one = match("MATCH (a) WHERE a.k = 1 AND a.l STARTS WITH 'x'").where
    assert properties_asked(one, "a") == {"k", "l"}
    assert properties_asked(match("MATCH (a) WHERE a.id = 'x'").where, "a") is None
    assert properties_asked(match("MATCH (a) WHERE a.k = 1 AND labels(a) = []").where, "a") is None
    assert exchanged(s.Not(s.Variable("a")), {s.Variable("a"): s.Variable("b")}) == s.Not(s.Variable("b"))


def value(text: str) -> s.Expression:
    clause = parse_query(f"MATCH (a) RETURN {text} AS one").parts[0].clauses[1]
    assert isinstance(clause, s.Return)
    return clause.projection.items[0].expression


def test_what_a_loop_binds_is_left_alone_and_hides_nothing_that_comes_in() -> None:
    table: dict[s.Expression, s.Expression] = {s.Variable("a"): s.Variable("b")}
    for text in ("[x IN [a] WHERE x = a | x + a]", "all(x IN [a] WHERE x = a)", "reduce(s = a, x IN [a] | s + x + a)"):
        assert mentioned(exchanged(value(text), table)) == mentioned(value(text)) - {"a"} | {"b"}
    inside = exchanged(value("[a IN [a] | a]"), table)
    assert isinstance(inside, s.ListComprehension)
    assert (inside.items, inside.result) == (s.ListOf((s.Variable("b"),)), s.Variable("a"))
    renamed = exchanged(value("[b IN [1] | b + a]"), table)
    assert isinstance(renamed, s.ListComprehension)
    assert renamed.result == s.Arithmetic(s.Sign.PLUS, s.Variable(" b"), s.Variable("b"))
    assert renamed.variable == " b"


def test_a_pattern_names_what_comes_in() -> None:
    table: dict[s.Expression, s.Expression] = {s.Variable("a"): s.Variable(" key0")}
    assert "a" not in mentioned(exchanged(value("[(a)-->(c) WHERE c.n = a.n | a.n]"), table))


def test_literals_of_different_types_are_different() -> None:
    for one, other in ((1, 1.0), (1, True), (0, False), (0.0, -0.0)):
        assert s.Literal(one) != s.Literal(other)
        assert len({s.Literal(one), s.Literal(other), s.Literal(one)}) == 2
