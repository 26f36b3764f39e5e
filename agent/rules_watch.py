"""Whether the kernel still has the audit rules that the model needs.

Rules of this file
    - It looks, now and then, and says; it never changes a rule. Where it may not look, it says nothing: the kernel's
      counters are read with the same right, and their absence is counted.

Complexity: a few milliseconds every `EVERY` seconds.
Source: issue "live agent" (capture, passive by default).
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from agent.kernel import KernelAudit
from agent.rules import which_loaded
from grammar import InputError

EVERY: Final = 300.0
ENOUGH: Final = {"lean": ("lean", "full"), "full": ("full",)}

_log = logging.getLogger("agent.rules")


def loaded() -> str:
    """Which of our sets is loaded: none, partly, lean or full."""
    with KernelAudit() as kernel:
        return which_loaded(kernel.rules(), [platform.machine()])


@dataclass(slots=True)
class RulesWatch:
    """`expected` is a set of rules, or `any`; `trouble` is what is wrong, in words."""

    expected: Literal["lean", "full", "any"]
    ask: Callable[[], str] = loaded
    clock: Callable[[], float] = time.monotonic
    trouble: str = ""
    _next: float = 0.0

    def look(self) -> None:
        """Look, if it is time."""
        now = self.clock()
        if self.expected == "any" or now < self._next:
            return
        self._next = now + EVERY
        try:
            found = self.ask()
        except (InputError, OSError, KeyError):
            return
        trouble = ""
        if found not in ENOUGH[self.expected]:
            trouble = f"audit rules loaded: {found}; `winnower agent rules --set {self.expected} --load` loads them"
        if trouble and trouble != self.trouble:
            _log.warning("the kernel lacks audit rules", extra={"found": found, "expected": self.expected})
        self.trouble = trouble
