"""What goes over the wire for one epoch of one worker, and the frame around it.

Rules of this file
    - An envelope says who, which number of which session, which span of log time, what was lost by cause, and what each
      application's delta is; without deltas it is a heartbeat. It carries the hash of the envelope before it.
    - An envelope belongs to a *lane*: what one reader takes in order. Over HTTP there is one, the empty one; over Kafka
      each application has its own, and the empty one carries counts. Sequence and hash chain run within a lane.
    - Decoding checks sizes and types before anything is used; who wrote it is checked before that (`grammar.signing`).
    - `framed` gives the bytes of the HTTP/1.1 request that carries the body: what is counted is what crosses the wire.

Complexity: O(bytes).
Source: design section 4 (publish) and section 6 (transport).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

from grammar.errors import CodecError
from grammar.finding import Findings, Number

MAX_ENVELOPE: Final = 16 << 20


class Run(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One life of a container on a worker, milliseconds of log time; `end` 0: it still runs. Texts are plain UTF-8."""

    name: str
    id: str
    app: str
    image: str
    start: Number
    end: Number


class Envelope(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One epoch: milliseconds of log time, counts, losses by cause, `deltas` as (application, encoded delta).

    `active` are containers with their numbers of system calls; `runs` what of the containers' lives has changed;
    `control` the revision of the control settings that the agent goes by; `kernel` what its kernel's audit said last:
    records that waited, how many may wait, the rate limit (0: none); empty where it was not asked; `findings` what
    the worker's own graphs say of the policies that it goes by.
    """

    agent: str
    session: bytes
    sequence: Number
    start: Number
    length: Number
    events: Number
    lost: dict[str, Number]
    deltas: tuple[tuple[str, bytes], ...]
    active: tuple[tuple[str, Number], ...]
    before: bytes
    lane: str = ""
    control: Number = 0
    runs: tuple[Run, ...] = ()
    kernel: tuple[Number, ...] = ()
    findings: Findings = ()

    @property
    def is_heartbeat(self) -> bool:
        """Whether nothing new happened."""
        return not self.deltas

    def encode(self) -> bytes:
        """As bytes; equal envelopes give the same bytes."""
        return msgspec.msgpack.encode(self, order="deterministic")

    @property
    def digest(self) -> bytes:
        """What the next envelope carries as `before`."""
        return blake2b(self.encode(), digest_size=8).digest()


def decode_envelope(data: bytes) -> Envelope:
    """Read an envelope; anything else is a `CodecError`."""
    if len(data) > MAX_ENVELOPE:
        raise CodecError("envelope too large", offending=str(len(data)), hint=f"limit {MAX_ENVELOPE} bytes")
    try:
        return msgspec.msgpack.decode(data, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"not an envelope: {error}", offending=data[:16].hex()) from None


def framed(method: str, target: str, body: bytes) -> bytes:
    """The HTTP/1.1 request that carries `body`, head included."""
    head = f"{method} {target} HTTP/1.1\r\nHost: monitor\r\n"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode("ascii") + b"\r\n" + body


def answered(body: bytes) -> bytes:
    """The HTTP/1.1 answer that carries `body`, head included."""
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode("ascii") + body
