"""Audit tools beside us: the same log, one core, records per CPU second.

    python bench/peers.py LOG|WORKER|RECORDING [--runs 5] [--core N] [--json]

Rules of this file
    - Cost is CPU time of the child and its children (user + system) as the kernel counted it at wait4, not wall time.
    - Every peer reads the same uncompressed log from the page cache, pinned to the same core; shown is the median run.
    - A peer that is not there is a row that says so. A peer that fails is a row that says so, with its exit code.
    - Nothing outlives a run: laurel reads standard input, with a configuration of ours, writes to a temporary folder.

Invariant: `run_peer` never raises for a missing, failing or hanging peer; it returns what happened.
Source: design section 2 (record); the peers' manual pages.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from logs import count_records, plain_log, worker_logs
from rich.console import Console
from rich.table import Table

HERE: Final = Path(__file__).resolve().parent
INSTALL: Final = "not installed (bench/install_peers.sh)"
TIMEOUT: Final = 300.0
SYSTEM_PYTHON: Final = "/usr/bin/python3"

LAUREL_CONFIG: Final = """\
directory = "{folder}"
[auditlog]
file = "audit.log"
size = 10000000000
generations = 1
"""

# The binding's least work, as in auparse_fields.c: every field's name and value.
BINDING: Final = """\
import auparse, sys
log = auparse.AuParser(auparse.AUSOURCE_FILE, sys.argv[1])
value = log.interpret_field if sys.argv[2:] == ["interpreted"] else log.get_field_str
while log.parse_next_event():
    log.first_record()
    while True:
        log.first_field()
        while True:
            log.get_field_name(), value()
            if not log.next_field():
                break
        if not log.next_record():
            break
"""


class PeerError(Exception):
    """A child that failed or hung; the text says which and how."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool: `command(log, folder)` is what to run, `folder` its own to write in; `stdin`: it reads the log so."""

    name: str
    does: str
    there: Callable[[], bool]
    version: Callable[[], str]
    command: Callable[[Path, Path], list[str]]
    stdin: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one peer cost: CPU seconds of every run, or the reason why there is none."""

    name: str
    version: str
    does: str
    records: int
    cpu_seconds: tuple[float, ...] = ()
    reason: str = ""

    @property
    def rate(self) -> float:
        """Records per CPU second, median of the runs; 0 if it did not run."""
        return self.records / statistics.median(self.cpu_seconds) if self.cpu_seconds else 0.0


def default_core() -> int:
    """The last core that this process may use: the first is where interrupts tend to land."""
    return max(os.sched_getaffinity(0))


def cpu_seconds(argv: Sequence[str], *, core: int, stdin: Path | None = None, timeout: float = TIMEOUT) -> float:
    """Run `argv` on one core, output thrown away; its user + system seconds. `PeerError` if it fails or hangs."""
    with (stdin or Path(os.devnull)).open("rb") as source:
        child = subprocess.Popen(
            ["taskset", "-c", str(core), *argv], stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    watch = threading.Timer(timeout, child.kill)
    watch.start()
    try:
        _, status, usage = os.wait4(child.pid, 0)
    finally:
        watch.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise PeerError(f"failed: exit {child.returncode}")
    return usage.ru_utime + usage.ru_stime


def run_peer(
    peer: Peer, log: Path, *, runs: int = 5, core: int | None = None, records: int | None = None
) -> Measurement:
    """Measure one peer on one uncompressed log; `records` saves counting them again."""
    records = count_records(log) if records is None else records
    if not peer.there():
        return Measurement(peer.name, "", peer.does, records, reason=INSTALL)
    pinned = default_core() if core is None else core
    costs: list[float] = []
    reason = ""
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="peer-") as folder:
            try:
                argv = peer.command(log, Path(folder))
                costs.append(cpu_seconds(argv, core=pinned, stdin=log if peer.stdin else None))
            except (OSError, PeerError, subprocess.SubprocessError) as error:
                costs, reason = [], str(error)
                break
    return Measurement(peer.name, peer.version(), peer.does, records, tuple(costs), reason)


def _said(*argv: str) -> str:
    """The last word of the first line that a command prints: what the peers' --version ends with."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return "?"
    words = (done.stdout or done.stderr).split("\n", 1)[0].split()
    return words[-1] if words else "?"


def _has(program: str) -> Callable[[], bool]:
    return lambda: shutil.which(program) is not None


def _audit_version() -> str:
    return _said("ausearch", "--version")


def _has_libauparse() -> bool:
    return shutil.which("cc") is not None and Path("/usr/include/auparse.h").exists()


def _has_binding() -> bool:
    argv = [SYSTEM_PYTHON, "-c", "import auparse"]
    return Path(SYSTEM_PYTHON).exists() and subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _libauparse(*mode: str) -> Callable[[Path, Path], list[str]]:
    def command(log: Path, folder: Path) -> list[str]:
        program = folder / "auparse_fields"
        build = ["cc", "-O2", "-o", str(program), str(HERE / "auparse_fields.c"), "-lauparse"]
        subprocess.run(build, check=True, capture_output=True)
        return [str(program), str(log), *mode]

    return command


def _binding(*mode: str) -> Callable[[Path, Path], list[str]]:
    return lambda log, _: [SYSTEM_PYTHON, "-c", BINDING, str(log), *mode]


def _ausearch(mode: str) -> Callable[[Path, Path], list[str]]:
    return lambda log, _: ["ausearch", mode, "-if", str(log)]


def _laurel(_: Path, folder: Path) -> list[str]:
    config = folder / "laurel.toml"
    config.write_text(LAUREL_CONFIG.format(folder=folder), "utf-8")
    return ["laurel", "--config", str(config)]


PEERS: Final = (
    Peer("ausearch --raw", "parse, copy", _has("ausearch"), _audit_version, _ausearch("--raw")),
    Peer("ausearch -i", "parse, interpret, print", _has("ausearch"), _audit_version, _ausearch("-i")),
    Peer("libauparse (C)", "parse, all fields", _has_libauparse, _audit_version, _libauparse()),
    Peer("libauparse (C), -i", "parse, all interpreted", _has_libauparse, _audit_version, _libauparse("interpreted")),
    Peer("auparse (Python)", "parse, all fields", _has_binding, _audit_version, _binding()),
    Peer("auparse (Python), -i", "parse, all interpreted", _has_binding, _audit_version, _binding("interpreted")),
    Peer("laurel", "parse, coalesce, JSON", _has("laurel"), lambda: _said("laurel", "--version"), _laurel, stdin=True),
)


def table(measurements: Sequence[Measurement], title: str) -> Table:
    """The rows as a table of 80 columns; `bench/speed.py` puts ours among them."""
    shown = Table("peer", "version", "what it does", title=title, title_justify="left")
    shown.add_column("records/CPU s", justify="right")
    for one in measurements:
        shown.add_row(one.name, one.version or "-", one.does, one.reason or f"{one.rate:,.0f}")
    return shown


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="audit tools on one log: records per CPU second on one core")
    parser.add_argument("log", type=Path, help="audit.log[.zst], a worker's folder, or a recording (its largest log)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--core", type=int, default=default_core())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    source = max(worker_logs(options.log).values(), key=lambda path: path.stat().st_size)
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        log = plain_log(source, Path(folder))
        records = count_records(log)
        rows = [run_peer(peer, log, runs=options.runs, core=options.core, records=records) for peer in PEERS]
    if options.json:
        print(json.dumps([{"peer": m.name, "version": m.version, "rate": m.rate, "reason": m.reason} for m in rows]))
        return 0
    title = f"{source.parent.name}: {records:,} records, core {options.core}, median of {options.runs}"
    Console(width=None if sys.stdout.isatty() else 80).print(table(rows, title))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
