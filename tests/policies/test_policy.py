"""A policy file is a policy or a list of all that is wrong with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.errors import InputError
from policies.errors import PolicyErrors
from policies.parse import parse_query
from policies.policy import DEFAULT_RATE, MATURITIES, Policy, Rate, fits, parse_policy

HEAD = """---
id: temp-program
title: A program runs from /tmp
severity: high
technique: [T1059.004, T1036]
false_positives: [installers, "tests: of installers"]
applications:
  - web-*
  - host
maturity: testing
actions: [pager, pause-container]
rate_limit: 10/h
rearm: 24h
references: ["https://attack.mitre.org/techniques/T1059/004/"]
description: >
  Folded
  text.
---
"""
QUERY = "// why\nMATCH (p:Process) WHERE p.exe STARTS WITH '/tmp/'\nRETURN p.exe"
LEAST = "---\nid: x\ntitle: t\nseverity: low\ntechnique: T1059\nfalse_positives: none known\n---\n"


def errors(text: str) -> list[str]:
    with pytest.raises(PolicyErrors) as caught:
        parse_policy(text, "p.cypher")
    assert str(caught.value) == "\n".join(str(error) for error in caught.value.errors)
    return str(caught.value).split("\n")


def with_line(line: str) -> str:
    """The least policy with one more line in its head, the seventh."""
    return LEAST.replace("none known\n", f"none known\n{line}\n") + QUERY


def test_a_whole_policy() -> None:
    policy = parse_policy(HEAD + QUERY, "p.cypher")
    assert policy == Policy(
        id="temp-program",
        title="A program runs from /tmp",
        severity="high",
        techniques=("T1059.004", "T1036"),
        query=parse_query(QUERY),
        source=QUERY,
        false_positives=("installers", "tests: of installers"),
        applications=("web-*", "host"),
        maturity="testing",
        actions=("pager", "pause-container"),
        rate_limit=Rate(10, 3_600_000),
        rearm_millis=86_400_000,
        description="Folded text.",
        references=("https://attack.mitre.org/techniques/T1059/004/",),
        file="p.cypher",
        text=HEAD + QUERY,
    )
    assert policy.technique == "T1059.004"


def test_the_least_policy_has_the_defaults() -> None:
    policy = parse_policy(LEAST + QUERY)
    assert (policy.techniques, policy.maturity, policy.actions) == (("T1059",), "stable", ())
    assert (policy.rate_limit, policy.rearm_millis) == (Rate(60, 3_600_000), None)
    assert policy.rate_limit == DEFAULT_RATE
    assert (policy.references, policy.description, policy.applications) == ((), "", ("*",))


@pytest.mark.parametrize(
    ("applications", "applies"),
    [
        ("[web-*, host]", ["web-1", "host"]),
        ('["*"]', ["web-1", "host", "hosts", "db", ""]),
        ('["!host"]', ["web-1", "hosts", "db", ""]),
        ('["web-*", "!*-1"]', []),
        ('["*", "!web-*", "!db"]', ["host", "hosts", ""]),
        ("host", ["host"]),
    ],
)
def test_it_applies_where_a_glob_fits_and_none_leaves_out(applications: str, applies: list[str]) -> None:
    policy = parse_policy(with_line(f"applications: {applications}"))
    assert [app for app in ("web-1", "host", "hosts", "db", "") if policy.applies_to(app)] == applies


@given(st.text("ab*", max_size=6), st.text("ab", max_size=6))
def test_a_glob_fits_as_its_definition_says(glob: str, text: str) -> None:
    """`*` is any text, everything else itself."""

    def naive(left: str, right: str) -> bool:
        if not left:
            return not right
        if left[0] == "*":
            return any(naive(left[1:], right[n:]) for n in range(len(right) + 1))
        return right[:1] == left[0] and naive(left[1:], right[1:])

    assert fits(glob, text) is naive(glob, text)


@pytest.mark.parametrize(
    ("text", "millis"), [("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000), ("7d", 604_800_000), ("never", None)]
)
def test_it_is_armed_again_after_a_length_of_log_time(text: str, millis: int | None) -> None:
    assert parse_policy(with_line(f"rearm: {text}")).rearm_millis == millis


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1/s", Rate(1, 1_000)), ("10/m", Rate(10, 60_000)), ("60/h", DEFAULT_RATE), ("5/d", Rate(5, 86_400_000))],
)
def test_alerts_are_limited_to_so_many_in_a_time(text: str, rate: Rate) -> None:
    assert parse_policy(with_line(f"rate_limit: {text}")).rate_limit == rate


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("rate_limit: 0/h", "p.cypher:7:13: not a valid rate_limit: '0/h' (at most so many in a second"),
        ("rate_limit: 10 / h", "p.cypher:7:13: not a valid rate_limit"),
        ("rate_limit: 10/w", "p.cypher:7:13: not a valid rate_limit"),
        ("rearm: 0s", "p.cypher:7:8: not a valid rearm: '0s' (a length of time such as 30m, 24h or 7d, or never)"),
        ("rearm: soon", "p.cypher:7:8: not a valid rearm"),
        ("maturity: old", f"p.cypher:7:11: not a valid maturity: 'old' (one of {', '.join(MATURITIES)})"),
        ("actions: [pager, Pager]", "p.cypher:7:18: not a valid actions: 'Pager'"),
        ("actions: []", "p.cypher:7:10: 'actions' is empty"),
        ("applications: ['!']", "p.cypher:7:16: not a valid applications: '!'"),
        ("references: [ftp://x]", "p.cypher:7:14: not a valid references: 'ftp://x' (a web address)"),
        ("references: ['https://x y']", "p.cypher:7:14: not a valid references"),
        ("actions: [pager, pager]", "p.cypher:7:10: 'actions' says one thing twice"),
        ("maturity: [stable]", "p.cypher:7:11: 'maturity' is one text, not a list: 'stable'"),
        ("ratelimit: 10/h", "p.cypher:7:1: unknown key: 'ratelimit' (did you mean rate_limit?)"),
    ],
)
def test_what_a_key_cannot_mean_is_said_at_its_place(line: str, problem: str) -> None:
    found = errors(with_line(line))
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_each_technique_of_a_list_has_its_own_error() -> None:
    text = with_line("").replace("technique: T1059\n", "technique:\n  - T1059\n  - T12\n  - X\n")
    hint = "an ATT&CK technique such as T1059.004"
    assert errors(text) == [
        f"p.cypher:7:5: not a valid technique: 'T12' ({hint})",
        f"p.cypher:8:5: not a valid technique: 'X' ({hint})",
    ]


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm() -> None:
    text = "\ufeff" + (HEAD + QUERY).replace("\n", "\r\n")
    assert parse_policy(text, "p.cypher").id == "temp-program"


def test_all_errors_of_a_file_are_located_in_it() -> None:
    text = HEAD.replace("high", "hihg").replace("technique: [T1059.004, T1036]\n", "").replace("id: temp", "id: Temp")
    found = errors(text.replace("applications", "applicatons") + "MATCH (p:Proces)-[:USES]->(f)\nRETURN f.path")
    assert [line.partition(" (")[0] for line in found] == [
        "p.cypher:1:1: the front matter lacks 'technique'",
        "p.cypher:2:5: not a valid id: 'Temp-program'",
        "p.cypher:4:11: not a valid severity: 'hihg'",
        "p.cypher:6:1: unknown key: 'applicatons'",
        "p.cypher:18:7: unknown kind of node: 'Proces'",
        "p.cypher:18:17: unknown relation: 'USES'",
    ]


def test_the_head_and_the_query_are_both_checked() -> None:
    found = errors(HEAD.replace("high", "[high]") + "MATCH (p) WHERE p.x =~ '[' RETURN q")
    assert found[0] == "p.cypher:4:11: 'severity' is one text, not a list: 'high'"
    assert found[1:]
    assert all(line.startswith("p.cypher:19:") for line in found[1:])


def test_a_relationship_has_one_property() -> None:
    query = "MATCH (p)-[r {opration: 'read'}]->(f) WHERE r.time = 1 RETURN f"
    found = errors(HEAD + query)
    assert found
    assert all("property of a relationship" in line for line in found)


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
        ("---\napplications: [!host]\n---\n", "aliases, tags"),
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


@given(
    st.sampled_from(("technique", "applications", "actions", "maturity", "rate_limit", "rearm", "references")),
    st.text(),
)
def test_any_value_of_a_key_is_taken_or_an_input_error(key: str, value: str) -> None:
    """Whatever stands behind a key, the outcome is a policy or located errors."""
    head = [line for line in LEAST.split("\n") if not line.startswith(f"{key}:")]
    text = "\n".join([*head[:-2], f"{key}: {value}", *head[-2:]]) + QUERY
    try:
        assert parse_policy(text, "f").id == "x"
    except InputError as error:
        assert all(line.startswith("f:") for line in str(error).split("\n") if line.strip())
