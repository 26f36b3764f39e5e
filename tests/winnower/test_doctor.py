"""Each check against a machine that is made up; the command against this one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace

import pytest
from click.testing import CliRunner

from agent.kernel import KernelAuditError
from agent.kernel_wire import Condition, KernelStatus, Rule
from agent.rules import ALL_CALLS, wanted
from winnower import doctor as room
from winnower.doctor import CHECKS, Finding, Machine, doctor, examine
from winnower.doctor_audit import AUDIT_LOG, AUDITD_CONF

CONF = "log_file = /var/log/audit/audit.log\nlog_format = ENRICHED\nmax_log_file = 64\nnum_logs = 5\n"
STATUS = KernelStatus(enabled=1, failure=1, pid=700, backlog_limit=8_192)
NEVER = Rule("task", "never", frozenset(), ())
THEIRS = Rule("exit", "never", ALL_CALLS, (Condition("key", "=", "theirs"),))
OURS = tuple(wanted("lean", ["x86_64", "i386"]))
CGROUPS = frozenset(f"/sys/fs/cgroup/{name}" for name in ("cgroup.controllers", "systemd", "pids"))
REFUSED = KernelAuditError("in a container", "refused here", "ask the host")


@dataclass
class Fake:
    """A machine where all is well, but for what a test changes."""

    release: str = "6.1.0-18-amd64"
    python_is: tuple[int, int, int] = (3, 11, 2)
    missing: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset({"auditd", "auditctl", "docker", "podman", "qemu-system-x86_64"})
    running: frozenset[str] = frozenset({"auditd"})
    status: KernelStatus | KernelAuditError = STATUS
    rules: tuple[Rule, ...] = OURS
    conf: str | None = CONF
    kept: bool | None = True
    modes: dict[str, int] = field(default_factory=dict)
    disks: dict[str, int] = field(default_factory=dict)
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
        if path == AUDITD_CONF:
            return self.conf
        return None if path in self.absent else "text"

    def exists(self, path: str) -> bool:
        return path not in self.absent

    def program(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def output(self, *command: str) -> str | None:
        return None

    def processes(self) -> frozenset[str]:
        return self.running

    def kernel(self) -> str:
        return self.release

    def cores(self) -> int:
        return self.count

    def free_disk(self, path: str = ".") -> int:
        return self.disks.get(path, self.disk)

    def audit_status(self) -> KernelStatus | KernelAuditError:
        return self.status

    def audit_rules(self) -> tuple[Rule, ...]:
        return self.rules

    def clock_is_kept(self) -> bool | None:
        return self.kept

    def mode(self, path: str) -> int | None:
        return self.modes.get(path)

    def inside(self, path: str) -> list[str]:
        return [name.rpartition("/")[2] for name in self.modes if name.startswith(path + "/")]

    def machine(self) -> str:
        return "x86_64"

    def root(self) -> bool:
        return self.is_root

    def page(self, url: str) -> str | None:
        return None


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
        (Fake(absent=frozenset({AUDIT_LOG})), "audit log", "start auditd"),
        (Fake(absent=frozenset({AUDIT_LOG}), is_root=False), "audit log", "CAP_DAC_READ_SEARCH"),
        (Fake(absent=frozenset({"/var/log/audit"})), "audit disk", "install and start auditd"),
        (Fake(disks={"/var/log/audit": 400 << 20}), "audit disk", "420 MiB"),
        (Fake(conf=None), "auditd.conf", "install auditd"),
        (Fake(conf="write_logs = no\n"), "auditd.conf", "as a plugin"),
        (Fake(conf="# c\nmax_log_file_action = SUSPEND\n"), "auditd.conf", "auditing ends there"),
        (Fake(conf="max_log_file = 8\nnum_logs = 5\n"), "auditd.conf", "max_log_file = 64"),
        (Fake(status=REFUSED), "kernel audit", "ask the host"),
        (Fake(status=replace(STATUS, enabled=0)), "kernel audit", "auditctl -e 1"),
        (Fake(status=replace(STATUS, pid=0)), "kernel audit", "systemctl start auditd"),
        (Fake(status=REFUSED), "audit loss", "ask the host"),
        (Fake(status=replace(STATUS, lost=7)), "audit loss", "auditctl -b 65536"),
        (Fake(status=replace(STATUS, backlog=40, backlog_limit=64)), "audit loss", "auditctl -b 8192, before"),
        (Fake(status=replace(STATUS, backlog=6_000)), "audit loss", "auditctl -b 32768, before"),
        (Fake(status=replace(STATUS, rate_limit=5)), "audit loss", "auditctl -r 0"),
        (Fake(status=REFUSED), "audit rules", "ask the host"),
        (Fake(rules=()), "audit rules", "winnower agent rules"),
        (Fake(rules=OURS[1:]), "audit rules", "--check says what is missing"),
        (Fake(rules=(*OURS, NEVER)), "audit rules", "10-no-audit.rules"),
        (Fake(rules=(THEIRS, *OURS)), "audit rules", "load it after ours"),
        (Fake(missing=frozenset({"uvicorn"})), "uvicorn", "pip install uvicorn"),
        (Fake(absent=CGROUPS), "cgroups", "mount cgroup2"),
        (Fake(kept=False), "clock", "chrony"),
        (Fake(kept=None), "clock", "chrony"),
        (Fake(modes={"/var/lib/winnower-agent": 0o750}), "agent state", "chmod 0700 /var/lib/winnower-agent"),
        (Fake(modes={"/var/lib/winnower-monitor": 0o755}), "monitor state", "chmod 0700"),
        (Fake(modes={"/etc/winnower/agent.key": 0o640}), "secrets", "chmod 0600 /etc/winnower/agent.key"),
        (Fake(disks={"/var/lib": 1 << 20}), "spool disk", "1 GiB"),
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


@pytest.mark.parametrize(
    ("probe", "what", "found"),
    [
        (Fake(), "audit rules", "ours: lean; of others: 0"),
        (Fake(rules=tuple(wanted("full", ["x86_64", "i386"]))), "audit rules", "ours: full; of others: 0"),
        (Fake(conf=CONF), "auditd.conf", "enriched, keeps 320 MB"),
        (Fake(conf="max_log_file_action = keep_logs\nlog_format = RAW\n"), "auditd.conf", "raw, keeps all (keep_logs)"),
        (Fake(conf="log_file = /srv/Audit.log\nnum_logs=9\nmax_log_file=99"), "audit log", "/srv/Audit.log readable"),
        (Fake(status=replace(STATUS, enabled=2)), "kernel audit", "on, rules locked until boot; status readable"),
        (Fake(absent=frozenset({"/sys/fs/cgroup/cgroup.controllers"})), "cgroups", "version 1"),
        (
            Fake(modes={"/etc/winnower/agent.key": 0o600, "/etc/winnower/a.toml": 0o644}),
            "secrets",
            "1 seen, all private",
        ),
        (Fake(modes={"/var/lib/winnower-agent": 0o700}), "agent state", "/var/lib/winnower-agent, only its user's"),
    ],
)
def test_what_is_found_is_told(probe: Fake, what: str, found: str) -> None:
    if what != "audit rules":
        assert on(probe)[what].result == "ok"
    assert on(probe)[what].found.startswith(found)


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
    assert machine.mode("/no/such/file") is None
    assert machine.inside("/no/such/folder") == ()
    assert machine.mode("/") is not None
    assert "proc" in machine.inside("/")
    assert machine.clock_is_kept() in (True, False, None)
    assert isinstance(machine.audit_status(), KernelStatus | KernelAuditError)
    assert len(machine.audit_rules()) >= 0
