"""Replies of several workers are one answer that says who said what, who did not, and shows hostile text escaped."""

from __future__ import annotations

import json
import re
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from grammar import InputError
from grammar.control import Link, Question, Reply
from grammar.finding import Instance
from monitor.instances import Gathered, show_instances

QUESTION = Question(b"q1", "web", (("Socket 10.0.0.9:4444", ("#1",)),), limit=2_000)
NOW = 1_700_000_000_123


def process(number: int, name: str, pid: int, command: str = "", *, asked: bool = False, birth: int = 1) -> Instance:
    label = f"Process {name} /bin/{name}"
    return Instance(number, "web1", label, f"{pid}@{birth}/1", command, pid, NOW + number, asked)


def socket(number: int = 1) -> Instance:
    return Instance(number, "web1", "Socket 10.0.0.9:4444", "10.0.0.9:4444", "", 0, NOW, True)


def because(effect: int, operation: str, cause: int) -> Link:
    return Link(effect, "WAS_TRIGGERED_BY", operation, cause, NOW + cause)


def stolen(worker: str = "w1", **how: object) -> Reply:
    """A socket that nc opened, which sh had started."""
    instances = (socket(), process(2, "nc", 77, "nc 10.0.0.9 4444"), process(3, "sh", 76, "sh -c nc"))
    links = (because(1, "connect", 2), because(2, "fork", 3))
    return Reply(b"q1", worker, instances, links, **how)  # type: ignore[arg-type]


def table(gathered: Gathered, width: int = 100) -> str:
    console = Console(width=width, record=True, force_terminal=False, file=StringIO())
    console.print(show_instances(gathered, "table"))
    return console.export_text()


def value(gathered: Gathered) -> dict[str, object]:
    text = show_instances(gathered, "json")
    assert isinstance(text, str)
    assert text.isascii()
    return dict(json.loads(text))


def test_the_tree_runs_from_what_was_asked_about_to_its_causes() -> None:
    shown = table(Gathered.of(QUESTION, ["w1"], [stolen()], 5))
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    assert lines[1].startswith("2023-11-14T22:13:20.123Z  w1/web1")
    assert lines[1].endswith("* Socket 10.0.0.9:4444")
    assert [lines[n].split("  ", 2)[2].strip() for n in (2, 4)] == [
        "connect nc /bin/nc pid 77",
        "fork sh /bin/sh pid 76",
    ]
    assert "$ nc 10.0.0.9 4444" in lines[3]
    assert lines[4].index("fork") > lines[2].index("connect") > lines[1].index("*")


def test_towards_effects_the_tree_turns_round() -> None:
    question = Question(b"q1", "web", QUESTION.states, "descendants")
    reply = Reply(b"q1", "w1", (process(1, "sh", 5, asked=True), process(2, "nc", 6)), (because(2, "fork", 1),))
    shown = table(Gathered.of(question, ["w1"], [reply], 5))
    assert shown.index("sh /bin/sh pid 5") < shown.index("fork nc /bin/nc pid 6")


def test_who_did_not_answer_is_named_with_the_deadline() -> None:
    gathered = Gathered.of(QUESTION, ["w1", "w2", "w3"], [stolen("w3")], 5.0)
    assert gathered.silent == ("w1", "w2")
    assert "no answer from: w1, w2 (deadline 5 s)" in table(gathered)
    assert value(gathered)["workers"]["w1"] == {"answered": False}  # type: ignore[index]


def test_cut_since_and_lost_are_said_for_each_worker() -> None:
    replies = [stolen("w1", cut=True, since=NOW), stolen("w2", lost={"instances_dropped": 7})]
    gathered = Gathered.of(QUESTION, ["w1", "w2"], replies, 5)
    shown = table(gathered)
    assert "not all of w1: its limit (2000) or its time was reached" in shown
    assert "w1 remembers since 2023-11-14T22:13:20.123Z" in shown
    assert "lost on w2 so far: instances_dropped 7" in shown
    assert "not all of w2" not in shown
    workers = value(gathered)["workers"]
    assert isinstance(workers, dict)
    assert workers["w1"] == {"answered": True, "instances": 3, "cut": True, "since": NOW / 1000, "lost": {}}


def test_a_second_reply_a_stranger_and_another_question_change_nothing() -> None:
    others = [Reply(b"q1", "w1"), stolen("w9"), Reply(b"q0", "w2", (socket(),))]
    assert Gathered.of(QUESTION, ["w1", "w2"], [stolen(), *others], 5) == Gathered.of(
        QUESTION, ["w1", "w2"], [stolen()], 5
    )


def test_nothing_found_is_said() -> None:
    shown = table(Gathered.of(QUESTION, ["w1"], [Reply(b"q1", "w1")], 5))
    assert "no such instances" in shown


def test_versions_of_one_object_are_one_line_and_all_of_them_in_json() -> None:
    instances = (socket(), process(2, "nc", 77), process(3, "nc", 77), process(4, "sh", 76))
    links = (because(1, "connect", 2), because(2, "version", 3), because(3, "fork", 4))
    gathered = Gathered.of(QUESTION, ["w1"], [Reply(b"q1", "w1", instances, links)], 5)
    shown = table(gathered)
    assert (shown.count("nc /bin/nc"), shown.count("version"), shown.count("fork sh")) == (1, 0, 1)
    told = value(gathered)
    assert [one["distance"] for one in told["instances"]] == [0, 1, 2, 3]  # type: ignore[attr-defined]
    assert [one["operation"] for one in told["links"]] == ["connect", "version", "fork"]  # type: ignore[attr-defined]


def test_workers_are_put_side_by_side_and_keep_their_numbers_apart() -> None:
    told = value(Gathered.of(QUESTION, ["w1", "w2"], [stolen("w2"), stolen("w1")], 5))
    ids = [one["id"] for one in told["instances"]]  # type: ignore[attr-defined]
    assert ids == ["w1/1", "w1/2", "w1/3", "w2/1", "w2/2", "w2/3"]


def test_a_chain_of_any_length_is_shown() -> None:
    instances = (socket(), *(process(n, f"p{n}", n) for n in range(2, 3_000)))
    links = tuple(because(n, "fork", n + 1) for n in range(1, 2_999))
    shown = table(Gathered.of(QUESTION, ["w1"], [Reply(b"q1", "w1", instances, links)], 5))
    assert "(2998) fork p2999 /bin/p2999 pid 2999" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 100


HOSTILE = ["\x1b[31mred", "[bold red]x[/]", '"; evil [label="', "a\nb", "</script>", "\u202e", "x" * 9_000, ""]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_every_format(text: str) -> None:
    one = Instance(1, text, f"File {text}", text, text, 0, NOW, True)
    other = Instance(2, text, f"Process {text}", text, text, 1, NOW)
    link = Link(1, text, text, 2, NOW)
    reply = Reply(b"q1", text or "w", (one, other), (link,), True, 1, {text: 1})
    gathered = Gathered.of(QUESTION, [text or "w", text + "2"], [reply], 5)
    for shown in (table(gathered), show_instances(gathered, "dot"), show_instances(gathered, "json")):
        assert isinstance(shown, str)
        assert all(" " <= character <= "~" or character in "\n…" for character in shown)
    shown = table(gathered)
    assert max(len(line.replace("…", "")) for line in shown.splitlines()) <= 100
    assert "</script>" not in str(show_instances(gathered, "json"))
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "TEXT", str(show_instances(gathered, "dot")))
    assert '"' not in bare
    assert "evil" not in bare


def test_markup_in_names_is_text() -> None:
    one = Instance(1, "[red]c", "File /[red]x", "/[red]x", "[red]$", 0, NOW, True)
    shown = table(Gathered.of(QUESTION, ["w1", "[red]w2"], [Reply(b"q1", "w1", (one,), lost={"[red]l": 1})], 5))
    assert all(part in shown for part in ("w1/[red]c", "File /[red]x", "$ [red]$", "from: [red]w2", "[red]l 1"))


ONE = st.builds(
    Instance,
    st.integers(0, 9), st.just("c"), st.sampled_from(("File /x", "Process p /p", "")), st.text(max_size=3),
    st.text(max_size=3), st.integers(0, 1 << 62), st.integers(0, 1 << 62), st.booleans(),
)  # fmt: skip
ANY_LINK = st.builds(
    Link, st.integers(0, 9), st.just("USED"), st.sampled_from(("version", "read")), st.integers(0, 9),
    st.integers(0, 1 << 62),
)  # fmt: skip


@given(st.lists(ONE, max_size=8), st.lists(ANY_LINK, max_size=12), st.sampled_from(("ancestors", "descendants")))
def test_any_reply_can_be_shown(instances: list[Instance], links: list[Link], direction: str) -> None:
    """Whatever a worker says (numbers twice, links to nothing, circles), each format shows it and comes to an end."""
    question = Question(b"q1", "web", (), direction)  # type: ignore[arg-type]
    gathered = Gathered.of(question, ["w1"], [Reply(b"q1", "w1", tuple(instances), tuple(links))], 5)
    assert table(gathered)
    known = {one.number for one in instances}
    told = value(gathered)
    assert len(told["instances"]) == len(known)  # type: ignore[arg-type]
    assert show_instances(gathered, "dot")


def test_another_format_is_an_error() -> None:
    with pytest.raises(InputError, match="no such format"):
        show_instances(Gathered.of(QUESTION, [], [], 5), "xml")
