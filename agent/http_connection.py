"""One HTTP/1.1 connection, no more of it than the link needs: POST a body, get a body, in bounded time and memory.

Rules of this file
    - What is sent is `grammar.framed`, byte for byte: what is counted is what crosses the wire. No redirects, no
      cookies, no transfer codings, no compression: an answer that has any of these is none.
    - One deadline for all of a request, connecting included; heads and bodies have limits that are checked before
      anything is kept. A reused connection that the other side has closed meanwhile is opened again, once.
    - TLS by the system's authorities or a file of ours; a client certificate by setting.

Complexity: O(bytes).
Source: RFC 9112 (HTTP/1.1), RFC 9110 section 10.2.3 (Retry-After).
"""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from agent.link import UnreachableError
from agent.private import read_private
from grammar import InputError, escape, framed

MAX_HEAD: Final = 16_384
MAX_REFUSAL: Final = 4_096
"""Bytes of an answer that is no success."""
PIECE: Final = 65_536


class Place(NamedTuple):
    """Where the monitor is."""

    host: str
    port: int
    prefix: str
    tls: bool

    @staticmethod
    def parse(url: str) -> Place:
        """Read `http://host:port` or `https://…`; anything else is an `InputError`."""
        hint = "write http://HOST:PORT or https://HOST:PORT"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InputError("not a URL", offending=url, hint=hint) from None
        host = parts.hostname or ""
        odd = parts.query or parts.fragment or parts.username is not None or not url.isascii() or not url.isprintable()
        if parts.scheme not in ("http", "https") or not host or odd or " " in url:
            raise InputError("not a monitor's URL", offending=url, hint=hint)
        tls = parts.scheme == "https"
        return Place(host, port or (443 if tls else 80), parts.path.rstrip("/"), tls)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files: the authority that signs the monitor's certificate (default: the system's), our certificate and key."""

    authority: str = ""
    certificate: str = ""
    key: str = ""

    def context(self) -> ssl.SSLContext:
        """As the ssl module wants it; what is wrong with the files is an `InputError`."""
        if self.key:
            read_private(Path(self.key), 1 << 20, secret=True)
        try:
            made = ssl.create_default_context(cafile=self.authority or None)
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate:
                made.load_cert_chain(self.certificate, self.key or None, password=lambda: b"")
        except (OSError, ValueError) as error:
            file = self.certificate or self.authority
            raise InputError(f"TLS files cannot be used: {escape(str(error), 200)}", file=file) from None
        return made


class Answered(NamedTuple):
    """What came back; `retry_after` in seconds, 0 if nothing was said."""

    status: int
    body: bytes
    retry_after: float


class Head(NamedTuple):
    """What of an answer's head matters."""

    status: int
    length: int
    retry_after: float
    closes: bool


def read_head(data: bytes) -> Head:
    """Read a head, without its empty line; what is no HTTP/1.1 head of ours is an `UnreachableError`."""
    first, *lines = data.split(b"\r\n")
    status = first.split(b" ", 2)
    if status[0] not in (b"HTTP/1.1", b"HTTP/1.0") or len(status) < 2 or not status[1].isdigit() or len(status[1]) != 3:
        raise UnreachableError(f"not an answer over HTTP: {escape(first)}")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or name.lower() in fields:
            raise UnreachableError(f"a head that is none: {escape(line)}")
        fields[name.lower()] = value.strip()
    length = fields.get(b"content-length", b"0")
    if b"transfer-encoding" in fields or b"content-encoding" in fields or not length.isdigit() or len(length) > 12:
        raise UnreachableError("an answer in a coding that nobody asked for")
    closes = status[0] == b"HTTP/1.0" or fields.get(b"connection", b"").lower() == b"close"
    wait = fields.get(b"retry-after", b"")
    return Head(int(status[1]), int(length), float(wait) if wait.isdigit() and len(wait) < 6 else 0.0, closes)


@dataclass(slots=True)
class Connection:
    """To one place; `counts` are bytes `up` and `down`. `connect_seconds` bounds the connecting alone."""

    place: Place
    tls: Tls = field(default_factory=Tls)
    connect_seconds: float = 5.0
    counts: Counter[str] = field(default_factory=Counter)
    clock: Callable[[], float] = monotonic
    _socket: socket.socket | None = None
    _context: ssl.SSLContext | None = None

    def post(self, target: str, body: bytes, seconds: float, most: int) -> Answered:
        """One request and its answer of at most `most` bytes, all within `seconds`; else an `UnreachableError`."""
        until = self.clock() + seconds
        request = framed("POST", self.place.prefix + target, body)
        fresh = self._socket is None
        try:
            return self._exchange(request, until, most)
        except _GoneError:
            self.close()
            if fresh:
                raise
        except BaseException:
            self.close()
            raise
        try:
            return self._exchange(request, until, most)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it; `post` opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes, until: float, most: int) -> Answered:
        try:
            one = self._socket or self._open(until)
            self._send(one, request, until)
            return self._receive(one, until, most)
        except TimeoutError:
            raise UnreachableError("no answer in time") from None
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
            raise _GoneError(f"connection lost: {escape(str(error))}") from None
        except (OSError, ssl.SSLError) as error:
            raise UnreachableError(f"cannot reach the monitor: {escape(str(error), 200)}") from None

    def _open(self, until: float) -> socket.socket:
        seconds = min(self.connect_seconds, self._left(until))
        plain = socket.create_connection((self.place.host, self.place.port), timeout=seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket = plain
        if self.place.tls:
            self._context = self._context or self.tls.context()
            self._socket = self._context.wrap_socket(plain, server_hostname=self.place.host)
        return self._socket

    def _send(self, one: socket.socket, data: bytes, until: float) -> None:
        one.settimeout(self._left(until))
        one.sendall(data)
        self.counts["up"] += len(data)

    def _receive(self, one: socket.socket, until: float, most: int) -> Answered:
        got = bytearray()
        while (end := got.find(b"\r\n\r\n")) < 0:
            if len(got) > MAX_HEAD:
                raise UnreachableError("the head of an answer does not end")
            self._more(one, got, until)
        head = read_head(bytes(got[:end]))
        limit = most if head.status == 200 else MAX_REFUSAL
        if head.length > limit:
            raise UnreachableError(f"an answer of {head.length} bytes, limit {limit}")
        whole = end + 4 + head.length
        while len(got) < whole:
            self._more(one, got, until)
        if head.closes or len(got) > whole:
            self.close()
        return Answered(head.status, bytes(got[end + 4 : whole]), head.retry_after)

    def _more(self, one: socket.socket, got: bytearray, until: float) -> None:
        one.settimeout(self._left(until))
        data = one.recv(PIECE)
        if not data:
            raise UnreachableError("the answer ends early") if got else _GoneError("closed without an answer")
        got += data
        self.counts["down"] += len(data)

    def _left(self, until: float) -> float:
        left = until - self.clock()
        if left <= 0:
            raise TimeoutError
        return left


class _GoneError(UnreachableError):
    """The other side has closed the connection, without a word about this request."""
