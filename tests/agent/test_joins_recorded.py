"""Lines of real servers joined as they were recorded: never with what did not write them, and as well as can be.

Each folder of `recorded_joins` is a capture of `bench/joins.py`: what a live nginx or Apache did under real auditd,
with the tags that the eBPF program or the module gave of its writes, and what is true of each line by the client's and
the server's own word. Source: issue "lkm" (join quality); bench/joins_capture.py.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from joins_capture import Capture, load
from joins_judge import Verdict, judge, tags_right
from joins_replay import AUDIT, METHODS, Method, methods, replay

FOLDER = Path(__file__).with_name("recorded_joins")
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/recording.json"))
CASES = [(name, method) for name in NAMES for method in METHODS]
KNOWN = {
    ("nginx-full-module", AUDIT): "captured with the time before the look: lines seem read before they were written",
}
"""Wrong joins that are known of: each is a line in the table of bench/README.md too."""


@cache
def capture(name: str) -> Capture:
    return load(FOLDER / name)


@cache
def verdict(name: str, method: Method) -> Verdict:
    return judge(capture(name).truth, replay(capture(name), method))


def has(name: str, method: Method) -> Capture:
    one = capture(name)
    if method not in methods(one):
        pytest.skip(f"{name} has nothing for {method.name}")
    return one


def test_there_are_recordings_of_both_servers_and_both_sources_of_tags() -> None:
    about = [capture(name).about for name in NAMES]
    assert {one.server.partition("-")[0] for one in about} == {"nginx", "apache"}
    assert {one.tags.partition(",")[0] for one in about} >= {"module", "sys_exit"}
    assert {one.rules for one in about} == {"lean", "full"}


@pytest.mark.parametrize(("name", "method"), CASES, ids=[f"{name}-{method.name}" for name, method in CASES])
def test_no_line_is_joined_with_what_did_not_write_it(name: str, method: Method) -> None:
    has(name, method)
    found = verdict(name, method)
    if found.wrong and (name, method) in KNOWN:
        pytest.xfail(f"{KNOWN[name, method]}: {found.wrong} of {found.lines} lines")
    assert found.wrong == 0, found.examples


@pytest.mark.parametrize("name", NAMES)
def test_with_tags_every_line_has_its_own_process(name: str) -> None:
    for method in methods(capture(name)):
        if method.tags or method.companion:
            found = verdict(name, method)
            right = (
                found.counts["exact"] + found.counts["process"] + found.counts["wrong unit"]
            )  # the other test's affair
            assert right == found.lines, (method.name, found.counts)


@pytest.mark.parametrize("name", NAMES)
def test_a_tag_makes_no_line_worse(name: str) -> None:
    """Where the method without tags is wrong now and then, some of what it got right was luck."""
    known = {(one.writes, one.tags): verdict(name, one) for one in methods(capture(name)) if not one.companion}
    for writes in (False, True):
        if (writes, True) in known and (writes, False) in known and not known[writes, False].wrong:
            assert known[writes, True].counts["exact"] >= known[writes, False].counts["exact"]


@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_has_told_of_every_line(name: str) -> None:
    one = capture(name)
    right, elsewhere, none = tags_right(one)
    assert none == 0
    assert right + elsewhere == len(one.truth)
    assert not elsewhere or one.about.tags == "sys_exit"


@pytest.mark.parametrize("name", [name for name in NAMES if capture(name).about.rules == "full"])
def test_a_truth_that_is_not_true_is_seen(name: str) -> None:
    """The judge's own test: with the processes of the truth changed around every exact line is wrong."""
    one = capture(name)
    outcome = replay(one, METHODS[1])
    pids = sorted({true.pid for true in one.truth.values()})
    other = {pid: pids[(at + 1) % len(pids)] for at, pid in enumerate(pids)}
    lied = {ident: true._replace(pid=other[true.pid]) for ident, true in one.truth.items()}
    assert judge(lied, outcome).wrong >= judge(one.truth, outcome).counts["exact"] > 0
