"""The gate: from the bytes that somebody sent to a message of an agent that is what it claims to be.

Rules of this file
    - Pure but for the register that it looks into. The order is: size, signature, right to write, decoding with limits,
      name. Nothing of a message that fails is used.
    - An agent can only write as itself: the name inside must be the one that the key was enrolled for.
    - What fails is a `Rejected`: its cause (see `monitor.watch`; none for noise that nobody has signed) and the agent
      whose key was named, to be counted by the caller; it has no other effect.

Complexity: O(bytes).
Source: issue "live monitor" (forgeries detected, reported, and without effect); design section 3 promise 7.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import msgspec

from grammar import CodecError, Envelope, decode_envelope
from grammar.control import Listen, Reply, read
from grammar.signing import KEY_ID, MAGIC, ForgeryError, Opened, Sort, unseal
from monitor.register import Entry, Register

MAX_LISTEN: Final = 4_096
MAX_WORDS: Final = 1 << 20
MAX_REPLY: Final = 4 << 20

Message = TypeVar("Message", bound=msgspec.Struct)


class Rejected(Exception):  # noqa: N818 - it is an answer as much as an error
    """A message that is not taken: `status` for HTTP, `cause` to count it by, the `agent` whose key it names."""

    def __init__(self, status: int, cause: str, agent: str, error: CodecError) -> None:
        self.status, self.cause, self.agent, self.error = status, cause, agent, error
        super().__init__(str(error))


class Admitted(NamedTuple):
    """An agent's envelope."""

    entry: Entry
    envelope: Envelope


def envelope(register: Register, sealed: bytes) -> Admitted:
    """A sealed envelope; `Rejected` for anything else."""
    entry, body = opened(register, "envelope", sealed)
    try:
        found = decode_envelope(body)
    except CodecError as error:
        raise Rejected(400, "malformed", entry.name, error) from None
    _own(entry, found.agent)
    return Admitted(entry, found)


def listen(register: Register, sealed: bytes) -> tuple[Entry, Listen]:
    """An agent waits for orders."""
    entry, found = _message(register, "listen", sealed, Listen, MAX_LISTEN)
    _own(entry, found.agent)
    return entry, found


def reply(register: Register, sealed: bytes) -> tuple[Entry, Reply]:
    """An agent's answer to a question."""
    entry, found = _message(register, "reply", sealed, Reply, MAX_REPLY)
    _own(entry, found.worker)
    return entry, found


def words(register: Register, sealed: bytes) -> tuple[Entry, bytes]:
    """An agent asks for words: what `Monitor.control` takes."""
    if len(sealed) > MAX_WORDS:
        raise Rejected(413, "", "", CodecError("message too large", offending=str(len(sealed))))
    return opened(register, "words", sealed)


def _message(register: Register, sort: Sort, sealed: bytes, kind: type[Message], most: int) -> tuple[Entry, Message]:
    if len(sealed) > most:
        raise Rejected(413, "", "", CodecError("message too large", offending=str(len(sealed))))
    entry, body = opened(register, sort, sealed)
    try:
        return entry, read(body, kind)
    except CodecError as error:
        raise Rejected(400, "malformed", entry.name, error) from None


def opened(register: Register, sort: Sort, sealed: bytes) -> tuple[Entry, bytes]:
    """Whose message, and its body."""
    named = register.by_key.get(sealed[len(MAGIC) : len(MAGIC) + KEY_ID])
    try:
        found: Opened = unseal(sort, sealed, register.public_of)
    except ForgeryError as error:
        cause = "unknown" if named is None else "forged"
        raise Rejected(403, cause, named.name if named is not None else "", error) from None
    except CodecError as error:
        raise Rejected(400, "", "", error) from None
    entry = register.by_key[found.key_id]
    if entry.revoked:
        revoked = ForgeryError("this agent is revoked", offending=entry.name, hint="enrol it again")
        raise Rejected(403, "revoked", entry.name, revoked)
    return entry, found.body


def _own(entry: Entry, name: str) -> None:
    if name != entry.name:
        error = ForgeryError("an agent can only write as itself", offending=name)
        raise Rejected(403, "foreign", entry.name, error)
