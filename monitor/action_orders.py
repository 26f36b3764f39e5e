"""Pause and stop: orders for workers, kept until the worker has said what became of them.

Rules of this file
    - An order is about one container of one worker, and void after a time: a worker that comes back after a day must
      not stop what runs there now. Its id comes from the alert, so that telling it twice is telling it once.
    - What is on the disk is one small file; `waiting` and `settled` never wait for it. At most `MAX_WAITING` wait, the
      oldest are given up; of those that are settled the last `MAX_SETTLED` are remembered.
    - Whether a worker obeys is its own decision (`agent.respond`): dry-run unless its settings say otherwise.

Complexity: O(orders), which are bounded.
Source: issue "policies and questions" (pause or stop the container, dry-run by default).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal

import msgspec

from grammar.control import Order, Outcome
from monitor.action_position import write_file
from monitor.action_sink import NotDeliveredError, RefusedError
from monitor.alerts import Alert
from monitor.logs import log

MAX_WAITING: Final = 1_000
MAX_SETTLED: Final = 1_000
MAX_FILE: Final = 16 << 20
AT_ONCE: Final = 64
"""Orders that one worker is told at once."""
AGAIN: Final = 10_000
"""Milliseconds after which an order is told again: its answer takes a while, or was lost."""
HOST: Final = "host"


class Told(msgspec.Struct, frozen=True):
    """An order, whom it is for, and what became of it (None: nothing yet)."""

    worker: str
    order: Order
    outcome: Outcome | None = None


class Orders:
    """All orders; `now` is the time of day in milliseconds, `wake` hears for whom there is a new one."""

    def __init__(self, path: Path, now: Callable[[], int], wake: Callable[[str], None] = lambda worker: None) -> None:
        self.path, self.now, self.wake = path, now, wake
        self._lock, self._saving = threading.Lock(), threading.Lock()
        self._told: dict[bytes, Told] = {one.order.id: one for one in _read(path)}
        self._last: dict[bytes, int] = {}

    def add(self, worker: str, order: Order) -> None:
        """Give an order; it is on the disk when this returns. An `OSError` if the disk refuses."""
        with self._lock:
            if order.id in self._told:
                return
            self._told[order.id] = Told(worker, order)
            self._bound()
        try:
            self._save()
        except OSError:
            with self._lock:
                self._told.pop(order.id, None)
            raise
        self.wake(worker)

    def waiting(self, worker: str) -> tuple[Order, ...]:
        """What that worker is to be told now (or again): it has not said what became of it. Whoever asks tells it."""
        with self._lock:
            self._expire()
            found: list[Order] = []
            now = self.now()
            for ident, one in self._told.items():
                mine = one.worker == worker and one.outcome is None
                if mine and now - self._last.get(ident, -AGAIN) >= AGAIN and len(found) < AT_ONCE:
                    self._last[ident] = now
                    found.append(one.order)
            return tuple(found)

    def settled(self, worker: str, outcomes: Iterable[Outcome]) -> None:
        """A worker has said what became of its orders; of another's it cannot say anything."""
        news = []
        with self._lock:
            for outcome in outcomes:
                told = self._told.get(outcome.id)
                if told is not None and told.worker == worker and told.outcome is None:
                    self._told[outcome.id] = msgspec.structs.replace(told, outcome=outcome)
                    news.append((told.order, outcome))
            self._bound()
        for order, outcome in news:
            fields = {"worker": worker, "container": order.container, "verb": order.verb, "alert": order.alert}
            log("a response was carried out", "warning", **fields, result=outcome.result, text=outcome.text)
        if news:  # in the event loop's thread, which must not wait for the disk
            threading.Thread(target=self._save_anyhow, name="orders", daemon=True).start()

    def all(self) -> list[Told]:
        """Every order that is remembered, oldest first."""
        with self._lock:
            self._expire()
            return list(self._told.values())

    def _expire(self) -> None:
        """What nobody has answered in time is void."""
        now = self.now()
        for ident, told in self._told.items():
            if told.outcome is None and told.order.expires < now:
                outcome = Outcome(ident, "expired", "the worker did not say anything", now)
                self._told[ident] = msgspec.structs.replace(told, outcome=outcome)

    def _bound(self) -> None:
        open_ = [ident for ident, told in self._told.items() if told.outcome is None]
        done = [ident for ident, told in self._told.items() if told.outcome is not None]
        for ident in open_[: max(0, len(open_) - MAX_WAITING)]:
            told = self._told[ident]
            log("an order was given up: too many wait", "error", worker=told.worker, alert=told.order.alert)
            self._told[ident] = msgspec.structs.replace(told, outcome=Outcome(ident, "expired", "too many orders"))
        for ident in done[: max(0, len(done) - MAX_SETTLED)]:
            del self._told[ident]
        self._last = {ident: last for ident, last in self._last.items() if ident in self._told}

    def _save_anyhow(self) -> None:
        """If the disk refuses, the worker is told again after a restart, and says the same."""
        try:
            self._save()
        except OSError as error:
            log("the orders cannot be kept", "error", error=str(error))

    def _save(self) -> None:
        with self._saving:
            with self._lock:
                data = msgspec.msgpack.encode(list(self._told.values()))
            write_file(self.path, data)


class Responses:
    """The sink of `pause` and `stop`: an order is delivered when it is on the disk."""

    tries = 0

    def __init__(self, orders: Orders, verb: Literal["pause", "stop"], within: int) -> None:
        self.orders, self.verb, self.within = orders, verb, within

    def send(self, alert: Alert) -> None:
        """Give the order for an alert."""
        if alert.container in ("", HOST) or not alert.worker:
            raise RefusedError("the alert is about no container")
        if len(alert.container) > 256 or not _plain(alert.container):
            raise RefusedError("no order can name this container")
        order = Order(
            id=blake2b(f"{self.verb} {alert.key}".encode(), digest_size=16).digest(),
            verb=self.verb,
            container=alert.container,
            policy=alert.policy if len(alert.policy) <= 256 and _plain(alert.policy) else "",
            alert=alert.number,
            time=max(0, alert.time),
            expires=self.orders.now() + self.within,
        )
        try:
            self.orders.add(alert.worker, order)
        except OSError as error:
            raise NotDeliveredError(f"the order cannot be kept: {error}") from None

    def close(self) -> None:
        """Nothing is open."""


def _plain(text: str) -> bool:
    """Whether it can travel: names with undecodable bytes cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(path: Path) -> list[Told]:
    try:
        with path.open("rb") as file:
            return msgspec.msgpack.decode(file.read(MAX_FILE), type=list[Told])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log("the orders of before cannot be read", "error", file=str(path), error=str(error))
        return []
