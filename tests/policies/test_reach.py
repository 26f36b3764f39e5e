"""What a query asks of a graph around its matches, and which of its rows are deeds."""

from __future__ import annotations

import gc

import pytest

from policies import parse_query
from policies.limits import Match
from policies.reach import deeds_of, is_grouped, is_positive, reach_of, shape_of, turns_of


@pytest.mark.parametrize(
    ("query", "reach", "turns", "positive"),
    [
        ("MATCH (a) RETURN a", 0, 0, True),
        ("MATCH (a)-->(b)<--(c) RETURN a", 2, 1, True),
        ("MATCH (a)-[*2..4]->(b) RETURN a", 4, 0, True),
        ("MATCH (a)-[*]->(b) RETURN a", None, 0, True),
        ("MATCH (a)-[*1..3]-(b) RETURN a", 3, 3, True),
        ("MATCH (a)-[*]-(b) RETURN a", None, 16, True),
        ("MATCH (a)-->(b) WHERE NOT (b)-->()<--() RETURN a", 3, 2, False),
        ("MATCH (a) WHERE NOT EXISTS { MATCH (a)-[*1..2]->(x) } RETURN a", 2, 0, False),
        ("MATCH (a) OPTIONAL MATCH (a)-->(b) WITH a, b WHERE b IS NULL RETURN a", 1, 0, False),
        ("MATCH (a)-->(b) WITH a, count(b) AS n WHERE n > 3 RETURN a", 1, 0, False),
        ("MATCH (a) WHERE size([(a)-->(b) | b]) = 0 RETURN a", 1, 0, False),
        ("MATCH (a) WITH a ORDER BY a.name LIMIT 3 RETURN a", 0, 0, False),
        ("MATCH p = shortestPath((a)-[*..5]->(b)) RETURN p", 5, 0, False),
        ("MATCH (a)-->(b) RETURN DISTINCT a LIMIT 3", 1, 0, True),
        ("MATCH (a) RETURN a UNION MATCH (b)-->(c) RETURN b AS a", 1, 0, True),
    ],
)
def test_how_far_how_and_whether_absence_counts(query: str, reach: int | None, turns: int, positive: bool) -> None:
    shape = shape_of(parse_query(query))
    assert (shape.reach, shape.turns, shape.positive) == (reach, turns, positive)


def test_every_match_is_a_row_of_what_is_asked() -> None:
    query = parse_query("MATCH (a) RETURN DISTINCT a.x AS x ORDER BY x SKIP 1 LIMIT 2 UNION MATCH (b) RETURN b.x AS x")
    asked = deeds_of(query)
    assert asked == parse_query("MATCH (a) RETURN a.x AS x UNION ALL MATCH (b) RETURN b.x AS x") or asked.all
    assert deeds_of(asked) == asked
    assert [part.clauses[-1].projection.distinct for part in asked.parts] == [False, False]  # type: ignore[union-attr]
    inner = parse_query("MATCH (a) WITH DISTINCT a LIMIT 3 RETURN a")
    assert deeds_of(inner).parts[0].clauses[:-1] == inner.parts[0].clauses[:-1]


def test_of_a_group_the_ends_are_a_program_in_it() -> None:
    grouped = shape_of(parse_query("MATCH (p)-->(f) WITH p, collect(f) AS all WHERE size(all) > 2 RETURN p"))
    assert is_grouped(grouped.source)
    labels = {"1": "File /b", "2": "Process sh /bin/sh", "3": "File /a"}
    assert grouped.ends(Match({}, ("1", "2", "3"), ()), labels.__getitem__) == ("Process sh /bin/sh",) * 2
    assert grouped.ends(Match({}, ("1", "3"), ()), labels.__getitem__) == ("File /a",) * 2
    plain = shape_of(parse_query("MATCH (p)-->(f) RETURN p"))
    assert plain.ends(Match({}, ("1", "2", "3"), ()), labels.__getitem__) == ("File /b", "File /a")


def test_a_tree_has_one_shape_as_long_as_it_lives() -> None:
    seen = set()
    for number in range(12):
        query = parse_query(f"MATCH (a)-[*1..{number + 1}]->(b) RETURN a")
        assert shape_of(query) is shape_of(query)
        assert (reach_of(query), shape_of(query).reach) == (number + 1, number + 1)
        seen.add(shape_of(query).reach)
        del query
        gc.collect()
    assert len(seen) == 12
    assert turns_of(parse_query("MATCH (a) RETURN a")) == 0
    assert is_positive(parse_query("MATCH (a) RETURN a"))
