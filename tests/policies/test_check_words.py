"""A policy with a misspelt kind, relation or property is refused instead of never matching."""

import pytest

from grammar.labels import properties_of
from policies.check import vocabulary_problems
from policies.graph import KINDS, RELATIONS
from policies.parse import parse_query
from policies.vocabulary import FIELDS, MEANINGS


def problems(text: str) -> list[str]:
    return [f"{error.column}: {error.message}: {error.offending}" for error in vocabulary_problems(parse_query(text))]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("MATCH (a:Proces) RETURN a", ["7: unknown kind of node: Proces"]),
        ("MATCH (a:File|Fil) RETURN a", ["7: unknown kind of node: Fil"]),
        ("MATCH (a)-[:USES]->(b) RETURN a", ["10: unknown relation: USES"]),
        (
            "MATCH (a)-[r {x: 1}]->(b) RETURN r.y",
            ["10: unknown property of a relationship: x", "34: unknown property of a relationship: y"],
        ),
        ("MATCH (a)-[r]->(b) RETURN r.y", ["27: unknown property of a relationship: y"]),
        ("MATCH (a:File) RETURN a.exe", ["23: unknown property of a node: exe"]),
        ("MATCH (a {pth: 1}) RETURN a.path", ["7: unknown property of a node: pth"]),
        ("MATCH (a) WHERE a:Fil RETURN a", ["17: unknown kind of node: Fil"]),
        ("MATCH (a)-[r]->(b) WHERE r:USES RETURN a", ["26: unknown relation: USES"]),
        ("MATCH (a) WHERE (a)-->(:Fil) RETURN a", ["23: unknown kind of node: Fil"]),
        ("MATCH (a) RETURN [(a)-->(f:File) | f.exe]", ["36: unknown property of a node: exe"]),
        ("MATCH (a:File) WHERE EXISTS { (a)-->() WHERE a.exe = '' } RETURN a", ["46: unknown property of a node: exe"]),
        ("MATCH (a:File) WITH a AS b RETURN b.exe", ["35: unknown property of a node: exe"]),
        ("MATCH (a:File) WITH * RETURN a.exe", ["30: unknown property of a node: exe"]),
        ("MATCH (a:File) MATCH (a:Process) RETURN a.exe", []),
    ],
)
def test_what_no_graph_has(text: str, wanted: list[str]) -> None:
    assert problems(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (a:Process|File)-[r:USED]->(b) WHERE a.exe = a.path AND r.operation = b.family RETURN a.id, b.port",
        "MATCH (a:File) WITH {exe: 1} AS a RETURN a.exe",
        "MATCH (a:File) WITH a.path AS p, count(*) AS a RETURN a",
        "MATCH (a:File) RETURN [a IN [{exe: 1}] | a.exe]",
        "MATCH (a)-[r*]->(b) RETURN [e IN r | e.operation]",
        "MATCH (a:Process {name: '*'}) used (b:File {operation: 'write'}) RETURN a.command",
    ],
)
def test_what_may_be_there_is_not_refused(text: str) -> None:
    assert problems(text) == []


def test_the_table_of_fields_is_what_labels_have() -> None:
    labels = [
        *("Process cp /usr/bin/cp", "File /etc/passwd", "Socket 10.0.0.1:80>*:81", "Socket netlink", "Socket [::1]:1"),
        *("Pipe x", "Memory x", "LogMessage GET /"),
    ]
    found: dict[str, set[str]] = {}
    for label in labels:
        found.setdefault(label.split(" ")[0], set()).update(properties_of(label))
    found["Process"] |= {"command", "pid"}  # of instances and examples, not of labels
    assert found == {kind: set(fields) for kind, fields in FIELDS.items()}
    assert tuple(FIELDS) == KINDS
    assert tuple(MEANINGS) == RELATIONS
