"""An agent without a log: epochs are cut by hand into a real ledger, a real sender brings them over a real socket.

Rules of this file
    - `cut` is what the main loop does with an epoch. `news(n)` shows the file /srv/n that nobody has shown before;
      `beat` is a heartbeat with one call and one loss.
    - The ledger keeps what it has sent.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable
from pathlib import Path
from threading import Thread

from nodes import RealMonitor, until

from agent.backoff import Backoff
from agent.entry import Entry, entries_of
from agent.epochs import Epoch
from agent.http_connection import Connection, Place
from agent.http_link import HttpLink
from agent.identity import Identity, load
from agent.ledger import Ledger
from agent.publisher import Vocabulary
from agent.sender import Sender
from grammar import Delta, Envelope, Lexicon, Sighting, State, Transition, decode_envelope, encode_delta
from grammar.signing import OVERHEAD, Signer

START = 1_700_000_000_000
SHELL = State("Process sh /usr/bin/dash")


def reads(name: str) -> Transition:
    """The shell reads a file."""
    return Transition(SHELL, "USED", "read", State(f"File {name}"))


def shows(container: str, *transitions: Transition) -> Delta:
    """A container does this."""
    return Delta((Sighting(container, transitions, (), 0, 500),), {SHELL: "sh -c x"})


def epoch(number: int, deltas: dict[str, Delta], container: str) -> tuple[Entry, ...]:
    """As the main loop cuts it; one event."""
    start = START + number * 1_000
    return entries_of(Epoch(start, 1_000, 1, 1, 1, 1, 1, 1, {"late": 1}, ((container, 1),), deltas, 0.0))


class SimulatedAgent:
    """One agent; `resume` is what a restart does."""

    def __init__(
        self,
        folder: Path,
        monitor: RealMonitor,
        name: str,
        *,
        budget: int = 1 << 30,
        url: str = "",
        seconds: float = 5.0,
    ) -> None:
        self.folder, self.name, self.budget, self.url = folder / name, name, budget, url or monitor.url
        self.container, self.number, self.seconds = f"web-{name}", 0, seconds
        self.identity: Identity = monitor.enrol(name, self.folder)
        self._thread: Thread | None = None
        self.open()

    def open(self) -> None:
        """What is on the disk."""
        self.ledger = Ledger(self.folder, self.budget, lambda: secrets.token_bytes(8), keep_sent=True)
        connection = Connection(Place.parse(self.url), connect_seconds=2.0)
        identity = load(self.folder, self.name)
        link = HttpLink(connection, self.name, identity.signer, identity.monitor, self.seconds)
        # Short waits: what is tested is what happens, not how patiently it is waited for.
        backoff = Backoff(random.Random(self.name).random, first=0.05, most=0.5)
        self.sender = Sender(self.ledger, link, self.name, identity.signer, Vocabulary({}), backoff)

    def start(self) -> SimulatedAgent:
        """Begin to send."""
        self._thread = self.sender.start()
        return self

    def stop(self) -> None:
        """As kill -9 does, but for what is in the air."""
        self.sender.stop()
        if self._thread is not None:
            self._thread.join(60)
            assert not self._thread.is_alive()
            self._thread = None
        self.ledger.close()

    def resume(self) -> SimulatedAgent:
        """Start again on what is on the disk."""
        self.open()
        return self.start()

    def news(self, *names: object) -> None:
        """An epoch in which files are read that nobody has read before."""
        self._cut({"web": shows(self.container, *(reads(f"/srv/{name}") for name in names))})

    def beat(self) -> None:
        """An epoch without news."""
        self._cut({})

    def _cut(self, deltas: dict[str, Delta]) -> None:
        for entry in epoch(self.number, deltas, self.container):
            self.ledger.cut([entry], b"")
        self.number += 1
        self.sender.wake()

    @property
    def waiting(self) -> int:
        """Epochs that have not arrived."""
        depth = self.ledger.depth
        return depth.entries + depth.waiting

    def drained(self, seconds: float = 30.0) -> None:
        """Until all has arrived."""
        until(lambda: self.waiting == 0, seconds, f"{self.name} has nothing left: {self.sender.state}")


class HandMade:
    """An agent whose envelopes are made by hand: the next of its chain, sealed, and whatever else one likes."""

    def __init__(self, name: str, identity: Identity) -> None:
        self.name, self.identity = name, identity
        self.session, self.sequence, self.before = secrets.token_bytes(8), 0, b""

    @property
    def signer(self) -> Signer:
        """Its key."""
        return self.identity.signer

    def envelope(self, deltas: Iterable[tuple[str, bytes]] = (), name: str = "") -> Envelope:
        """The next of the chain, but it does not count as sent."""
        return Envelope(
            agent=name or self.name,
            session=self.session,
            sequence=self.sequence,
            start=START + self.sequence * 1_000,
            length=1_000,
            events=1,
            lost={},
            deltas=tuple(deltas),
            active=((f"web-{self.name}", 1),),
            before=self.before,
        )

    def told(self, *names: object) -> Envelope:
        """One that shows files."""
        delta = shows(f"web-{self.name}", *(reads(f"/srv/{name}") for name in names))
        return self.envelope([("web", encode_delta(delta, Lexicon()))])

    def seal(self, envelope: Envelope) -> bytes:
        """Signed."""
        return self.signer.seal("envelope", envelope.encode())

    def sent(self, sealed: bytes) -> None:
        """It has been taken: go on from it."""
        self.sequence, self.before = self.sequence + 1, decode_envelope(sealed[OVERHEAD:]).digest
