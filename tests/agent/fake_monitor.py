"""A monitor as small as the contract allows, for tests of the agent's side: it checks what it is sent, and remembers.

Rules of this file
    - `handle(target, body)` is pure: status, body, more head. `Server` puts it behind a real socket, `FakeLink` behind
      none. Whatever breaks the chain is a `conflict`, as the real one says.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from agent.link import Lanes, UnreachableError, one_lane
from grammar import (
    BaseMismatchError,
    Envelope,
    Evidence,
    Lexicon,
    Revision,
    Span,
    answered,
    decode_delta,
    decode_envelope,
    encode_extension,
)
from grammar.control import Answer, Enrol, Enrolled, Listen, Orders, Outcome, Reply, Status, read, write
from grammar.signing import Signer, Token, digest, key_id, unseal

AGENT, MONITOR = Signer(b"a" * 32), Signer(b"m" * 32)


@dataclass
class FakeMonitor:
    """`taken` are envelopes in order; `shown` the evidence by application; `orders` go out with the next poll."""

    signer: Signer = MONITOR
    agent: bytes = AGENT.public
    token: Token = field(default_factory=lambda: Token(b"i" * 16, b"s" * 16))
    taken: list[Envelope] = field(default_factory=list)
    sealed: dict[tuple[str, int], bytes] = field(default_factory=dict)
    heads: dict[str, bytes] = field(default_factory=dict)
    lexicons: dict[str, Lexicon] = field(default_factory=dict)
    shown: dict[str, Evidence] = field(default_factory=dict)
    orders: Orders = field(default_factory=Orders)
    replies: list[Reply] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    says: list[Status] = field(default_factory=list)
    status: int = 200
    head: bytes = b""

    def handle(self, target: str, body: bytes) -> tuple[int, bytes, bytes]:
        """One request."""
        self.asked[target] += 1
        if self.status != 200:
            return self.status, b"go \x1b[31maway", self.head
        if target == "/v1/enrol":
            return 200, self.enrol(body), b""
        sort = {"/v1/epochs": "envelope", "/v1/words": "words", "/v1/listen": "listen", "/v1/replies": "reply"}[target]
        known = key_id(self.agent)
        found = unseal(sort, body, lambda one: self.agent if one == known else None).body  # type: ignore[arg-type]
        if sort == "envelope":
            return 200, self.signer.seal("answer", write(self.take(found, body)), digest(body)), b""
        if sort == "words":
            return 200, self.signer.seal("answer", self.words(found), digest(body)), b""
        if sort == "listen":
            read(found, Listen)
            orders, self.orders = self.orders, Orders()
            return 200, self.signer.seal("orders", write(orders), digest(body)), b""
        self.replies.append(read(found, Reply))
        return 200, self.signer.seal("answer", b"", digest(body)), b""

    def take(self, body: bytes, sealed: bytes) -> Answer:
        """An envelope."""
        one = decode_envelope(body)
        if self.says:
            return Answer(self.says.pop(0), one.sequence)
        before = self.sealed.get((one.lane, one.sequence))
        if before is not None:
            return Answer("repeat" if before == body else "conflict", one.sequence)
        expected = sum(1 for lane, _ in self.sealed if lane == one.lane)
        if one.sequence != expected or one.before != self.heads.get(one.lane, b""):
            return Answer("conflict", one.sequence)
        try:
            deltas = [(app, decode_delta(data, self.lexicon(app))) for app, data in one.deltas]
        except BaseMismatchError:
            return Answer("base", one.sequence)
        self.sealed[one.lane, one.sequence] = body
        self.heads[one.lane] = one.digest
        self.taken.append(one)
        for app, delta in deltas:
            self.shown.setdefault(app, Evidence()).update(delta.evidence("w", Span(0, 0)))
            self.lexicon(app).extend(delta.states, delta.transitions)
        return Answer("new", one.sequence)

    def words(self, question: bytes) -> bytes:
        """Extensions."""
        asked = msgspec.msgpack.decode(question, type=dict[str, Revision])
        known = {app: self.lexicon(app) for app in asked}
        found = {
            app: encode_extension(known[app], one if known[app].find(one) else Revision()) for app, one in asked.items()
        }
        return msgspec.msgpack.encode({app: one for app, one in found.items() if one})

    def enrol(self, body: bytes) -> bytes:
        """Prove that we hold the token, if the agent does."""
        asked = read(body, Enrol)
        assert self.token.proves("agent", asked.proven, asked.proof)
        public = self.signer.public
        return write(Enrolled(public, self.token.proof("monitor", public + asked.public)))

    def lexicon(self, app: str) -> Lexicon:
        """The words of an application."""
        return self.lexicons.setdefault(app, Lexicon())


@dataclass
class FakeLink:
    """A link without a network: `away` loses the question, `deaf` the answer; both may be functions of the time."""

    monitor: FakeMonitor
    lanes: Lanes = one_lane
    counts: Counter[str] = field(default_factory=Counter)
    away: bool = False
    deaf: bool = False

    def deliver(self, sealed: bytes, lane: str, session: bytes, sequence: int) -> Answer:
        return read(self._ask("/v1/epochs", sealed), Answer)

    def words(self, asked: Mapping[str, Revision]) -> dict[str, bytes]:
        question = AGENT.seal("words", msgspec.msgpack.encode(dict(asked)))
        return msgspec.msgpack.decode(self._ask("/v1/words", question), type=dict[str, bytes])

    def listen(self, revision: int, wait_millis: int, outcomes: tuple[Outcome, ...] = ()) -> Orders:
        return read(self._ask("/v1/listen", AGENT.seal("listen", write(Listen("w", revision, 0)))), Orders)

    def reply(self, sealed: bytes, question: bytes) -> None:
        self._ask("/v1/replies", sealed)

    def close(self) -> None:
        self.counts["closed"] += 1

    def _ask(self, target: str, sealed: bytes) -> bytes:
        if self.away:
            raise UnreachableError("away")
        _, answer, _ = self.monitor.handle(target, sealed)
        if self.deaf:
            raise UnreachableError("deaf")
        return unseal(
            "orders" if "listen" in target else "answer", answer, lambda _: MONITOR.public, digest(sealed)
        ).body


class Server:
    """A real socket; `raw` are the bytes that came; `answer` may be replaced to answer badly."""

    def __init__(self, monitor: FakeMonitor, context: ssl.SSLContext | None = None) -> None:
        self.monitor, self.context = monitor, context
        self.raw = bytearray()
        self.connections = 0
        self.close_after = False
        self.answer: Callable[[bytes], bytes] | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self._socket.accept()
                if self.context is not None:
                    one = self.context.wrap_socket(one, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        got = b""
        with one:
            while data := one.recv(65_536):
                self.raw += data
                got += data
                head, end, body = got.partition(b"\r\n\r\n")
                size = next((int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.startswith(b"Content-Length")), 0)
                if not end or len(body) < size:
                    continue
                got = b""
                target = head.split(b" ")[1].decode()
                one.sendall(self.answer(body) if self.answer else self._answer(target, body))
                if self.close_after:
                    return

    def _answer(self, target: str, body: bytes) -> bytes:
        status, answer, more = self.monitor.handle(target, body)
        whole = answered(answer)
        return whole.replace(b"200 OK\r\n", b"%d X\r\n%s" % (status, more), 1) if status != 200 else whole
