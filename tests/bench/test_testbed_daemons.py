"""Debian's daemons log in a machine of their own, of which nothing stays but the logs."""

import os
import socket
from pathlib import Path

import pytest
from testbed.binaries import why_no_binaries
from testbed.daemons import LIBRARIES, collect, found, why_no_daemons
from testbed.daemons_inside import SESSIONS, main
from testbed.ledger import STATE

NAMES = ("php-fpm",)
"""The shortest session."""


def why_not() -> str:
    """Why no daemon can be run here without fetching anything."""
    fetched = why_no_binaries() or (
        "" if (STATE / LIBRARIES).is_dir() else "no libraries: python bench/testbed/daemons.py"
    )
    return why_no_daemons() or fetched


def mounts() -> set[str]:
    """What is mounted where the daemons' machine mounts something; others may come and go beside it."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return {one for one in points if one in ("/usr", "/etc", "/run", "/dev") or "winnower-daemons" in one}


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_daemon_logs_and_nothing_else_stays(tmp_path: Path) -> None:
    before, users = mounts(), Path("/etc/passwd").read_bytes()
    logs = collect(tmp_path / "logs", NAMES)
    assert b"fpm is running" in b"".join(path.read_bytes() for path in logs["php-fpm"])
    assert logs == found(tmp_path / "logs")
    assert mounts() == before
    assert Path("/etc/passwd").read_bytes() == users
    with socket.socket() as free:
        free.bind(("127.0.0.1", 8094))
    assert not list(Path("/tmp").glob("winnower-daemons-*"))


def test_the_inside_refuses_to_run_outside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert os.getpid() != 1
    assert main(tmp_path / "out", tmp_path / "work", [*SESSIONS], []) == 2
    assert "only daemons.py" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
