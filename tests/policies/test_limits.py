"""A budget is paid before anything is done; when it is used up, what was found is there."""

import pytest

from policies.evaluate import run
from policies.graph import Edge, MemoryGraph
from policies.limits import STRIDE, Budget, LimitError, Limits, SpentError
from policies.parse import parse_query

SIZE = 12
DENSE = MemoryGraph(
    {f"n{i}": ("A", {"x": i}) for i in range(SIZE)},
    [Edge(f"n{i}", "R", "w", f"n{j}") for i in range(SIZE) for j in range(SIZE)],
)


def test_steps_rows_and_time_are_each_used_up_loudly_and_for_good() -> None:
    now = [0.0]
    budget = Budget(Limits(rows=2, steps=10 * STRIDE, seconds=1.0), lambda: now[0])
    budget.hold(2)
    with pytest.raises(SpentError, match="more than 2 rows"):
        budget.hold()
    budget.release(3)
    budget.hold(2)
    budget.spend(STRIDE + 1)
    now[0] = 2.0
    for _ in range(2):
        with pytest.raises(SpentError, match="more than 1 s"):
            budget.spend(2 * STRIDE)
    with pytest.raises(SpentError, match="steps"):
        Budget(Limits(steps=3)).spend(4)


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (a)-[*]->(b) RETURN a, b",
        "MATCH p = (a)-[*]-(b) RETURN p",
        "MATCH (a), (b), (c), (d), (e), (f) RETURN count(*)",
        "MATCH (a), (b), (c), (d), (e), (f) RETURN collect(a)",
        "MATCH (a), (b), (c), (d), (e), (f) RETURN DISTINCT a, b, c, d, e, f",
        "MATCH (a), (b), (c), (d), (e), (f) RETURN a ORDER BY b.x",
        "MATCH (a) WHERE EXISTS { (a)-[*8..]->({x: 99}) } RETURN a",
        "MATCH (a) RETURN size([(a)-[*]->(b) | b])",
        "UNWIND range(1, 1000000) AS x UNWIND range(1, 1000000) AS y RETURN x",
        "MATCH p = allShortestPaths((a {x: 0})-[*40..]->(b {x: 1})) RETURN p",
    ],
)
def test_what_would_never_end_is_cut(text: str) -> None:
    with pytest.raises(LimitError):
        run(parse_query(text), DENSE, limits=Limits(rows=10_000, steps=100_000))


def test_an_answer_that_was_cut_keeps_its_rows() -> None:
    with pytest.raises(LimitError, match="more than 5 rows") as caught:
        run(parse_query("MATCH (a), (b) RETURN a, b"), DENSE, limits=Limits(rows=5))
    assert (len(caught.value.result.rows), caught.value.result.columns) == (5, ("a", "b"))


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (a), (b), (c), (d), (e), (f), (g) RETURN a LIMIT 3",
        "MATCH (a)-[*]->(b) WITH a, b LIMIT 3 RETURN a, b",
        "MATCH (a) WHERE EXISTS { MATCH (b), (c), (d), (e), (f) } RETURN a LIMIT 3",
        "MATCH (a)-[*]->(b {x: 99}) RETURN a UNION ALL MATCH (a)-[*1..3]->(b) RETURN a LIMIT 3",
        "MATCH (a)-[*]->(b) RETURN DISTINCT a, b LIMIT 3",
        "MATCH p = shortestPath((a)-[*]->(b)) RETURN p LIMIT 3",
    ],
)
def test_limit_exists_and_reachability_stop_early(text: str) -> None:
    assert len(run(parse_query(text), DENSE, limits=Limits(rows=1000, steps=3000)).rows) == 3


def test_order_by_with_limit_keeps_only_what_can_win() -> None:
    query = parse_query("UNWIND range(1, 30000) AS x RETURN x ORDER BY x % 1000 DESC, x LIMIT 2")
    rows = run(query, DENSE, limits=Limits(rows=9000)).rows
    assert [row.values for row in rows] == [(999,), (1999,)]


def test_a_long_query_does_not_recurse() -> None:
    withs = " ".join("WITH a, count(*) AS c" if n % 3 else "WITH DISTINCT a" for n in range(450))
    assert len(run(parse_query(f"MATCH (a {{x: 1}}) {withs} RETURN a"), DENSE).rows) == 1
    chain = "".join("-->()" for _ in range(60))
    assert len(run(parse_query(f"MATCH (a {{x: 1}}){chain} RETURN a LIMIT 1"), DENSE).rows) == 1
    matches = " ".join(f"MATCH (m{n} {{x: 1}})" for n in range(450))
    assert len(run(parse_query(f"{matches} RETURN m0"), DENSE).rows) == 1
