"""`winnower doctor`: what this machine can and cannot do, and what to do about it.

Rules of this file
    - A check is a pure function from a `Probe` to a `Finding`; only `Machine` touches the machine, and it only reads.
    - `fail` is for what every command needs (Python, the libraries); all else is `ok` or `warn`, with what to do.
    - Never a traceback: a check that breaks is a finding that says so. Text from the machine is escaped.

Exit code: 0, or 1 if something required fails.
Source: design section 5.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import click

from grammar.errors import escape

Result = Literal["ok", "warn", "fail"]

# Distribution, the name it is imported by.
REQUIRED: Final = (
    ("click", "click"),
    ("google-re2", "re2"),
    ("lark", "lark"),
    ("msgspec", "msgspec"),
    ("networkx", "networkx"),
    ("pyyaml", "yaml"),
    ("rich", "rich"),
    ("zstandard", "zstandard"),
)
# Extra, distribution, what it is for.
EXTRAS: Final = (
    ("static", "angr", "static analysis (winnower profile)"),
    ("kafka", "kafka-python", "Kafka transport"),
    ("algebra", "automata-lib", "pattern algebra"),
)
ENGINES: Final = (
    ("docker", "/var/run/docker.sock"),
    ("podman", "/run/podman/podman.sock"),
)
AUDIT_LOG: Final = "/var/log/audit/audit.log"
APT: Final = "apt-get install"
OLDEST_PYTHON: Final = (3, 11)
MIB: Final = 1 << 20
ENOUGH_DISK: Final = 1024 * MIB  # spool, state and a day of model history
ENOUGH_MEMORY: Final = 512 * MIB  # an agent stays under 200 MB; a monitor beside it


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `what` it looked at, the result, what there is, and what to do unless it is ok."""

    what: str
    result: Result
    found: str
    todo: str = ""


class Probe(Protocol):
    """What a check may ask of a machine. Nothing here raises for what is merely absent."""

    def python(self) -> tuple[int, int, int]:
        """Version of the running Python."""

    def version(self, distribution: str) -> str | None:
        """Installed version of a distribution."""

    def importable(self, module: str) -> bool:
        """Whether importing `module` works, tried in earnest."""

    def text(self, path: str) -> str | None:
        """The beginning of a text file, if it can be read."""

    def exists(self, path: str) -> bool:
        """Whether there is anything at `path` that can be seen."""

    def program(self, name: str) -> str | None:
        """Where a program is, administrator's folders included."""

    def output(self, *command: str) -> str | None:
        """What a program prints; nothing if it is absent, fails or takes seconds."""

    def processes(self) -> frozenset[str]:
        """Names of the running processes."""

    def kernel(self) -> str:
        """The kernel's release."""

    def cores(self) -> int:
        """Cores that this process may use."""

    def free_disk(self) -> int:
        """Bytes free to this user in the current folder."""

    def root(self) -> bool:
        """Whether this process has user id 0."""


class Machine:
    """The machine that this runs on."""

    def python(self) -> tuple[int, int, int]:
        """See `Probe`."""
        return sys.version_info[:3]

    def version(self, distribution: str) -> str | None:
        """See `Probe`."""
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def importable(self, module: str) -> bool:
        """See `Probe`; a broken library may raise anything."""
        try:
            importlib.import_module(module)
        except Exception:
            return False
        return True

    def text(self, path: str) -> str | None:
        """See `Probe`; at most 64 KiB."""
        try:
            with Path(path).open("rb") as file:
                return file.read(1 << 16).decode("utf-8", "replace")
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """See `Probe`."""
        return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where a folder may not be searched

    def program(self, name: str) -> str | None:
        """See `Probe`."""
        return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")

    def output(self, *command: str) -> str | None:
        """See `Probe`."""
        program = self.program(command[0])
        if program is None:
            return None
        try:
            argv = [program, *command[1:]]
            done = subprocess.run(argv, capture_output=True, timeout=5, check=False, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError):
            return None
        return None if done.returncode else done.stdout.decode("utf-8", "replace")

    def processes(self) -> frozenset[str]:
        """See `Probe`."""
        names = (self.text(str(path)) for path in Path("/proc").glob("[0-9]*/comm"))
        return frozenset(name.strip() for name in names if name)

    def kernel(self) -> str:
        """See `Probe`."""
        return platform.release()

    def cores(self) -> int:
        """See `Probe`."""
        return len(os.sched_getaffinity(0))

    def free_disk(self) -> int:
        """See `Probe`."""
        return shutil.disk_usage(".").free

    def root(self) -> bool:
        """See `Probe`."""
        return os.geteuid() == 0


def python(probe: Probe) -> Finding:
    """Python is new enough for every package."""
    found = ".".join(map(str, probe.python()))
    if probe.python() >= OLDEST_PYTHON:
        return Finding("Python", "ok", found)
    return Finding("Python", "fail", found, "install Python 3.11 or newer and make .venv again with it")


def library(distribution: str, module: str) -> Callable[[Probe], Finding]:
    """The check of one library that every command needs."""

    def check(probe: Probe) -> Finding:
        version = probe.version(distribution)
        if version is None:
            return Finding(distribution, "fail", "not installed", "pip install --require-hashes -r requirements.lock")
        if not probe.importable(module):
            todo = f"pip install --force-reinstall '{distribution}=={version}'"
            return Finding(distribution, "fail", f"{version}, but `import {module}` fails", todo)
        return Finding(distribution, "ok", version)

    return check


def extra(name: str, distribution: str, purpose: str) -> Callable[[Probe], Finding]:
    """The check of one optional library; it is not imported, for some take seconds."""

    def check(probe: Probe) -> Finding:
        version = probe.version(distribution)
        if version:
            return Finding(f"extra: {name}", "ok", f"{distribution} {version}: {purpose}")
        return Finding(f"extra: {name}", "warn", f"no {purpose}", f"pip install '.[{name}]'")

    return check


def auditd(probe: Probe) -> Finding:
    """The audit daemon runs: a live agent reads what it writes."""
    if "auditd" in probe.processes():
        return Finding("auditd", "ok", "running")
    if probe.program("auditd"):
        return Finding("auditd", "warn", "installed, not running", "live agent: systemctl start auditd")
    return Finding("auditd", "warn", "not installed", f"live agent: {APT} auditd; replay and demo do without")


def audit_log(probe: Probe) -> Finding:
    """The audit log can be read by this user."""
    if probe.text(AUDIT_LOG) is not None:
        return Finding("audit log", "ok", f"{AUDIT_LOG} readable")
    if probe.exists(AUDIT_LOG) or not probe.root():
        return Finding("audit log", "warn", "not readable", "live agent: as root, or log_group in auditd.conf")
    return Finding("audit log", "warn", f"no {AUDIT_LOG}", "live agent: start auditd with audit rules")


def audit_loss(probe: Probe) -> Finding:
    """What the kernel has already lost; asked read-only."""
    if not probe.root():
        return Finding("audit loss", "warn", "only root may ask", "as root: auditctl -s")
    said = probe.output("auditctl", "-s")
    if said is None:
        return Finding("audit loss", "warn", "auditctl does not answer", f"{APT} auditd; in a container, ask the host")
    fields = [line.split() for line in said.splitlines()]
    numbers = {line[0]: int(line[1]) for line in fields if len(line) == 2 and line[1].isdecimal()}
    lost, backlog, limit = (numbers.get(name, 0) for name in ("lost", "backlog", "backlog_limit"))
    found = f"lost {lost}, backlog {backlog} of {limit}"
    if lost:
        return Finding("audit loss", "warn", found, "auditctl -b 65536, or audit less; auditctl --reset-lost")
    if limit and backlog * 2 > limit:
        return Finding("audit loss", "warn", found, "auditctl -b 65536, before records are lost")
    return Finding("audit loss", "ok", found)


def kernel(probe: Probe) -> Finding:
    """The kernel is one whose system calls and records are known."""
    release = probe.kernel()
    major = release.split(".", 1)[0]
    if major.isdecimal() and int(major) >= 4:
        return Finding("kernel", "ok", release)
    return Finding("kernel", "warn", release, "older than 4.0: untested")


def btf(probe: Probe) -> Finding:
    """Kernel type information, which eBPF programs need to run on any kernel."""
    if probe.exists("/sys/kernel/btf/vmlinux"):
        return Finding("BTF", "ok", "/sys/kernel/btf/vmlinux")
    return Finding("BTF", "warn", "absent: no eBPF capture", "a kernel with CONFIG_DEBUG_INFO_BTF; auditd does without")


def engine(name: str, socket: str) -> Callable[[Probe], Finding]:
    """The check of one container engine."""

    def check(probe: Probe) -> Finding:
        if probe.exists(socket):
            return Finding(name, "ok", socket)
        if probe.program(name):
            todo = f"systemctl start {name}.socket" if name == "podman" else "systemctl start docker"
            return Finding(name, "warn", "installed, no socket", f"container names live: {todo}")
        return Finding(name, "warn", "not installed", f"only if this machine's containers run in {name}")

    return check


def qemu(probe: Probe) -> Finding:
    """A virtual machine for the kernel module's boot test."""
    if program := probe.program("qemu-system-x86_64"):
        return Finding("QEMU", "ok", program)
    return Finding("QEMU", "warn", "no boot test of the kernel module", f"{APT} qemu-system-x86")


def headers(probe: Probe) -> Finding:
    """Headers of the running kernel, to build the kernel module against."""
    if probe.exists(f"/lib/modules/{probe.kernel()}/build/Makefile"):
        return Finding("kernel headers", "ok", f"for {probe.kernel()}")
    todo = f"{APT} linux-headers-{probe.kernel()}, if the distribution has them"
    return Finding("kernel headers", "warn", "no kernel module for this kernel", todo)


def disk(probe: Probe) -> Finding:
    """Room for spool and state."""
    free = probe.free_disk()
    found = f"{free // MIB:,} MiB free here"
    if free >= ENOUGH_DISK:
        return Finding("disk", "ok", found)
    return Finding("disk", "warn", found, "free some, or put --state on another disk (1 GiB)")


def memory(probe: Probe) -> Finding:
    """Memory that can be had without swapping."""
    lines = (line.split() for line in (probe.text("/proc/meminfo") or "").splitlines())
    fields = {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}
    available = fields.get("MemAvailable")
    if available is None:
        return Finding("memory", "warn", "unknown", "mount /proc")
    found = f"{available // 1024:,} MiB available"
    if available * 1024 >= ENOUGH_MEMORY:
        return Finding("memory", "ok", found)
    return Finding("memory", "warn", found, "an agent wants 200 MiB, agent and monitor 512 MiB")


def cores(probe: Probe) -> Finding:
    """Cores that may be used."""
    count = probe.cores()
    return Finding("cores", "ok", str(count)) if count > 1 else Finding("cores", "warn", "1", "replay takes longer")


def user(probe: Probe) -> Finding:
    """What this user may do: replay, demo and queries need no root."""
    if probe.root():
        return Finding("user", "ok", "root: live capture is possible")
    return Finding("user", "warn", "not root: replay, demo, queries", "for a live agent: sudo winnower agent run")


CHECKS: Final[tuple[Callable[[Probe], Finding], ...]] = (
    python,
    *(library(*row) for row in REQUIRED),
    *(extra(*row) for row in EXTRAS),
    user,
    auditd,
    audit_log,
    audit_loss,
    kernel,
    btf,
    headers,
    qemu,
    *(engine(*row) for row in ENGINES),
    disk,
    memory,
    cores,
)


def examine(probe: Probe, checks: Sequence[Callable[[Probe], Finding]] = CHECKS) -> list[Finding]:
    """Run every check; one that breaks is a warning, not an end."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.append(check(probe))
        except Exception as error:
            name = getattr(check, "__name__", "check").replace("_", " ")
            findings.append(Finding(name, "warn", f"could not tell: {error!r}", "report this as a fault of doctor"))
    return findings


def show(findings: Sequence[Finding]) -> None:
    """Print the findings as a table of 80 columns or the terminal's; as lines where rich is missing."""
    try:
        from rich.console import Console  # noqa: PLC0415 - doctor must speak where rich is missing
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        for one in findings:
            click.echo(f"{one.result:4} {one.what}: {escape(one.found, 200)}; {escape(one.todo, 200)}".rstrip("; "))
        return
    table = Table(title="what this machine can do", title_justify="left", pad_edge=False)
    table.add_column("what", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold", ratio=1)
    table.add_column("what to do", overflow="fold", ratio=1)
    style = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    for one in findings:
        cells = (Text(escape(text, 200)) for text in (one.found, one.todo))
        table.add_row(Text(escape(one.what)), Text(one.result, style[one.result]), *cells)
    Console(width=None if sys.stdout.isatty() else 80).print(table)


@click.command("doctor")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def doctor(form: str) -> None:
    """Say what this machine can and cannot do, and what to do about it."""
    findings = examine(Machine())
    if form == "json":
        click.echo(json.dumps([asdict(one) for one in findings], indent=1))
    else:
        show(findings)
    failed = [one.what for one in findings if one.result == "fail"]
    if failed and form == "table":
        click.echo(f"required and missing: {', '.join(failed)}", err=True)
    click.get_current_context().exit(1 if failed else 0)
