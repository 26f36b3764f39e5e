"""One action at work: a thread that reads the table of alerts from its own position, and delivers what it takes.

Rules of this file
    - The table of alerts is the queue: it is on the disk before anybody hears of an alert, so that neither a crash nor
      a server that is away loses one. Delivery is at least once; an alert's `key` tells repeats apart.
    - The monitor never waits: it says `wake`, which sets a flag. Alerts are delivered in order, one at a time; what
      fails is tried again, each wait longer than the one before, half of it by chance.
    - More than `most` alerts behind: the oldest are given up. Each way to lose one has its count: `overflow`, `refused`
      (the other side says never), `given_up` (as often as the settings say), `damaged`. `failed` counts tries.

Invariant: a number is kept only when every alert up to it is delivered, not taken, or counted.
Complexity: O(alerts after the position); memory O(`PAGE` alerts).
Source: issue "policies and questions" (actions); exponential back-off with jitter.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from grammar import InputError, escape
from monitor.action_filter import Filter
from monitor.action_position import Position, read_position, write_file
from monitor.action_sink import NotDeliveredError, RefusedError, Sink
from monitor.alerts import Alert
from monitor.logs import log

PAGE: Final = 100
LOOK: Final = 30.0
"""Seconds after which it looks at the table although nobody has said that there is something."""
FIRST: Final = 0.5
LONGEST: Final = 60.0

Row = tuple[object, ...]


class Table(Protocol):
    """What is read of the monitor's state (`monitor.store.Store`)."""

    def alerts_after(self, after: int, most: int = ...) -> list[tuple[int, bytes]]:
        """Alerts with their numbers, which grow."""

    def rows(self, query: str, *values: str | int | bytes | None) -> Sequence[Row]:
        """All rows of a question."""

    def close(self) -> None:
        """Give it back."""


class Health(NamedTuple):
    """How it goes: the last error (empty: none), failures in a row, alerts behind."""

    error: str = ""
    failures: int = 0
    behind: int = 0


@dataclass(slots=True)
class Runner:
    """An action called `name`; `chance` gives numbers from 0 to 1; the sink is used by its thread only."""

    name: str
    filter: Filter
    sink: Sink
    path: Path
    table: Callable[[], Table]
    most: int
    chance: Callable[[], float]
    first: float = FIRST
    longest: float = LONGEST
    health: Health = field(default_factory=Health)
    position: Position = field(default_factory=Position)
    _awake: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _over: bool = False
    _placed: bool = False

    def place(self) -> None:
        """Where it begins: where it was, or behind the last alert if it is new. `InputError`: later, then."""
        with closing(self.table()) as table:
            last = _last(table)
        found = read_position(self.path)
        if found is None:
            self.position = Position(last, {})
            self._keep()
        elif found.number > last:  # another state than then: all of it is news
            self.position = Position(0, found.counts)
        else:
            self.position = found
        self._placed = True

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name=f"action-{self.name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something; never blocks."""
        self._awake.set()

    def stop(self) -> None:
        """Finish the try that is under way, and no more."""
        self._stopping.set()
        self._awake.set()

    def join(self, seconds: float) -> bool:
        """Wait for its end; False if it is still busy. From then on the position is another's to keep."""
        if self._thread is not None:
            self._thread.join(seconds)
        self._over = self._thread is not None and self._thread.is_alive()
        return not self._over

    def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping.is_set():
            try:
                wait = self.step()
            except Exception as error:  # a bug of ours must not end the action
                wait = self._failed(f"{type(error).__name__}: {error}")
                log("an action has failed", "error", action=self.name, error=repr(error))
            if wait > 0 and self.health.failures:
                self._stopping.wait(wait)  # news is no reason to try earlier
            elif wait > 0:
                self._awake.wait(wait)
                self._awake.clear()
        self.sink.close()

    def step(self) -> float:
        """Read a page and deliver it; gives the seconds to wait before the next."""
        if not self._placed:
            self.place()
        with closing(self.table()) as table:
            last = _last(table)
            if last - self.position.number > self.most:
                self._overflow(table, last - self.most)
            page = table.alerts_after(self.position.number, PAGE)
        wait = self._deliver_all(page)
        behind = max(0, last - self.position.number)
        if wait:
            self.health = self.health._replace(behind=behind)
            return wait
        self.health = Health(behind=behind)
        return 0.0 if len(page) == PAGE else LOOK

    def _deliver_all(self, page: Sequence[tuple[int, bytes]]) -> float:
        """Deliver what is taken of a page, up to what fails; seconds to wait if something did."""
        kept = self.position.number
        for number, data in page:
            alert = self._alert(number, data)
            taken = alert is not None and self.filter.takes(alert)
            wait = self._deliver(alert) if alert is not None and taken else 0.0
            if wait:
                return wait
            self.position.number = number
            if taken:
                self._keep()
                kept = number
            if self._stopping.is_set():
                break
        if self.position.number != kept:
            self._keep()
        return 0.0

    def _deliver(self, alert: Alert) -> float:
        """Try once; seconds to wait if it is to be tried again."""
        try:
            self._send(alert)
        except RefusedError as error:
            self.position.count("refused")
            log("an action was refused", "error", action=self.name, alert=alert.number, error=str(error))
        except NotDeliveredError as error:
            self.position.count("failed")
            if self.sink.tries and self.health.failures + 1 >= self.sink.tries:
                self.position.count("given_up")
                log("an action was given up", "error", action=self.name, alert=alert.number, error=str(error))
            else:
                return self._failed(str(error), error.seconds)
        else:
            self.position.count("delivered")
        self.health = Health(behind=self.health.behind)
        return 0.0

    def _send(self, alert: Alert) -> None:
        """A bug of ours must not keep the other alerts back: it would fail the same way for ever."""
        try:
            self.sink.send(alert)
        except (NotDeliveredError, RefusedError):
            raise
        except Exception as error:
            raise RefusedError(repr(error)) from error

    def _failed(self, error: str, least: float = 0.0) -> float:
        """Seconds to wait after one more failure."""
        if not self.health.failures:
            log("an action does not get through", "warning", action=self.name, error=error)
        wait = min(self.longest, self.first * float(1 << min(self.health.failures, 30)))
        self.health = Health(escape(error, 400), self.health.failures + 1, self.health.behind)
        return max(least, float(wait / 2 + wait / 2 * self.chance()))

    def _overflow(self, table: Table, upto: int) -> None:
        """It is too far behind: what is before that number is given up, and counted."""
        given_up = 0
        while self.position.number < upto:
            page = [one for one in table.alerts_after(self.position.number, PAGE) if one[0] <= upto]
            if not page:
                break
            found = [self._alert(number, data) for number, data in page]
            given_up += sum(alert is not None and self.filter.takes(alert) for alert in found)
            self.position.number = page[-1][0]
        self.position.count("overflow", given_up)
        self._keep()
        log("an action is too far behind", "error", action=self.name, given_up=given_up, error=self.health.error)

    def _alert(self, number: int, data: bytes) -> Alert | None:
        try:
            return Alert.decode(data).numbered(number)
        except InputError:
            self.position.count("damaged")
            return None

    def _keep(self) -> None:
        """Note how far it is."""
        if self._over:
            return
        try:
            write_file(self.path, msgspec.json.encode(self.position))
        except OSError as error:
            log("an action's position cannot be kept", "error", action=self.name, error=str(error))


def _last(table: Table) -> int:
    """The number of the last alert."""
    (found,) = table.rows("SELECT max(number) FROM alert")
    return found[0] if isinstance(found[0], int) else 0
