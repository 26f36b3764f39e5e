"""What is said to be provable is what the evaluator finds certain on a model."""

import pytest

from policies import Meaning, MemoryGraph, evaluate, parse_query
from winnower.policy_drawing import as_dot, as_text
from winnower.policy_files import graphs_of, shipped_files, shipped_policies
from winnower.policy_words import can_be_certain, certainty, plan, terms

SHIPPED = dict(zip([one.id for one in shipped_policies()], shipped_files(), strict=True))


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_is_certain_that_is_said_to_be_only_possible(name: str) -> None:
    (one,) = [one for one in shipped_policies() if one.id == name]
    graph = graphs_of(SHIPPED[name]).must[0][1]
    sure = any(match.certain for match in evaluate(one.query, graph, meaning=Meaning.INSTANCES))
    assert can_be_certain(one.query) or not sure


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("MATCH (a:File) RETURN a", "nodes alone"),
        ("MATCH (a)-->(b) RETURN a", "one edge"),
        ("MATCH (a)-->(b), (c)-->(d) RETURN a", "one edge"),
        ("MATCH (a)-->(b), (b)-->(d) RETURN a", "two edges in a row"),
        ("MATCH (a)-->(b) MATCH (c)-->(b) RETURN a", "two edges in a row"),
        ("MATCH (a)-[*1..4]->(b) RETURN a", "three edges or more"),
        ("MATCH (a) WHERE NOT (a)-->() RETURN a", "what must be absent"),
        ("MATCH (a) WHERE EXISTS { (a)-->() } RETURN a", "what must exist"),
        ("MATCH (a) OPTIONAL MATCH (a)-->(b) RETURN a, b", "what is optional"),
        ("MATCH (a) RETURN count(a) AS n", "it counts or collects"),
        ("MATCH (a) RETURN a LIMIT 3", "SKIP and LIMIT"),
        ("MATCH (a:Process) WHERE a.command = 'x' RETURN a", "command lines are not in a model"),
    ],
)
def test_what_is_said(query: str, words: str) -> None:
    assert any(words in text for text in certainty(parse_query(query)))


def test_the_plan_begins_where_there_is_least() -> None:
    graph = MemoryGraph({"f": ("File", {}), "p": ("Process", {}), "q": ("Process", {})})
    query = parse_query("MATCH (p:Process)-[:USED]->(f:File) WHERE p.name = 'x' RETURN f")
    assert plan(query, graph) == (
        "begin at f (each File)",
        "from f follow an edge to p, test 1 condition",
        "on a change: only what is near the nodes that it touches",
    )
    assert plan(parse_query("RETURN 1 AS x"), graph)[0].startswith("evaluated as written")


def test_terms_are_told() -> None:
    (one,) = [one for one in shipped_policies() if one.id == "web-server-starts-shell"]
    assert terms(one)[1] == "told: at most 60 an hour for one container; the same deed once"


def test_drawings_show_direction_role_and_length() -> None:
    query = parse_query(
        "MATCH (a:File)<-[r:USED*1..]-(b)--(c) WHERE NOT (a)-->(:Pipe) OPTIONAL MATCH (a)-->(d) RETURN a"
    )
    assert as_text(query) == (
        "(a:File)\n  ^\n  |  r: USED *1..\n(b)\n  |  any\n  |\n(c)\n\n"
        "absent:\n(a)\n  |  any\n  v\n(:Pipe)\n\noptional:\n(a)\n  |  any\n  v\n(d)\n"
    )
    dot = as_dot(query, 'x"]; evil')
    assert dot.splitlines()[0] == 'digraph "x\\"]; evil" {'
    assert '"n0_b" -> "n0_a" [label="r: USED *1..", style=solid]' in dot
    assert "style=dotted" in dot
