"""A warning is given where a policy is hardly meant so, and nowhere else."""

import pytest
from written import GOOD, QUERY

from policies import parse_policy
from winnower.policy_warnings import not_incremental, warnings_of


def rules(query: str) -> list[str]:
    text = GOOD.format(id="a").replace(QUERY, query)
    return [mark.rule for mark in warnings_of(parse_policy(text, "f"))]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("MATCH (p:Process)-[:USED]->(f:File) RETURN p", []),
        ("MATCH (f:File)<-[:USED]-(p:Process) RETURN p", []),
        ("MATCH (f:File)-[:USED]-(p:Process) RETURN p", []),
        ("MATCH (a)-->(b) RETURN a", []),
        ("MATCH (f:File)-[:USED]->(p:Process) RETURN p", ["never-matches"]),
        ("MATCH (p:Process)<-[:USED]-(f:File) RETURN p", ["never-matches"]),
        ("MATCH (f:File)-[:USED]->(p) RETURN p", ["never-matches"]),
        ("MATCH (f:File|Process)-[:USED]->(p) RETURN p", []),
        ("MATCH (a)-[r:USED]->(b) WHERE a:File RETURN a", ["never-matches"]),
        ("MATCH (a)-[r]->(b) WHERE r.operation = 'fork' AND b:File RETURN a", ["never-matches"]),
        ("MATCH (a)-[r]->(b:File) WHERE r.operation IN ['fork', 'read'] RETURN a", []),
        ("MATCH (a)-[r {operation: 'fork'}]->(b:File) RETURN a", ["never-matches"]),
        ("MATCH (a)-[r]->(b:File) WHERE NOT r.operation = 'fork' RETURN a", []),
        ("MATCH (a)-[r]->(b:File) WHERE r.operation = 'fork' OR b.path = 'x' RETURN a", []),
        ("MATCH (a)-[r {operation: 'raed'}]->(b) RETURN a", ["unknown-operation"]),
        (
            "MATCH (a:Process)-[r*1..3]->(b) WHERE all(x IN r WHERE x.operation = 'raed') RETURN a",
            ["unknown-operation"],
        ),
        ("MATCH (a:Process)-[r:USED*2..3]->(b) RETURN a", ["never-matches"]),
        ("MATCH (a:Process)-[r:USED*1..3]->(b) RETURN a", []),
        ("MATCH (a:Process)-[r:USED*0..3]->(b:Process) RETURN a", []),
        ("MATCH (a:Socket)-[*1..3]->(b:File) RETURN a", []),
        ("MATCH (a:File)-[*]->(b:Socket) RETURN a", ["unbounded"]),
        ("MATCH (a:File)-[*..5]->(b) RETURN a", []),
        ("MATCH (a:Process) WHERE NOT (a)-[:WAS_GENERATED_BY]->(:Process) RETURN a", []),
        ("MATCH (a) WHERE NOT (a)-[:USED {operation: 'fork'}]->() RETURN a", ["never-matches"]),
        ("MATCH (p:Process) WHERE p.command CONTAINS 'x' RETURN p", ["workers-only"]),
        ("MATCH (p:Process {pid: 1}) RETURN p", ["workers-only"]),
        ("MATCH (p:Process) RETURN p.command AS command", []),
        ("MATCH (p:Process)-->(f:File) RETURN p, count(f) AS n", []),
        ("MATCH (p:Process)-->(f:File) RETURN count(f) AS n", ["not-incremental"]),
        ("MATCH (p:Process) MATCH (f:File) RETURN p, f", ["not-incremental"]),
        ("UNWIND [1] AS x MATCH (p:Process) RETURN p", ["not-incremental"]),
    ],
)
def test_what_is_warned_of(query: str, expected: list[str]) -> None:
    assert rules(f"{query}\n") == expected


def test_a_warning_stands_at_its_place() -> None:
    text = GOOD.format(id="a").replace(QUERY, "MATCH (p:Process)\nWHERE p.command = 'x'\nRETURN p")
    (mark,) = warnings_of(parse_policy(text, "f.cypher"))
    assert (mark.where, mark.level) == ("f.cypher:9:7", "warning")


def test_each_part_of_a_union_is_told_of() -> None:
    text = "MATCH (p:Process) RETURN p UNION MATCH (p:Process)-->(q) RETURN count(q) AS p"
    policy = parse_policy(GOOD.format(id="a").replace(QUERY, text), "f")
    assert [bool(one) for one in not_incremental(policy.query)] == [False, True]
