"""Simulated agents of the scale bench: real keys, chains, envelopes and signatures; how they are sent is a `Way`.

Rules of this file
    - An epoch is acknowledged when all of its envelopes are: over HTTP one, through Kafka one for the counts and one
      for each application with news, exactly as the agent divides them (`agent.link`).
    - What is sent is noted by (agent, lane, sequence) with its time, so that `scale_site` can say when it was applied.
    - The agents share the words: each would learn the same.
"""

from __future__ import annotations

import random
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from agent.link import Lanes
from grammar import Delta, Envelope, Lexicon, Revision, Sighting, State, Transition, encode_delta
from grammar.signing import Signer

NEWS = 0.02
EPOCH = 10_000
Place = tuple[str, str, int]
"""Agent, lane, sequence."""


class Way(Protocol):
    """How envelopes get to the monitors; one for all agents. `counts` are bytes `up` and `down` of envelopes."""

    name: str
    lanes: Lanes
    counts: Counter[str]

    async def deliver(self, agent: str, sealed: bytes, lane: str) -> None:
        """Send one, until it is acknowledged."""

    async def words(self, asked: dict[str, Revision]) -> dict[str, bytes]:
        """What the cluster's words have more."""

    async def listen(self, agent: str, signer: Signer) -> None:
        """Wait for orders, for ever."""

    async def close(self) -> None:
        """Enough."""


@dataclass(slots=True)
class Load:
    """What is simulated, and what was sent: `sent` says when, `waits` how long acknowledgements took."""

    agents: int
    apps: int
    items: int
    lexicons: dict[str, Lexicon] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    sent: dict[Place, float] = field(default_factory=dict)
    epochs: int = 0

    def usual(self, app: str) -> tuple[Transition, ...]:
        """What every replica of an application does."""
        server = State(f"Process {app} /usr/sbin/{app}", ("from Process sh /usr/bin/dash",))
        found = [Transition(server, "WAS_TRIGGERED_BY", "execve", State("Process sh /usr/bin/dash"))]
        for number in range(self.items - 1):
            found.append(Transition(server, "USED", "read", State(f"File /srv/{app}/part{number % 7}/{number}.conf")))
        return tuple(found)


class Agent:
    """One simulated agent."""

    def __init__(self, name: str, load: Load, way: Way) -> None:
        self.name, self.load, self.way = name, load, way
        self.signer = Signer(secrets.token_bytes(32))
        self.session = secrets.token_bytes(8)
        self.heads: dict[str, tuple[int, bytes]] = {}
        self.random = random.Random(name)
        self.containers = {f"app{number}": f"app{number}-{name}" for number in range(load.apps)}
        self.start = 1_700_000_000_000

    async def epoch(self, deltas: dict[str, Delta]) -> None:
        """One epoch, until it is acknowledged."""
        begun = time.perf_counter()
        for share in self.way.lanes(sorted(deltas)):
            sequence, before = self.heads.get(share.lane, (0, b""))
            chosen = tuple((app, encode_delta(deltas[app], self.load.lexicons[app])) for app in sorted(share.apps))
            active = tuple((container, 100) for container in self.containers.values()) if share.counts else ()
            events = 2_000 if share.counts else 0
            one = Envelope(
                self.name, self.session, sequence, self.start, EPOCH, events, {}, chosen, active, before, share.lane
            )
            self.load.sent[self.name, share.lane, sequence] = begun
            await self.way.deliver(self.name, self.signer.seal("envelope", one.encode()), share.lane)
            self.heads[share.lane] = (sequence + 1, one.digest)
        self.load.waits.append(time.perf_counter() - begun)
        self.load.epochs += 1
        self.start += EPOCH

    async def first(self) -> None:
        """All that its containers usually do."""
        await self.epoch(
            {
                app: Delta((Sighting(container, self.load.usual(app), (), 0, 9_000),))
                for app, container in self.containers.items()
            }
        )

    def news(self) -> dict[str, Delta]:
        """Now and then something new in one application: a file that all have, or only this one."""
        if self.random.random() >= NEWS:
            return {}
        app = self.random.choice(list(self.containers))
        server = State(f"Process {app} /usr/sbin/{app}", ("from Process sh /usr/bin/dash",))
        names = [str(self.random.randrange(200)), f"{self.name}.{self.random.randrange(1_000)}"]
        seen = tuple(Transition(server, "USED", "read", State(f"File /srv/{app}/news/{name}")) for name in names)
        return {app: Delta((Sighting(self.containers[app], seen, (), 0, 5_000),))}
