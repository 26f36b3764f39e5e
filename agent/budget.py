"""The share of one core that the agent may use.

Rules of this file
    - Pure: CPU seconds used so far and the time come in, seconds to rest come out. Unused share is kept for `BURST`
      seconds only: an idle night does not pay for a stalled morning.
    - Resting never loses anything by itself; what then cannot be read in time is counted where it is skipped.

Invariant: over any stretch the share used is at most `percent`, but for one burst and one step of work.
Complexity: O(1).
Source: issue "live agent" (CPU budget by setting, throttling reported as loss); token bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BURST: Final = 2.0
TRIFLE: Final = 0.0001  # CPU seconds that are not worth a rest
LONGEST: Final = 0.5
"""Seconds that one rest lasts at most: orders and signals are looked at in between."""


@dataclass(slots=True)
class Budget:
    """`percent` of one core, 0 for no limit; `rested` counts the seconds of rest so far.

    >>> budget = Budget(50)
    >>> [budget.rest(cpu, now) for cpu, now in ((0.0, 0.0), (1.0, 1.0), (3.0, 1.5))]
    [0.0, 0.0, 0.5]
    """

    percent: float = 0.0
    rested: float = 0.0
    _left: float = 0.0
    _used: float = -1.0
    _at: float = 0.0

    def rest(self, cpu_seconds: float, now: float) -> float:
        """How many seconds to rest at `now`, when `cpu_seconds` have been used in all."""
        if self._used < 0:
            self._used, self._at, self._left = cpu_seconds, now, BURST * self.percent / 100
            return 0.0
        share = self.percent / 100
        earned = share * max(0.0, now - self._at)
        self._left = min(BURST * share, self._left + earned - (cpu_seconds - self._used))
        self._used, self._at = cpu_seconds, now
        if not self.percent or self._left > -TRIFLE:
            return 0.0
        pause = min(LONGEST, -self._left / share)
        self.rested += pause
        return pause
