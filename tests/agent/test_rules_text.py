"""The rules as text: one line a rule that auditctl reads, names where the tools have them, numbers where not."""

from __future__ import annotations

from agent.kernel_wire import Condition, Rule
from agent.rules import Scope, wanted
from agent.rules_text import WIDTH, line, parse_names, text

NAMES = {"x86_64": {17: "pread", 257: "openat"}}
B64 = Condition("arch", "=", 0xC000003E)


def test_a_call_that_the_tools_do_not_know_is_a_number() -> None:
    rule = Rule("exit", "always", frozenset({17, 257, 452}), (B64, Condition("success", "=", 1)))
    assert line(rule, NAMES) == "-a always,exit -F arch=b64 -S pread,openat,452 -F success=1"
    assert line(rule, {}) == "-a always,exit -F arch=b64 -S 17,257,452 -F success=1"


def test_values_are_written_as_auditctl_reads_them() -> None:
    conditions = (Condition("auid", "=", 2**32 - 1), Condition("exit", "=", 2**32 - 115), Condition("a2", "&", 2))
    assert line(Rule("exit", "never", frozenset(), conditions), {}).split(" -F ")[1:] == [
        "auid=unset",
        "exit=-115",
        "a2&0x2",
    ]


def test_what_ausyscall_prints_is_read_and_rubbish_is_not() -> None:
    assert parse_names("Using x86_64 syscall table:\n0\tread\n17\tpread\n\nx y\n1 2 3\n") == {0: "read", 17: "pread"}


def test_the_file_says_what_it_is_and_has_one_line_a_rule() -> None:
    rules = wanted("full", ["x86_64", "i386"], Scope(agent=990))
    lines = text("full", rules, NAMES, backlog=32_768, uring=True).splitlines()
    active = [one for one in lines if one and one[0] != "#"]
    assert active[0] == "-b 32768"
    assert active[1] == "-a never,exit -S all -F uid=990 -F auid=unset -F key=winnower"
    assert len(active) == 1 + len(rules)
    assert all(len(one) <= WIDTH + 2 for one in lines if one.startswith("#"))
    assert all(len(one) < 6_000 for one in lines), "augenrules and auditctl read lines of 6,144 bytes"


def test_rules_for_io_uring_are_a_comment_where_auditctl_is_old() -> None:
    rules = wanted("lean", ["x86_64"])
    assert "\n# auditctl 3.1 or newer: -a always,io_uring -S openat," in text("lean", rules, NAMES)
    assert "\n-a always,io_uring -S openat," in text("lean", rules, NAMES, uring=True)
    assert "-b " not in text("lean", rules, NAMES)


def test_a_rule_of_an_unknown_arch_is_shown_by_number() -> None:
    rule = Rule("exit", "always", frozenset({1}), (Condition("arch", "=", 0x28),))
    assert line(rule, NAMES) == "-a always,exit -F arch=40 -S 1"
