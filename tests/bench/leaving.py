"""What a test has left on the machine, where other tests come and go beside it.

Rules of this file
    - What goes away by itself within a minute was another test's; what has gone meanwhile was another's, too. What is
      left behind stays.

Source: `bench.testbed.leftovers`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from testbed.leftovers import leftovers, look

PATIENCE = 60.0


def left(
    before: Mapping[str, frozenset[str]], ours: Callable[[str], bool] = lambda line: True, seconds: float = PATIENCE
) -> list[str]:
    """What is there now and was not before, after at most so many seconds."""
    until = time.monotonic() + seconds
    while True:
        found = [one for one in leftovers(before, look()) if ours(one) and not one.startswith("- process")]
        if not found or time.monotonic() > until:
            return found
        time.sleep(1)
