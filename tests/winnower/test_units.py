"""The units: what systemd thinks of them, what they promise, and that installing takes nobody by surprise."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grammar.errors import InputError
from winnower.units import SERVICES, packaged, remarks, unit, units

services = pytest.mark.parametrize("which", SERVICES)
analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
EXPOSURE = {"agent": 2.5, "monitor": 1.5}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(units, list(arguments))


def settings(which: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in packaged(f"winnower-{which}.service").splitlines():
        name, equals, value = line.partition("=")
        if equals and line[0] != "#":
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def file(which: str, tmp_path: Path) -> Path:
    path = tmp_path / f"winnower-{which}.service"
    path.write_text(unit(which, Path("/bin/true")))
    return path


@services
@analyze
def test_systemd_finds_nothing_wrong(which: str, file: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if which in line]) == (0, [])


@services
@analyze
def test_little_is_exposed(which: str, file: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    if found is None:
        pytest.skip("this systemd-analyze does not judge files (systemd 250 or newer does)")
    assert float(found[1]) <= EXPOSURE[which]


def test_the_agent_has_two_capabilities_and_the_monitor_none() -> None:
    two = "CAP_AUDIT_CONTROL CAP_DAC_READ_SEARCH"
    assert settings("agent")["AmbientCapabilities"] == settings("agent")["CapabilityBoundingSet"] == [two]
    assert settings("monitor")["AmbientCapabilities"] == settings("monitor")["CapabilityBoundingSet"] == [""]


@services
def test_every_service_is_bounded_reloads_and_comes_back(which: str) -> None:
    found = settings(which)
    for name in ("MemoryMax", "CPUQuota", "TasksMax", "StateDirectory", "ProtectSystem"):
        assert name in found, name
    assert found["NoNewPrivileges"] == ["yes"]
    assert found["Restart"] == ["on-failure"]
    assert found["RestartPreventExitStatus"] == ["2"]
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert found["StateDirectoryMode"] == ["0700"]
    assert found["User"] == [f"winnower-{which}"]
    assert f"u winnower-{which} " in packaged("winnower.sysusers")


@services
def test_printing_fills_in_the_program(which: str) -> None:
    done = run(which, "--program", "/opt/winnower/bin/winnower")
    assert done.exit_code == 0
    assert f"ExecStart=/opt/winnower/bin/winnower {which} run --config /etc/winnower/{which}.toml\n" in done.stdout
    assert "@" not in done.stdout.replace("@system-service", "").replace("@privileged @resources @keyring @memlock", "")


def test_installing_writes_two_files_and_says_what_is_next(tmp_path: Path) -> None:
    done = run("agent", "--install", "--program", "/bin/true", "--root", str(tmp_path))
    assert done.exit_code == 0
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"etc/systemd/system/winnower-agent.service", "etc/sysusers.d/winnower.conf"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()} == {0o644}
    assert "systemctl enable --now winnower-agent" in done.stdout
    assert run("agent", "--install", "--program", "/bin/true", "--root", str(tmp_path)).exit_code == 0


def test_what_somebody_changed_is_not_replaced_without_being_told(tmp_path: Path) -> None:
    place = tmp_path / "etc/systemd/system/winnower-monitor.service"
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    arguments = ("monitor", "--install", "--program", "/bin/true", "--root", str(tmp_path))
    refused = run(*arguments)
    assert isinstance(refused.exception, InputError)
    assert place.read_text() == "mine"
    assert not (tmp_path / "etc/sysusers.d").exists()
    assert run(*arguments, "--force").exit_code == 0
    assert place.read_text() == unit("monitor", Path("/bin/true"))


@pytest.mark.parametrize("program", ["relative", "/opt/a b/winnower", "/opt/%h/winnower", "/opt/x\nExecStart=/bin/sh"])
def test_a_program_that_systemd_would_misread_is_refused(program: str) -> None:
    with pytest.raises(InputError, match="cannot run a program there"):
        unit("agent", Path(program))


def test_what_the_service_could_not_start_is_said_beforehand() -> None:
    assert "cannot see" in remarks(Path("/home/me/.venv/bin/winnower"))[0]
    assert "not there" in remarks(Path("/opt/no/such/winnower"))[0]
    assert remarks(Path("/bin/true")) == []
