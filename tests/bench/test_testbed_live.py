"""The testbed on this machine: up, used, down, and nothing left. Skipped, with the reason, where it cannot be."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from testbed import kernel
from testbed.auditd import Auditd
from testbed.containers import Containers
from testbed.ledger import Ledger
from testbed.leftovers import FOREIGN, left, leftovers, look
from testbed.ready import why_not
from testbed.rules import rules
from testbed.traffic import Listener, attack, look_up
from testbed.worker import login_uid

AUID = 5909
# What a running container has besides, as long as no other engine is at work.
STAYING = {"firewall", "network link", "network namespace", "cgroup"}


@pytest.fixture(autouse=True)
def machine() -> None:
    if reason := why_not("audit", "containers", "image"):
        pytest.skip(reason)


def test_an_attack_is_in_the_log_of_its_worker_and_nothing_is_left(tmp_path: Path) -> None:
    before = look()
    with Ledger.begin(tmp_path) as ledger, Auditd(ledger) as auditd, Containers(ledger, count=1, auid=AUID) as web:
        [one] = web.running
        assert (auditd.ours, kernel.status().pid, login_uid(one.pid)) == (True, auditd.pid, AUID)
        auditd.add_rules(rules(AUID))
        assert b"127.0.0.1" in look_up(one)
        with Listener(web.gateway) as listener:
            struck = attack(one, listener, mark="x17")
        assert struck.sent < struck.arrived < struck.sent + 5
        assert auditd.settle()
        log = b"".join(path.read_bytes() for path in auditd.log_files())
        shown = docker.DockerClient(f"unix://{web.engine}").containers.list()
        assert [(found.id, found.labels["io.podman.compose.service"]) for found in shown] == [(one.id, "web")]
        assert auditd.lost() == 0
    assert b'exe="/tmp/x17"' in log
    assert b'name="/etc/shadow"' in log
    # Changes of the firewall and the like are recorded without any rule, and belong to whoever made them.
    assert {line.split(b" auid=")[1].split()[0] for line in log.splitlines() if b'exe="/tmp/x17"' in line} == {b"5909"}
    assert left(before) == []


def test_what_runs_in_a_container_counts_as_left(tmp_path: Path) -> None:
    """`leftovers` would see what stays: a check that cannot fail is worth nothing."""
    before = look()
    with Ledger.begin(tmp_path) as ledger, Containers(ledger, count=1) as web:
        staying = leftovers(before, look())
        kinds = {line.removeprefix("+ ").partition(":")[0] for line in staying}
        assert any(f"{web.running[0].pid}-" in line for line in staying)
    assert kinds >= ({"process", "mount", "file"} if before[FOREIGN] else {"process", "mount", "file", *STAYING})
    assert left(before) == []
