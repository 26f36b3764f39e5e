"""How long to wait before trying again: longer each time, and never at the same moment as everybody else.

Rules of this file
    - Pure: randomness comes in. Half of each wait is certain, half is chance.

Source: exponential back-off with jitter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """`chance` gives numbers from 0 to 1; waits double from `first` to `most` seconds.

    >>> waits = Backoff(lambda: 1.0, first=1.0, most=5.0)
    >>> [waits.failed() for _ in range(4)]
    [1.0, 2.0, 4.0, 5.0]
    """

    chance: Callable[[], float]
    first: float = 0.5
    most: float = 30.0
    failures: int = 0

    def failed(self, least: float = 0.0) -> float:
        """Seconds to wait after one more failure, at least `least`."""
        wait = min(self.most, self.first * 2 ** min(self.failures, 30))
        self.failures += 1
        return self.spread(max(wait, least), least)

    def spread(self, wait: float, least: float = 0.0) -> float:
        """A wait of about that long: from its half (but `least`) to the whole, and over it if `least` is all of it."""
        low = max(wait / 2, least)
        return low + (max(wait, 1.5 * least) - low) * self.chance()

    def worked(self) -> None:
        """It works again."""
        self.failures = 0
