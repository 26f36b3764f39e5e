"""One worker and its monitor, live: auditd with our rules, two web containers, a monitor, an agent; load and attacks.

    with Scene.begin(ledger, Plan()) as scene: scene.settle(60); struck = scene.strike("dbus-helper")

Rules of this file
    - The demo and the benches stand on the same scene; what differs is the plan.
    - The time of an attack's system call is the kernel's: the stamp of its execve record in the audit log.

Invariant: everything is in the ledger; nothing of it outlives the block.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from live_agent import AgentProcess, rules_for
from live_monitor import MonitorProcess, Told
from live_wire import Wire
from testbed.auditd import Auditd
from testbed.containers import Container, Containers
from testbed.kafka_broker import KafkaBroker
from testbed.ledger import Ledger
from testbed.processes import wait_until
from testbed.tell import TestbedError, run
from testbed.traffic import Attack, Listener, attack, load, look_up

from agent.rules import BACKLOG, RuleSet

AUID: Final = 6105
APP: Final = "web"
WORKER: Final = "worker-1"
_STAMP: Final = re.compile(rb"^(?:node=\S+ )?type=SYSCALL msg=audit\((\d+)\.(\d{3}):")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is set up: the rule set, the transport, and settings that are not the shipped ones.

    `counted`: between agent and monitor is a proxy that counts. `ports`: access logs name the client's port.
    """

    rules: RuleSet = "lean"
    auid: int = AUID
    containers: int = 2
    kafka: bool = False
    counted: bool = False
    ports: bool = False
    monitor: Mapping[str, object] = field(default_factory=dict)
    agent: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Scene:
    """What runs."""

    plan: Plan
    auditd: Auditd
    web: Containers
    monitor: MonitorProcess
    agent: AgentProcess
    listener: Listener
    wire: Wire | None
    brokers: str

    @staticmethod
    @contextmanager
    def begin(ledger: Ledger, plan: Plan) -> Iterator[Scene]:
        """Start everything. auditd goes first: only what starts under it is audited."""
        with ExitStack() as stack:
            auditd = stack.enter_context(Auditd(ledger, backlog=BACKLOG[plan.rules]))
            # As the rules' file sets it, whatever was set before us; the ledger has noted what that was.
            run(["auditctl", "-b", str(BACKLOG[plan.rules])])
            web = stack.enter_context(Containers(ledger, count=plan.containers, service=APP, auid=plan.auid))
            for one in web.running if plan.ports else ():
                name_ports(one)
            servers = stack.enter_context(KafkaBroker(ledger)).bootstrap if plan.kafka else ""
            brokers = {"kafka": {"servers": [servers]}} if servers else {}
            monitor = stack.enter_context(MonitorProcess.begin(ledger, {**plan.monitor, **brokers}))
            wire = stack.enter_context(Wire(monitor.port)) if plan.counted else None
            auditd.add_rules(rules_for(plan.rules, plan.auid))
            agent = stack.enter_context(
                AgentProcess.begin(
                    ledger,
                    monitor,
                    WORKER,
                    log=auditd.log,
                    engine=web.engine,
                    settings={**plan.agent, **brokers},
                    url=f"http://127.0.0.1:{wire.port}" if wire else "",
                )
            )
            listener = stack.enter_context(Listener(web.gateway))
            yield Scene(plan, auditd, web, monitor, agent, listener, wire, servers)

    def settle(self, seconds: float, least: float = 0.0) -> float:
        """Benign load until novelty is judged, for `least` seconds at any rate; how long it took."""
        began = time.monotonic()
        while (took := time.monotonic() - began) < seconds:
            if took >= least and self.monitor.settled(APP):
                return took
            load(self.web.running, seconds=1, concurrency=2)
            for one in self.web.running:
                look_up(one)
        raise TestbedError(f"{APP} has not settled after {took:.0f} s of load")

    def strike(self, mark: str, container: Container | None = None) -> Attack:
        """One attack, on the last container unless told otherwise."""
        return attack(container or self.web.running[-1], self.listener, mark=mark)

    def logged(self, container: str, mark: str, seconds: float) -> str:
        """The last line of a container's access log with that word, as soon as it is there."""
        one = next(one for one in self.web.running if one.name == container)
        path, found = Path(f"/proc/{one.pid}/root/var/log/apache2/access.log"), [""]

        def there() -> bool:
            lines = path.read_text("utf-8", "replace").splitlines()
            found[0] = next((line for line in reversed(lines) if mark in line), "")
            return bool(found[0])

        if not wait_until(there, seconds):
            raise TestbedError(f"no line of the access log of {container} names {mark}")
        return found[0]

    def executed(self, tail: Tail, mark: str, seconds: float = 10.0) -> float:
        """When the kernel ran /tmp/`mark` (seconds since 1970), from what the log has had more since `tail` began."""
        found = 0.0

        def there() -> bool:
            nonlocal found
            found = first_run(tail.more(), mark)
            return bool(found)

        if not wait_until(there, seconds):
            raise TestbedError(f"no record of /tmp/{mark} in the audit log")
        return found


def name_ports(container: Container) -> None:
    """Let its access log name clients with their ports, as Apache's `%h:%{remote}p` does; it reads its settings again.

    So a line is known to be of one connection where no writes are audited.
    """
    config = Path(f"/proc/{container.pid}/root/etc/apache2/apache2.conf")
    text = config.read_text("utf-8")
    config.write_text(text.replace('LogFormat "%h ', 'LogFormat "%h:%{remote}p '), "utf-8")
    os.kill(container.pid, signal.SIGUSR1)


class Tail:
    """What a log has had more since this began; through rotation by renaming."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb")
        self._file.seek(0, os.SEEK_END)
        self._rest = b""

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    def more(self) -> bytes:
        """Whole lines that are new since this was asked last."""
        data = self._rest + self._file.read()
        while os.fstat(self._file.fileno()).st_ino != self.path.stat().st_ino:
            self._file.close()
            self._file = self.path.open("rb")
            data += self._file.read()
        whole, _, self._rest = data.rpartition(b"\n")
        return whole + b"\n"


def first_run(log: bytes, mark: str) -> float:
    """The time of the first SYSCALL record with that program, 0 if there is none.

    >>> first_run(b'type=SYSCALL msg=audit(12.345:6): syscall=59 exe="/tmp/x"\\n', "x")
    12.345
    """
    at = log.find(b'exe="/tmp/%s"' % mark.encode("ascii"))
    if at < 0:
        return 0.0
    found = _STAMP.match(log[log.rfind(b"\n", 0, at) + 1 : at])
    return int(found[1]) + int(found[2]) / 1000 if found else 0.0


def by_policy(alerts: list[Told]) -> dict[str, Told]:
    """The first alert of each policy."""
    found: dict[str, Told] = {}
    for one in alerts:
        found.setdefault(str(one.alert["policy"]), one)
    return found
