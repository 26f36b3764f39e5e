"""Each check against a machine that is made up; the command against this one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner

from winnower import doctor as room
from winnower.doctor import CHECKS, Finding, Machine, doctor, examine


@dataclass
class Fake:
    """A machine where all is well, but for what a test changes."""

    release: str = "6.1.0-18-amd64"
    python_is: tuple[int, int, int] = (3, 11, 2)
    missing: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset({"auditd", "auditctl", "docker", "podman", "qemu-system-x86_64"})
    running: frozenset[str] = frozenset({"auditd"})
    outputs: dict[str, str] = field(default_factory=lambda: {"auditctl -s": "enabled 1\nlost 0\nbacklog 0\n"})
    absent: frozenset[str] = frozenset()
    meminfo: str | None = "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n"
    is_root: bool = True
    disk: int = 1 << 40
    count: int = 8

    def python(self) -> tuple[int, int, int]:
        return self.python_is

    def version(self, distribution: str) -> str | None:
        return None if distribution in self.missing else "1.0"

    def importable(self, module: str) -> bool:
        return module not in self.broken

    def text(self, path: str) -> str | None:
        if path == "/proc/meminfo":
            return self.meminfo
        return None if path in self.absent else "text"

    def exists(self, path: str) -> bool:
        return path not in self.absent

    def program(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def output(self, *command: str) -> str | None:
        return self.outputs.get(" ".join(command))

    def processes(self) -> frozenset[str]:
        return self.running

    def kernel(self) -> str:
        return self.release

    def cores(self) -> int:
        return self.count

    def free_disk(self) -> int:
        return self.disk

    def root(self) -> bool:
        return self.is_root


def on(probe: Fake) -> dict[str, Finding]:
    return {one.what: one for one in examine(probe)}


def test_where_all_is_well_there_is_nothing_to_do() -> None:
    findings = examine(Fake())
    assert [(one.result, one.todo) for one in findings] == [("ok", "")] * len(CHECKS)
    assert len({one.what for one in findings}) == len(CHECKS)


@pytest.mark.parametrize(
    ("probe", "what", "todo"),
    [
        (Fake(python_is=(3, 10, 9)), "Python", "install Python 3.11"),
        (Fake(missing=frozenset({"google-re2"})), "google-re2", "requirements.lock"),
        (Fake(broken=frozenset({"re2"})), "google-re2", "--force-reinstall 'google-re2==1.0'"),
    ],
)
def test_what_every_command_needs_fails(probe: Fake, what: str, todo: str) -> None:
    finding = on(probe)[what]
    assert finding.result == "fail"
    assert todo in finding.todo


@pytest.mark.parametrize(
    ("probe", "what", "todo"),
    [
        (Fake(missing=frozenset({"angr"})), "extra: static", "pip install '.[static]'"),
        (Fake(missing=frozenset({"kafka-python"})), "extra: kafka", "pip install '.[kafka]'"),
        (Fake(missing=frozenset({"automata-lib"})), "extra: algebra", "pip install '.[algebra]'"),
        (Fake(running=frozenset()), "auditd", "systemctl start auditd"),
        (Fake(running=frozenset(), programs=frozenset()), "auditd", "apt-get install auditd"),
        (Fake(absent=frozenset({room.AUDIT_LOG})), "audit log", "start auditd"),
        (Fake(absent=frozenset({room.AUDIT_LOG}), is_root=False), "audit log", "as root"),
        (Fake(is_root=False), "audit loss", "as root: auditctl -s"),
        (Fake(outputs={}), "audit loss", "apt-get install auditd"),
        (Fake(outputs={"auditctl -s": "lost 7\nbacklog 0\n"}), "audit loss", "auditctl -b 65536"),
        (Fake(outputs={"auditctl -s": "lost 0\nbacklog 40\nbacklog_limit 64\n"}), "audit loss", "before records"),
        (Fake(release="3.10.0-el7"), "kernel", "untested"),
        (Fake(absent=frozenset({"/sys/kernel/btf/vmlinux"})), "BTF", "CONFIG_DEBUG_INFO_BTF"),
        (Fake(absent=frozenset({"/var/run/docker.sock"})), "docker", "systemctl start docker"),
        (Fake(absent=frozenset({"/run/podman/podman.sock"})), "podman", "systemctl start podman.socket"),
        (Fake(absent=frozenset({"/run/podman/podman.sock"}), programs=frozenset()), "podman", "only if"),
        (Fake(programs=frozenset()), "QEMU", "qemu-system-x86"),
        (Fake(absent=frozenset({"/lib/modules/6.1.0-18-amd64/build/Makefile"})), "kernel headers", "linux-headers-6.1"),
        (Fake(disk=1 << 20), "disk", "--state"),
        (Fake(meminfo="MemAvailable: 9 kB\n"), "memory", "512 MiB"),
        (Fake(meminfo=None), "memory", "mount /proc"),
        (Fake(count=1), "cores", "longer"),
        (Fake(is_root=False), "user", "sudo"),
    ],
)
def test_what_only_some_commands_need_warns_and_says_what_to_do(probe: Fake, what: str, todo: str) -> None:
    finding = on(probe)[what]
    assert finding.result == "warn"
    assert todo in finding.todo


def test_a_check_that_breaks_is_a_finding() -> None:
    def broken_check(_: object) -> Finding:
        raise OSError("no such thing\x1b[31m")

    (finding,) = examine(Fake(), [broken_check])
    assert (finding.what, finding.result) == ("broken check", "warn")
    assert "\x1b" not in finding.found


def test_this_machine_passes_and_the_table_fits_80_columns() -> None:
    done = CliRunner().invoke(doctor, [])
    assert done.exit_code == 0, done.output
    assert max(len(line) for line in done.output.splitlines()) <= 80


def test_json_has_one_object_a_check() -> None:
    done = CliRunner().invoke(doctor, ["--format", "json"])
    findings = json.loads(done.stdout)
    assert len(findings) == len(CHECKS)
    assert all(set(one) == {"what", "result", "found", "todo"} for one in findings)


def test_a_missing_library_is_exit_1_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "Machine", lambda: Fake(missing=frozenset({"lark"})))
    done = CliRunner().invoke(doctor, [])
    assert done.exit_code == 1
    assert "required and missing: lark" in done.output


def test_doctor_speaks_where_rich_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    room.show([Finding("rich", "fail", "not installed", "pip install rich"), Finding("cores", "ok", "2")])
    assert capsys.readouterr().out == "fail rich: not installed; pip install rich\nok   cores: 2\n"


def test_the_machine_shrugs_at_what_is_absent() -> None:
    machine = Machine()
    assert machine.version("no-such-distribution") is None
    assert not machine.importable("no_such_module")
    assert machine.text("/no/such/file") is None
    assert not machine.exists("/no/such/file")
    assert machine.output("no-such-program") is None
    assert machine.output("false") is None
    assert machine.processes()
