"""What crosses the wire between an agent and its monitor, counted at the socket by a proxy: every exchange, both ways.

    with Wire(monitor.port) as wire: agent talks to wire.port; wire.exchanges

Rules of this file
    - Bytes go through unchanged and at once. What is counted is all of HTTP: heads, bodies, both directions; TCP's and
      IP's own headers are not (52 bytes a segment, whatever is in it).
    - A connection carries one exchange at a time, as the agent's do; a request's head says what it is.

Complexity: O(bytes); one thread per connection.
"""

from __future__ import annotations

import re
import selectors
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

PIECE: Final = 65_536
LINE: Final = 256
UNKNOWN: Final = "?"
_TARGET: Final = re.compile(rb"POST (\S{1,200}) HTTP/1\.1\r\n")


@dataclass(slots=True)
class Exchange:
    """One request and what came back so far, in bytes of HTTP; `at` is when it began (monotonic seconds)."""

    target: str
    at: float = 0.0
    up: int = 0
    down: int = 0

    @property
    def bytes(self) -> int:
        """Both ways."""
        return self.up + self.down


@dataclass(slots=True)
class Conversation:
    """The exchanges of one connection, from what passes in either direction."""

    exchanges: list[Exchange] = field(default_factory=list)
    _head: bytes = b""

    def up(self, data: bytes) -> None:
        """The agent has said this: a new exchange begins where the last one has been answered."""
        if not self.exchanges or self.exchanges[-1].down:
            self.exchanges.append(Exchange(UNKNOWN, time.monotonic()))
            self._head = b""
        one = self.exchanges[-1]
        one.up += len(data)
        if one.target == UNKNOWN and len(self._head) < LINE:
            self._head += data[:LINE]
            found = _TARGET.match(self._head)
            one.target = found[1].decode("ascii", "replace") if found else UNKNOWN

    def down(self, data: bytes) -> None:
        """The monitor has said this."""
        if self.exchanges:
            self.exchanges[-1].down += len(data)


class Wire:
    """A proxy to `port` of this machine while the block runs."""

    def __init__(self, port: int) -> None:
        self.to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._conversations: list[Conversation] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything: who talks through it notices."""
        with self._lock:
            for one in (self._server, *self._open):
                _cut(one)

    @property
    def exchanges(self) -> list[Exchange]:
        """All exchanges so far that have been answered."""
        with self._lock:
            return [one for talk in self._conversations for one in talk.exchanges if one.down]

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self.to), timeout=5)
            except OSError:
                return
            far.settimeout(None)
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = Conversation()
            with self._lock:
                self._conversations.append(talk)
                self._open |= {near, far}
            threading.Thread(target=self._carry, args=(near, far, talk), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket, talk: Conversation) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, (far, talk.up))
            selector.register(far, selectors.EVENT_READ, (near, talk.down))
            try:
                while True:
                    for key, _ in selector.select():
                        other, note = key.data
                        data = key.fileobj.recv(PIECE)  # type: ignore[union-attr]
                        if not data:
                            return
                        with self._lock:
                            note(data)
                        other.sendall(data)
            except OSError:
                return
            finally:
                with self._lock:
                    self._open -= {near, far}
                near.close()
                far.close()


def _cut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
