"""Our stages and the peers on the same log, same core, one run: records per CPU second.

    python bench/speed.py RECORDING|LOG [--runs 5] [--core N]

Rules of this file
    - Peers and ours are whole processes: user + system time of the child, interpreter start included for both. For
      ours the second figure leaves the start out (an agent starts once).
    - The largest log of the recording, uncompressed; the median of the runs.

Source: issue "cost": parse + UPG + abstraction at least 200,000 records per CPU second on one core.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from logs import count_records, plain_log, worker_logs
from peers import PEERS, cpu_seconds, default_core, run_peer
from rich.console import Console
from rich.table import Table

OURS = Path(__file__).with_name("ours.py")
STAGES = {"parse": "parse", "graph": "parse, provenance graph, abstraction", "epochs": "the same, deltas on the wire"}


def ours(stage: str, log: Path, source: Path, runs: int, core: int) -> tuple[float, float]:
    """CPU seconds of our stage as a process, and without the interpreter's start; medians."""
    recording = source.parent.parent
    known = recording / "containers.json"
    about = [str(known), source.parent.name] if known.is_file() else []
    argv = [sys.executable, str(OURS), stage, str(log), *about]
    whole = [cpu_seconds(argv, core=core) for _ in range(runs)]
    said = [subprocess.run(["taskset", "-c", str(core), *argv], capture_output=True, check=True) for _ in range(runs)]
    inner = [float(json.loads(one.stdout)["cpu_seconds"]) for one in said]
    return statistics.median(whole), statistics.median(inner)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="records per CPU second: ours and the peers")
    parser.add_argument("log", type=Path, help="a recording (its largest log), a worker's folder, or a log")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--core", type=int, default=default_core())
    options = parser.parse_args(arguments)
    source = max(worker_logs(options.log).values(), key=lambda path: path.stat().st_size)
    table = Table("tool", "what it does", title_justify="left")
    table.add_column("records/CPU s", justify="right")
    table.add_column("start left out", justify="right")
    with tempfile.TemporaryDirectory(prefix="speed-") as folder:
        log = plain_log(source, Path(folder))
        records = count_records(log)
        table.title = f"{source.parent.name}: {records:,} records, core {options.core}, median of {options.runs}"
        for stage, does in STAGES.items():
            whole, inner = ours(stage, log, source, options.runs, options.core)
            table.add_row(f"winnower {stage}", does, f"{records / whole:,.0f}", f"{records / inner:,.0f}")
        table.add_section()
        for peer in PEERS:
            one = run_peer(peer, log, runs=options.runs, core=options.core, records=records)
            table.add_row(one.name, one.does, one.reason or f"{one.rate:,.0f}", "")
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
