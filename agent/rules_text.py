"""Audit rules as text that auditctl and augenrules read, with comments that say what they are for. No I/O.

Rules of this file
    - A call is written by name where the machine's own audit tools know that name for that number (`Names`, what
      `ausyscall ARCH --dump` prints), else by number: libaudit 3.0 says `pread` for pread64 and knows no fchmodat2.
      A list of numbers is followed by nothing that must be kept in step: the comment above names the calls.
    - Only auditctl 3.1 and newer read rules of the io_uring list; for older ones they stand in a comment.

Complexity: O(rules x calls).
Source: auditctl(8), audit.rules(7), augenrules(8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from agent.kernel_wire import UNSET, Condition, Rule
from agent.rules import ALL_CALLS, RuleSet
from agent.syscalls import ARCHITECTURES, NUMBERS, URING

Names = Mapping[str, Mapping[int, str]]
"""Architecture → number → the name that this machine's audit tools have for it."""

WIDTH: Final = 118
FILE: Final = "/etc/audit/rules.d/winnower.rules"

_SETS: Final[Mapping[RuleSet, str]] = {
    "lean": "Lean: processes, names, opened files, connections; no reads, writes, closes. Not seen: what goes through\n"
    "# pipes, accepted connections, datagrams, and files that were open for reading and writing.",
    "full": "Full: everything that has a meaning for provenance, reads and writes of data included.",
}
_ARCHES: Final = {"x86_64": "b64", "aarch64": "b64", "i386": "b32"}


def parse_names(dump: str) -> dict[int, str]:
    """What `ausyscall ARCH --dump` prints: a line of heading, then `number<tab>name`.

    >>> parse_names("Using x86_64 syscall table:\\n0\\tread\\n")
    {0: 'read'}
    """
    pairs = (line.split() for line in dump.splitlines())
    return {int(pair[0]): pair[1] for pair in pairs if len(pair) == 2 and pair[0].isdecimal()}


def text(which: RuleSet, rules: Iterable[Rule], names: Names, *, backlog: int = 0, uring: bool = False) -> str:
    """The whole file. `backlog` adds a line that sets the limit; `uring` says that auditctl reads io_uring rules."""
    lines = [
        f"# Audit rules for winnower, made by `winnower agent rules --set {which}`: do not edit, make them again.",
        f"# {_SETS[which]}",
        f"# To use: save as {FILE}, then augenrules --load. All have the key `winnower`.",
        "# auditd is left out by the kernel itself. Failed calls mean nothing to the model and are left out.",
    ]
    if backlog:
        lines += ["", "# Room for bursts; the kernel's 64 loses records. Leave the line out if another file sets more."]
        lines += [f"-b {backlog}"]
    for rule in rules:
        lines += ["", *_comment(rule), line(rule, names, uring=uring)]
    return "\n".join(lines) + "\n"


def line(rule: Rule, names: Names, *, uring: bool = True) -> str:
    """One rule, as auditctl takes it."""
    architecture = architecture_of(rule)
    known = {**URING} if rule.filter == "io_uring" else names.get(architecture, {})
    parts = ["-a", f"{rule.action},{rule.filter}"]
    parts += [f"-F arch={_ARCHES.get(architecture, one.value)}" for one in rule.conditions if one.field == "arch"]
    if rule.calls:
        listed = ",".join(known.get(call, str(call)) for call in sorted(rule.calls))
        parts += ["-S", "all" if rule.calls == ALL_CALLS else listed]
    for one in rule.conditions:
        parts += [] if one.field == "arch" else ["-F", _condition(one)]
    whole = " ".join(parts)
    return whole if uring or rule.filter != "io_uring" else f"# auditctl 3.1 or newer: {whole}"


def architecture_of(rule: Rule) -> str:
    """The architecture that a rule names, or nothing."""
    codes = (one.value for one in rule.conditions if one.field == "arch" and isinstance(one.value, int))
    return next((ARCHITECTURES.get(f"{code:x}", "") for code in codes), "")


def _condition(one: Condition) -> str:
    value: int | str = one.value
    if one.field == "auid" and value == UNSET:
        value = "unset"
    elif one.field == "exit" and isinstance(value, int) and value > UNSET >> 1:
        value = value - UNSET - 1
    elif one.operator in ("&", "&="):
        value = f"0x{value:x}"
    return f"{one.field}{one.operator}{value}"


def _comment(rule: Rule) -> list[str]:
    """Which calls a rule is about, by their names in our tables, folded."""
    if rule.action == "never":
        return ["# The agent's own user, unless somebody logged in: it would audit itself."]
    architecture = architecture_of(rule)
    table = URING if rule.filter == "io_uring" else NUMBERS[architecture]
    words = [f"{architecture or 'io_uring'}:", *(table[call] for call in sorted(rule.calls))]
    lines = ["#"]
    for word in words:
        if len(lines[-1]) + len(word) >= WIDTH:
            lines.append("#")
        lines[-1] += f" {word}"
    return lines
