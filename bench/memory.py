"""Is memory bounded by what is live, not by the length of the log? Peak resident set on one copy and on N.

    python bench/memory.py RECORDING|LOG [--copies 10]

Rules of this file
    - N copies stand one after the other, times and serials shifted (`bench/shift.py`); each size is a process of its
      own.

Source: issue "cost": ten copies within 1.2x of one, and under 200 MB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from logs import plain_log, worker_logs
from rich.console import Console
from rich.table import Table
from shift import shift
from speed import OURS


def peak(log: Path, source: Path) -> dict[str, float]:
    """What `ours.py epochs` says of one log."""
    recording = source.parent.parent
    known = recording / "containers.json"
    about = [str(known), source.parent.name] if known.is_file() else []
    done = subprocess.run([sys.executable, str(OURS), "epochs", str(log), *about], capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="peak memory of the agent against the length of the log")
    parser.add_argument("log", type=Path)
    parser.add_argument("--copies", type=int, default=10)
    options = parser.parse_args(arguments)
    source = max(worker_logs(options.log).values(), key=lambda path: path.stat().st_size)
    table = Table("copies", title=f"{source.parent.name}: peak memory of one agent", title_justify="left")
    for column in ("records", "peak RSS MB", "against one copy", "records/CPU s"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        log = plain_log(source, Path(folder))
        many = Path(folder) / "copies.log"
        shift(log, options.copies, many)
        one = peak(log, source)
        for copies, found in ((1, one), (options.copies, peak(many, source))):
            ratio = found["peak_rss_bytes"] / one["peak_rss_bytes"]
            rate = found["records"] / found["cpu_seconds"]
            size = found["peak_rss_bytes"] / 1e6
            table.add_row(str(copies), f"{found['records']:,.0f}", f"{size:.1f}", f"{ratio:.2f}x", f"{rate:,.0f}")
    Console(width=None if sys.stdout.isatty() else 80).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
