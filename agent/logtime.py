"""Time as the log tells it, made to go forward only.

Rules of this file
    - A record carries the time at which its system call began, and appears when it ended: a blocked accept is seconds
      late. An event's time in the graph is therefore the latest time seen so far: the order of events is the order of
      times.
    - A clock that was set back (`STEP_EVENTS` events in a row behind by more than `STEP`) is counted and bridged: from
      then on times are shifted, so that order and epochs go on.

Source: kernel/auditsc.c (stamp at entry, records at exit); design section 4 (clock steps).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from agent.upg import Clock

STEP: Final = 5_000  # milliseconds
STEP_EVENTS: Final = 200


@dataclass(slots=True)
class LogTime:
    """`clock.millis` is the graph's time; `offset` what has been added to the log's."""

    clock: Clock = field(default_factory=Clock)
    offset: int = 0
    steps: int = 0
    _behind: int = 0

    def see(self, millis: int) -> None:
        """Take one event's time."""
        now = millis + self.offset
        clock = self.clock
        if now >= clock.millis:
            clock.millis = now
            self._behind = 0
        elif clock.millis - now > STEP:
            self._behind += 1
            if self._behind >= STEP_EVENTS:
                self.offset += clock.millis - now
                self._behind = 0
                self.steps += 1
