"""What is kept between runs, in `.testbed/` of the checkout: made once, whole or not at all.

Rules of this file
    - Made in a folder beside it, under a lock, then renamed by the caller; what a killed run left half-made goes first.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "making-"


@contextmanager
def making(state: Path) -> Iterator[Path]:
    """A folder to make something in, on the same file system as `state`; one run at a time."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in state.glob(f"{PREFIX}*"):
            shutil.rmtree(stale, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=state))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
