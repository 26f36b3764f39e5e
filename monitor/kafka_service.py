"""The running monitor as the Kafka parts see it: every call becomes an errand of the writer's thread.

Rules of this file
    - Signatures are checked in the caller's thread, by the same gate as over HTTP; an envelope must be of the lane that
      it came in, and hold deltas of that application only (of none, in the lane of counts).
    - What is bad is counted and told by the same watch as over HTTP; what nobody has signed is put to `NOBODY`.

Source: issue "live agent" (transports).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Final, TypeVar

import msgspec

from grammar import CodecError, Envelope, InputError
from grammar.control import Control, Reply, Status, write
from grammar.signing import KEY_ID, MAGIC, OVERHEAD
from grammar.topics import Member
from monitor import gate, kafka_state
from monitor.alerts import Alert
from monitor.controls import Controls
from monitor.kafka_client import AwayError
from monitor.kafka_core import Adopted, Arrival, Part
from monitor.kafka_feed import KafkaFeed
from monitor.logs import log
from monitor.monitor import Result
from monitor.register import Entry
from monitor.service import BusyError, Service

NOBODY: Final = "kafka"
CAUSES: Final[Mapping[str, str]] = {"kafka_forged": "forged", "kafka_stale": "forged", "kafka_misplaced": "foreign"}
WAIT: Final = 60.0
T = TypeVar("T")


class ServiceCore:
    """The service behind `monitor.kafka_core.Core`; `on_reply` hears answers to questions, with the worker's name."""

    def __init__(self, service: Service, on_reply: Callable[[str, Reply], object]) -> None:
        self.service, self.on_reply = service, on_reply
        self._counted: set[tuple[str, str]] = set()
        self._settled: dict[str, bool] = {}
        self._lock = Lock()

    def take(self, batch: Sequence[Arrival], positions: Mapping[str, int]) -> list[Status]:
        """See `Core`."""
        admitted = [self._admitted(arrival) for arrival in batch]
        envelopes = [one for one in admitted if one is not None]
        results = iter(self._take(envelopes, dict(positions)))
        with self._lock:
            self._counted.update((one.lane, one.agent) for one in envelopes)
        return [_status(next(results)) if one is not None else "refused" for one in admitted]

    def _take(self, envelopes: Sequence[Envelope], positions: dict[str, int]) -> Sequence[Result]:
        try:
            return self.service.take_many(envelopes, positions)
        except (BusyError, InputError) as error:
            raise AwayError(f"the monitor cannot take it: {error}") from None

    def _admitted(self, arrival: Arrival) -> Envelope | None:
        try:
            entry, envelope = gate.envelope(self.service.register, arrival.sealed)
        except gate.Rejected as error:
            self.service.note(error.agent or NOBODY, error.cause or "forged")
            return None
        apps = {app for app, _ in envelope.deltas}
        if envelope.lane != arrival.lane or not apps <= ({envelope.lane} - {""}):
            self.service.note(entry.name, "foreign")
            return None
        return envelope

    def strangers(self, batch: Sequence[Arrival]) -> set[bytes]:
        """See `Core`."""
        known = self.service.register.by_key
        keys = {one.sealed[len(MAGIC) : len(MAGIC) + KEY_ID] for one in batch if len(one.sealed) > OVERHEAD}
        return keys - known.keys()

    def count(self, cause: str, number: int) -> None:
        """See `Core`."""
        log("kafka", "warning", cause=cause, number=number)
        if cause in CAUSES:
            for _ in range(min(number, 100)):
                self.service.note(NOBODY, CAUSES[cause])
            return

        def lose() -> None:
            with self.service.store.transaction():
                self.service.monitor.lose(NOBODY, cause, number)

        self._call(lose)

    def positions(self) -> dict[str, int]:
        """See `Core`."""
        return self._call(self.service.store.positions)

    def note(self, positions: Mapping[str, int]) -> None:
        """See `Core`."""

        def note() -> None:
            with self.service.store.transaction():
                for source, following in positions.items():
                    self.service.store.set_position(source, following)

        self._call(note)

    def lanes(self) -> set[str]:
        """See `Core`."""
        return self._call(lambda: set(self.service.store.apps()))

    def changed(self) -> set[tuple[str, str]]:
        """See `Core`."""

        def changed() -> set[tuple[str, str]]:
            monitor = self.service.monitor
            found, monitor.changed = monitor.changed, set()
            settled = {name: monitor.settled(name) for name in monitor.apps}
            found |= {(name, NOBODY) for name, is_ in settled.items() if self._settled.get(name, False) != is_}
            self._settled = settled
            return found

        with self._lock:
            counted, self._counted = self._counted, set()
        return counted | self._call(changed)

    def export(self, lane: str, workers: Sequence[str] | None, words_from: int) -> dict[Part, bytes]:
        """See `Core`."""
        return self._call(lambda: kafka_state.export(self.service.store, lane, workers, words_from))

    def adopt(self, lane: str, parts: Mapping[Part, bytes], *, whole: bool) -> Adopted:
        """See `Core`."""
        return self._call(lambda: self._adopt(lane, parts, whole))

    def _adopt(self, lane: str, parts: Mapping[Part, bytes], whole: bool) -> Adopted:
        store, monitor = self.service.store, self.service.monitor
        taken: Adopted = "early"
        try:
            with store.transaction():
                if whole:
                    store.drop_app(lane)
                taken = "taken" if kafka_state.take_over(store, lane, parts) else "forked"
                if lane:
                    monitor.reload(lane)
        except (LookupError, InputError) as error:
            if isinstance(error, CodecError):
                log("kafka", "warning", cause="a part that cannot be read", lane=lane, error=str(error))
            taken = "early"
            monitor.reload(lane)
        return taken

    def member(self, revision: int, member: Member) -> None:
        """See `Core`."""
        service = self.service
        entry = Entry(member.agent, member.public, revision, member.revoked, service.wall())

        def adopt() -> None:
            with service.store.transaction():
                known = service.register.by_name.get(entry.name)
                changed = service.register.adopt(entry)
                if changed and known is not None and known.public != entry.public:
                    service.monitor.start_anew(entry.name)
            if changed:
                service.register.load()

        self._call(adopt)

    def orders(self, control: Control) -> None:
        """See `Core`."""

        def adopt() -> None:
            with self.service.store.transaction():
                changed = _settled(self.service.controls, control)
            if changed:
                self.service.on_orders()

        self._call(adopt)

    def alert(self, data: bytes) -> None:
        """See `Core`."""

        def adopt() -> None:
            monitor = self.service.monitor
            one = Alert.decode(data)
            known = {alert.encode() for alert in monitor.alerts[-1_000:]}
            told = msgspec.structs.replace(one, quiet="elsewhere")
            if known.isdisjoint((one.encode(), told.encode())):
                with self.service.store.transaction():
                    monitor.alerts.append(monitor.keep(one))

        self._call(adopt)

    def replied(self, sealed: bytes) -> None:
        """See `Core`."""
        try:
            entry, reply = gate.reply(self.service.register, sealed)
        except gate.Rejected as error:
            self.service.note(error.agent or NOBODY, error.cause or "forged")
            return
        self.on_reply(entry.name, reply)

    def _call(self, action: Callable[[], T]) -> T:
        try:
            return self.service.call(action).result(WAIT)
        except (BusyError, TimeoutError) as error:
            raise AwayError(f"the monitor is busy: {error}") from None


def connect(service: Service, feed: KafkaFeed) -> None:
    """What changes here is told to the cluster: call this before the service is started."""
    monitor, controls, register = service.monitor, service.controls, service.register
    alerted, ordered, enrolled = monitor.on_alert, service.on_orders, service.on_roster

    def on_alert(alert: Alert) -> None:
        alerted(alert)
        data = alert.encode()
        feed.alert(alert_ident(data), data)

    def on_orders() -> None:
        ordered()
        feed.control(controls.current)

    def on_roster(name: str) -> None:
        enrolled(name)
        entry = register.by_name[name]
        feed.member(entry.revision, Member(entry.name, entry.public, entry.revoked))

    monitor.on_alert, service.on_orders, service.on_roster = on_alert, on_orders, on_roster
    for known in register.by_name.values():
        feed.member(known.revision, Member(known.name, known.public, known.revoked))
    feed.control(controls.current)


def _settled(controls: Controls, control: Control) -> bool:
    """Take newer control. Two monitors may have made the same revision of different contents: one of them, the same
    one for all, becomes the next revision, so that monitors and agents agree on it.
    """
    mine = controls.current
    if control.revision == mine.revision and control != mine:
        control = msgspec.structs.replace(max(control, mine, key=write), revision=mine.revision + 1)
    return controls.adopt(control)


def alert_ident(data: bytes) -> str:
    """The key of an alert: the same one told again is one."""
    return blake2b(data, digest_size=16).hexdigest()


def _status(result: Result) -> Status:
    known: dict[str, Status] = {"new": "new", "repeat": "repeat", "base": "base", "conflict": "conflict"}
    return known.get(result, "refused") if isinstance(result, str) else "refused"
