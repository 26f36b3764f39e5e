"""A policy file is a policy or a list of all that is wrong with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.errors import InputError
from policies import Policy, PolicyErrors, parse_policy, parse_query

HEAD = """---
id: temp-program
title: A program runs from /tmp
severity: high
technique: T1059.004
false_positives: [installers, "tests: of installers"]
applications:
  - web-*
  - host
description: >
  Folded
  text.
---
"""
QUERY = "// why\nMATCH (p:Process) WHERE p.exe STARTS WITH '/tmp/'\nRETURN p.exe"


def errors(text: str) -> list[str]:
    with pytest.raises(PolicyErrors) as caught:
        parse_policy(text, "p.cypher")
    assert str(caught.value) == "\n".join(str(error) for error in caught.value.errors)
    return str(caught.value).split("\n")


def test_a_whole_policy() -> None:
    policy = parse_policy(HEAD + QUERY, "p.cypher")
    assert policy == Policy(
        id="temp-program",
        title="A program runs from /tmp",
        severity="high",
        technique="T1059.004",
        query=parse_query(QUERY),
        source=QUERY,
        false_positives=("installers", "tests: of installers"),
        applications=("web-*", "host"),
        description="Folded text.",
        file="p.cypher",
    )
    assert [policy.applies_to(app) for app in ("web-1", "host", "hosts", "db")] == [True, True, False, False]


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm() -> None:
    text = "\ufeff" + (HEAD + QUERY).replace("\n", "\r\n")
    assert parse_policy(text, "p.cypher").id == "temp-program"


def test_all_errors_of_a_file_are_located_in_it() -> None:
    text = HEAD.replace("high", "hihg").replace("technique: T1059.004\n", "").replace("id: temp", "id: Temp")
    assert errors(text.replace("applications", "applicatons") + "MATCH (p:Proces)-[:USES]->(f)\nRETURN f.path") == [
        "p.cypher:1:1: the front matter lacks 'technique'",
        "p.cypher:2:5: not a valid id: 'Temp-program' (small letters, digits and dashes)",
        "p.cypher:4:11: not a valid severity: 'hihg' (one of low, medium, high, critical)",
        "p.cypher:6:1: unknown key: 'applicatons' (did you mean applications?)",
        "p.cypher:13:7: unknown kind of node: 'Proces' (did you mean Process?)",
        "p.cypher:13:17: unknown relation: 'USES' (did you mean USED?)",
    ]


def test_the_head_and_the_query_are_both_checked() -> None:
    found = errors(HEAD.replace("high", "[high]") + "MATCH (p) WHERE p.x =~ '[' RETURN q")
    assert [line.split(": ")[0] for line in found] == ["p.cypher:4:11", "p.cypher:14:21", "p.cypher:14:35"]


def test_a_relationship_has_one_property() -> None:
    query = "MATCH (p)-[r {opration: 'read'}]->(f) WHERE r.time = 1 RETURN f"
    assert ["unknown property of a relationship" in line for line in errors(HEAD + query)] == [True, True]


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("", "begins with its front matter"),
        ("---\nid: x\n", "does not end"),
        ("---\n- a\n---\n", "lines of 'key: value'"),
        ("---\nid: [a\n---\n", "not YAML"),
        ("---\nid: \x00\n---\n", "not YAML"),
        ("---\nid: &a x\ntitle: *a\n---\n", "aliases, tags"),
        ("---\nid: !!python/object:os.system x\n---\n", "aliases, tags"),
        (f"---\nid: {'[' * 50_000}\n---\n", "deep nesting"),
        ("---\nid: a\nid: b\n---\n", "a key stands twice"),
        ("---\nid: {a: b}\n---\n", "neither a text nor a list"),
        (f"---\n# {'x' * 70_000}\n---\n", "more than 65536 characters"),
    ],
)
def test_bad_heads(head: str, problem: str) -> None:
    found = errors(head + QUERY)
    assert any(problem in line for line in found)
    assert all(line.startswith("p.cypher:") for line in found)


@given(st.text() | st.text().map(lambda t: f"---\n{t}\n---\n{QUERY}") | st.text().map(lambda t: f"{HEAD}{t}"))
def test_any_text_is_a_policy_or_an_input_error(text: str) -> None:
    """Whatever the text, `parse_policy` gives a policy or raises an `InputError`."""
    try:
        assert parse_policy(text, "f").file == "f"
    except InputError as error:
        assert "f:" in str(error)
