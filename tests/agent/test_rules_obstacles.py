"""What others' rules and the kernel's settings would hide from ours is said; what is harmless is not."""

from __future__ import annotations

import pytest

from agent.kernel_wire import Condition, KernelStatus, Rule
from agent.rules import ALL_CALLS, wanted
from agent.rules_obstacles import obstacles

GOOD = KernelStatus(enabled=1, failure=1, pid=700, backlog_limit=8_192)
OURS = wanted("lean", ["x86_64"])
B64, B32 = (Condition("arch", "=", code) for code in (0xC000003E, 0x40000003))


def found(*rules: Rule, status: KernelStatus = GOOD) -> list[str]:
    return [one.what for one in obstacles(rules, OURS, status, 8_192)]


def never(*conditions: Condition, calls: frozenset[int] = frozenset({257})) -> Rule:
    return Rule("exit", "never", calls, conditions)


def exclude(*conditions: Condition) -> Rule:
    return Rule("exclude", "always", ALL_CALLS, conditions)


def test_with_ours_alone_nothing_is_in_the_way() -> None:
    assert found() == found(*OURS) == []


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (KernelStatus(enabled=0, backlog_limit=8_192), "switched off"),
        (KernelStatus(enabled=2, pid=7, backlog_limit=8_192), "locked until the next boot"),
        (KernelStatus(enabled=1, backlog_limit=8_192), "no audit daemon"),
        (KernelStatus(enabled=1, pid=7, backlog_limit=64), "backlog limit is 64"),
        (KernelStatus(enabled=1, pid=7, backlog_limit=8_192, rate_limit=100), "at most 100 records a second"),
        (KernelStatus(enabled=1, pid=7, backlog_limit=0, failure=2), "panics"),
    ],
)
def test_settings_of_the_kernel(status: KernelStatus, what: str) -> None:
    (said,) = found(status=status)
    assert what in said


def test_a_never_before_ours_hides_and_one_after_does_not() -> None:
    (said,) = found(never(B64), *OURS)
    assert "-a never,exit -F arch=b64 -S openat" in said
    assert found(*OURS, never(B64)) == []
    assert found(never(B64)) != []


def test_a_never_for_other_calls_or_another_arch_hides_nothing() -> None:
    assert found(never(B64, calls=frozenset({0}))) == []  # read: not in the lean set
    assert found(never(B32)) == []
    assert found(never()) != []


def test_a_task_rule_hides_whole_processes() -> None:
    (said,) = found(*OURS, Rule("task", "never", frozenset(), ()))
    assert "not audited at all" in said


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ((Condition("msgtype", "=", 1307),), "(CWD)"),
        ((Condition("msgtype", "=", 1400),), ""),
        ((Condition("msgtype", ">=", 1327), Condition("msgtype", "<=", 1336)), "(PROCTITLE URINGOP)"),
        ((Condition("exe", "=", "/usr/sbin/cron"),), "(all types)"),
    ],
)
def test_records_that_are_left_out(conditions: tuple[Condition, ...], names: str) -> None:
    said = found(exclude(*conditions), *OURS)
    assert len(said) == bool(names)
    assert not names or names in said[0]


def test_the_file_systems_that_distributions_leave_out_are_harmless() -> None:
    tracefs, ext4 = (Condition("fstype", "=", number) for number in (0x74726163, 0xEF53))
    assert found(Rule("filesystem", "never", frozenset(), (tracefs,))) == []
    assert found(Rule("filesystem", "never", frozenset(), (ext4,))) != []


def test_a_rule_of_a_kind_that_we_do_not_know_is_shown_all_the_same() -> None:
    (said,) = found(Rule("exit", "never", ALL_CALLS, (Condition("field99", "operator1", 5),)), *OURS)
    assert "-S all -F field99operator15" in said
