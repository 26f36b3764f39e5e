"""Which audit rules give what the model needs, derived from what each system call means. No I/O.

Rules of this file
    - The calls come from `agent.syscalls.MEANING`, nowhere else: a call that gets a meaning is audited from then on.
    - `full` is every call with a meaning. `lean` leaves out what moves data through open descriptors and what closes
      them: opening, connecting and accepting count, so the lean model has the same labels, but what goes through pipes,
      answered connections, datagrams and files that were open both ways is not seen.
    - A failed call means nothing (but for a connect in progress), so only successes are audited. Calls with many uses
      are narrowed to those that a handler looks at (`NARROWED`).
    - Every rule carries the key `winnower`; what does not is somebody else's, and is only looked at.
    - x32 calls (numbers from 2^30, off in most kernels) match no rule at all: the kernel's mask ends at 2,048.
    - auditd itself is left out by the kernel. The agent is left out by the user that it runs as, and only as far as
      nobody has logged in: a rule by pid would outlive it, a rule by program would hide every Python.

Complexity: O(calls); `obstacles` O(rules x calls).
Source: auditctl(8), audit.rules(7); kernel/auditsc.c audit_filter_syscall; design section 4; bench of recordings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from agent.kernel_wire import LISTS, UNSET, Condition, Rule
from agent.syscalls import ARCHITECTURES, MEANING, NUMBERS, SOCKETCALLS, URING

KEY: Final = "winnower"
RuleSet = Literal["lean", "full"]

# Handlers that lean does without: data through descriptors, and the end of descriptors.
HEAVY: Final = frozenset({"take_fd", "receive", "transmit", "copy_fd", "splice_memory", "close", "close_range"})
HEAVY_OPERATIONS: Final = frozenset({("give_fd", "write")})

SUCCESS: Final = (Condition("success", "=", 1),)
IN_PROGRESS: Final = (Condition("exit", "=", -115 & UNSET),)
_SIGNAL: Final = ((Condition("a1", "!=", 0), *SUCCESS),)  # signal 0 only asks whether a process is there
_COMMANDS: Final = tuple(
    (Condition("a1", "=", number), *SUCCESS) for number in (0, 1030, 2)
)  # F_DUPFD(_CLOEXEC), F_SETFD
_SHARED: Final = ((Condition("a2", "&", 2), Condition("a3", "&", 1), *SUCCESS),)  # PROT_WRITE and MAP_SHARED

NARROWED: Final[dict[str, tuple[tuple[Condition, ...], ...]]] = {
    "connect": (SUCCESS, IN_PROGRESS),
    "exit_group": ((),),  # it does not return, so it has no success
    **dict.fromkeys(("fcntl", "fcntl64"), _COMMANDS),
    **dict.fromkeys(("mmap", "mmap2"), _SHARED),  # what is mapped to be read has been opened to be read
    **dict.fromkeys(("kill", "tkill", "rt_sigqueueinfo", "pidfd_send_signal"), _SIGNAL),
    # Go interrupts its own threads with SIGURG (23), thousands of times a second; nobody dies of it.
    "tgkill": ((Condition("a2", "!=", 0), Condition("a2", "!=", 23), *SUCCESS),),
}
"""Conditions of calls that are not simply audited when they succeed: one rule for each alternative."""

_ELSEWHERE: Final = frozenset({("i386", "mmap")})
"""Calls whose arguments are in memory, where no rule can look."""

MACHINES: Final = {
    "x86_64": {"b64": "x86_64", "b32": "i386"},
    "aarch64": {"b64": "aarch64"},
    "i686": {"b32": "i386"},
}
"""Machine (uname -m) → the arches of its rules → their tables of numbers."""

BACKLOG: Final[Mapping[RuleSet, int]] = {"lean": 8_192, "full": 32_768}
"""Records that may wait for the daemon: a few tenths of a second at full load."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What the rules are restricted to: a login uid, a program, an SELinux type; and the agent's user, left out."""

    auid: int | None = None
    exe: str = ""
    subject: str = ""
    agent: int | None = None

    def conditions(self) -> tuple[Condition, ...]:
        """The conditions that every rule gets."""
        found = [Condition("auid", "=", self.auid)] if self.auid is not None else []
        found += [Condition("exe", "=", self.exe)] if self.exe else []
        found += [Condition("subj_type", "=", self.subject)] if self.subject else []
        return tuple(found)


def calls_of(which: RuleSet, architecture: str) -> dict[str, int]:
    """The calls that a set audits on an architecture, name → number."""
    numbers = ((name, number) for number, name in NUMBERS[architecture].items() if name in MEANING)
    kept = {name: number for name, number in numbers if which == "full" or not _heavy(name)}
    return {name: number for name, number in kept.items() if (architecture, name) not in _ELSEWHERE}


def wanted(which: RuleSet, architectures: Iterable[str], scope: Scope = Scope()) -> list[Rule]:
    """The rules of a set, in the order in which they are loaded.

    >>> sorted({rule.filter for rule in wanted("lean", ["x86_64"])})
    ['exit', 'io_uring']
    """
    end = (Condition("key", "=", KEY),)
    rules: list[Rule] = []
    if scope.agent is not None:
        own = (Condition("uid", "=", scope.agent), Condition("auid", "=", UNSET), *end)
        rules.append(Rule("exit", "never", ALL_CALLS, own))
    for architecture in architectures:
        start = (Condition("arch", "=", code_of(architecture)), *scope.conditions())
        for conditions, calls in _grouped(which, architecture).items():
            rules.append(Rule("exit", "always", frozenset(calls), (*start, *conditions, *end)))
    rules.append(Rule("io_uring", "always", frozenset(URING), (*scope.conditions(), *SUCCESS, *end)))
    return rules


ALL_CALLS: Final = frozenset(range(2_032))
"""What becomes of `-S all` (the last 16 of the kernel's 2,048 bits mean classes of calls)."""


def code_of(architecture: str) -> int:
    """The number of an architecture in records and rules."""
    return next(int(code, 16) for code, name in ARCHITECTURES.items() if name == architecture)


def ours(rules: Iterable[Rule]) -> list[Rule]:
    """Those with our key, in order of the kernel's lists."""
    return sorted((rule for rule in rules if rule.key == KEY), key=lambda rule: LISTS.get(rule.filter, 0))


@dataclass(frozen=True, slots=True)
class Change:
    """What makes the loaded rules the wanted ones: first `delete`, then `add`, both in order."""

    delete: tuple[Rule, ...]
    add: tuple[Rule, ...]


def change(loaded: Iterable[Rule], rules: list[Rule]) -> Change:
    """The smallest change; where the order would come out wrong, all of ours are loaded anew. Others' stay."""
    mine = ours(loaded)
    kept = [rule for rule in mine if rule in rules]
    add = [rule for rule in rules if rule not in kept]
    if _by_list([*kept, *add]) == _by_list(rules):
        return Change(tuple(rule for rule in mine if rule not in rules), tuple(add))
    return Change(tuple(mine), tuple(rules))


def which_loaded(loaded: Iterable[Rule], architectures: Iterable[str]) -> Literal["none", "partly", "lean", "full"]:
    """Which set the loaded rules of ours amount to, whatever they are restricted to."""
    mine, arches = ours(loaded), list(architectures)
    if not mine:
        return "none"
    audited = {arch: _audited(mine, code_of(arch)) for arch in arches}
    for which in ("full", "lean"):
        if all(set(calls_of(which, arch).values()) <= audited[arch] for arch in arches):
            return which
    return "partly"


def _audited(rules: Iterable[Rule], code: int) -> set[int]:
    arch = Condition("arch", "=", code)
    always = (rule for rule in rules if rule.action == "always" and arch in rule.conditions)
    return {call for rule in always for call in rule.calls}


def _by_list(rules: Iterable[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: LISTS[rule.filter])


def _heavy(name: str) -> bool:
    handler, operation, _ = MEANING[name]
    return handler in HEAVY or (handler, operation) in HEAVY_OPERATIONS


def _grouped(which: RuleSet, architecture: str) -> dict[tuple[Condition, ...], list[int]]:
    """The calls of a set by their conditions: what has the same conditions shares a rule."""
    groups: dict[tuple[Condition, ...], list[int]] = {SUCCESS: []}
    for name, number in calls_of(which, architecture).items():
        alternatives = _socketcalls(which) if name == "socketcall" else NARROWED.get(name, (SUCCESS,))
        for conditions in alternatives:
            groups.setdefault(conditions, []).append(number)
    return groups


def _socketcalls(which: RuleSet) -> tuple[tuple[Condition, ...], ...]:
    """i386 has one call for all that sockets do; its first argument says what."""
    numbers = [number for number, name in SOCKETCALLS.items() if which == "full" or not _heavy(name)]
    if which == "full":
        return (SUCCESS,)
    return tuple((Condition("a0", "=", number), *SUCCESS) for number in numbers)
