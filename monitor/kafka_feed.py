"""Kafka on the monitor's side: the partitions that this monitor owns, and the three threads around them.

    deltas ─► owner ─► core (evidence and position, one transaction) ─► publisher ─► words, models (one transaction)
    heartbeats, words, models, roster, control, alerts, replies ─► tables ─► mirror, core

Rules of this file
    - Monitors share the partitions of `deltas` in a consumer group. Whoever is given a partition first reads what was
      published of it to the end, takes that over unless its own state goes on from it, and goes on where that ends.
    - Positions kept with the evidence are the truth; those of the group are only shown to people. Nothing is published
      at a rebalance: what was not yet published is read again by the next owner, from `deltas`, as if for the first
      time; publishing then would hold up everybody, and be refused if it came late.
    - A record that is not what it should be is counted and passed over. A broker that is away is waited for.

Complexity: O(records), once, and once more those since the last publication when a partition changes hands.
Source: design section 6; issue "live agent" (transports).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Final

import msgspec

from grammar.control import Control, Question, Status, write
from grammar.envelope import decode_envelope
from grammar.errors import CodecError, InputError
from grammar.signing import OVERHEAD, Signer
from grammar.topics import Asked, Kind, Layout, Member, Notice, key, parts_of
from monitor.kafka_client import MEMBER, AwayError, Cluster, Record, kafka, located, spot
from monitor.kafka_core import Arrival, Core, Strangers
from monitor.kafka_mirror import Mirror
from monitor.kafka_publish import Owned, Pace, Publisher
from monitor.kafka_tables import POLL, RETRY, STRANGE, Tables

TAKE_OVER: Final = 5.0
"""Seconds to wait for what the owner before has published, before it is tried again."""
SOON: Final = 2_000
"""Milliseconds for one question to the broker."""
STABLE: Final = "<stable>"
STUCK: Final = MEMBER / 1000 + 2
"""Seconds after which a client that still tries to join a group is made anew (kafka-python 3.0.12 can hang there)."""
SETTLED: Final = 0.5
GIVE_UP: Final = 30.0
"""Seconds without success after which the group is left, so that another monitor takes over."""
BATCH: Final = 500


@dataclass(slots=True)
class Owner:
    """The thread that takes the deltas of the partitions that are given to it."""

    cluster: Cluster
    core: Core
    tables: Tables
    publisher: Publisher | None = None
    connected: bool = False
    trouble: str = ""
    ready: dict[int, int] = field(default_factory=dict)
    """The next record of each partition that is owned and taken over."""
    lagging: dict[str, int] = field(default_factory=dict)
    """Positions that are noted with the next batch, or when there is none: never before what they stand for is kept."""
    given: set[int] = field(default_factory=set)
    _strangers: Strangers = field(default_factory=Strangers)
    _consumer: Any = None
    _lock: Lock = field(default_factory=Lock)
    _stop: Event = field(default_factory=Event)
    _thread: Thread | None = None

    @property
    def layout(self) -> Layout:
        """Where things lie."""
        return self.cluster.layout

    def owns(self, lane: str) -> bool:
        """Whether this monitor merges that lane now, or is about to."""
        with self._lock:
            return self.layout.partition(lane) in self.given

    def owned(self) -> Owned:
        """What may be published."""
        with self._lock:
            membership = self._consumer.group_metadata() if self._consumer is not None else None
            return Owned(dict(self.ready) if membership is not None else {}, self.tables.heartbeats, membership)

    def start(self) -> None:
        """Begin to take."""
        self._thread = Thread(target=self._run, name="kafka-deltas", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Leave the group."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with located("cannot read from Kafka"):
                    self._join()
            except Exception as error:  # whatever it is, the thread goes on
                self.trouble = str(error) or repr(error)
                self._stop.wait(RETRY)

    def _join(self) -> None:
        consumer = self.cluster.consumer(self.cluster.group)
        try:
            consumer.subscribe([self.layout.deltas], listener=_listener(self, consumer))
            consumer.partitions_for_topic(self.layout.deltas)  # else the first assignment may be of nothing, and
            self._stop.wait(SETTLED)  # metadata that comes while the group is joined makes the client join once more
            with self._lock:
                self._consumer = consumer
            failing, joined = 0.0, monotonic()
            while not self._stop.is_set():
                try:
                    with located("cannot read from Kafka"):
                        self._step(consumer)
                    self.connected, self.trouble, failing = True, "", 0.0
                    if consumer.group_metadata().state == STABLE:
                        joined = monotonic()
                    elif monotonic() - joined > STUCK:
                        raise InputError("the group cannot be joined: once more with a new client")
                except AwayError as error:
                    self.trouble, failing = str(error), failing or monotonic()
                    if monotonic() - failing > GIVE_UP:
                        raise
                    self._rewind(consumer)
                    self._stop.wait(RETRY)
            self._note()
        finally:
            self.connected = False
            self.lagging = {}
            with self._lock:
                self._consumer, self.ready, self.given = None, {}, set()
            consumer.close(timeout_ms=2_000)

    def _step(self, consumer: Any) -> None:
        found = consumer.poll(POLL, max_records=BATCH)
        for one, records in found.items():
            if self._strange(records):
                with self._lock:
                    following = self.ready.get(one.partition)
                if following is not None:
                    consumer.seek(one, following)
                self._stop.wait(STRANGE)
                continue
            self._take(one.partition, records)
        if not found:
            self._note()
        for partition in self._waiting():
            self._take_over(consumer, partition)

    def _strange(self, records: Sequence[Record]) -> bool:
        """Whether one is of an agent that may come onto the roster in a moment: what is acknowledged is not refused."""
        batch = [Arrival(record.value or b"", "") for record in records]
        return self._strangers.wait(self.core.strangers(batch), monotonic())

    def _rewind(self, consumer: Any) -> None:
        """What was fetched and not taken is fetched again."""
        with self._lock:
            for partition, following in self.ready.items():
                consumer.seek(spot(self.layout.deltas, partition), following)

    def assigned(self, partitions: set[int]) -> None:
        """The group gives these to us (called by the client's thread: it must not wait)."""
        with self._lock:
            self.given |= partitions

    def revoked(self, partitions: set[int]) -> None:
        """They are another's now."""
        with self._lock:
            self.given -= partitions
            for partition in partitions:
                self.ready.pop(partition, None)

    def _waiting(self) -> list[int]:
        with self._lock:
            return sorted(self.given - set(self.ready))

    def _take_over(self, consumer: Any, partition: int) -> None:
        """Bring a partition's applications to where the cluster is, and go on from there."""
        one = spot(self.layout.deltas, partition)
        self._note()
        # Waits for a transaction of the owner before that is not decided yet; not for ever: the group needs our polls.
        consumer.committed(one, timeout_ms=SOON)
        if not self.tables.catch_up(("words", "models"), partition, TAKE_OVER):
            raise AwayError("what was published cannot be read to its end")
        with self.tables.adopting:
            start = self._settle(partition)
        begin = consumer.beginning_offsets([one], timeout_ms=SOON)[one]
        end = consumer.end_offsets([one], timeout_ms=SOON)[one]
        if start < begin or start > end:
            if start:
                self.core.count("kafka_expired", max(1, begin - start))
            start = begin
        with self._lock:
            if partition not in self.given:
                return
            self.ready[partition] = start
        consumer.seek(one, start)
        consumer.resume(one)

    def _settle(self, partition: int) -> int:
        """Keep our own state if it goes on from what is published, else take that; gives where to go on."""
        source = f"{self.layout.deltas}/{partition}"
        ours = self.core.positions()
        published = self.tables.position(str(partition))
        lanes = {lane for lane in self.core.lanes() if lane and self.layout.partition(lane) == partition}
        assert self.publisher is not None
        if published is None or (source in ours and self.publisher.is_ours(partition, published.lineage)):
            self.publisher.forget(partition)
            start = ours.get(source, 0)
            if published is None or start > published.next:
                self.publisher.mark(lanes)
            return start
        self.publisher.forget(partition, made=True)
        self.lagging.pop(source, None)
        self.core.note({f"lineage/{partition}": 0})
        there = {lane for lane in self.tables.lanes() if self.layout.partition(lane) == partition}
        for lane in sorted(lanes | there):
            if self.core.adopt(lane, self.tables.parts(lane), whole=True) != "taken":
                raise InputError("what is published of an application is not whole", offending=lane)
        self.core.note({source: published.next, f"lineage/{partition}": published.lineage})
        return published.next

    def _take(self, partition: int, records: Sequence[Record]) -> None:
        with self._lock:
            expected = self.ready.get(partition)
        if expected is None:
            return
        batch = [arrival for record in records if (arrival := self._arrival(partition, expected, record)) is not None]
        following = records[-1].offset + 1
        verdicts = self.core.take(batch, self.lagging)
        if "base" in verdicts:
            verdicts = self._again(partition, batch)
        self.lagging = {f"{self.layout.deltas}/{partition}": following}
        self._tell(batch, verdicts)
        with self._lock:
            if partition in self.ready:
                self.ready[partition] = following

    def _note(self) -> None:
        if self.lagging:
            self.core.note(self.lagging)
            self.lagging = {}

    def _arrival(self, partition: int, expected: int, record: Record) -> Arrival | None:
        """One record as an envelope of its lane; one that is in the wrong place is counted."""
        if record.offset < expected:
            return None
        try:
            (lane,) = parts_of(record.key or b"")
        except (CodecError, ValueError):
            lane = ""
        if not lane or self.layout.partition(lane) != partition:
            self.core.count("kafka_misplaced", 1)
            return None
        return Arrival(record.value or b"", lane)

    def _again(self, partition: int, batch: Sequence[Arrival]) -> list[Status]:
        """An agent may know words sooner than we do: read them, and take the batch once more."""
        self.tables.catch_up(("words",), partition, TAKE_OVER)
        for lane in sorted({arrival.lane for arrival in batch}):
            words = {part: data for part, data in self.tables.parts(lane).items() if part[0] == "words"}
            self.core.adopt(lane, words, whole=False)
        verdicts = self.core.take(batch, {})
        unknown = verdicts.count("base")
        if unknown:
            self.core.count("words_unknown", unknown)
        return verdicts

    def _tell(self, batch: Sequence[Arrival], verdicts: Sequence[Status]) -> None:
        """Tell agents what became of envelopes that were not taken: the broker has acknowledged them."""
        for arrival, status in zip(batch, verdicts, strict=True):
            if status not in {"base", "conflict"} or self.publisher is None:
                continue
            try:
                one = decode_envelope(arrival.sealed[OVERHEAD:])
            except CodecError:
                continue
            notice = Notice(one.agent, one.session, arrival.lane, one.sequence, status)
            name = key("notice", one.agent, arrival.lane)
            self.publisher.say("control", name, 0, msgspec.msgpack.encode(notice))


def _listener(owner: Owner, consumer: Any) -> Any:
    base = kafka().ConsumerRebalanceListener

    class Listener(base):  # type: ignore[misc, valid-type]
        """What the group says to us."""

        def on_partitions_assigned(self, assigned: Sequence[Any]) -> None:
            if assigned:
                consumer.pause(*assigned)
            owner.assigned({one.partition for one in assigned})

        def on_partitions_revoked(self, revoked: Sequence[Any]) -> None:
            owner.revoked({one.partition for one in revoked})

    return Listener()


class KafkaFeed:
    """A monitor's connection to Kafka: `start`, `stop`, and what it says to agents and other monitors."""

    def __init__(self, cluster: Cluster, signer: Signer, core: Core, folder: Path, pace: Pace | None = None) -> None:
        self.cluster, self.core = cluster, core
        self.mirror = Mirror(folder)
        self.tables = Tables(cluster, signer, core, self.mirror, self._owns, self._repair, self._is_ours)
        self.tables.pace = (pace or Pace()).models
        self.owner = Owner(cluster, core, self.tables)
        informed = self._informed
        self.publisher = Publisher(cluster, signer, core, self.mirror, self.owner.owned, informed, pace or Pace())
        self.owner.publisher = self.publisher

    def start(self) -> None:
        """Connect in the background; topics are made and checked before (`monitor.kafka_topics.prepare`)."""
        self.tables.start()
        self.publisher.start()
        self.owner.start()

    def stop(self, seconds: float = 15.0) -> bool:
        """Publish what is left, leave the group; whether everything was done in time."""
        until = monotonic() + seconds
        done = self.publisher.stop(seconds * 0.6)
        self.owner.stop(max(0.5, until - monotonic()))
        self.tables.stop(max(0.5, until - monotonic()))
        self.mirror.close()
        return done

    def owns(self, app: str) -> bool:
        """Whether this monitor judges an application and raises its alerts."""
        return self.owner.owns(app)

    @property
    def ready(self) -> bool:
        """Whether it is connected and every partition that is its own is taken over."""
        return self.tables.connected and self.owner.connected and self.owner.given == set(self.owner.ready)

    @property
    def trouble(self) -> str:
        """Why not."""
        return self.owner.trouble or self.tables.trouble or self.publisher.trouble

    def control(self, control: Control) -> None:
        """Tell agents and monitors what to go by from now on."""
        self.publisher.say("control", key("control"), control.revision, write(control))

    def member(self, revision: int, member: Member) -> None:
        """Tell the other monitors that an agent was enrolled or revoked here."""
        self.publisher.say("roster", key(member.agent), revision, write(member))

    def alert(self, ident: str, data: bytes) -> None:
        """Tell the other monitors of an alert."""
        self.publisher.say("alerts", key(ident), 0, data)

    def ask(self, question: Question, until: int) -> None:
        """Ask all agents."""
        self.publisher.say("control", key("question", question.id.hex()), 0, write(Asked(question, until)))

    def close(self, question: Question) -> None:
        """Nobody waits for answers any more."""
        self.publisher.say("control", key("question", question.id.hex()), 0, None)

    def _informed(self) -> bool:
        return self.tables.complete

    def _owns(self, lane: str) -> bool:
        return self.owner.owns(lane)

    def _is_ours(self, partition: int, lineage: int) -> bool:
        return self.publisher.is_ours(partition, lineage)

    def _repair(self, kind: Kind, name: bytes) -> None:
        self.publisher.repair(kind, name)
