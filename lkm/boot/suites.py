"""Which guests each command boots, and with which checks.

Rules of this file
    - Two guests at a time: each keeps about one core busy.
    - A check that hangs takes its guest with it, not the others: each guest has a time limit of its own.
    - Guests of one kernel stand in one column of the table.
    - A guest that cannot be had here (not root, no compiler) is left out, and the last lines say so.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from . import build, packages
from .console import Report
from .debug import debug_kernel
from .guest import Job, Said, do
from .kept import ROOT
from .kernels import SUITES, Kernel, kernel
from .measured import rows
from .programs import servers
from .table import ends, table
from .tell import BootError, say, step

TOGETHER: Final = 2
# What a minute is enough for; the rest of the complete test is more of the same, slower, or on the other kernel.
SHORT: Final = (
    "attribution",
    "companion",
    "calls",
    "compat",
    "descriptors",
    "shared_position",
    "device_open",
    "device_read",
    "device_poll",
    "device_signals",
    "reopened",
    "own_writes",
    "exclude",
    "cgroups",
    "failures",
    "filesystems",
    "full",
    "never_wait",
    "renamed",
    "truncated",
    "rotated",
    "parameters",
    "appending",
    "no_files",
    "paths",
)
SHORT_OTHER: Final = ("attribution", "companion", "calls", "device_poll", "full", "filesystems", "unload_briefly")
# As tests/lkm/guest/wrap.c has it.
FIRST: Final = "0xfffffffffffffff0ull"
# It turns itself off at its first report.
LOCKDEP: Final = """\
verdict="FAIL off"
grep -q 'debug_locks: *1' /proc/lockdep_stats && verdict=ok
echo "RESULT lockdep $verdict" > $R
"""
SERVER_RESULTS: Final = "server_lines server_events feedback no_loss audit_rests"
# The twin's ways of seeing a write; its guest tries each with every filter, and names those results after these.
TWIN_RESULTS: Final = "bpf-fexit bpf-kretprobe bpf-sys_exit"
PYTHON: Final = ROOT / ".venv" / "bin" / "python"
GUEST: Final = ROOT / "tests" / "lkm" / "guest"
TWIN: Final = ROOT / "lkm" / "bpf" / "guest.sh"


@dataclass(frozen=True, slots=True)
class Ready:
    """A kernel, and what its guests find in /files."""

    kernel: Kernel
    files: Mapping[str, Path]


def programs(chosen: Kernel, module: str = "") -> dict[str, Path]:
    """What every job finds in /files: the module for its kernel, and the checks."""
    files = {} if module == "none" else {"winnower.ko": Path(module) if module else build.module(chosen)}
    return files | {path.name: path for path in build.checks().iterdir()}


def wrapping(ready: Ready) -> Ready:
    """With the module whose sequence begins just before it wraps."""
    return replace(ready, files={**ready.files, "wrap.ko": build.module(ready.kernel, FIRST)})


def prepared(labels: Sequence[str]) -> dict[str, Ready]:
    """Each kernel with all that its guests need; fetched and built at the same time."""

    def ready(label: str) -> Ready:
        chosen = kernel(label)
        return Ready(chosen, programs(chosen))

    build.checks()
    with ThreadPoolExecutor(TOGETHER) as pool:
        return dict(zip(labels, pool.map(ready, labels), strict=True))


def fetch(arguments: argparse.Namespace) -> int:
    """Everything that is kept between runs."""
    _asked(arguments)
    if _is_root():
        servers()
    return 0


def test(arguments: argparse.Namespace) -> int:
    """The complete test; what takes longest begins first."""
    helper, left_out = _twin_helper()
    ready = _asked(arguments)
    jobs: dict[tuple[str, str], Job] = {}
    if not PYTHON.exists():
        left_out.append("no .venv in the checkout (make test makes it): the test with the whole agent was left out")
    elif _is_root():
        label, chosen = next(iter(ready.items()))
        jobs[label, "agent"] = _agent(chosen)
    for label, chosen in ready.items():
        jobs[label, "checks"] = _checks(wrapping(chosen), ["steady"])
        if _is_root():
            jobs[label, "server"] = _server(chosen)
        jobs[label, "unload"] = _checks(chosen, ["patching"], parallel=False)
    if helper:
        jobs |= {(label, "twin"): _twin(chosen, helper) for label, chosen in ready.items()}
    return _boot(jobs, left_out)


def short(arguments: argparse.Namespace) -> int:
    """The short one: most of the checks on one kernel, some on the other."""
    jobs: dict[tuple[str, str], Job] = {}
    for number, (label, chosen) in enumerate(_asked(arguments).items()):
        jobs[label, "checks"] = _checks(chosen, SHORT_OTHER if number else SHORT, parallel=not number)
        if not number and _is_root():
            jobs[label, "server"] = _server(chosen)
    return _boot(jobs)


def only(arguments: argparse.Namespace) -> int:
    """Checks by their names, one QEMU thread: right for all of them."""
    names = [name for name in arguments.only.split(",") if name]
    if not all(name.isidentifier() for name in names):
        raise BootError(f"--only wants names of checks, with commas: {arguments.only!r}")
    return _boot({(label, "checks"): _checks(one, names, parallel=False) for label, one in _asked(arguments).items()})


def debug(arguments: argparse.Namespace) -> int:
    """The checks on a kernel that watches itself; what it finds is in its log, and fails the guest."""
    chosen = debug_kernel(arguments.tree)
    ready = wrapping(Ready(chosen, programs(chosen)))
    jobs = {("debug", kind): _checks(ready, [kind], parallel=kind == "steady") for kind in ("steady", "patching")}
    return _boot({key: _watched(job) for key, job in jobs.items()})


def _watched(job: Job) -> Job:
    """Its log is shown at the end: printing from an interrupt trips lockdep over the serial line's driver itself."""
    script = f"dmesg -n 1\nexport PATIENCE=5\n{job.script}{LOCKDEP}dmesg\n"
    return replace(job, script=script, words="loglevel=1 log_buf_len=4M", seconds=1500, megabytes=2048)


def bench(arguments: argparse.Namespace) -> int:
    """Ratios, one guest at a time so that they do not measure one another."""
    said: dict[str, str] = {}
    for chosen in _asked(arguments).values():
        version = chosen.kernel.version
        with step(f"measuring on Linux {version}"):
            one = do(Job(chosen.kernel, "/files/bench\n", chosen.files, 240))
        if not one.report.good:
            raise BootError(f"the guest failed\n{table({version: one.report})}\n{ends(one.log)}")
        said[f"Linux {version}"] = one.results
    print(rows(said))
    return 0


def _asked(arguments: argparse.Namespace) -> dict[str, Ready]:
    return prepared(arguments.kernel or tuple(SUITES))


def _checks(chosen: Ready, names: Sequence[str], *, parallel: bool = True) -> Job:
    return Job(
        chosen.kernel, f"/files/checks {' '.join(names)}\n", chosen.files, 150 if parallel else 240, parallel=parallel
    )


def _twin(chosen: Ready, helper: Path) -> Job:
    """The eBPF twin without the module: each mode passes the verifier, is attached, tells a write."""
    script = f'echo "PLAN {TWIN_RESULTS}" > $R\n{TWIN.read_text("utf-8")}'
    return Job(chosen.kernel, script, {helper.name: helper}, 150, parallel=False)


def _twin_helper() -> tuple[Path | None, list[str]]:
    """The twin for a guest; or none, and why."""
    try:
        packages.require(packages.TWIN)
    except BootError as error:
        return None, [f"the eBPF twin was left out: {error}"]
    return build.twin(), []


def _server(chosen: Ready) -> Job:
    """auditd, nginx, the module and the agent's own reader."""
    return _hosted(chosen, SERVER_RESULTS, "server.py")


def _agent(chosen: Ready) -> Job:
    """The same with a monitor and an agent as users run them."""
    return _hosted(chosen, "agent_joins", "agent_run.py", 420)


def _hosted(chosen: Ready, results: str, name: str, seconds: float = 150) -> Job:
    """A Python program of the tests, run below the host's root by the checkout's Python, or by this one."""
    python = PYTHON if PYTHON.exists() else Path(sys.executable)
    script = (
        f'echo "PLAN {results}" > $R\n'
        "insmod /files/winnower.ko\n"
        "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"chroot /root {python} {GUEST / name}\n"
    )
    return Job(chosen.kernel, script, chosen.files, seconds, words="audit=1", host=True)


def _is_root() -> bool:
    """Others cannot read all of the host's files, nor may QEMU for them: the test from end to end is root's."""
    return os.geteuid() == 0


def _boot(jobs: Mapping[tuple[str, str], Job], left_out: Sequence[str] = ()) -> int:
    """Boot them, print what they said and what was left out; 1 if one is not good."""
    names = ", ".join(" ".join(key) for key in jobs)
    with step(f"booting {len(jobs)} guests, {TOGETHER} at a time: {names}"), ThreadPoolExecutor(TOGETHER) as pool:
        said: dict[tuple[str, str], Said] = dict(zip(jobs, pool.map(do, jobs.values()), strict=True))
    columns: dict[str, Report] = {}
    for (label, kind), one in said.items():
        name = f"Linux {jobs[label, kind].kernel.version}"
        before = columns.get(name, Report((), ()))
        faults = tuple(f"({kind}) {fault}" for fault in one.report.faults)
        columns[name] = Report((*before.results, *one.report.results), (*before.faults, *faults))
    print(table(columns), flush=True)
    if not _is_root():
        say("not root: the test from end to end (auditd, nginx) was left out")
    for words in left_out:
        say(words)
    bad = [key for key, one in said.items() if not one.report.good]
    for key in bad:
        say(f"the log of {' '.join(key)}:\n{ends(said[key].log)}")
    count = sum(len(one.report.results) for one in said.values())
    print(f"{count} results of {len(said)} guests: {'FAILED' if bad else 'all passed'}")
    return 1 if bad else 0
