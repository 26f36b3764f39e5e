"""The scale bench over HTTP: two connections for each agent (epochs; orders), heads as small as an agent's.

Rules of this file
    - Answers are read and their status is checked; that their signature fits is checked of one in 50, for the agents'
      CPU is not what is measured.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from typing import NamedTuple

import msgspec
from scale_load import Agent

from agent.link import one_lane
from grammar import Revision, answered, framed
from grammar.control import Answer, Enrol, Enrolled, Listen, read, write
from grammar.signing import OVERHEAD, Signer, Token, digest, unseal

CHECKED = 0.02


class Where(NamedTuple):
    """A monitor's address."""

    host: str
    port: int


class Connection:
    """One connection: requests and answers in turn."""

    def __init__(self, where: Where) -> None:
        self.where = where
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def post(self, target: str, body: bytes, tries: int = 3) -> tuple[int, bytes]:
        """One request; again on a new connection if the monitor has closed one that was idle for too long."""
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(*self.where)
        try:
            self.writer.write(framed("POST", target, body))
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            if not tries:
                raise
            self.close()
            return await self.post(target, body, tries - 1)
        length = next(int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head[9:12]), await self.reader.readexactly(length)

    def close(self) -> None:
        """Enough."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


class HttpWay:
    """To one monitor; `public` is its key, `asking` the agent in whose name words are asked for."""

    name = "http"
    lanes = staticmethod(one_lane)

    def __init__(self, where: Where, public: bytes) -> None:
        self.where, self.public = where, public
        self.counts: Counter[str] = Counter()
        self.asking = Signer(secrets.token_bytes(32))
        self._links: dict[str, Connection] = {}
        self._random = random.Random(1)

    async def deliver(self, agent: str, sealed: bytes, lane: str) -> None:
        """Again if the monitor is busy."""
        link = self._link(agent)
        while True:
            status, body = await link.post("/v1/epochs", sealed)
            if status != 503:
                break
            self.counts["busy"] += 1
            await asyncio.sleep(1)
        assert status == 200, body
        self.counts["up"] += len(framed("POST", "/v1/epochs", sealed))
        self.counts["down"] += len(answered(body))
        if self._random.random() < CHECKED:
            unseal("answer", body, lambda key: self.public, digest(sealed))
        answer = read(body[OVERHEAD:], Answer)
        assert answer.status == "new", answer

    async def words(self, asked: dict[str, Revision]) -> dict[str, bytes]:
        """From the monitor."""
        sealed = self.asking.seal("words", msgspec.msgpack.encode(asked))
        status, body = await self._link("").post("/v1/words", sealed)
        assert status == 200, body
        return msgspec.msgpack.decode(body[OVERHEAD:], type=dict[str, bytes])

    async def listen(self, agent: str, signer: Signer) -> None:
        """A long poll, again and again."""
        control = 0
        orders = self._link(f"{agent} listens")
        while True:
            status, _ = await orders.post("/v1/listen", signer.seal("listen", write(Listen(agent, control, 30_000))))
            assert status == 200
            control = 1 << 40

    async def close(self) -> None:
        """All connections."""
        for link in self._links.values():
            link.close()

    def _link(self, name: str) -> Connection:
        return self._links.setdefault(name, Connection(self.where))


async def enrol(where: Where, agents: list[Agent], tokens: dict[str, Token]) -> None:
    """All agents, some at once."""

    async def one(agent: Agent) -> None:
        token, link = tokens[agent.name], Connection(where)
        asked = Enrol(agent.name, agent.signer.public, token.id, bytes(32))
        asked = msgspec.structs.replace(asked, proof=token.proof("agent", asked.proven))
        status, body = await link.post("/v1/enrol", write(asked))
        link.close()
        assert status == 200, body
        read(body, Enrolled)

    for at in range(0, len(agents), 50):
        await asyncio.gather(*map(one, agents[at : at + 50]))
