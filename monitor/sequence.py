"""Which envelopes of an agent's session are new, repeated, or missing.

Rules of this file
    - No I/O, no clock: a number comes in, a verdict comes out. Order does not matter; a repeat is no error.
    - What is missing is counted as long as it is missing; a gap that is given up stays counted. A session never grows
      beyond `MAX_AHEAD` numbers: then its first gap is given up.

Invariant: `next` is the smallest number that is still waited for; `ahead` is ascending, all above `next`.
Complexity: O(MAX_AHEAD) per envelope.
Source: design section 4 (publish: at-least-once), section 3 promise 5.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Final

MAX_AHEAD: Final = 64


@dataclass(slots=True)
class SessionSequence:
    """Numbers seen in one session, starting at 0; `given_up` counts those that will not be waited for.

    >>> numbers = SessionSequence()
    >>> [numbers.see(n) for n in (0, 2, 2, 1)], numbers.next
    ([True, True, False, True], 3)
    """

    next: int = 0
    ahead: list[int] = field(default_factory=list)
    given_up: int = 0

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self.ahead, number)
        return number < self.next or (at < len(self.ahead) and self.ahead[at] == number)

    @property
    def missing(self) -> int:
        """How many numbers below the highest one seen have not come."""
        waited = self.ahead[-1] - self.next + 1 - len(self.ahead) if self.ahead else 0
        return self.given_up + waited

    def see(self, number: int) -> bool:
        """Take one number; False if it has been seen (or given up)."""
        if number in self:
            return False
        insort(self.ahead, number)
        self._advance()
        if len(self.ahead) > MAX_AHEAD:
            self.given_up += self.ahead[0] - self.next
            self.next = self.ahead[0]
            self._advance()
        return True

    def _advance(self) -> None:
        seen = 0
        while seen < len(self.ahead) and self.ahead[seen] == self.next:
            self.next += 1
            seen += 1
        del self.ahead[:seen]
