"""A monitor, simulated replicas, and a log clock that goes on by epochs: what a test says happens, happens.

Rules of this file
    - Replica n is container `web<n>` on worker `w<n>`. Everything crosses as bytes, as it would over a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from grammar import Delta, Envelope, Lexicon, Sighting, State, Transition, encode_delta, encode_model
from grammar.finding import Finding, Verdict
from monitor.alerts import Alert
from monitor.monitor import Ack, Monitor
from monitor.novelty import Settings
from monitor.store import Store
from policies import Policy, parse_policy

EPOCH = 10_000
SH, APACHE, CURL = "Process sh /usr/bin/dash", "Process apache2 /usr/sbin/apache2", "Process curl /usr/bin/curl"


def runs(parent: str, child: str) -> Transition:
    return Transition(State(child, (f"from {parent}",)), "WAS_TRIGGERED_BY", "execve", State(parent))


def connects(process: str, peer: str) -> Transition:
    return Transition(State(f"Socket {peer}"), "WAS_GENERATED_BY", "connect", State(process))


def writes(process: str, path: str) -> Transition:
    return Transition(State(f"File {path}"), "WAS_GENERATED_BY", "write", State(process))


def reads(process: str, path: str) -> Transition:
    return Transition(State(process), "USED", "read", State(f"File {path}"))


USUAL = (
    runs(SH, APACHE),
    reads(APACHE, "/etc/apache2/apache2.conf"),
    reads(APACHE, "/var/www/html/index.html"),
    writes(APACHE, "/var/log/apache2/access.log"),
)


def policy(query: str, name: str = "test-policy", severity: str = "high") -> Policy:
    head = f"id: {name}\ntitle: t\nseverity: {severity}\ntechnique: T1000\nfalse_positives: none known"
    return parse_policy(f"---\n{head}\n---\n{query}\n")


def envelope(
    worker: str,
    sequence: int,
    deltas: Mapping[str, Delta],
    *,
    start: int = 0,
    session: bytes = b"s",
    lost: Mapping[str, int] | None = None,
    active: Iterable[str] = (),
    lexicon: Lexicon | None = None,
    findings: tuple[Finding, ...] = (),
) -> bytes:
    """One envelope; its deltas are written against `lexicon` (without one: in full)."""
    encoded = tuple((app, encode_delta(delta, lexicon or Lexicon())) for app, delta in deltas.items())
    busy = tuple((container, 1) for container in active)
    told = Envelope(worker, session, sequence, start, EPOCH, 1, dict(lost or {}), encoded, busy, b"", findings=findings)
    return told.encode()


def shows(container: str, *transitions: Transition, at: int = 0) -> Delta:
    return Delta((Sighting(container, tuple(transitions), (), at, at),))


class Cluster:
    """`replicas` replicas of application `web` and their monitor."""

    def __init__(
        self, folder: Path, replicas: int = 8, policies: tuple[Policy, ...] = (), settings: Settings | None = None
    ) -> None:
        self.folder, self.policies, self.settings = folder, policies, settings
        self.replicas = list(range(1, replicas + 1))
        self.sequences: dict[int, int] = {}
        self.clock = 1_000_000
        self.open()

    def open(self) -> None:
        self.monitor = Monitor(Store(self.folder, create=True), self.policies, self.settings)

    def restart(self) -> None:
        """The monitor stops and comes back on the same state."""
        self.monitor.store.close()
        self.open()

    def epoch(
        self, news: Mapping[int, Iterable[Transition]] | None = None, lost: Mapping[int, int] | None = None
    ) -> None:
        """All replicas serve for one epoch; some of them show something new, some workers lose records."""
        for replica in self.replicas:
            shown = tuple((news or {}).get(replica, ()))
            deltas = {"web": shows(f"web{replica}", *shown, at=5)} if shown else {}
            self.send(replica, deltas, lost={"unfinished": (lost or {})[replica]} if replica in (lost or {}) else {})
        self.monitor.end_epoch(EPOCH)
        self.clock += EPOCH

    def send(self, replica: int, deltas: Mapping[str, Delta], lost: Mapping[str, int] | None = None) -> str:
        number = self.sequences.get(replica, 0)
        self.sequences[replica] = number + 1
        body = envelope(f"w{replica}", number, deltas, start=self.clock, lost=lost, active=(f"web{replica}",))
        return status(self.monitor.receive(body))

    def settle(self, verdict: Verdict | None) -> list[str]:
        """Every worker that is asked about a match answers the same; the containers that it was about."""
        asked = self.monitor.alarms.pending.unasked(100)
        for one in asked:
            self.monitor.settle(one.question.id, verdict)
        return [one.question.container for one in asked]

    def serve(self, epochs: int = 6) -> None:
        """A minute (by default) in which every replica does what is usual."""
        for _ in range(epochs):
            self.epoch(dict.fromkeys(self.replicas, USUAL))

    @property
    def alerts(self) -> list[Alert]:
        return self.monitor.alerts

    @property
    def model(self) -> bytes:
        return encode_model(self.monitor.apps["web"].model)


def status(answer: bytes) -> str:
    return msgspec.msgpack.decode(answer, type=Ack).status
