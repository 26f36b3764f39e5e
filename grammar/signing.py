"""Who wrote it: Ed25519 signatures around every message, and the one-time token by which an agent is enrolled.

Rules of this file
    - Pure: keys, tokens and bytes come in. A message is `MAGIC, key id, signature, body`; the signature covers the sort
      of message, what it answers (`about`), and the body: the right words in another place are a forgery too.
    - The size is checked first, then the signature, and only then is anything decoded or decompressed.
    - An enrolment never carries the token: both sides prove with a keyed hash that they hold it.

Complexity: O(bytes).
Source: RFC 8032 (Ed25519), RFC 7693 (keyed BLAKE2); design section 3 promise 7, section 4 (publish).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from grammar.errors import CodecError

MAGIC: Final = b"W\x01"
KEY_ID: Final = 8
SIGNATURE: Final = 64
OVERHEAD: Final = len(MAGIC) + KEY_ID + SIGNATURE
MAX_SEALED: Final = 16 << 20
SEED: Final = 32
"""Bytes of a private key."""

Sort = Literal["envelope", "answer", "words", "listen", "orders", "reply", "control", "model"]


class ForgeryError(CodecError):
    """A message that the one it names has not signed."""


class Opened(NamedTuple):
    """A message that is what it claims to be: whose key, and the body."""

    key_id: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key; `seed` are its 32 bytes."""

    seed: bytes

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        """What a message names the key by."""
        return key_id(self.public)

    def seal(self, sort: Sort, body: bytes, about: bytes = b"") -> bytes:
        """`body`, signed; `about` is what it answers (the sealed question's `digest`)."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        mine = key_id(key.public_key().public_bytes_raw())
        return MAGIC + mine + key.sign(_signed(sort, about, mine, body)) + body


def key_id(public: bytes) -> bytes:
    """The short name of a public key."""
    return blake2b(public, digest_size=KEY_ID, person=b"winnower key").digest()


def digest(sealed: bytes) -> bytes:
    """The short name of a message: what an answer is about."""
    return blake2b(sealed, digest_size=16).digest()


def unseal(sort: Sort, sealed: bytes, key_of: Callable[[bytes], bytes | None], about: bytes = b"") -> Opened:
    """Check a message; `key_of` gives the public key of a key id. Anything else is a `ForgeryError` or `CodecError`."""
    if len(sealed) > MAX_SEALED:
        raise CodecError("message too large", offending=str(len(sealed)), hint=f"limit {MAX_SEALED} bytes")
    if len(sealed) < OVERHEAD or not sealed.startswith(MAGIC):
        raise CodecError("not a signed message", offending=sealed[:16].hex())
    mine = sealed[len(MAGIC) : len(MAGIC) + KEY_ID]
    public = key_of(mine)
    if public is None:
        raise ForgeryError("signed with a key that is not enrolled", offending=mine.hex(), hint="enrol the agent")
    body = sealed[OVERHEAD:]
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(
            sealed[len(MAGIC) + KEY_ID : OVERHEAD], _signed(sort, about, mine, body)
        )
    except (InvalidSignature, ValueError):
        raise ForgeryError("signature does not fit", offending=mine.hex()) from None
    return Opened(mine, body)


def _signed(sort: Sort, about: bytes, mine: bytes, body: bytes) -> bytes:
    head = b"winnower 1 %s\0%d\0" % (sort.encode("ascii"), len(about))
    return head + about + mine + blake2b(body, digest_size=32).digest()


@dataclass(frozen=True, slots=True)
class Token:
    """A one-time token: its public `id` and its secret, 16 bytes each.

    >>> Token.parse(Token(b"i" * 16, b"s" * 16).text) == Token(b"i" * 16, b"s" * 16)
    True
    """

    id: bytes
    secret: bytes

    @property
    def text(self) -> str:
        """As it is handed over."""
        return f"wt1.{self.id.hex()}.{self.secret.hex()}"

    @staticmethod
    def parse(text: str) -> Token:
        """Read it; anything else is a `CodecError` that does not show it."""
        parts = text.strip().split(".")
        try:
            head, ident, secret = parts[0], bytes.fromhex(parts[1]), bytes.fromhex(parts[2])
        except (IndexError, ValueError):
            head, ident, secret = "", b"", b""
        if head != "wt1" or len(parts) != 3 or (len(ident), len(secret)) != (16, 16):
            raise CodecError("not an enrolment token", hint="winnower monitor token NAME prints one")
        return Token(ident, secret)

    def proof(self, side: Literal["agent", "monitor"], body: bytes) -> bytes:
        """What only a holder of the token can say about `body`."""
        return blake2b(side.encode("ascii") + b"\0" + body, key=self.secret, digest_size=32).digest()

    def proves(self, side: Literal["agent", "monitor"], body: bytes, proof: bytes) -> bool:
        """Whether a holder of the token has said it."""
        return hmac.compare_digest(self.proof(side, body), proof)
