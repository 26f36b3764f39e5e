"""What would keep our audit rules from giving what they should: others' rules before them, the kernel's settings.

Rules of this file
    - No I/O: the kernel's rules and status come in, obstacles come out. Others' rules are reported, never changed.
    - The kernel takes the first rule that matches: a `never` before ours hides what it matches, one after ours does
      not. `task,never` hides new processes altogether, the `exclude` list hides records of events.

Complexity: O(rules x calls).
Source: kernel/auditsc.c audit_filter_task, audit_filter_syscall; kernel/audit.c audit_filter; auditctl(8).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from agent.kernel_wire import Condition, KernelStatus, Rule
from agent.rules import KEY
from agent.rules_text import line
from agent.syscalls import NUMBERS

RECORDS: Final = {
    1300: "SYSCALL", 1302: "PATH", 1304: "SOCKETCALL", 1306: "SOCKADDR", 1307: "CWD", 1309: "EXECVE", 1317: "FD_PAIR",
    1318: "OBJ_PID", 1323: "MMAP", 1327: "PROCTITLE", 1336: "URINGOP", 1337: "OPENAT2",
}  # fmt: skip
"""Types of records that the agent reads; PROCTITLE ends an event."""

HARMLESS: Final = frozenset({0x64626720, 0x74726163})
"""File systems that distributions leave out of PATH records: debugfs, tracefs."""

SHOWN: Final = 200

_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way, and what to do about it."""

    what: str
    todo: str


def obstacles(rules: Iterable[Rule], wanted: Iterable[Rule], status: KernelStatus, backlog: int) -> list[Obstacle]:
    """Everything that would hide events from `wanted`, loaded or about to be; `backlog` is the limit they ask for."""
    loaded, needed = list(rules), [rule for rule in wanted if rule.action == "always"]
    return [*_settings(status, backlog), *_before(loaded, needed), *_lists(loaded)]


def _settings(status: KernelStatus, backlog: int) -> list[Obstacle]:
    found: list[Obstacle] = []
    if status.enabled == 0:
        found.append(Obstacle("auditing is switched off", "start auditd, or: auditctl -e 1"))
    if status.enabled == 2:
        found.append(Obstacle("the audit rules are locked until the next boot", "put them into rules.d, then reboot"))
    if status.enabled and not status.pid:
        found.append(Obstacle("no audit daemon takes the records", "systemctl start auditd"))
    if 0 < status.backlog_limit < backlog:
        what = f"the backlog limit is {status.backlog_limit}: bursts will be lost"
        found.append(Obstacle(what, f"auditctl -b {backlog}"))
    if status.rate_limit:
        what = f"at most {status.rate_limit} records a second are let through, the rest is lost"
        found.append(Obstacle(what, "auditctl -r 0"))
    if status.failure == 2:
        found.append(Obstacle("the machine panics when a record is lost", "auditctl -f 1, unless that is meant"))
    return found


def _before(loaded: list[Rule], needed: list[Rule]) -> list[Obstacle]:
    """`never` rules of others that the kernel tries before the first of ours."""
    found: list[Obstacle] = []
    for rule in loaded:
        if rule.key == KEY and rule.filter == "exit":
            break
        if rule.filter == "exit" and rule.action == "never" and any(_overlap(rule, one) for one in needed):
            what = f"a rule before ours hides some of their events: {shown(rule)}"
            found.append(Obstacle(what, "delete it, or load it after ours"))
    return found


def _lists(loaded: list[Rule]) -> list[Obstacle]:
    """Rules of the other lists."""
    found: list[Obstacle] = []
    for rule in loaded:
        if rule.filter == "task" and rule.action == "never":
            what = f"processes that start now are not audited at all: {shown(rule)}"
            found.append(Obstacle(what, "delete it (often in 10-no-audit.rules); restart what runs"))
        elif rule.filter == "exclude" and (names := _excluded(rule)):
            what = f"records that the agent needs are left out ({names}): {shown(rule)}"
            found.append(Obstacle(what, "delete it"))
        elif rule.filter == "filesystem" and not _harmless(rule):
            found.append(Obstacle(f"files of a file system are left out: {shown(rule)}", "delete it"))
    return found


def _overlap(one: Rule, other: Rule) -> bool:
    arches = [{c.value for c in rule.conditions if c.field == "arch" and c.operator == "="} for rule in (one, other)]
    return bool(one.calls & other.calls) and (not all(arches) or arches[0] == arches[1])


def _excluded(rule: Rule) -> str:
    """The types of ours that an exclude rule matches, or what else it goes by."""
    kinds = [one for one in rule.conditions if one.field == "msgtype"]
    names = [name for number, name in RECORDS.items() if all(_matches(one, number) for one in kinds)]
    return "all types" if len(names) == len(RECORDS) else " ".join(names)


def _matches(condition: Condition, number: int) -> bool:
    compare = _COMPARE.get(condition.operator)
    return compare is None or not isinstance(condition.value, int) or compare(number, condition.value)


def _harmless(rule: Rule) -> bool:
    return any(one.field == "fstype" and one.value in HARMLESS for one in rule.conditions)


def shown(rule: Rule) -> str:
    """A rule as auditctl would say it, at most `SHOWN` characters; callers escape it."""
    whole = line(rule, NUMBERS)
    return whole if len(whole) <= SHOWN else whole[:SHOWN] + "..."
