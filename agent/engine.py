"""The container engine's own knowledge: names, images, labels, liveness, over its API (Docker's, or podman's like it).

Rules of this file
    - Nobody waits for the engine but its own two threads: one reads events into a bounded queue, one asks what it needs
      and writes the table. The agent reads the table; `ask` waits as long as it is told, and not if the engine is away.
    - An engine that is absent, slow or dead is a state that can be read (`status`), not an error: connections are tried
      again with a growing delay, and after each one, or after an overflow, everything is listed anew.
    - An event is enough: it names image and labels, so a container that is gone before it is inspected is known still.
    - Bounded: `MAX_QUEUE` events, `MAX_KNOWN` containers (those that have ended go first), answers by time.

Complexity: O(1) calls per event, O(containers) per connection.
Source: Docker Engine API 1.41+ (/events, /containers/json, /containers/ID/json); podman system service.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, cast

import msgspec

from agent.container_files import Inspected, Known

DOCKER: Final = "unix:///var/run/docker.sock"
PODMAN: Final = "unix:///run/podman/podman.sock"
ACTIONS: Final = ("create", "init", "start", "restart", "rename", "update", "die", "died", "remove", "destroy")
MAX_QUEUE: Final = 1_024
MAX_KNOWN: Final = 4_096
MAX_CHANGED: Final = 4_096
TIMEOUT: Final = 5.0
DELAYS: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
SAME: Final = 2_000  # milliseconds between a start and what is told of it when it cannot be inspected any more
QUIET: Final = 60.0  # seconds without an event after which the engine is asked whether it is there


class Client(Protocol):
    """The calls of `docker.APIClient` that are used."""

    def events(self, *, decode: bool, filters: dict[str, object]) -> Iterator[object]:
        """Events as they happen; blocks."""

    def containers(self, *, all: bool) -> list[dict[str, object]]:  # noqa: A002 - the package's name
        """All containers, in short."""

    def inspect_container(self, container: str) -> dict[str, object]:
        """One container, in full."""

    def close(self) -> None:
        """Give the connection back."""


@dataclass(frozen=True, slots=True)
class Status:
    """`connected` now; how often it was, how often that failed or ended; events that overflowed; the last error."""

    url: str
    connected: bool = False
    connections: int = 0
    failures: int = 0
    overflows: int = 0
    containers: int = 0
    error: str = ""


def connect(url: str) -> Client:
    """A client of the engine at `url`; raises what the package raises if nobody answers."""
    import docker  # noqa: PLC0415 - slow to import, and not needed for recordings

    return cast(Client, docker.APIClient(base_url=url, timeout=int(TIMEOUT), version="auto"))


class Engine:
    """One engine's containers, kept up to date in the background.

    `known` and `take_changes` never wait; `ask` does, for as long as it is told.
    """

    def __init__(self, url: str = DOCKER, client: Callable[[str], Client] = connect) -> None:
        self.url, self._client = url, client
        self._status = Status(url)
        self._table: dict[str, Known] = {}
        self._changed: dict[tuple[str, int], Known] = {}
        self._wishes: dict[str, None] = {}
        self._queue: queue.Queue[dict[str, object]] = queue.Queue(MAX_QUEUE)
        self._changing = threading.Condition()
        self._stopped = threading.Event()
        self._relist = threading.Event()
        self._listed = False
        self._stream: Iterator[object] | None = None
        self._listening = threading.Thread(target=self._listen, name="engine-events", daemon=True)
        self._working = threading.Thread(target=self._work, name="engine", daemon=True)

    # What the agent calls

    def start(self) -> None:
        """Begin to listen."""
        self._listening.start()
        self._working.start()

    def stop(self) -> None:
        """End both threads soon; does not wait for a call that is under way."""
        self._stopped.set()
        self._nudge()
        close = getattr(self._stream, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):  # the package closes a socket that its reader may have closed
                close()

    def status(self) -> Status:
        """How it goes."""
        with self._changing:
            return replace(self._status, containers=len(self._table))

    def known(self, ident: str) -> Known | None:
        """What the table says now."""
        with self._changing:
            return self._table.get(ident)

    def ask(self, ident: str, seconds: float) -> Known | None:
        """What the engine says about a container that the table does not have; waits `seconds` at most."""
        with self._changing:
            if ident not in self._table and self._hopeful() and seconds > 0 and len(self._wishes) < MAX_QUEUE:
                self._wishes[ident] = None
                self._nudge()
                self._changing.wait_for(lambda: ident in self._table or ident not in self._wishes, seconds)
            return self._table.get(ident)

    def ready(self, seconds: float) -> bool:
        """Wait until all that runs is known, or the engine has turned out to be away; for the agent's start."""
        with self._changing:
            self._changing.wait_for(lambda: self._listed or self._status.failures > 0, seconds)
            return self._listed

    def _hopeful(self) -> bool:
        return self._status.connected or (self._working.is_alive() and not self._status.failures)

    def take_changes(self) -> list[Known]:
        """The containers that have begun, ended or changed since the last call, as they are now."""
        with self._changing:
            changed = list(self._changed.values())
            self._changed.clear()
        return changed

    # The thread that listens

    def _listen(self) -> None:
        tries = 0
        while not self._stopped.is_set():
            try:
                with contextlib.closing(self._client(self.url)) as client:
                    filters: dict[str, object] = {"type": "container", "event": list(ACTIONS)}
                    self._stream = client.events(decode=True, filters=filters)
                    self._state(connected=True)
                    self._relist.set()
                    self._nudge()
                    tries = 0
                    for event in self._stream:
                        self._offer(event)
                self._state(connected=False, error="the engine closed the connection")
            except Exception as error:
                self._state(connected=False, error=f"{type(error).__name__}: {error}"[:200])
            self._stopped.wait(DELAYS[min(tries, len(DELAYS) - 1)])
            tries += 1

    def _offer(self, event: object) -> None:
        if not isinstance(event, dict):
            return
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            with self._changing:
                self._status = replace(self._status, overflows=self._status.overflows + 1)
            self._relist.set()

    def _state(self, *, connected: bool, error: str = "") -> None:
        with self._changing:
            old = self._status
            up, down = int(connected), int(not connected)
            self._status = replace(
                old,
                connected=connected,
                connections=old.connections + up,
                failures=old.failures + down,
                error=error,
            )
            self._changing.notify_all()

    # The thread that asks and writes the table

    def _nudge(self) -> None:
        """Wake the worker; a full queue wakes it anyway."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait({})

    def _work(self) -> None:
        client: Client | None = None
        while not self._stopped.is_set():
            event = self._next()
            if self._stopped.is_set() or not (event or self._wishes or self._relist.is_set()):
                continue
            try:
                client = client or self._client(self.url)
                self._step(client, event)
            except Exception as error:
                client = None
                self._relist.set()
                self._give_up(f"{type(error).__name__}: {error}"[:200])
        if client is not None:
            client.close()

    def _next(self) -> dict[str, object]:
        """The next event; nothing for a nudge. A long silence is checked: it may be that events do not come."""
        try:
            return self._queue.get(timeout=QUIET)
        except queue.Empty:
            self._relist.set()
            return {}

    def _grant(self, client: Client) -> None:
        """Somebody waits for these: before anything else."""
        for ident in list(self._wishes):
            self._inspect(client, ident)
            with self._changing:
                self._wishes.pop(ident, None)
                self._changing.notify_all()

    def _step(self, client: Client, event: dict[str, object]) -> None:
        """Wishes, then what has happened, then all if that is due."""
        self._grant(client)
        if event:
            self._happened(client, event)
        if self._relist.is_set() and self._status.connected:
            self._relist.clear()
            self._list(client)

    def _give_up(self, error: str) -> None:
        with self._changing:
            self._wishes.clear()
            self._status = replace(self._status, error=error)
            self._changing.notify_all()

    def _list(self, client: Client) -> None:
        """What has changed unseen; what the engine does not have any more has ended, we do not know when: now."""
        listed = {str(one.get("Id", "")): one for one in client.containers(all=True)[:MAX_KNOWN]}
        for ident, one in listed.items():
            self._grant(client)
            old = self.known(ident)
            if old is None or bool(old.pid) != (one.get("State") == "running") or f"/{old.name}" not in _names(one):
                self._inspect(client, ident, news=old is not None)
        with self._changing:
            gone = [one for ident, one in self._table.items() if ident not in listed and one.start and not one.end]
            self._listed, self._status = True, replace(self._status, error="")
            self._changing.notify_all()
        for known in gone:
            self._write(replace(known, pid=0, end=time.time_ns() // 1_000_000))

    def _inspect(self, client: Client, ident: str, news: bool = True) -> Known | None:
        try:
            answer = client.inspect_container(ident)
        except OSError as error:  # of requests; one with a response (not found, being removed) is an answer
            if getattr(error, "response", None) is not None:
                return None
            raise
        with contextlib.suppress(msgspec.ValidationError):
            found = msgspec.convert(answer, Inspected).known()
            if found.id:
                self._write(found, news or not found.end)
                return found
        return None

    def _happened(self, client: Client, event: Mapping[str, object]) -> None:
        """One event: begun, ended, renamed; the event itself says name, image and labels."""
        action, ident = str(event.get("Action", "")), _ident(event)
        if not ident:
            return
        if action in ("create", "init", "start", "restart", "rename", "update") and self._inspect(client, ident):
            return
        told, millis = _told(event, ident)
        old = self.known(ident)
        one = replace(old, name=told.name or old.name) if old else told
        if action in ("start", "restart") and not (old and abs(old.start - millis) <= SAME):
            self._write(replace(one, pid=0, start=millis, end=0))
        elif action in ("die", "died", "remove", "destroy"):
            if millis >= one.start:  # else it runs again already
                self._write(replace(one, pid=0, start=one.start or millis, end=one.end or millis))
        else:
            self._write(one)

    def _write(self, one: Known, news: bool = True) -> None:
        with self._changing:
            old = self._table.pop(one.id, None)
            if old is not None and old.start > one.start:
                one = replace(one, start=old.start)
            self._table[one.id] = one
            if old != one and one.start and news:
                self._changed.pop((one.id, one.start), None)
                self._changed[one.id, one.start] = one
                if len(self._changed) > MAX_CHANGED:
                    del self._changed[next(iter(self._changed))]
                    self._status = replace(self._status, overflows=self._status.overflows + 1)
            if len(self._table) > MAX_KNOWN:
                ended = (ident for ident, known in self._table.items() if known.end)
                del self._table[next(ended, next(iter(self._table)))]
            self._changing.notify_all()


def _ident(event: Mapping[str, object]) -> str:
    """Whom an event is about: newer engines say it only inside `Actor`."""
    actor = event.get("Actor")
    inner = actor.get("ID") if isinstance(actor, dict) else None
    return str(event.get("id") or inner or "")


def _names(listed: Mapping[str, object]) -> list[str]:
    """The names of a container in the engine's list."""
    names = listed.get("Names")
    return [str(name) for name in names] if isinstance(names, list) else []


def _told(event: Mapping[str, object], ident: str) -> tuple[Known, int]:
    """What an event says about its container, and when."""
    actor = event.get("Actor")
    attributes = actor.get("Attributes") if isinstance(actor, dict) else None
    texts = {str(key): str(text) for key, text in attributes.items()} if isinstance(attributes, dict) else {}
    nanos, seconds = event.get("timeNano"), event.get("time")
    millis = nanos // 1_000_000 if isinstance(nanos, int) else seconds * 1_000 if isinstance(seconds, int) else 0
    name = texts.get("name", "")
    return Known(ident, name, texts.get("image", ""), labels=texts, whole=bool(name)), millis
