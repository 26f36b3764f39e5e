"""What crosses the wire for a whole recording, beside general compressors on the raw logs, in one run.

    python bench/uplink.py RECORDING [--epoch 10s] [--profile FILE]... [--no-compressors]

Rules of this file
    - Our bytes are the replay's: HTTP heads and framing included, all workers and epochs together. A compressor gets
      each worker's log whole, which no sender of epochs has.
    - The same recording is replayed without its applications' logs, too: exit code 1 if they cost more than `MOST`.

Source: issue "cost": at most 60 kB for `web`, of which deltas at most 40 kB; issue "application logs": within 1.3x.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from compression import COMPRESSORS, sizes
from rich.console import Console
from rich.table import Table

from agent.profile_files import read_profiles
from grammar import encode_model
from monitor.novelty import Settings
from winnower.policy_command import shipped_policies
from winnower.replay import replay
from winnower.replay_command import Runner, duration

MOST: Final = 1.3


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="bytes on the wire for a recording")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--epoch", default="10s")
    parser.add_argument("--profile", action="append", type=Path, default=[])
    parser.add_argument("--no-compressors", action="store_true")
    options = parser.parse_args(arguments)
    profiles = read_profiles(options.profile)
    with tempfile.TemporaryDirectory(prefix="uplink-") as folder:
        place = Path(folder) / "state"
        millis, policies, settings = duration(options.epoch), shipped_policies(), Settings()
        _, silent = replay(options.recording, place, Runner(millis, policies, settings, lines=False))
        run = Runner(millis, policies, settings, profiles=profiles)
        monitor, report = replay(options.recording, place, run)
    workers = report.workers.values()
    without = sum(one.uplink for one in silent.workers.values())
    up = sum(one.uplink for one in workers)
    raw = sum(one.raw_bytes for one in workers)
    table = Table("what", title=f"{report.recording}: epochs of {options.epoch}", title_justify="left")
    table.add_column("bytes", justify="right")
    table.add_column("raw log is", justify="right")
    rows = {
        "raw audit logs": raw,
        "up, framing included": up,
        "  of which deltas": sum(one.deltas for one in workers),
        "up without applications' logs": without,
        "down, framing included": sum(one.downlink for one in workers),
        **{f"model of {name}": len(encode_model(app.folded)) for name, app in sorted(monitor.apps.items())},
    }
    if not options.no_compressors:
        total = sizes(options.recording)["total"]
        rows |= {name: int(total[name]) for name in COMPRESSORS}
    for name, size in rows.items():
        table.add_row(name, f"{size:,}", f"{raw / max(1, size):,.0f}x")
    Console(width=None if sys.stdout.isatty() else 80).print(table)
    lines = sum(sum(one.lines.values()) for one in workers)
    print(f"{lines:,} lines of applications' logs cost {up / without:.3f}x the bytes (limit {MOST})")
    return 0 if up <= MOST * without else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
