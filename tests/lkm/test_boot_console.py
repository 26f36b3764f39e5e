"""The harness of the boot tests: what a guest says, and that nothing bad in it passes for good."""

from __future__ import annotations

import pytest
from boot.console import faults, report
from boot.table import table
from hypothesis import given
from hypothesis import strategies as st

END = "END taint=12288\n"
GOOD = f"PLAN a b\nRESULT a ok 5 of 5\nRESULT b skip no such thing\n{END}"
QUIET = "[    2.8] winnower: loading out-of-tree module taints kernel.\n[    9.1] reboot: Power down\n"

BAD = [
    "[   57.338] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI",
    "[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000",
    "[    1.0] BUG: sleeping function called from invalid context at mm/slab.h:494",
    "[    1.0] WARNING: CPU: 1 PID: 33 at kernel/kprobes.c:1 foo+0x1/0x2",
    "[    1.0] WARNING: possible circular locking dependency detected",
    "[    1.0] WARNING: suspicious RCU usage",
    "[    1.0] BUG: KASAN: slab-use-after-free in winnower_tell+0x1/0x2",
    "[    1.0] general protection fault, probably for non-canonical address 0xdead: 0000 [#1]",
    "[    1.0] INFO: task rmmod:77 blocked for more than 120 seconds.",
    "[    1.0] rcu: INFO: rcu_preempt self-detected stall on CPU",
    "[    1.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s!",
    "[    1.0] Kernel panic - not syncing: Fatal exception in interrupt",
    "[    1.0] refcount_t: underflow; use-after-free.",
    "[    1.0] list_del corruption. prev->next should be ffff, but was 0",
    "[    1.0] unreferenced object 0xffff888 (size 64):",
    "[    1.0] winnower: Unknown symbol audit_log (err -2)",
    "[    1.0] nginx[12]: segfault at 0 ip 0000000000000000",
    " Call Trace:",
]


def test_a_guest_that_passed_is_good() -> None:
    said = report(GOOD, QUIET)
    assert said.good
    assert [(one.name, one.verdict, one.detail) for one in said.results] == [
        ("a", "ok", "5 of 5"),
        ("b", "skip", "no such thing"),
    ]


@pytest.mark.parametrize("line", BAD)
def test_any_fault_in_the_log_fails_the_guest(line: str) -> None:
    said = report(GOOD, QUIET + line + "\n")
    assert not said.good
    assert len(said.faults) == 1
    assert said.faults[0] in line


@pytest.mark.parametrize("line", BAD)
@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_a_fault_is_seen_wherever_it_stands(line: str, before: str, after: str) -> None:
    """Whatever lines surround it, with or without carriage returns, a line of fault is found."""
    assert faults(f"{before}\r\n{line}\r\n{after}")


def test_a_failed_check_fails_the_guest() -> None:
    said = report(GOOD.replace("a ok", "a FAIL"), QUIET)
    assert not said.good


def test_a_planned_check_that_said_nothing_fails() -> None:
    said = report(GOOD.replace("PLAN a b", "PLAN a b c"), QUIET)
    assert not said.good
    assert [(one.name, one.detail) for one in said.results if one.verdict == "FAIL"] == [("c", "said nothing")]


@pytest.mark.parametrize(
    "said", ["", END, "RESULT a ok\n", "RESULT a skip why\n" + END, "result a ok\n" + END, " RESULT a ok\n" + END]
)
def test_silence_or_half_a_run_is_no_success(said: str) -> None:
    assert not report(said, QUIET).good


def test_a_guest_that_had_to_be_ended_fails() -> None:
    assert not report(GOOD, QUIET, "the guest was ended after 120 s").good


@pytest.mark.parametrize(
    ("taint", "good"), [(12288, True), (0, True), (12288 | 512, False), (128, False), (16384, False)]
)
def test_the_taint_of_an_unsigned_module_is_no_fault(taint: int, good: bool) -> None:
    assert report(GOOD.replace("12288", str(taint)), QUIET).good is good


@given(st.text())
def test_anything_can_be_said(text: str) -> None:
    """No text makes the parser or the table fail, and nothing in the table can move a terminal's cursor."""
    shown = table({"guest": report(text, text)})
    assert all(c.isprintable() or c == "\n" for c in shown)


def test_the_table_shows_what_failed_where() -> None:
    bad = report(GOOD.replace("a ok 5 of 5", "a FAIL 4 of 5"), QUIET + "[1.0] BUG: x\n")
    lines = table({"one": report(GOOD, QUIET), "two": bad}).splitlines()
    assert lines[1].split() == ["a", "ok", "FAIL", "4", "of", "5"]
    assert lines[-1] == "two: BUG: x"
