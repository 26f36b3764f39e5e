"""HTTP as the monitor's API needs it: bounded bodies, patience with a limit, small heads.

Rules of this file
    - A body is read only if its length is announced, allowed, and there is room for it among all bodies being read
      (`Budget`): else 411, 413 or 503. A client that is slower than `slow` seconds is cut off (408).
    - An answer carries its length and nothing else that is not needed: no Date, no Server, no type for agents.

Complexity: O(bytes).
Source: RFC 9110 and 9112; `grammar.envelope.answered` (what an answer costs).
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

RETRY: Final = 1
"""Seconds after which a client that was refused may try again."""


class HttpError(Exception):
    """An answer that is no success; `text` is for a person."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text
        super().__init__(text)


@dataclass(slots=True)
class Budget:
    """Bytes of bodies that are being read or worked on; `most` together, `one` each."""

    most: int
    one: int
    used: int = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Room for one body; 413 or 503 if there is none."""
        if size > self.one:
            raise HttpError(413, f"a body of more than {self.one} bytes")
        if self.used + size > self.most:
            raise HttpError(503, "too many bodies at once")
        self.used += size
        try:
            yield
        finally:
            self.used -= size


def announced(scope: Scope) -> int:
    """The length of the body that a client announces."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) < 16:
            return int(value)
    raise HttpError(411, "a body needs a Content-Length")


async def read_body(receive: Receive, size: int, slow: float) -> bytes:
    """A body of that size, within `slow` seconds."""
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(slow):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise HttpError(400, "the client went away")
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise HttpError(408, "too slow") from None
    body = b"".join(parts)
    if len(body) != size:
        raise HttpError(400, "a body of another length than announced")
    return body


async def answer(send: Send, body: bytes, status: int = 200, kind: bytes = b"") -> None:
    """Send an answer; its type is left out if nobody asks for it."""
    headers = [(b"content-length", b"%d" % len(body))]
    if kind:
        headers.append((b"content-type", kind))
    if status in (429, 503):
        headers.append((b"retry-after", b"%d" % RETRY))
    if status in (408, 413):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Patient(H11Protocol):
    """uvicorn's protocol with an end to its patience: a head must be there `slow` seconds after it began."""

    slow = 20.0
    _impatience: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock starts with the connection."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """The clock runs as long as a head is not complete."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """No clock without a connection."""
        super().connection_lost(exc)
        self._rest()

    def _watch(self) -> None:
        waiting = self.conn.their_state is h11.IDLE
        if not waiting:
            self._rest()
        elif self._impatience is None:
            self._impatience = self.loop.call_later(self.slow, self._cut)

    def _rest(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _cut(self) -> None:
        self._impatience = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()
