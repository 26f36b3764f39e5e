"""Responses: what a monitor's alert makes this worker do to a container: pause it or stop it, if it may.

Rules of this file
    - `mode` is "dry-run" unless the settings say otherwise: everything is checked, nothing is done, and what would have
      been done is said. What is not in `allow` is never done, nor anything to the host, to this agent's own container,
      or to what a name in `never` fits.
    - An order is about one run of a container: one that began after the deed is another. An order that is too old is
      void. One id is done once, whatever happens between: the journal is on the disk before the engine is asked.
    - `take`, `outcomes` and `told` never wait; one thread asks the engine. Every order and what became of it is logged,
      and told until the monitor has heard it.

Invariant: every order that was taken has one outcome in the journal, or will have.
Complexity: O(1) calls of the engine an order; at most `MAX_KNOWN` orders are remembered, `MAX_WAITING` wait.
Source: Docker Engine API 1.41 (/containers/ID/pause, /stop); issue "policies and questions" (automated response).
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol, cast

import msgspec

from agent.cgroups import containers_in
from agent.container_files import millis_of
from agent.engine import connect
from agent.private import write_private
from grammar import InputError, escape
from grammar.control import Order, Outcome
from grammar.settings import Complaint

MAX_WAITING: Final = 64
MAX_KNOWN: Final = 1_000
MAX_FILE: Final = 4 << 20
MAX_TEXT: Final = 200
AT_ONCE: Final = 64
SLACK: Final = 2_000
"""Milliseconds by which a container's start may lie behind a deed of it: they are stamped by two programs."""
GRACE: Final = 10
TRIES: Final = (1.0, 3.0)
"""Seconds between tries when no engine answers."""
HOST: Final = "host"

Verb = Literal["pause", "stop"]
_log = logging.getLogger("agent.respond")


class Respond(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings `[respond]`: whether orders are carried out, which, and whom never (globs of containers' names)."""

    mode: Literal["dry-run", "off", "on"] = "dry-run"
    allow: tuple[Verb, ...] = ("pause",)
    never: Annotated[tuple[str, ...], msgspec.Meta(max_length=1_000)] = ()

    def check(self) -> Iterator[Complaint]:
        """What would do nothing."""
        if self.mode == "on" and not self.allow:
            yield Complaint("allow", "nothing is allowed", 'allow = ["pause"], or mode = "off"')


class Hands(Protocol):
    """The calls of `docker.APIClient` that are used."""

    def inspect_container(self, container: str) -> dict[str, object]:
        """One container, in full."""

    def pause(self, container: str) -> None:
        """Freeze all its processes."""

    def unpause(self, container: str) -> None:
        """Let them run again."""

    def stop(self, container: str, timeout: int) -> None:
        """End it: politely, and after so many seconds not."""

    def close(self) -> None:
        """Give the connection back."""


class _State(msgspec.Struct, frozen=True):
    pid: int = msgspec.field(default=0, name="Pid")
    running: bool = msgspec.field(default=False, name="Running")
    paused: bool = msgspec.field(default=False, name="Paused")
    status: str = msgspec.field(default="", name="Status")
    started: str = msgspec.field(default="", name="StartedAt")


class _Seen(msgspec.Struct, frozen=True):
    id: str = msgspec.field(default="", name="Id")
    state: _State = msgspec.field(default_factory=_State, name="State")

    @property
    def frozen(self) -> bool:
        """Whether its processes stand still."""
        return self.state.paused or self.state.status == "paused"

    def is_done(self, verb: Verb) -> bool:
        """Whether it is as the order wants it."""
        return self.frozen if verb == "pause" else not (self.state.running or self.frozen)


class Entry(msgspec.Struct):
    """An order in the journal."""

    order: Order
    outcome: Outcome | None = None
    heard: bool = False


class _Done(Exception):  # noqa: N818 - not an error: how an order ends
    def __init__(self, result: str, text: str = "") -> None:
        self.result, self.text = result, text
        super().__init__(result)


class Responder:
    """Carries out orders. `find` gives the id of the container that goes by a name, or nothing; `urls` are engines."""

    def __init__(
        self,
        settings: Respond,
        journal: Path,
        find: Callable[[str], str],
        urls: Iterable[str],
        *,
        hands: Callable[[str], Hands] = lambda url: cast(Hands, connect(url)),
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        own: Callable[[], frozenset[str]] | None = None,
    ) -> None:
        self.settings, self.journal, self.find, self.urls = settings, journal, find, tuple(urls)
        self._hands, self._now, self._own = hands, now, own or own_containers
        self.counts: Counter[str] = Counter()
        """How many orders ended how."""
        self._lock = threading.Lock()
        self._changing = threading.Condition(self._lock)
        self._entries = _read(journal)
        self._queue: queue.Queue[Order | None] = queue.Queue(MAX_WAITING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self.run, name="respond", daemon=True)
        for entry in self._entries.values():
            if entry.outcome is None:
                self._offer(entry.order)

    # What others call; nothing here waits but `wait`

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; does not wait for a call that is under way."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def change(self, settings: Respond) -> None:
        """Go by these from the next order on."""
        self.settings = settings

    def take(self, orders: tuple[Order, ...], /) -> None:
        """Do these; of those that are done already the outcome is told again."""
        for order in orders:
            with self._lock:
                entry = self._entries.get(order.id)
                if entry is not None:
                    entry.heard = False
                    continue
                if not self._offer(order):
                    self.counts["crowded"] += 1  # the monitor says it again
                    continue
                self._entries[order.id] = Entry(order)
                self._bound()

    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of orders, and has not been heard."""
        with self._lock:
            found = [one.outcome for one in self._entries.values() if one.outcome is not None and not one.heard]
        return tuple(found[:AT_ONCE])

    def wait(self, seconds: float) -> None:
        """Wait until every order has its outcome, at most so long: then the monitor can be told at once."""
        with self._changing:
            self._changing.wait_for(lambda: all(one.outcome is not None for one in self._entries.values()), seconds)

    def told(self, outcomes: tuple[Outcome, ...], /) -> None:
        """These have been heard."""
        with self._lock:
            for outcome in outcomes:
                if outcome.id in self._entries:
                    self._entries[outcome.id].heard = True

    # The thread that asks the engine

    def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping.is_set():
            order = self._queue.get()
            if order is not None and not self._stopping.is_set():
                self.carry_out(order)

    def carry_out(self, order: Order) -> Outcome:
        """Do one order, or say why not; never raises."""
        self._save()
        _log.warning("an order of the monitor", extra=_fields(order))
        try:
            self._try(order)
        except _Done as end:
            result, text = end.result, end.text
        except Exception as error:
            result, text = "failed", f"{type(error).__name__}: {error}"
        else:
            result, text = "failed", "nothing came of it"
        outcome = Outcome(order.id, result, escape(text, MAX_TEXT), self._now())
        self.counts[result] += 1
        _log.warning("what became of an order", extra=_fields(order) | {"result": result, "text": outcome.text})
        with self._lock:
            entry = self._entries.setdefault(order.id, Entry(order))
            entry.outcome, entry.heard = outcome, False
            self._changing.notify_all()
        self._save()
        return outcome

    def _try(self, order: Order) -> None:
        """Ends with `_Done`, or with what went wrong."""
        settings = self.settings
        if settings.mode == "off":
            raise _Done("off", "this worker carries out no orders")
        if self._now() > order.expires:
            raise _Done("expired", "it came too late")
        if order.verb not in settings.allow:
            raise _Done("not-allowed", f"this worker may not {order.verb}")
        if order.container in ("", HOST):
            raise _Done("refused", "the host is no container")
        from policies.policy import fits  # noqa: PLC0415 - few agents ever get an order

        if any(fits(glob, order.container) for glob in settings.never):
            raise _Done("refused", "the settings protect this container")
        ident = self.find(order.container)
        if not ident:
            raise _Done("unknown-container", "no such container runs here")
        for wait in (*TRIES, None):
            try:
                self._ask(order, ident, really=settings.mode == "on")
            except _Done:
                raise
            except Exception as error:  # one with a response is an answer; the package has many without
                if wait is None or getattr(error, "response", None) is not None or self._stopping.wait(wait):
                    raise

    def _ask(self, order: Order, ident: str, *, really: bool) -> None:
        """Look at the container, and act on it."""
        for url in self.urls:
            if not Path(url.removeprefix("unix://")).exists():
                continue
            with contextlib.closing(self._hands(url)) as hands:
                seen = _inspect(hands, ident)
                if seen is not None:
                    self._act(order, hands, seen, really=really)
        raise _Done("unknown-container", "no engine knows it")

    def _act(self, order: Order, hands: Hands, seen: _Seen, *, really: bool) -> None:
        if seen.id in self._own() or seen.state.pid in _ancestors():
            raise _Done("refused", "it is this agent's own container")
        if order.time and millis_of(seen.state.started) > order.time + SLACK:
            raise _Done("another-container", "it began after what the alert is about")
        what = f"{order.verb} {order.container} ({seen.id[:12]})"
        if seen.is_done(order.verb):
            raise _Done("done", "it was so already")
        if not seen.state.running:
            raise _Done("unknown-container", "it does not run")
        if not really:
            raise _Done("dry-run", f"would have done: {what}")
        if order.verb == "pause":
            hands.pause(seen.id)
        elif seen.frozen:  # engines do not stop what stands still; and it gets no time to do more
            hands.unpause(seen.id)
            hands.stop(seen.id, 0)
        else:
            hands.stop(seen.id, GRACE)
        after = _inspect(hands, seen.id)
        if after is None or after.is_done(order.verb):
            raise _Done("done", what)
        raise _Done("failed", "the engine said yes, and it goes on")

    def _offer(self, order: Order) -> bool:
        try:
            self._queue.put_nowait(order)
        except queue.Full:
            return False
        return True

    def _bound(self) -> None:
        """Those that the monitor has heard of go first, the oldest of them."""
        if len(self._entries) > MAX_KNOWN:
            heard = (ident for ident, one in self._entries.items() if one.heard)
            del self._entries[next(heard, next(iter(self._entries)))]

    def _save(self) -> None:
        with self._lock:
            data = msgspec.msgpack.encode(list(self._entries.values()))
        try:
            write_private(self.journal, data)
        except (OSError, InputError) as error:
            _log.error("the journal of orders cannot be written", extra={"reason": str(error)})


def own_containers() -> frozenset[str]:
    """The containers that this process is in."""
    try:
        with Path("/proc/self/cgroup").open("rb") as file:
            return frozenset(mark.id for mark in containers_in(file.read(65_536)))
    except OSError:
        return frozenset()


def _ancestors() -> Iterator[int]:
    """This process, its parent, and so on, as far as /proc shows them."""
    pid = "self"
    for _ in range(64):
        try:
            text = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return
        number, parent = text.split(b" ", 1)[0], text.rpartition(b") ")[2].split(b" ")[1]
        yield int(number)
        pid = parent.decode("ascii")
        if pid == "0":
            return


def _inspect(hands: Hands, ident: str) -> _Seen | None:
    """The container as it is now; None if this engine does not have it."""
    try:
        return msgspec.convert(hands.inspect_container(ident), _Seen)
    except OSError as error:
        if getattr(getattr(error, "response", None), "status_code", 0) == 404:
            return None
        raise


def _read(path: Path) -> dict[bytes, Entry]:
    try:
        with path.open("rb") as file:
            entries = msgspec.msgpack.decode(file.read(MAX_FILE), type=list[Entry])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.error("the journal of orders cannot be read", extra={"reason": str(error)})
        return {}
    return {one.order.id: one for one in entries}


def _fields(order: Order) -> dict[str, object]:
    found: dict[str, object] = {"verb": order.verb, "container": escape(order.container, MAX_TEXT)}
    return found | {"policy": escape(order.policy, MAX_TEXT), "alert": order.alert, "order": order.id.hex()}
