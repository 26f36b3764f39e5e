"""The doctor's checks of the machine: Python and libraries, kernel, engines, room, time, who may read our secrets.

Rules of this file
    - A check is a pure function from a `Probe` to a `Finding`; `fail` is for what every command needs.

Source: design section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from winnower.doctor_probe import Finding, Probe

APT: Final = "apt-get install"
OLDEST_PYTHON: Final = (3, 11)
MIB: Final = 1 << 20
ENOUGH_DISK: Final = 1024 * MIB  # spool, state and a day of model history
ENOUGH_MEMORY: Final = 512 * MIB  # an agent stays under 200 MB; a monitor beside it
SPOOL_FOLDER: Final = "/var/lib"
SECRET_FOLDERS: Final = ("/etc/winnower", "/var/lib/winnower-agent", "/var/lib/winnower-monitor")


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


def service_library(what: str, distribution: str, purpose: str) -> Callable[[Probe], Finding]:
    """The check of one library that only the agent or the monitor needs."""

    def check(probe: Probe) -> Finding:
        version = probe.version(distribution)
        if version:
            return Finding(what, "ok", version)
        return Finding(what, "warn", f"not installed: no {purpose}", f"pip install {distribution}")

    return check


def cgroups(probe: Probe) -> Finding:
    """Control groups, whose paths say which container a process is in."""
    if probe.exists("/sys/fs/cgroup/cgroup.controllers"):
        return Finding("cgroups", "ok", "version 2")
    if probe.exists("/sys/fs/cgroup/systemd") or probe.exists("/sys/fs/cgroup/pids"):
        return Finding("cgroups", "ok", "version 1")
    return Finding("cgroups", "warn", "not mounted", "mount cgroup2 at /sys/fs/cgroup, or all processes are the host's")


def clock(probe: Probe) -> Finding:
    """The clock is kept right: workers' times are compared, and so are tokens' ends."""
    kept = probe.clock_is_kept()
    if kept:
        return Finding("clock", "ok", "synchronised")
    found = "not synchronised" if kept is False else "cannot be asked"
    return Finding("clock", "warn", found, "agent, monitor: run chrony or systemd-timesyncd")


def state(name: str, folder: str) -> Callable[[Probe], Finding]:
    """The check of one service's state: nobody else may look into it."""

    def check(probe: Probe) -> Finding:
        what = f"{name} state"
        mode = probe.mode(folder)
        if mode is None:
            return Finding(what, "ok", f"no {folder} yet")
        if mode & 0o077:
            return Finding(what, "warn", f"{folder} has mode {mode:04o}", f"chmod 0700 {folder}")
        return Finding(what, "ok", f"{folder}, only its user's")

    return check


def secrets(probe: Probe) -> Finding:
    """Keys, tokens and certificates' keys: 0600, or the services refuse them."""
    paths = [f"{folder}/{name}" for folder in SECRET_FOLDERS for name in probe.inside(folder) if _is_secret(name)]
    open_to_others = [path for path in paths if (probe.mode(path) or 0) & 0o077]
    if open_to_others:
        todo = f"chmod 0600 {open_to_others[0]}; if others may have read it, make a new one"
        return Finding("secrets", "warn", f"others may read {len(open_to_others)} of {len(paths)}", todo)
    return Finding("secrets", "ok", f"{len(paths)} seen, all private")


def _is_secret(name: str) -> bool:
    return any(word in name for word in ("key", "secret", "token")) and not name.endswith((".pub", ".crt", ".toml"))


def spool(probe: Probe) -> Finding:
    """Room where the services keep their spool."""
    free = probe.free_disk(SPOOL_FOLDER)
    found = f"{free // MIB:,} MiB free in {SPOOL_FOLDER}"
    if free >= ENOUGH_DISK:
        return Finding("spool disk", "ok", found)
    return Finding("spool disk", "warn", found, "agent, monitor: 1 GiB, or they drop what cannot be kept, counted")
