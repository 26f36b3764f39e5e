"""Health and figures over HTTP: /healthz, /readyz, /metrics, for whoever watches this node.

Rules of this file
    - One thread and no blocking call: a client that is slow, silent, or one of many stalls nobody. At most `MOST`
      connections, each for `SECONDS`; past that the oldest is cut.
    - It reads; what it says is asked for when somebody wants it. An error in there is a 500, and nothing else.
    - Bound to this machine unless the settings say otherwise: what it tells is no secret, but nobody else's business.

Complexity: O(bytes).
Source: Prometheus' exposition format; RFC 9112.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from grammar import InputError, escape

MOST: Final = 64
SECONDS: Final = 5.0
MAX_REQUEST: Final = 8_192
PIECE: Final = 65_536
TEXT: Final = "text/plain; charset=utf-8"
METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_REASON: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Unavailable"}

_log = logging.getLogger("agent.health")

Troubles = Callable[[], Mapping[str, str]]
"""What is wrong, by part, in words; empty if nothing is."""


class Figure(NamedTuple):
    """One figure; the name of a `counter` is shown with `_total` behind it."""

    name: str
    meaning: str
    value: float
    labels: Mapping[str, str] = {}
    counter: bool = False


class Figures(Collector):
    """Figures as Prometheus wants them, read when somebody asks; one that cannot be read is left out."""

    def __init__(self, *sources: Callable[[], Iterable[Figure]]) -> None:
        self.sources = sources
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing before somebody asks."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """All families."""
        found: dict[str, Metric] = {}
        for source in self.sources:
            try:
                figures = list(source())
            except Exception:
                _log.exception("figures cannot be read")
                continue
            for one in figures:
                kind = CounterMetricFamily if one.counter else GaugeMetricFamily
                family = found.setdefault(one.name, kind(one.name, one.meaning, labels=list(one.labels)))
                family.add_metric([escape(text, 200) for text in one.labels.values()], one.value)  # type: ignore[attr-defined]
        return found.values()

    def text(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)


@dataclass(slots=True)
class Pages:
    """What is said: `alive` and `ready` tell what is wrong."""

    alive: Troubles
    ready: Troubles
    figures: Figures

    def get(self, method: str, target: str) -> tuple[int, str, bytes]:
        """Status, type and body."""
        if method not in ("GET", "HEAD"):
            return 405, TEXT, b"GET only\n"
        path = target.partition("?")[0]
        if path == "/metrics":
            return 200, METRICS, self.figures.text()
        if path not in ("/healthz", "/readyz"):
            return 404, TEXT, b"/healthz, /readyz, /metrics\n"
        troubles = (self.alive if path == "/healthz" else self.ready)()
        told = "".join(f"{escape(part)}: {escape(said, 400)}\n" for part, said in troubles.items())
        return (503, TEXT, told.encode()) if troubles else (200, TEXT, b"ok\n")


@dataclass(slots=True)
class _Client:
    """One connection: what has come, what is still to go."""

    socket: socket.socket
    until: float
    got: bytearray = field(default_factory=bytearray)
    rest: memoryview = field(default_factory=lambda: memoryview(b""))


class Health:
    """The server; `port` 0 takes a free one, `address` says which."""

    def __init__(self, host: str, port: int, pages: Pages, clock: Callable[[], float] = monotonic) -> None:
        self.pages, self.clock = pages, clock
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._server = socket.create_server((host, port), family=family, backlog=MOST)
        except OSError as error:
            hint = "another host or port under [health], or port 0"
            raise InputError(
                f"health pages cannot be served: {error.strerror}", offending=f"{host}:{port}", hint=hint
            ) from None
        self._server.setblocking(False)
        self._wake, self._woken = socket.socketpair()
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._stopping = False

    @property
    def address(self) -> tuple[str, int]:
        """Where it is."""
        host, port, *_ = self._server.getsockname()
        return host, port

    def start(self) -> Thread:
        """Serve, in a thread of its own."""
        thread = Thread(target=self.run, name="health", daemon=True)
        thread.start()
        return thread

    def run(self) -> None:
        """Serve until `stop`."""
        while not self._stopping:
            try:
                self.turn(1.0)
            except Exception:
                _log.exception("health pages: a turn has failed")
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.close()
        for one in (self._server, self._wake, self._woken):
            one.close()

    def stop(self) -> None:
        """End soon."""
        self._stopping = True
        with suppress(OSError):  # it has seen that already, and is gone
            self._wake.send(b"x")

    def turn(self, seconds: float) -> None:
        """Do what can be done without waiting, or wait so long for it."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._server:
                self._accept()
            elif id(key.data) in self._clients:  # the one before may have been given its place
                self._serve(key.data)
        now = self.clock()
        for client in [one for one in self._clients.values() if one.until <= now]:
            self._drop(client)

    def _accept(self) -> None:
        try:
            one, _ = self._server.accept()
        except OSError:
            return
        one.setblocking(False)
        if len(self._clients) >= MOST:
            self._drop(next(iter(self._clients.values())))
        client = _Client(one, self.clock() + SECONDS)
        self._clients[id(client)] = client
        self._selector.register(one, selectors.EVENT_READ, client)

    def _serve(self, client: _Client) -> None:
        try:
            if not client.rest:
                self._read(client)
            if client.rest:
                client.rest = client.rest[client.socket.send(client.rest[:PIECE]) :]
                if not client.rest:
                    self._drop(client)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)

    def _read(self, client: _Client) -> None:
        data = client.socket.recv(PIECE)
        client.got += data
        if b"\r\n\r\n" in client.got or b"\n\n" in client.got or len(client.got) > MAX_REQUEST:
            client.rest = memoryview(self._answer(bytes(client.got[:MAX_REQUEST])))
            self._selector.modify(client.socket, selectors.EVENT_WRITE, client)
        elif not data:
            self._drop(client)

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b"\n", 1)[0].decode("ascii", "replace").split()
        try:
            status, kind, body = self.pages.get(*words[:2]) if len(words) == 3 else (400, TEXT, b"what?\n")
        except Exception:
            _log.exception("a page cannot be made")
            status, kind, body = 500, TEXT, b"an error of ours: see the log\n"
        reason = _REASON.get(status, "Error")
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"Connection: close\r\n\r\n" + (b"" if words[:1] == ["HEAD"] else body)

    def _drop(self, client: _Client) -> None:
        del self._clients[id(client)]
        self._selector.unregister(client.socket)
        client.socket.close()
