"""`winnower agent rules` against a made-up kernel: what is printed, loaded, left alone and warned of.

The one test that loads rules for real runs only when asked for (see tests/agent/test_kernel.py).
"""

from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import dataclass, field, replace

import pytest
from click.testing import CliRunner, Result

from agent.kernel import KernelAudit, KernelAuditError
from agent.kernel_wire import Condition, KernelStatus, Rule
from agent.rules import ALL_CALLS, ours
from grammar.errors import InputError
from winnower import rules_command as room
from winnower.rules_command import rules

FOREIGN = Rule("exit", "always", frozenset({59}), (Condition("key", "=", "theirs"),))
HIDES = Rule("exit", "never", ALL_CALLS, (Condition("key", "=", "theirs"),))


@dataclass
class Kernel:
    """A kernel that holds rules; `old` has no io_uring list."""

    state: KernelStatus = field(default_factory=lambda: KernelStatus(enabled=1, pid=700, backlog_limit=64))
    held: list[Rule] = field(default_factory=lambda: [FOREIGN])
    old: bool = False
    calls: int = 0

    def __call__(self) -> Kernel:
        return self

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def status(self) -> KernelStatus:
        return self.state

    def rules(self) -> list[Rule]:
        return list(self.held)

    def add(self, rule: Rule) -> None:
        self.calls += 1
        if self.old and rule.filter == "io_uring":
            raise KernelAuditError("refused", "Invalid argument", "", errno.EINVAL)
        self.held.append(rule)

    def delete(self, rule: Rule) -> None:
        self.calls += 1
        self.held.remove(rule)

    def set_backlog(self, limit: int) -> None:
        self.calls += 1
        self.state = replace(self.state, backlog_limit=limit)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(room, "KernelAudit", made)
    monkeypatch.setattr(room.os, "uname", lambda: os.uname_result(("Linux", "", "", "", "x86_64")))
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(rules, list(arguments))


def test_printing_changes_nothing(kernel: Kernel) -> None:
    done = run("--set", "full", "--auid", "5001")
    assert done.exit_code == 0
    assert kernel.calls == 0
    assert "-b 32768" in done.stdout
    assert "-F arch=b64 -S " in done.stdout
    assert "-F arch=b32 -S " in done.stdout
    assert "-F auid=5001 -F success=1 -F key=winnower" in done.stdout


def test_the_backlog_is_only_printed_where_it_is_too_small(kernel: Kernel) -> None:
    kernel.state = replace(kernel.state, backlog_limit=65_536)
    assert "-b " not in run().stdout


def test_loading_leaves_others_alone_raises_the_backlog_and_is_idempotent(kernel: Kernel) -> None:
    first = run("--load")
    assert (first.exit_code, kernel.held[0], kernel.state.backlog_limit) == (0, FOREIGN, 8_192)
    assert "1 of others left as they are" in first.stdout
    held, calls = list(kernel.held), kernel.calls
    again = run("--load")
    assert (again.exit_code, kernel.held, kernel.calls) == (0, held, calls)
    assert again.stdout.startswith("0 loaded, 0 of ours deleted")


def test_another_set_replaces_ours_only(kernel: Kernel) -> None:
    run("--load")
    assert run("--load", "--set", "full").exit_code == 0
    assert run("--check", "--set", "full").exit_code == 0
    assert kernel.held[0] == FOREIGN
    lean = run("--check")
    assert lean.exit_code == 1
    assert "not of this set: -a always,exit -F arch=b64" in lean.stdout


def test_the_backlog_is_never_lowered(kernel: Kernel) -> None:
    kernel.state = replace(kernel.state, backlog_limit=65_536)
    run("--load")
    assert kernel.state.backlog_limit == 65_536


def test_unloading_takes_ours_and_nothing_else(kernel: Kernel) -> None:
    run("--load")
    done = run("--unload")
    assert kernel.held == [FOREIGN]
    assert "1 of others left as they are" in done.stdout


def test_what_is_missing_is_exit_1_and_named(kernel: Kernel) -> None:
    run("--load")
    kernel.held = [rule for rule in kernel.held if Condition("exit", "=", 2**32 - 115) not in rule.conditions]
    done = run("--check")
    assert done.exit_code == 1
    assert done.stderr.count("missing: ") == 2
    assert "-F exit=-115" in done.stderr


def test_what_stands_in_the_way_is_said(kernel: Kernel) -> None:
    kernel.held = [HIDES]
    done = run("--load")
    assert done.exit_code == 0
    assert "warning: a rule before ours hides some of their events: -a never,exit -S all -F key=theirs" in done.stderr


def test_locked_rules_are_not_even_tried(kernel: Kernel) -> None:
    kernel.state = replace(kernel.state, enabled=2)
    done = run("--load")
    assert isinstance(done.exception, InputError)
    assert "locked" in str(done.exception)
    assert kernel.calls == 0


def test_a_kernel_without_the_io_uring_list_will_do(kernel: Kernel) -> None:
    kernel.old = True
    done = run("--load")
    assert done.exit_code == 0
    assert "missing: -a always,io_uring" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--auid", "root"), "no login uid"),
        (("--auid", "4294967296"), "no login uid"),
        (("--exe", "bin/sh"), "no path"),
        (("--exe", "/bin/sh\n-D"), "no path"),
        (("--exe", "/bin/sh -k x"), "no path"),
        (("--subj-type", "a b"), "no SELinux type"),
        (("--agent-user", "nobody-of-that-name"), "no such user"),
        (("--agent-user", "root"), "root cannot be left out"),
    ],
)
def test_nothing_but_a_value_gets_into_a_rule(kernel: Kernel, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)
    assert done.stdout == ""
    assert kernel.calls == 0


def test_a_machine_without_a_table_is_said(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.os, "uname", lambda: os.uname_result(("Linux", "", "", "", "s390x")))
    assert "no table of system calls: 's390x'" in str(run().exception)
    monkeypatch.setattr(room.os, "uname", lambda: os.uname_result(("Linux", "", "", "", "aarch64")))
    assert "no table of system calls for aarch64: 'b32'" in str(run("--arch", "b32").exception)
    assert kernel.calls == 0


def test_an_agent_user_is_left_out(kernel: Kernel) -> None:
    assert "-a never,exit -S all -F uid=65534 -F auid=unset -F key=winnower" in run("--agent-user", "nobody").stdout


@pytest.mark.skipif(
    os.environ.get("WINNOWER_TEST_AUDIT") != "1" or os.geteuid() != 0,
    reason="changes the kernel's audit rules: WINNOWER_TEST_AUDIT=1 as root, with nobody else using them",
)
def test_a_foreign_rule_survives_in_the_real_kernel() -> None:
    theirs = ["always,exit", "-F", "arch=b64", "-S", "execve", "-F", "auid=4000006103", "-k", "theirs"]
    with KernelAudit() as real:
        before, limit = real.rules(), real.status().backlog_limit
        subprocess.run(["auditctl", "-a", *theirs], check=True, capture_output=True)
        try:
            with_theirs = real.rules()
            assert run("--load", "--auid", "4000006102").exit_code == 0
            assert run("--check", "--auid", "4000006102").exit_code == 0
            assert run("--unload").exit_code == 0
            assert real.rules() == with_theirs
        finally:
            run("--unload")
            subprocess.run(["auditctl", "-d", *theirs], check=False, capture_output=True)
            real.set_backlog(limit)
        assert ours(real.rules()) == []
        assert real.rules() == before
