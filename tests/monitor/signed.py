"""Agents with keys, as the monitor's gate and API meet them: they enrol, and sign what they send.

Rules of this file
    - Keys and tokens are derived from names: what a test does is the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from grammar import Delta, Envelope, Lexicon, encode_delta
from grammar.control import Answer, Enrol, Listen, Reply, read, write
from grammar.envelope import Run
from grammar.signing import Signer, Token, digest, unseal
from monitor.register import Register

EPOCH = 10_000


def seed(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=32).digest()


class Fresh:
    """Bytes that look random and are not."""

    def __init__(self, name: str) -> None:
        self.name, self.count = name, 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return blake2b(f"{self.name} {self.count}".encode(), digest_size=size).digest()


class SignedAgent:
    """One agent: its key, its chain."""

    def __init__(self, name: str, key: str = "") -> None:
        self.name, self.signer = name, Signer(seed(key or name))
        self.session, self.sequence, self.before, self.start = b"session", 0, b"", 1_000_000
        self.monitor = b""

    def request(self, token: Token) -> bytes:
        asked = Enrol(self.name, self.signer.public, token.id, bytes(32))
        return write(Enrol(self.name, self.signer.public, token.id, token.proof("agent", asked.proven)))

    def enrolled(self, register: Register, monitor: Signer) -> SignedAgent:
        """On the register, without a wire between."""
        with register.store.transaction():
            token = register.issue(self.name, 0, Fresh(self.name + str(len(register.by_key))))
            register.enrol(read(self.request(token), Enrol), 0, monitor.public)
        register.load()
        self.monitor = monitor.public
        return self

    def envelope(
        self,
        deltas: Mapping[str, Delta] | None = None,
        *,
        active: Iterable[str] = (),
        lost: Mapping[str, int] | None = None,
        runs: tuple[Run, ...] = (),
        length: int = EPOCH,
        control: int = 0,
        lane: str = "",
    ) -> Envelope:
        """The next of the chain; it goes on from it when the next is made."""
        encoded = tuple((app, encode_delta(delta, Lexicon())) for app, delta in (deltas or {}).items())
        busy = tuple((container, 1) for container in active)
        made = Envelope(
            self.name,
            self.session,
            self.sequence,
            self.start,
            length,
            1,
            dict(lost or {}),
            encoded,
            busy,
            self.before,
            lane,
            control,
            runs,
        )
        self.sequence, self.before, self.start = self.sequence + 1, made.digest, self.start + length
        return made

    def seal(self, envelope: Envelope) -> bytes:
        return self.signer.seal("envelope", envelope.encode())

    def sealed(self, deltas: Mapping[str, Delta] | None = None, active: Iterable[str] = ()) -> bytes:
        return self.seal(self.envelope(deltas, active=active))

    def listen(self, control: int = 0, wait: int = 0) -> bytes:
        return self.signer.seal("listen", write(Listen(self.name, control, wait)))

    def reply(self, reply: Reply) -> bytes:
        return self.signer.seal("reply", write(reply))

    def opened(self, question: bytes, answer: bytes) -> Answer:
        body = unseal("answer", answer, lambda key: self.monitor, digest(question)).body
        return read(body, Answer)
