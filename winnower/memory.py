"""How much memory this process has held at most.

Rules of this file
    - `ru_maxrss` survives exec: a small program started by a large one inherits the large one's peak. The kernel's
      VmHWM belongs to this program alone, so it is taken where there is one.

Source: proc(5) VmHWM; fs/exec.c setmax_mm_hiwater_rss.
"""

from __future__ import annotations

import resource
from pathlib import Path


def peak_rss() -> int:
    """The peak resident set in bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
