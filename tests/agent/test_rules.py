"""The audit rules against what system calls mean: a kernel made of ten lines decides what they would let through."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kernel_wire import UNSET, Condition, Rule
from agent.rules import ALL_CALLS, KEY, Change, RuleSet, Scope, calls_of, change, code_of, ours, wanted, which_loaded
from agent.syscalls import MEANING, NUMBERS

ARCHES = ("x86_64", "i386", "aarch64")
COMPARE = {"=": operator.eq, "!=": operator.ne, "&": operator.and_}
SETS: tuple[RuleSet, ...] = ("lean", "full")


def audited(rules: list[Rule], arch: str, name: str, **fields: int) -> bool:
    """Whether the kernel writes an event: the first rule that matches decides."""
    number = {name: number for number, name in NUMBERS[arch].items()}[name]
    known = {
        "arch": code_of(arch),
        "success": 1,
        "uid": 0,
        "auid": UNSET,
        "exit": 0,
        "a0": 0,
        "a1": 0,
        "a2": 0,
        "a3": 0,
    }
    known.update(fields)
    for rule in rules:
        if rule.filter != "exit" or number not in rule.calls:
            continue
        if all(COMPARE[one.operator](known[one.field], one.value) for one in rule.conditions if one.field != "key"):
            return rule.action == "always"
    return False


@pytest.mark.parametrize("arch", ARCHES)
def test_full_is_every_call_that_has_a_meaning(arch: str) -> None:
    meant = {name for name in NUMBERS[arch].values() if name in MEANING}
    assert meant - calls_of("full", arch).keys() <= {"mmap"}
    assert calls_of("lean", arch).items() <= calls_of("full", arch).items()


@pytest.mark.parametrize("arch", ARCHES)
def test_a_call_with_a_meaning_is_audited_and_one_without_is_not(arch: str) -> None:
    rules = wanted("full", [arch])
    for name in NUMBERS[arch].values():
        arguments = {"a0": 3, "a1": 2 if name.startswith("fcntl") else 9, "a2": 9 if name == "tgkill" else 3, "a3": 1}
        meant = name in MEANING and (arch, name) != ("i386", "mmap")
        assert audited(rules, arch, name, **arguments) is meant, name


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("openat", {}, True),
        ("openat", {"success": 0, "exit": -2 & UNSET}, False),
        ("connect", {"success": 0, "exit": -115 & UNSET}, True),
        ("connect", {"success": 0, "exit": -111 & UNSET}, False),
        ("exit_group", {"success": -1}, True),
        ("fcntl", {"a1": 3}, False),
        ("fcntl", {"a1": 1030}, True),
        ("mmap", {"a2": 5, "a3": 2}, False),
        ("mmap", {"a2": 3, "a3": 1}, True),
        ("kill", {"a1": 0}, False),
        ("kill", {"a1": 9}, True),
        ("tgkill", {"a2": 23}, False),
        ("tgkill", {"a2": 6}, True),
    ],
)
def test_only_what_a_handler_looks_at_is_audited(
    which: RuleSet, name: str, fields: dict[str, int], expected: bool
) -> None:
    assert audited(wanted(which, ["x86_64"]), "x86_64", name, **fields) is expected


@pytest.mark.parametrize("name", ["read", "write", "sendto", "recvmsg", "sendfile", "close", "getdents64"])
def test_lean_does_without_data(name: str) -> None:
    assert not audited(wanted("lean", ["x86_64"]), "x86_64", name)
    assert audited(wanted("full", ["x86_64"]), "x86_64", name)


@pytest.mark.parametrize("name", ["execve", "clone3", "openat", "accept4", "renameat2", "ftruncate", "fchmod", "dup2"])
def test_lean_keeps_processes_names_and_connections(name: str) -> None:
    assert audited(wanted("lean", ["x86_64"]), "x86_64", name)


def test_i386_sockets_come_through_one_call() -> None:
    lean = wanted("lean", ["i386"])
    assert audited(lean, "i386", "socketcall", a0=3)
    assert not audited(lean, "i386", "socketcall", a0=9)
    assert audited(wanted("full", ["i386"]), "i386", "socketcall", a0=9)


def test_the_agent_is_left_out_but_not_a_person_who_becomes_it() -> None:
    rules = wanted("full", ["x86_64"], Scope(agent=990))
    assert not audited(rules, "x86_64", "read", uid=990)
    assert audited(rules, "x86_64", "read", uid=990, auid=1_000)
    assert audited(rules, "x86_64", "read", uid=0)
    assert rules[0].calls == ALL_CALLS


def test_a_scope_restricts_every_rule() -> None:
    scope = Scope(auid=5_001, exe="/usr/sbin/apache2", subject="container_t")
    for rule in wanted("full", ["x86_64", "i386"], scope):
        assert {Condition("auid", "=", 5_001), Condition("exe", "=", "/usr/sbin/apache2")} <= set(rule.conditions)
        assert Condition("subj_type", "=", "container_t") in rule.conditions


def test_every_rule_has_our_key_and_rules_are_few() -> None:
    for which in SETS:
        rules = wanted(which, ["x86_64", "i386"])
        assert {rule.key for rule in rules} == {KEY}
        assert len(set(rules)) == len(rules) <= 26


@pytest.mark.parametrize("which", SETS)
def test_what_is_loaded_is_recognised(which: RuleSet) -> None:
    rules = wanted(which, ["x86_64", "i386"], Scope(auid=5))
    assert which_loaded(rules, ["x86_64", "i386"]) == which
    assert which_loaded(rules, ["x86_64"]) == which
    assert which_loaded(rules[1:], ["x86_64"]) == "partly"
    assert which_loaded([], ["x86_64"]) == "none"
    assert which_loaded([Rule("exit", "always", ALL_CALLS, ())], ["x86_64"]) == "none"


def test_to_load_twice_changes_nothing() -> None:
    rules = wanted("lean", ["x86_64"])
    assert change(rules, rules) == Change((), ())


FOREIGN = [Rule("exit", "never", frozenset({n}), (Condition("key", "=", "theirs"),)) for n in range(3)]
POOL = [*wanted("lean", ["x86_64"], Scope(agent=990)), *wanted("full", ["x86_64"])]


@given(st.lists(st.sampled_from([*POOL, *FOREIGN]), unique=True), st.sampled_from(SETS), st.booleans())
def test_after_a_change_ours_are_the_wanted_ones_in_order_and_others_are_untouched(
    loaded: list[Rule], which: RuleSet, excluded: bool
) -> None:
    rules = wanted(which, ["x86_64"], Scope(agent=990 if excluded else None))
    step = change(loaded, rules)
    assert all(rule.key == KEY for rule in step.delete)
    after = [rule for rule in loaded if rule not in step.delete]
    assert not set(after) & set(step.add)
    after += step.add
    assert ours(after) == rules
    assert [rule for rule in after if rule in FOREIGN] == [rule for rule in loaded if rule in FOREIGN]
