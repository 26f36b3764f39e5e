"""What the kernel has lost between two readings of its counters. No I/O.

Rules of this file
    - The kernel's `lost` counter is the only source of the cause `kernel_lost`. Records in the log that tell of it
      (CONFIG_CHANGE `lost=0 old=N`, written when somebody sets the counter back) are not counted: what they tell of
      has been counted by the readings before.
    - `lost` goes up alike for an overflowing backlog and for the rate limit; the status says which of the two is set.
    - The first reading is the baseline. After that nothing is forgiven: across a restart of the agent the caller gives
      back the last `Reading`, and what was lost in between is counted.
    - A counter that has gone back without a boot was set back by somebody: what it shows now is new, what it had
      gained before that is not known, and that is a loss of its own (`kernel_reset`). After a boot it began at zero.
    - To find auditing off, or nobody to take its records, is a loss (`kernel_off`), as is to find nothing out
      (`kernel_unread`): silence must not look like peace. Both count readings.

Invariant: with no reset, the sum of `kernel_lost` told is the last reading's `lost` less the baseline's.
Complexity: O(1).
Source: kernel/audit.c audit_log_lost, AUDIT_STATUS_LOST; design section 3, promise 5.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agent.kernel_wire import KernelStatus

_WIDTH: Final = 1 << 32
_STEP: Final = 1 << 24  # no second loses more: a counter that seems to have gained less than this has wrapped


class Reading(msgspec.Struct, frozen=True):
    """What the caller keeps across a restart: the boot (any text that changes with it) and the counter."""

    boot: str
    lost: int


class LossMeter:
    """Successive readings in, losses by cause out.

    `fullest` is the largest share of the backlog seen in use since `rest` was last called (information, no loss; it can
    be a little over 1, for the kernel refuses what comes after the limit has been passed).

    >>> meter = LossMeter()
    >>> [meter.see("boot", KernelStatus(enabled=1, pid=7, lost=n)) for n in (5, 9, 9)]
    [{}, {'kernel_lost': 4}, {}]
    """

    def __init__(self, last: Reading | None = None) -> None:
        self.last = last
        self.fullest = 0.0

    def see(self, boot: str, status: KernelStatus) -> dict[str, int]:
        """Take one reading; give what was lost since the one before, by cause of `agent.loss.CAUSES`."""
        if status.backlog_limit:
            self.fullest = max(self.fullest, status.backlog / status.backlog_limit)
        lost = _since(self.last, Reading(boot, status.lost))
        self.last = Reading(boot, status.lost)
        if not status.enabled or not status.pid:
            lost["kernel_off"] = 1
        return lost

    def unread(self) -> dict[str, int]:
        """The counters could not be read this time; what is lost meanwhile is counted by the next reading."""
        return {"kernel_unread": 1}

    def rest(self) -> float:
        """Give `fullest` and start it again."""
        fullest, self.fullest = self.fullest, 0.0
        return fullest


def _since(last: Reading | None, now: Reading) -> dict[str, int]:
    if last is None:
        return {}
    before = last.lost if last.boot == now.boot else 0
    gained = (now.lost - before) % _WIDTH
    if now.lost >= before or gained < _STEP:
        return {"kernel_lost": gained} if gained else {}
    return {"kernel_lost": now.lost, "kernel_reset": 1} if now.lost else {"kernel_reset": 1}
