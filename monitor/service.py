"""The writer: one thread that owns the monitor, takes envelopes in groups, judges by the clock, and does small errands.

Rules of this file
    - Nothing but this thread writes to monitor, store, register and controls once it runs; others hand it envelopes
      (`submit`) and errands (`call`), and hear the results after the commit that makes them true.
    - The queue is bounded: `submit` refuses rather than waits. Of one agent only `PER_AGENT` envelopes wait,
      so that it cannot crowd out the others.
    - When the disk refuses, the group is refused (`BusyError`), memory is as the disk is, and for `REST` seconds
      nothing is tried. Nothing is answered that is not on the disk.
    - Another program may write to the state (`winnower monitor token`, `revoke`, `control`): what it did is read at the
      next look.

Complexity: one transaction and one sync of the disk per group.
Source: issue "live monitor"; group commit (Gray and Reuter, Transaction Processing, section 9.4.7).
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, TypeVar

from grammar import CodecError, Envelope, InputError
from monitor.actions_state import read_rows
from monitor.controls import Controls, settled_patterns
from monitor.logs import log
from monitor.monitor import HOLD, Monitor, Result
from monitor.register import Register, Sign

GROUP: Final = 128
DELTAS: Final = 400
"""Envelopes of one transaction at most, and deltas after which it takes no more of them: others wait meanwhile."""
LATE: Final = 5.0
"""Seconds that an envelope may have waited: if it is more, new ones are refused until the queue is shorter."""
QUEUE: Final = 4_096
PER_AGENT: Final = 8
TICK: Final = 0.25
SLOW: Final = 5.0
"""Seconds between two looks at the clock: for judging, and for what can wait."""
REST: Final = 1.0
T = TypeVar("T")


class BusyError(Exception):
    """Not now: try again in a moment."""


@dataclass(frozen=True, slots=True)
class _Parcel:
    envelope: Envelope
    since: float
    done: Callable[[Result | BusyError], None]


@dataclass(frozen=True, slots=True)
class _Errand:
    run: Callable[[], None]
    refuse: Callable[[], None]


@dataclass(slots=True)
class Figures:
    """What the writer has done so far, for metrics."""

    results: Counter[str] = field(default_factory=Counter)
    groups: int = 0
    grouped: int = 0
    seconds: float = 0.0
    failures: int = 0
    ill: str = ""


class Service:
    """The writer thread of a monitor; `clock` only goes forward (seconds), `wall` is the time of day (milliseconds)."""

    def __init__(
        self,
        monitor: Monitor,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        most: int = QUEUE,
        hold: float = HOLD,
        slow: float = SLOW,
    ) -> None:
        self.monitor, self.clock, self.wall, self.hold, self.slow = monitor, clock, wall, hold, slow
        self.store = monitor.store
        self.register, self.controls = Register(self.store), Controls(self.store)
        self.figures = Figures()
        self.on_orders: Callable[[], None] = lambda: None
        """Is called (in the writer's thread) when control has changed."""
        self.on_roster: Callable[[str], None] = lambda name: None
        """Is called (in the writer's thread) with the name of an agent that was enrolled or revoked."""
        self.on_group: Callable[[], None] = lambda: None
        """Is called (in the writer's thread) when the results of a group have been given; it must not fail."""
        self.owns: Callable[[str], bool] = lambda app: True
        """Whether an application is this monitor's to judge: with Kafka, others have theirs."""
        self._queue: queue.Queue[_Parcel | _Errand | None] = queue.Queue(most)
        self._waiting: Counter[str] = Counter()
        self._incidents: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._signs: dict[str, Sign] = {}
        self._others = self.store.others
        self._resting = self._lag = 0.0
        self._ticked = self._slowly = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Everything that was handed over is done or refused; then the store is closed."""
        with self._lock:
            self._stopping = True
        self._queue.put(None)
        self._thread.join(timeout)
        if not self._thread.is_alive():
            self.store.close()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def depth(self) -> int:
        """How much is waiting."""
        return self._queue.qsize()

    def submit(self, envelope: Envelope, done: Callable[[Result | BusyError], None]) -> bool:
        """Hand over an envelope; `done` is called in the writer's thread. False: there is no room for it now."""
        with self._lock:
            now = self.clock()
            late = self._lag > LATE and self._queue.qsize() > GROUP // 4
            if self._stopping or late or self._waiting[envelope.agent] >= PER_AGENT or now < self._resting:
                return False
            try:
                self._queue.put_nowait(_Parcel(envelope, now, done))
            except queue.Full:
                return False
            self._waiting[envelope.agent] += 1
            return True

    def call(self, action: Callable[[], T]) -> Future[T]:
        """Do something in the writer's thread, in its turn; `BusyError` if there is no room for it now."""
        future: Future[T] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(action())
                except BaseException as error:  # it is the caller's
                    future.set_exception(error)

        errand = _Errand(run, lambda: _refuse(future))
        with self._lock:
            if self._stopping:
                raise BusyError("the monitor is stopping")
            try:
                self._queue.put_nowait(errand)
            except queue.Full:
                raise BusyError("the monitor is busy") from None
        return future

    def take_many(self, envelopes: Sequence[Envelope], positions: dict[str, int]) -> list[Result]:
        """In one transaction a batch and how far its sources have been read; blocks. For transports that have those."""

        def take() -> list[Result]:
            return self.monitor.receive_many(
                envelopes, self.clock(), millis=self.wall(), also=lambda: self._set_positions(positions)
            )

        return self.call(take).result()

    def note(self, agent: str, cause: str) -> None:
        """Something went wrong with an agent (see `monitor.watch`); it is counted at the next look."""
        with self._lock:
            self._incidents[agent, cause] += 1

    def _set_positions(self, positions: dict[str, int]) -> None:
        for source, upcoming in positions.items():
            self.store.set_position(source, upcoming)

    def _run(self) -> None:
        item: _Parcel | _Errand | None = None
        while True:
            try:
                item = self._queue.get(timeout=TICK)
            except queue.Empty:
                self._look()
                continue
            if item is None:
                break
            self._work(item)
            if self.clock() - self._ticked >= TICK:
                self._look()
        self._drain()
        self._look(last=True)

    def _work(self, item: _Parcel | _Errand) -> None:
        """The item, and envelopes that wait behind it."""
        parcels: list[_Parcel] = []
        deltas = 0
        following: _Parcel | _Errand | None = item
        while isinstance(following, _Parcel):
            parcels.append(following)
            deltas += len(following.envelope.deltas)
            following = None
            if len(parcels) < GROUP and deltas < DELTAS:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._queue.put(None)
        if parcels:
            self._commit(parcels)
        if isinstance(following, _Errand):
            following.run()

    def _commit(self, parcels: Sequence[_Parcel]) -> None:
        begun = time.perf_counter()
        self._lag = self.clock() - parcels[0].since
        try:
            results: Sequence[Result | BusyError] = self.monitor.receive_many(
                [one.envelope for one in parcels], self.clock(), millis=self.wall()
            )
            self.figures.ill = ""
        except Exception as error:  # whatever it is, nobody may wait for ever
            self._fell_ill("a group of envelopes was refused", error)
            results = [BusyError("the monitor cannot write its state")] * len(parcels)
        with self._lock:
            for one in parcels:
                self._waiting[one.envelope.agent] -= 1
                if not self._waiting[one.envelope.agent]:
                    del self._waiting[one.envelope.agent]
        now = self.wall()
        for one, result in zip(parcels, results, strict=True):
            self.figures.results[_status(result)] += 1
            if result in ("new", "repeat"):
                self._signs[one.envelope.agent] = Sign(
                    now, one.envelope.control, one.envelope.lost, one.envelope.kernel
                )
            one.done(result)
        self.on_group()
        self.figures.groups += 1
        self.figures.grouped += len(parcels)
        self.figures.seconds += time.perf_counter() - begun

    def _fell_ill(self, event: str, error: Exception) -> None:
        self.figures.failures += 1
        self._resting = self.clock() + REST
        if not self.figures.ill:
            log(event, "error", error=str(error) if isinstance(error, InputError) else repr(error))
        self.figures.ill = str(error) or repr(error)

    def _look(self, *, last: bool = False) -> None:
        """What the clock asks for."""
        now = self._ticked = self.clock()
        if now < self._resting and not last:
            return
        try:
            self._tell_incidents()
            if not last:
                self.monitor.judge(now, self.hold)
            if last or now - self._slowly >= self.slow:
                self._slowly = now
                self._look_slowly()
            if self.store.others != self._others:
                self.refresh()
            if self.figures.ill:
                self._try()
        except Exception as error:  # the thread goes on
            self._fell_ill("the monitor cannot keep its state", error)

    def _try(self) -> None:
        """Whether the disk takes something again."""
        with self.store.transaction():
            self.store.set_setting("tried", str(self.wall()))
        self.figures.ill = ""
        log("the state can be written again")

    def _tell_incidents(self) -> None:
        with self._lock:
            incidents, self._incidents = self._incidents, Counter()
        while incidents:
            (agent, cause), number = incidents.popitem()
            try:
                self.monitor.note(agent, cause, number, self.wall())
            except BaseException:
                with self._lock:
                    self._incidents.update(incidents | Counter({(agent, cause): number}))
                raise
            log("incident", "warning", agent=agent, cause=cause, number=number)

    def _look_slowly(self) -> None:
        """Signs of life are written, and patterns of settled applications go into control."""
        signs, self._signs = self._signs, {}
        settled = [
            app
            for name, app in self.monitor.apps.items()
            if app.evidence.learned and self.monitor.settled(name) and self.owns(name)
        ]
        foreign = [one for one in self.controls.current.patterns if not self.owns(one[0])]
        with self.store.transaction():
            self.register.note(signs.items())
            changed = self.controls.change(patterns=sorted(settled_patterns(settled) + foreign))
        if signs:
            self.register.refresh(signs)
        if changed:
            self.on_orders()

    def refresh(self) -> None:
        """Read what others may have changed in the state."""
        self._others = self.store.others
        before = {name: entry.revision for name, entry in self.register.by_name.items()}
        revision = self.controls.current.revision
        self.register.load()
        self.controls.load()
        self.monitor.alarms.lifecycle.refresh(read_rows(self.store))
        for name, entry in self.register.by_name.items():
            if before.get(name) != entry.revision:
                log("roster changed", agent=name, revoked=entry.revoked)
                self.on_roster(name)
        if self.controls.current.revision != revision:
            self.on_orders()

    def _drain(self) -> None:
        """The queue is worked off; nothing new comes in."""
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                self._work(item)


def _status(result: Result | BusyError) -> str:
    if isinstance(result, CodecError):
        return "malformed"
    return "busy" if isinstance(result, BusyError) else result


def _refuse(future: Future[T]) -> None:
    future.set_exception(BusyError("the monitor is stopping"))
