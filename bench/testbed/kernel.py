"""The kernel's audit settings and counters, as `auditctl -s` prints them.

Rules of this file
    - What we change is in the ledger with the value that it had; counters (`lost`) are read, never reset.
    - A configuration that is locked until reboot (enabled 2) is not for us: said, and nothing tried.

Source: auditctl(8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .ledger import Entry, Facts, Ledger, undoes
from .tell import TestbedError, run

LOCKED: Final = 2
# What auditctl calls the setting, and its option.
OPTIONS: Final = {"enabled": "-e", "failure": "-f", "backlog_limit": "-b"}


@dataclass(frozen=True, slots=True)
class KernelAudit:
    """One look at the kernel: settings, and the counters since boot."""

    enabled: int
    failure: int
    pid: int
    rate_limit: int
    backlog_limit: int
    lost: int
    backlog: int


def status() -> KernelAudit:
    """Ask the kernel. `TestbedError` without audit in the kernel, or without the right to ask."""
    values: dict[str, int] = {}
    for line in run(["auditctl", "-s"]).splitlines():
        name, _, value = line.partition(" ")
        if value.isdigit():
            values[name] = int(value)
    try:
        return KernelAudit(**{name: values[name] for name in KernelAudit.__slots__})
    except KeyError as error:
        raise TestbedError(f"auditctl -s says nothing of {error}") from None


def prepare(ledger: Ledger, *, backlog: int) -> Entry:
    """Record the settings and raise the backlog, if it is lower; auditd itself enables audit when it starts."""
    now = status()
    if now.enabled == LOCKED:
        raise TestbedError("the audit configuration is locked until reboot (enabled 2)", "run this on another machine")
    entry = ledger.note("kernel", **{name: str(getattr(now, name)) for name in OPTIONS})
    if now.backlog_limit < backlog:
        run(["auditctl", "-b", str(backlog)])
    return entry


@undoes("kernel")
def _restore(facts: Facts) -> None:
    for name, option in OPTIONS.items():
        run(["auditctl", option, facts[name]])
