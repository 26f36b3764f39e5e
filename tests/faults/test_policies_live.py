"""Policies between a real agent and a real monitor: what is killed, reloaded or out of date, and what is told once.

The first part needs no root: the audit log is written by the tests. The last one pauses a real container.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest
from growing_log import now
from lines import AT_CWD, path, syscall
from live_scene import Plan, Scene, by_policy
from nodes import RealAgent, RealMonitor, until
from testbed.ledger import Ledger
from testbed.ready import why_not

from monitor.alerts import Alert
from monitor.store import MOST

HEAD = "---\nid: {name}\ntitle: t\nseverity: high\ntechnique: T1059\nfalse_positives: [none]\n---\n"
READ = "MATCH (p:Process)-[:USED]->(f:File) WHERE f.path = '/srv/{number}/secret' RETURN p.name, f.path\n"
MORE = '[policies]\nshipped = false\nfiles = ["{folder}"]\n[novelty]\nsettle_active = "1000h"\n'
QUICK = {"epoch": "500ms", "early": "50ms", "idle": "200ms"}


class Site:
    """A monitor that goes by the policies in a folder, an agent, and the audit log of its worker."""

    def __init__(self, folder: Path, agent_of: Callable[..., RealAgent]) -> None:
        self.laws, self.log = folder / "laws", folder / "audit.log"
        self.laws.mkdir()
        self.log.touch()
        self.law("seven", 7777)
        self.monitor = RealMonitor(folder / "monitor", more=MORE.format(folder=self.laws))
        self.monitor.start()
        self.agent = agent_of(self.monitor, "w1", self.log, **QUICK)
        self._serial = count(1)

    def law(self, name: str, number: int) -> None:
        """A policy: nobody may open /srv/NUMBER/secret."""
        (self.laws / f"{name}.cypher").write_text(HEAD.format(name=name) + READ.format(number=number))

    def opened(self, number: int, pid: int) -> None:
        """A process opens /srv/NUMBER/secret."""
        stamp = (now(), next(self._serial))
        name = path(f"/srv/{number}/secret")
        with self.log.open("ab") as log:
            log.write(syscall("openat", stamp=stamp, pid=pid, exit=3, a0=AT_CWD, paths=[name]))

    def told(self) -> list[Alert]:
        """All alerts, from the disk."""
        with closing(self.monitor.store) as store:
            return [Alert.decode(data).numbered(number) for number, data in store.alerts_after(0, MOST)]

    def wait(self, number: int, seconds: float = 20.0) -> list[Alert]:
        """Until so many alerts are there."""
        until(lambda: len(self.told()) >= number, seconds, f"{number} alerts", every=0.1)
        return self.told()

    def waiting(self) -> int:
        """Matches that wait for the worker's word."""
        with closing(self.monitor.store) as store, suppress(Exception):  # no table before the first
            return len(store.rows("SELECT 1 FROM unsettled"))
        return 0

    def obeys(self, revision: int) -> bool:
        """Whether the agent has this revision of control."""
        return any(one.get("revision") == revision for one in self.agent.said("new control"))

    def revisions(self) -> int:
        """The newest revision that the agent has."""
        return max((int(str(one["revision"])) for one in self.agent.said("new control")), default=0)

    def reload(self, said: str) -> None:
        """SIGHUP, and wait for what the monitor says."""
        before = len(self.monitor.said(said))
        self.monitor.signal(signal.SIGHUP)
        until(lambda: len(self.monitor.said(said)) > before, 10, said)


@pytest.fixture
def site(tmp_path: Path, agent_of: Callable[..., RealAgent]) -> Iterator[Site]:
    one = Site(tmp_path, agent_of)
    yield one
    one.monitor.kill()


def facts(alerts: list[Alert]) -> list[tuple[str, str, str]]:
    return [(one.policy, one.certainty, one.confirmed) for one in alerts]


def test_the_worker_s_word_comes_with_the_epoch_and_reloaded_policies_reach_it(site: Site) -> None:
    site.agent.start()
    until(lambda: site.revisions() > 0, 10, "control")
    site.opened(8888, 100)
    site.opened(7777, 200)
    (alert,) = site.wait(1)
    assert facts([alert]) == [("seven", "possible", "worker")]
    assert alert.summary == ("p200 pid 200", "/srv/7777/secret")
    revision = site.revisions()
    site.law("nine", 9999)
    (site.laws / "seven.cypher").write_text("nonsense")  # what it was stays in force
    site.reload("settings reloaded")
    until(lambda: site.revisions() > revision, 10, "newer control")
    site.opened(9999, 300)
    site.opened(7777, 400)
    assert sorted(facts(site.wait(3)[1:])) == [("nine", "possible", "worker"), ("seven", "possible", "worker")]
    assert site.waiting() == 0
    assert len(site.agent.said("a policy cannot be read")) == 0


def test_what_was_dismissed_is_told_when_it_has_become_real(site: Site) -> None:
    site.agent.start()
    until(lambda: site.revisions() > 0, 10, "control")
    for number in (8888, 8889, 8890):
        site.opened(number, 100)
        time.sleep(0.5)
    assert site.told() == []
    site.opened(7777, 100)  # the same program, a name of the same pattern: no model has news
    (alert,) = site.wait(1)
    assert facts([alert]) == [("seven", "possible", "worker")]


def test_of_a_policy_that_the_worker_did_not_have_it_is_asked(site: Site) -> None:
    site.agent.start()
    until(lambda: site.revisions() > 0, 10, "control")
    site.monitor.stop()
    site.opened(9999, 100)
    site.opened(8888, 200)
    time.sleep(1.0)  # the epoch is cut, and waits
    site.law("nine", 9999)
    site.monitor.start()
    (alert,) = site.wait(1)
    assert facts([alert]) == [("nine", "possible", "worker")]
    until(lambda: site.waiting() == 0, 10, "all is settled")
    assert len(site.told()) == 1


def test_a_monitor_that_is_killed_while_matches_wait_asks_again_and_tells_once(site: Site) -> None:
    site.agent.start()
    until(lambda: site.revisions() > 0, 10, "control")
    site.monitor.stop()
    site.opened(9999, 100)
    time.sleep(1.0)
    site.law("nine", 9999)
    site.agent.signal(signal.SIGSTOP)
    site.monitor.start()
    site.agent.signal(signal.SIGCONT)
    with suppress(AssertionError):  # it may be settled before we look
        until(lambda: site.waiting() > 0 or bool(site.told()), 5, "it waits", every=0.005)
    site.monitor.kill()
    site.monitor.start()
    assert facts(site.wait(1)) == [("nine", "possible", "worker")]
    until(lambda: site.waiting() == 0, 10, "all is settled")
    site.opened(9999, 100)
    time.sleep(1.0)
    assert len(site.told()) == 1


def test_an_agent_that_is_killed_repeats_and_loses_no_finding(site: Site) -> None:
    site.agent.start()
    until(lambda: site.revisions() > 0, 10, "control")
    for pid in (100, 200, 300):
        site.opened(7777, pid)
        time.sleep(0.05 * pid / 100)
        site.agent.kill()
        site.agent.start()
    until(lambda: len({deed for one in site.told() for deed in one.deeds}) == 3, 10, "three deeds", every=0.1)
    time.sleep(1.0)
    alerts = site.told()
    assert set(facts(alerts)) == {("seven", "possible", "worker")}
    assert len([deed for one in alerts for deed in one.deeds]) == 3


def test_a_container_is_paused_if_its_worker_may(tmp_path: Path) -> None:
    """With the worker's default it is only said what would be done; the attack's own container, and no other."""
    if reason := why_not("audit", "containers", "image", "load"):
        pytest.skip(reason)
    freeze = {"freeze": {"kind": "pause", "named": False, "policies": ["run-from-temp"]}}
    settings = {"epoch": "1s", "novelty": {"settle_active": "1000h"}, "actions": freeze}
    with Ledger.begin() as ledger, Scene.begin(ledger, Plan(auid=5913, monitor=settings)) as scene:
        other, victim = scene.web.running

        def state(name: str) -> str:
            return scene.web.store.call("inspect", "--format", "{{.State.Status}}", name).strip()

        scene.strike("dry-helper")
        until(lambda: "would have done: pause" in scene.agent.program.log.read_text(), 10, "a dry run", every=0.2)
        assert state(victim.name) == "running"
        alerts = scene.monitor.alerts()
        with suppress(AssertionError):
            until(lambda: alerts.extend(scene.monitor.alerts()) or "web-server-starts-shell" in by_policy(alerts), 9)
        told = by_policy(alerts)
        assert {name: one.alert["confirmed"] for name, one in told.items() if name != "novelty"} == dict.fromkeys(
            set(told) - {"novelty"}, "worker"
        )
        assert told["web-server-starts-shell"].alert["certainty"] == "possible"
        assert told["run-from-temp"].says(" pid ")
        scene.agent.restart({"respond": {"mode": "on"}})
        threading.Thread(target=_strike, args=(scene, "real-helper"), daemon=True).start()
        until(lambda: state(victim.name) == "paused", 10, "a container that stands still", every=0.2)
        assert state(other.name) == "running"
        scene.web.store.call("unpause", victim.name)


def _strike(scene: Scene, mark: str) -> None:
    with suppress(Exception):  # its answer may come late, or never: the container stands still
        scene.strike(mark)
