"""What a Sigma rule means, its policy means: the same events match, whatever the rule."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grammar.errors import InputError
from policies import MemoryGraph, evaluate, parse_policy
from policies.errors import PolicyErrors
from policies.graph import Edge
from policies.sigma import Loss
from policies.sigma_policy import translated
from winnower.sigma_read import read_rules

pytest.importorskip("sigma", reason="pySigma is an extra")

Event = Mapping[str, str | None]
Detection = dict[str, Any]


def written(category: str, detection: Detection, **more: object) -> str:
    """A rule; JSON is YAML."""
    rule = {"title": "t", "logsource": {"product": "linux", "category": category}, "detection": detection, **more}
    return json.dumps(rule)


def matched(category: str, detection: Detection, events: Sequence[Event]) -> list[int]:
    """Which events the policy of a rule matches, as graphs of one edge each."""
    (rule,) = read_rules(written(category, detection))
    made = translated(rule)
    assert made.loss is Loss.EXACT
    if not made.text:
        return list(range(len(events))) if "every event" in made.notes[0] else []
    graph = graph_of(category, events)
    found = evaluate(parse_policy(made.text).query, graph)
    assert all(match.certain for match in found)
    return sorted({int(str(match.row["id"])[1:]) for match in found})


def graph_of(category: str, events: Sequence[Event]) -> MemoryGraph:
    """Each event as an edge between two nodes, and an edge that is no such event beside it."""
    nodes: dict[str, tuple[str, dict[str, Any]]] = {}
    edges = []
    for number, event in enumerate(events):
        process = {"exe": event.get("Image"), "command": event.get("CommandLine")}
        nodes[f"p{number}"] = ("Process", {k: v for k, v in process.items() if v is not None})
        if category == "process_creation":
            other = {"exe": event.get("ParentImage"), "command": event.get("ParentCommandLine")}
            nodes[f"o{number}"] = ("Process", {k: v for k, v in other.items() if v is not None})
            edges += [Edge(f"p{number}", "WAS_TRIGGERED_BY", "execve", f"o{number}")]
            edges += [Edge(f"o{number}", "WAS_TRIGGERED_BY", "fork", f"p{number}")]
        elif category == "file_event":
            nodes[f"o{number}"] = (
                "File",
                {k: v for k, v in {"path": event.get("TargetFilename")}.items() if v is not None},
            )
            edges += [Edge(f"o{number}", "WAS_GENERATED_BY", "create", f"p{number}")]
            edges += [Edge(f"p{number}", "USED", "read", f"o{number}")]
        else:
            socket = {"address": event.get("DestinationIp"), "port": event.get("DestinationPort"), "family": "inet"}
            nodes[f"o{number}"] = ("Socket", {k: v for k, v in socket.items() if v is not None})
            edges += [Edge(f"o{number}", "WAS_GENERATED_BY", "connect", f"p{number}")]
            edges += [Edge(f"p{number}", "USED", "accept", f"o{number}")]
    return MemoryGraph(nodes, edges)


# Sigma, evaluated by hand


def by_hand(detection: Detection, event: Event) -> bool:
    """Whether a rule matches an event, from its YAML and the specification."""
    words = re.findall(r"[()]|[^\s()]+", detection["condition"])
    value, rest = disjunction(words, detection, event)
    assert not rest
    return value


def disjunction(words: list[str], detection: Detection, event: Event) -> tuple[bool, list[str]]:
    value, words = conjunction(words, detection, event)
    while words[:1] == ["or"]:
        right, words = conjunction(words[1:], detection, event)
        value |= right
    return value, words


def conjunction(words: list[str], detection: Detection, event: Event) -> tuple[bool, list[str]]:
    value, words = factor(words, detection, event)
    while words[:1] == ["and"]:
        right, words = factor(words[1:], detection, event)
        value &= right
    return value, words


def factor(words: list[str], detection: Detection, event: Event) -> tuple[bool, list[str]]:
    if words[0] == "not":
        value, rest = factor(words[1:], detection, event)
        return not value, rest
    if words[0] == "(":
        value, rest = disjunction(words[1:], detection, event)
        return value, rest[1:]
    if words[0] in ("1", "all"):
        names = [name for name in detection if name != "condition" and name.startswith(words[2].rstrip("*"))]
        values = [selection(detection[name], event) for name in names]
        return (any(values) if words[0] == "1" else all(values)), words[3:]
    return selection(detection[words[0]], event), words[1:]


def selection(body: Any, event: Event) -> bool:
    if isinstance(body, list):
        return any(selection(one, event) for one in body)
    return all(item(key, value, event) for key, value in body.items())


def item(key: str, value: Any, event: Event) -> bool:
    name, *modifiers = key.split("|")
    values = value if isinstance(value, list) else [value]
    results = [fits(one, modifiers, event.get(name)) for one in values]
    return all(results) if "all" in modifiers else any(results)


def fits(value: Any, modifiers: list[str], text: str | None) -> bool:
    if value is None or "exists" in modifiers:
        return (text is not None) is (value is True)
    if text is None:
        return False
    if "re" in modifiers:
        return re.search(value, text, re.IGNORECASE if "i" in modifiers else 0) is not None
    if "cidr" in modifiers:
        return ipaddress.ip_address(text) in ipaddress.ip_network(value)
    if "gt" in modifiers or "lte" in modifiers:
        return (int(text) > value) is ("gt" in modifiers)
    body = "".join(regex_part(part) for part in re.findall(r"\\[*?\\]|.", str(value), re.DOTALL))
    before = ".*" if {"contains", "endswith"} & set(modifiers) else ""
    after = ".*" if {"contains", "startswith"} & set(modifiers) else ""
    flags = re.DOTALL | (0 if "cased" in modifiers else re.IGNORECASE)
    return re.fullmatch(before + body + after, text, flags) is not None


def regex_part(part: str) -> str:
    return {"*": ".*", "?": "."}.get(part, re.escape(part[-1]))


# Random rules and events

CHARACTERS = "aAbB/. '\"{$"
TEXTS = st.text(CHARACTERS, max_size=6)
PATTERNS = st.text(CHARACTERS + "*?", min_size=1, max_size=4)
REGEXES = st.sampled_from(["^a", "b$", "a.b", "a|^B", "[^/]{2}$", r"\$$", "^a.*b$", "a(b|/)", "(?i)ab", "^/|/$", "A*$"])
EXPRESSIONS = ["{0}", "not {0}", "({0} or {1})", "{0} and {1}", "({0} and not {1})", "1 of s*", "all of s*"]


@st.composite
def items(draw: st.DrawFn, fields: Sequence[str]) -> tuple[str, Any]:
    name = draw(st.sampled_from(fields))
    kind = draw(
        st.sampled_from(["", "", "contains", "startswith", "endswith", "cased", "re", "re|i", "null", "exists"])
    )
    if kind in ("null", "exists"):
        return (name, None) if kind == "null" else (f"{name}|exists", draw(st.booleans()))
    values = draw(st.lists(REGEXES if kind.startswith("re") else PATTERNS, min_size=1, max_size=5, unique=True))
    every = kind and kind != "cased" and draw(st.booleans())
    key = "|".join([name, *([kind] if kind else []), *(["all"] if every else [])])
    return key, values


@st.composite
def detections(draw: st.DrawFn, fields: Sequence[str]) -> Detection:
    names = [f"s{number}" for number in range(draw(st.integers(1, 3)))]
    mapping = st.lists(items(fields), min_size=1, max_size=2, unique_by=lambda pair: pair[0]).map(dict)
    body = st.one_of(mapping, st.lists(mapping, min_size=1, max_size=2))
    found: Detection = {name: draw(body) for name in names}
    condition = draw(st.sampled_from(names))
    for _ in range(draw(st.integers(0, 2))):
        other = draw(st.sampled_from(names))
        condition = draw(st.sampled_from(EXPRESSIONS)).format(f"({condition})", other)
    return found | {"condition": condition}


def literals(tree: Any) -> list[str]:
    """The texts in a detection, without wildcards."""
    if isinstance(tree, dict):
        return [text for key, one in tree.items() if key != "condition" for text in literals(one)]
    if isinstance(tree, list):
        return [text for one in tree for text in literals(one)]
    return [re.sub(r"[*?^$]|\(\?i\)|\[.*?\]", "", tree)] if isinstance(tree, str) else []


@st.composite
def cases(draw: st.DrawFn, fields: Sequence[str]) -> tuple[Detection, list[Event]]:
    """A rule, and events that have much to do with it."""
    detection = draw(detections(fields))
    near = st.sampled_from(literals(detection) or [""])
    ends = st.sampled_from(["", "", "a", "/b"])
    close = st.builds(lambda a, b, c, swap: a + (b.swapcase() if swap else b) + c, ends, near, ends, st.booleans())
    texts = st.one_of(st.none(), close, close, close, TEXTS)
    return detection, draw(st.lists(st.fixed_dictionaries(dict.fromkeys(fields, texts)), min_size=4, max_size=12))


def expected(case: tuple[Detection, list[Event]]) -> list[int]:
    detection, events = case
    return [number for number, event in enumerate(events) if by_hand(detection, event)]


PROCESS = ("Image", "CommandLine", "ParentImage", "ParentCommandLine")
FILE = ("TargetFilename", "Image")


@settings(max_examples=3 * settings().max_examples)
@given(cases(PROCESS))
@example(({"s": {"Image": None}, "condition": "not s"}, [{"Image": None}, {"Image": ""}]))
@example(({"s": {"Image|re": "A*$"}, "condition": "not s"}, [{"Image": None}, {"Image": "b"}]))
@example(({"s": {"Image": "*"}, "condition": "s"}, [{"Image": None}, {"Image": ""}]))
def test_processes_match_as_the_rule_says(case: tuple[Detection, list[Event]]) -> None:
    assert matched("process_creation", *case) == expected(case)


@given(cases(FILE))
def test_files_match_as_the_rule_says(case: tuple[Detection, list[Event]]) -> None:
    assert matched("file_event", *case) == expected(case)


NETWORKS = ["10.0.0.0/8", "10.1.128.0/17", "172.16.0.0/12", "10.1.2.3/32", "0.0.0.0/0", "192.168.7.4/30", "128.0.0.0/1"]
SIXES = ["fe80::/10", "fc00::/7", "::1/128", "2001:db8::/32", "2001:db8:a000::/35"]


def near(network: str) -> st.SearchStrategy[str]:
    """Addresses in a network, and just outside of it."""
    net = ipaddress.ip_network(network)
    first, last = int(net[0]), int(net[-1])
    most = 2**net.max_prefixlen - 1
    kind = type(net[0])
    return st.integers(max(0, first - 2), min(most, last + 2)).map(lambda number: str(kind(number)))


ADDRESSES = st.one_of(
    st.sampled_from(NETWORKS).flatmap(near),
    st.sampled_from(SIXES).flatmap(near),
    st.ip_addresses().map(str),
)


@given(
    st.sampled_from(NETWORKS + SIXES),
    st.sampled_from([{"DestinationPort": [80, "443"]}, {"DestinationPort|gt": 79}, {"DestinationPort|lte": 443}]),
    st.sampled_from(["s", "not s", "s and p", "s or not p", "p and i", "i and not s"]),
    st.lists(st.tuples(ADDRESSES, st.sampled_from(["80", "443", "79", "444"])), min_size=1, max_size=8),
)
def test_connections_match_as_the_rule_says(
    network: str, ports: Detection, condition: str, ends: list[tuple[str, str]]
) -> None:
    detection = {"s": {"DestinationIp|cidr": network}, "p": ports, "i": {"Initiated": "true"}, "condition": condition}
    events: list[Event] = [{"DestinationIp": ip, "DestinationPort": port, "Initiated": "true"} for ip, port in ends]
    assert matched("network_connection", detection, events) == expected((detection, events))


@pytest.mark.parametrize(
    ("key", "value", "text", "expected"),
    [
        ("CommandLine|base64offset|contains", "/bin/sh", "echo L2Jpbi9zaA | base64 -d", True),
        ("CommandLine|base64offset|contains", "/bin/sh", "echo x9iaW4vc2 | base64 -d", True),
        ("CommandLine|base64offset|contains", "/bin/sh", "/bin/sh", False),
        ("CommandLine|base64", "foo", "Zm9v", True),
        ("CommandLine|wide|base64offset|contains", "ls", "x bABzA y", True),
        ("CommandLine|windash|contains", " -f ", "a /f b", True),
        ("CommandLine|contains|all", ["a", "b"], "b a", True),
        ("CommandLine|contains|all", ["a", "b"], "b", False),
        ("CommandLine", "a\\*b", "a*b", True),
        ("CommandLine", "a\\*b", "axb", False),
        ("CommandLine", "a\\b", "a\\b", True),
        ("CommandLine", 5, "5", True),
        ("CommandLine|contains", "it's \\é\n", "x IT'S \\É\n", True),
    ],
)
def test_modifiers_that_are_rarer(key: str, value: object, text: str, expected: bool) -> None:
    found = matched("process_creation", {"s": {key: value}, "condition": "s"}, [{"CommandLine": text}])
    assert found == ([0] if expected else [])


# What is no rule


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("", "r.yml", "no rule"),
        ("title: [", "r.yml:1:9", "not YAML"),
        ("- a", "r.yml:1:1", "not a Sigma rule"),
        ("a: &x [1]\nb: *x", "r.yml:2:4", "aliases"),
        ("a: !!python/object:os.system x", "r.yml:1:4", "tags"),
        ("[" * 50, "r.yml:1:17", "deep nesting"),
        ("title: t\ntitle: u\ndetection: {}", "r.yml:2:1", "a key stands twice"),
        (written("dns_query", {"s": {"a": 1}, "condition": "s"}), "r.yml:1:", "no counterpart"),
        (written("process_creation", {"s": {"a": 1}, "condition": "s and t"}), "r.yml:1:1", "not defined"),
        (written("process_creation", {"s": {"a|huh": 1}, "condition": "s"}), "r.yml:1:1", "Unknown modifier"),
        (written("process_creation", {"s": {"a": 1}, "condition": "(" * 40 + "s" + ")" * 40}), "r.yml:1:", "deep"),
        (written("process_creation", {"s": {"a": 1}, "condition": "1 of *a*a*a*a*b"}), "r.yml:1:", "too many *"),
        (written("process_creation", {"s": {"a": 1}, "condition": "s | count() > 5"}), "r.yml:1:1", "pipe"),
        (written("process_creation", {"s": {"a": 1}}), "r.yml:1:1", "condition"),
        (
            written("process_creation", {"s": {"a": 1}, "condition": "s"}).replace("linux", "windows"),
            "r.yml:1:1",
            "another",
        ),
    ],
)
def test_what_is_no_rule_is_located(text: str, where: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_rules(text, "r.yml")
    assert str(caught.value).startswith(where)
    assert words in str(caught.value)


@given(
    st.text(max_size=60) | st.sampled_from([written("process_creation", {"s": {"Image": 1}, "condition": "s"})]),
    st.data(),
)
def test_any_text_is_rules_or_an_error(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    broken = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    try:
        rules = read_rules(broken, "r.yml")
    except InputError:
        return
    for rule in rules:
        made = translated(rule)
        if made.text:
            parse_policy(made.text)


def test_each_bad_rule_of_a_file_is_reported() -> None:
    good = written("process_creation", {"s": {"Image": "/x"}, "condition": "s"})
    assert len(read_rules(f"{good}\n---\n{good}")) == 2
    with pytest.raises(PolicyErrors) as caught:
        read_rules(f"- a\n---\n{good}\n---\n- b\n", "r.yml")
    assert [error.line for error in caught.value.errors] == [1, 5]


def test_a_condition_that_names_very_much_is_refused_at_once() -> None:
    many: Detection = {f"s{number}": {"Image|contains": [f"{number}/{n}" for n in range(50)]} for number in range(50)}
    with pytest.raises(InputError, match="name too much"):
        read_rules(written("process_creation", many | {"condition": " or ".join(["1 of *"] * 50)}))
    assert read_rules(written("process_creation", many | {"condition": "1 of *"}))


def test_conditions_keep_their_places() -> None:
    text = (
        "title: t\nlogsource: {category: process_creation}\ndetection:\n  s:\n    User|contains: root\n  condition: s\n"
    )
    (rule,) = read_rules(text)
    (dropped,) = translated(rule).dropped
    assert (dropped.field.at.line, dropped.field.at.column) == (5, 5)
