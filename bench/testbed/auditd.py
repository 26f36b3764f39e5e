"""A real auditd with its log in a temporary folder, or the one that already runs.

    with Auditd(ledger) as auditd:
        auditd.add_rules(rules(5001, transfers=True))

Rules of this file
    - One auditd owns the kernel, and one testbed at a time has it. One that is there before us is used as it is, log
      and all, and never stopped.
    - Ours gets a configuration folder of its own with no plugin but those asked for; nothing in /etc is touched.
    - A rule must filter on a login uid, and exactly the rules that were added are removed, one by one: never `-D`.

Invariant: after the block the kernel has the rules and settings that it had before.
Source: auditd.conf(5), auditctl(8).
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from . import kernel
from .ledger import Entry, Facts, Ledger, undoes
from .processes import arguments, cpu_seconds, end, marked, rss_bytes, wait_until
from .tell import TestbedError, run, say, step

AUID: Final = re.compile(r"-F auid=\d+\b")
START: Final = 10.0
# What auditctl says when it is told to delete a rule that is not there, or that no kernel can have.
NEVER_ADDED: Final = ("No such file", "unknown")
CONFIG: Final = """\
local_events = yes
write_logs = yes
log_file = {log}
log_group = root
log_format = {log_format}
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = {megabytes}
num_logs = {files}
priority_boost = 4
name_format = NONE
max_log_file_action = ROTATE
space_left = 75
space_left_action = SYSLOG
admin_space_left = 50
admin_space_left_action = SUSPEND
disk_full_action = SUSPEND
disk_error_action = SUSPEND
q_depth = 2000
overflow_action = SYSLOG
max_restarts = 10
plugin_dir = {plugins}
"""
# From audit 3.1 on the plugin is a program; before, it is part of the daemon.
AF_UNIX: Final = Path("/usr/sbin/audisp-af_unix")
PLUGIN: Final = "active = yes\ndirection = out\npath = {path}\ntype = {type}\nargs = 0600 {socket}\nformat = string\n"


class Auditd:
    """The audit daemon while the block runs: `log`, `pid`, whether it is `ours`, and what it costs.

    `megabytes` and `files` are max_log_file and num_logs; `socket` is where the af_unix plugin listens, if it shall.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        megabytes: int = 256,
        files: int = 4,
        backlog: int = 65_536,
        log_format: str = "ENRICHED",
        socket: Path | None = None,
    ) -> None:
        self.ledger, self.backlog, self.socket = ledger, backlog, socket
        self.megabytes, self.files, self.log_format = megabytes, files, log_format
        self.log = Path()
        self.pid = 0
        self.ours = False
        self._entries: list[Entry] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._lost_before = 0
        self._turn = -1

    def __enter__(self) -> Auditd:
        """Find the daemon or start one; the log exists and the kernel sends to it."""
        self._wait_for_turn()
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove our rules, stop our daemon, give the kernel its settings back."""
        self._end()

    def _begin(self) -> None:
        before = kernel.status()
        self._lost_before = before.lost
        self._entries.append(kernel.prepare(self.ledger, backlog=self.backlog))
        if before.pid:
            self.pid, self.log = before.pid, _log_of(before.pid)
            say(f"auditd {self.pid} is already running: using {self.log}, and leaving it running")
        else:
            with step("starting auditd"):
                self._start()

    def _end(self) -> None:
        self.ledger.undo_all(self._entries)
        self._entries.clear()
        if self._process is not None:
            self._process.poll()
        self._release()

    def add_rules(self, lines: Sequence[str]) -> None:
        """Add rules in auditctl's words, each filtered by a login uid; comments and blank lines are skipped."""
        for line in lines:
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] not in ("-a", "-A") or not AUID.search(line):
                raise TestbedError(f"not a rule for one login uid: {line}", "begin with -a, and filter on -F auid=N")
            if " ".join(words) in self._added():
                continue
            entry = self.ledger.note("rule", arguments=" ".join(words))
            try:
                run(["auditctl", *words])
            except TestbedError:
                self.ledger.forget(entry)
                raise
            self._entries.append(entry)

    def remove_rules(self) -> None:
        """Remove the rules that we added; the daemon goes on."""
        self.ledger.undo_all([entry for entry in self._entries if entry.kind == "rule"])
        self._entries = [entry for entry in self._entries if entry.kind != "rule"]

    def rotate(self) -> None:
        """Tell the daemon to begin a new log file now."""
        os.kill(self.pid, signal.SIGUSR1)

    def cpu_seconds(self) -> float:
        """CPU seconds of the daemon since it started."""
        return cpu_seconds(self.pid)

    def rss_bytes(self) -> int:
        """Its resident memory."""
        return rss_bytes(self.pid)

    def lost(self) -> int:
        """Records that the kernel has dropped since the block began."""
        return kernel.status().lost - self._lost_before

    def settle(self, seconds: float = 30.0) -> bool:
        """Wait until the kernel's backlog is empty, so that the log holds all that has happened."""
        return wait_until(lambda: kernel.status().backlog == 0, seconds)

    def log_files(self) -> list[Path]:
        """The log and its rotated predecessors, oldest first."""
        older = [path for path in self.log.parent.glob(f"{self.log.name}.*") if path.suffix[1:].isdigit()]
        return [*sorted(older, key=lambda path: -int(path.suffix[1:])), self.log]

    def _wait_for_turn(self) -> None:
        """One testbed at a time: its auditd would be stopped under us. The lock is on a file that is there anyway."""
        program = shutil.which("auditctl")
        if program is None:
            raise TestbedError("auditctl is not installed", "try: apt-get install auditd")
        self._turn = os.open(program, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("waiting for another testbed's auditd"):
                fcntl.flock(self._turn, fcntl.LOCK_EX)

    def _release(self) -> None:
        if self._turn >= 0:
            os.close(self._turn)
            self._turn = -1

    def _added(self) -> set[str]:
        return {entry.facts["arguments"] for entry in self._entries if entry.kind == "rule"}

    def _start(self) -> None:
        folder = self.ledger.folder()
        self.log = folder / "log" / "audit.log"
        self.log.parent.mkdir(mode=0o700)
        config = self._configure(folder / "etc")
        self._entries.append(self.ledger.note("auditd", config=str(config)))
        with (folder / "auditd.out").open("wb") as out:
            process = subprocess.Popen(
                ["auditd", "-n", "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.pid, self.ours, self._process = process.pid, True, process
        began = wait_until(lambda: process.poll() is not None or _owns_kernel(process.pid, self.log), START)
        if process.poll() is not None or not began:
            words = (folder / "auditd.out").read_text("utf-8", "replace").strip()
            raise TestbedError(f"auditd did not start: {words or 'see the system log'}")

    def _configure(self, folder: Path) -> Path:
        plugins = folder / "plugins.d"
        folder.mkdir(mode=0o750)
        plugins.mkdir(mode=0o750)
        if self.socket is not None:
            path, kind = (str(AF_UNIX), "always") if AF_UNIX.exists() else ("builtin_af_unix", "builtin")
            _private(plugins / "af_unix.conf", PLUGIN.format(path=path, type=kind, socket=self.socket))
        text = CONFIG.format(
            log=self.log, log_format=self.log_format, megabytes=self.megabytes, files=self.files, plugins=plugins
        )
        _private(folder / "auditd.conf", text)
        return folder


def _owns_kernel(pid: int, log: Path) -> bool:
    return kernel.status().pid == pid and log.exists()


def _private(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    path.chmod(0o640)


def _log_of(pid: int) -> Path:
    """Where a daemon that is not ours writes: `log_file` of the configuration that it was started with."""
    words = arguments(pid)
    folder = Path(words[words.index("-c") + 1]) if "-c" in words[:-1] else Path("/etc/audit")
    for line in (folder / "auditd.conf").read_text("utf-8", "replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "log_file":
            return Path(value.strip())
    return Path("/var/log/audit/audit.log")


@undoes("auditd")
def _stop(facts: Facts) -> None:
    for process in marked(facts["config"], "auditd"):
        end(process, grace=10.0)
        _reap(process.pid)


@undoes("rule")
def _remove_rule(facts: Facts) -> None:
    """Remove it if it is there: it is not after a reboot, or if it was noted and never added."""
    words = shlex.split(facts["arguments"])
    delete = ["-d" if word in ("-a", "-A") else word for word in words]
    try:
        run(["auditctl", *delete])
    except TestbedError as error:
        if not any(reason in str(error) for reason in NEVER_ADDED):
            raise


def _reap(pid: int) -> None:
    """A child of ours leaves a zombie; one of a run that was killed is somebody else's to wait for."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return
