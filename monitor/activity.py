"""How long an application has been active, from what its replicas tell, each at its own moments.

Rules of this file
    - Pure; milliseconds of log time. The truth is how long any replica was active: the length of the union of all told
      stretches. Two things bound it from below: how far the latest end has moved on while stretches touched it, and how
      long the most active replica has been so. The larger counts: a worker whose clock is ahead (or who lies) can stop
      the first, never the second; replicas that live shortly stop the second, not the first.

Invariant: what is counted is never more than the union of the stretches that were told.
Complexity: O(1).
Source: design section 2 (log time); `monitor.novelty` (settling takes activity, however it is cut and told).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Activity:
    """`before` is how long the most active replica had been active when this began.

    >>> web = Activity()
    >>> web.note(0, 10, 10), web.note(2, 10, 10), web.take(), web.take()
    (None, None, 12, 0)
    """

    before: int = 0
    active: bool = False
    _latest: int = -1
    _moved: int = 0
    _longest: int = 0
    _counted: int = 0

    def note(self, start: int, length: int, total: int) -> None:
        """A replica was active in [start, start + length), and for `total` altogether."""
        end = start + length
        self._moved += max(0, end - max(start, self._latest))
        self._latest = max(self._latest, end)
        self._longest = max(self._longest, total - self.before)
        self.active = True

    def take(self) -> int:
        """How much longer the application has been active since this was asked last."""
        now = max(self._moved, self._longest)
        more, self._counted, self.active = now - self._counted, now, False
        return more
