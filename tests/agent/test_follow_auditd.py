"""A real auditd under load: its log, through real rotations, and its af_unix plugin.

Rules of this file
    - Only with root, auditd, and a kernel whose audit nobody else has: else skipped, with the reason.
    - auditd gets a folder of its own for configuration, log and plugins; only a login uid of our own is audited; the
      kernel's settings are put back, the one rule and the daemon taken away, whatever happens.

Source: agent/follow.py, agent/plugin.py; auditd.conf(5), auditctl(8).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.events import AuditParser
from agent.follow import LogFollower
from agent.follow_files import list_files
from agent.plugin import DispatcherSource, plugin_conf
from agent.source import Position, Source

LOGINUID = 6101
CALLS = 6_000
CONFIG = """\
local_events = yes
write_logs = yes
log_file = {folder}/log/audit.log
log_group = root
log_format = ENRICHED
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 1
num_logs = 99
max_log_file_action = ROTATE
name_format = NONE
space_left = 3
space_left_action = IGNORE
admin_space_left = 2
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
q_depth = 60000
overflow_action = IGNORE
plugin_dir = {folder}/plugins.d
"""
RULE = ["always,exit", "-F", "arch=b64", "-F", f"auid={LOGINUID}", "-S", "openat"]
LOAD = f"""
import os
open("/proc/self/loginuid", "w").write("{LOGINUID}")
for number in range({CALLS}):
    try:
        os.open("/nowhere/" + "%06d" % number + "x" * 150, os.O_RDONLY)
    except OSError:
        pass
"""


def auditctl(*words: str) -> str:
    return subprocess.run(["auditctl", *words], capture_output=True, text=True, check=False).stdout


def status() -> dict[str, str]:
    return dict(line.split(" ", 1) for line in auditctl("-s").splitlines() if " " in line)


@dataclass
class Auditd:
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> Path:
        return self.folder / "log/audit.log"

    @property
    def events(self) -> str:
        return str(self.folder / "events")

    def load(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", LOAD])


def appears(path: Path) -> None:
    end = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def auditd(auditd_turn: None, tmp_path: Path) -> Iterator[Auditd]:
    if os.geteuid() != 0 or not shutil.which("auditd") or not shutil.which("auditctl"):
        pytest.skip("needs root and auditd")
    before = status()
    if before.get("pid") != "0":
        pytest.skip("needs a kernel whose audit nobody else has: `auditctl -s` shows a pid or nothing")
    for name in ("log", "plugins.d"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "auditd.conf").write_text(CONFIG.format(folder=tmp_path))
    (tmp_path / "plugins.d/winnower.conf").write_text(plugin_conf(path=f"{tmp_path}/events", mode=0o600))
    for path in (tmp_path / "auditd.conf", tmp_path / "plugins.d/winnower.conf"):
        path.chmod(0o640)
    process = subprocess.Popen(["auditd", "-n", "-c", str(tmp_path)], stderr=subprocess.PIPE)
    try:
        appears(tmp_path / "events")
        auditctl("-b", "60000")
        assert "Error" not in auditctl("-a", *RULE)
        yield Auditd(tmp_path, process)
    finally:
        auditctl("-d", *RULE)
        process.terminate()
        process.communicate(timeout=20)
        auditctl("-b", before["backlog_limit"])
        auditctl("-e", before["enabled"])


def quiet(source: Source) -> bytes:
    """All that comes until nothing has come for a second."""
    data = b""
    while source.wait(1):
        data += source.read(1 << 16)
    return data


def test_real_rotation_under_load_and_the_plugin_beside_it(auditd: Auditd) -> None:
    follower = LogFollower(auditd.log, start="beginning")
    dispatcher = DispatcherSource(auditd.events)
    lost = int(status()["lost"])
    load = auditd.load()
    followed = b""
    while load.poll() is None:
        follower.wait(0.05)
        followed += follower.read(1 << 16)
        if len(followed) % 5 == 0:  # now and then it is restarted
            saved = follower.position.to_bytes()
            follower.close()
            follower = LogFollower(auditd.log, Position.from_bytes(saved))
    followed += quiet(follower)
    sent = quiet(dispatcher)
    files = list_files(auditd.log)
    written = b"".join(one.path.read_bytes() for one in files)
    assert len(files) > 3
    followed += quiet(follower)  # the kernel tells of BPF programs that go whenever they do
    same = followed.startswith(written)
    assert same, (len(followed), len(written))
    assert (follower.loss, dispatcher.loss) == ({}, {})
    assert int(status()["lost"]) == lost
    log_events, sent_events = AuditParser().feed(written), AuditParser().feed(sent)
    calls = [event for event in log_events if b"/nowhere/" in event.raw]
    assert len(calls) == CALLS
    assert [event.raw for event in sent_events if b"/nowhere/" in event.raw] == [event.raw for event in calls]
    follower.close()
    dispatcher.close()
