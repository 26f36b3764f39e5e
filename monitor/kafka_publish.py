"""What this monitor writes to Kafka: the state of the applications it owns, in transactions, and single announcements.

Rules of this file
    - A publication is one transaction: the parts that changed, how far they reach in `deltas`, and the group's offsets
      with the generation by which this monitor owns the partitions. From a monitor that has lost them unawares
      the broker refuses it: newer models are not overwritten. Readers see it whole or not at all.
    - The position is taken first and the parts then: a part may be newer than the position, never older. Its chains
      come with it, so that what is read once more from the position on is a repeat.
    - Nothing that changed is forgotten until a publication with it has been acknowledged. After a failure the producer
      is made anew: it never holds more than one publication.
    - Announcements (control, roster, alerts, questions) wait in an outbox, the last of each key, at most `OUTBOX`.

Complexity: O(changed parts) per publication.
Source: design section 6; KIP-447 (transactions fenced by the generation of the consumer group).
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Final, NamedTuple

import msgspec

from grammar.errors import CodecError
from grammar.finding import Number
from grammar.signing import Signer
from grammar.topics import Kind, Layout, Stamped, key, open_record, read_record, seal_record
from monitor.kafka_client import Cluster, kafka, located, spot
from monitor.kafka_core import Core
from monitor.kafka_mirror import Mirror

OUTBOX: Final = 10_000
TRIES: Final = 1_000
COUNTS: Final = "counts"
"""The name under which the position in `heartbeats` is published."""


class Position(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The next record that published models do not hold yet; `lineage` names the publication."""

    next: Number
    lineage: Number


class Owned(NamedTuple):
    """What this monitor owns now: the next record of each partition, and its membership of the group."""

    positions: dict[int, int]
    heartbeats: int
    membership: Any


class Write(NamedTuple):
    """One record to write; no value deletes."""

    kind: Kind
    partition: int
    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between publications of what changed, and of the counts of all agents."""

    models: float = 2.0
    counts: float = 60.0


def position_key(name: str) -> bytes:
    """Where a position is published."""
    return key("", "at", name)


@dataclass(slots=True)
class Publisher:
    """Writes in a thread of its own (`start`), or when told to (`publish`, `announce`)."""

    cluster: Cluster
    signer: Signer
    core: Core
    mirror: Mirror
    owned: Callable[[], Owned]
    informed: Callable[[], bool] = lambda: True
    """Whether all that others have written is known: nothing is written before."""
    pace: Pace = field(default_factory=Pace)
    failures: int = 0
    trouble: str = ""
    published: int = 0
    _dirty: set[tuple[str, str]] = field(default_factory=set)
    _at: dict[int, int] = field(default_factory=dict)
    _made: dict[int, deque[int]] = field(default_factory=dict)
    """The lineages of publications that were begun since a partition's state was taken over."""
    _repairs: dict[tuple[Kind, bytes], None] = field(default_factory=dict)
    _outbox: dict[tuple[Kind, bytes], Write] = field(default_factory=dict)
    _counted: float = 0.0
    _transactional: Any = None
    _plain: Any = None
    _lock: Lock = field(default_factory=Lock)
    _writing: Lock = field(default_factory=Lock)
    _wake: Event = field(default_factory=Event)
    _stopping: bool = False
    _thread: Thread | None = None

    @property
    def layout(self) -> Layout:
        """Where things lie."""
        return self.cluster.layout

    def start(self) -> None:
        """Begin to write in a thread."""
        self._thread = Thread(target=self._run, name="kafka-publish", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Publish what is left and stop; whether that was done in time."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return True

    def mark(self, lanes: Iterable[str]) -> None:
        """All of these lanes has to be published."""
        with self._lock:
            self._dirty.update((lane, "") for lane in lanes)

    def forget(self, partition: int, *, made: bool = False) -> None:
        """A partition has changed hands: what was noted for it is void (`made`: our own state of it, too)."""
        with self._lock:
            self._at.pop(partition, None)
            if made:
                self._made.pop(partition, None)

    def is_ours(self, partition: int, lineage: int) -> bool:
        """Whether what was published so is contained in our own state, also if we have not heard that it arrived."""
        with self._lock:
            if lineage in self._made.get(partition, ()):
                return True
        return self.core.positions().get(f"lineage/{partition}") == lineage

    def repair(self, kind: Kind, name: bytes) -> None:
        """Somebody has repeated an old record: write the right one again."""
        with self._lock:
            if len(self._repairs) < OUTBOX:
                self._repairs[kind, name] = None

    def say(self, kind: Kind, name: bytes, version: int, data: bytes | None) -> None:
        """Announce something when the broker can be reached; None takes it back."""
        topic = self.layout.name(kind)
        sealed = None if data is None else seal_record(self.signer, kind, topic, name, Stamped(version, data))
        with self._lock:
            full = len(self._outbox) >= OUTBOX and (kind, name) not in self._outbox
            if not full:
                self._outbox.pop((kind, name), None)
                self._outbox[kind, name] = Write(kind, 0, name, sealed)
        if full:
            self.core.count("kafka_unsaid", 1)
        self._wake.set()

    def _run(self) -> None:
        following = 0.0
        while True:
            self._wake.wait(max(0.0, min(following - monotonic(), self.pace.models)))
            self._wake.clear()
            last = self._stopping
            if not self.informed() and not last:
                continue
            try:
                self.announce()
                if last or monotonic() >= following:
                    self.publish()
                self.trouble = ""
            except Exception as error:  # whatever it is, the thread goes on, and nothing is forgotten
                self.failures, self.trouble = self.failures + 1, str(error) or repr(error)
            if monotonic() >= following:
                following = monotonic() + self.pace.models
            if last:
                break
        self._drop()

    def announce(self) -> int:
        """Write the outbox; what is not acknowledged stays in it. Gives how much was written."""
        with self._lock:
            self._outbox = {name: write for name, write in self._outbox.items() if self._is_news(write)}
            waiting = list(self._outbox.items())
        if not waiting:
            return 0
        with self._writing, located("cannot announce"):
            try:
                self._plain = self._plain or self.cluster.producer()
                futures = [(name, write, self._send(self._plain, write)) for name, write in waiting]
                for name, write, future in futures:
                    future.get(self.cluster.timeout_millis / 1000)
                    with self._lock:
                        if self._outbox.get(name) is write:
                            del self._outbox[name]
            except BaseException:
                self._plain = _close(self._plain)
                raise
        return len(waiting)

    def _is_news(self, write: Write) -> bool:
        """Whether the cluster does not know it, or something newer, already."""
        kept = self.mirror.get(self.layout.name(write.kind), write.key)
        if kept is None or write.value is None:
            return True
        return kept.version <= read_record(write.value).version and kept.sealed != write.value

    def publish(self) -> bool:
        """One publication, if anything has changed; False if the broker did not take it (nothing is forgotten)."""
        with self._writing:
            owned = self.owned()
            changed = self.core.changed()  # not under the lock: the core may be waiting to announce something
            with self._lock:
                self._dirty |= changed
                dirty, repairs = set(self._dirty), list(self._repairs)
            lanes = self._lanes(dirty, owned)
            writes = [write for lane, workers in sorted(lanes.items()) for write in self._state(lane, workers, owned)]
            writes += [write for one in repairs if (write := self._again(*one, owned)) is not None]
            moved = {p: at for p, at in owned.positions.items() if self._at.get(p) != at}
            if not writes and not moved:
                return True
            lineage = secrets.randbits(62)
            writes += [self._position(p, str(p), at, lineage) for p, at in moved.items()]
            with self._lock:
                for p in moved:
                    self._made.setdefault(p, deque(maxlen=TRIES)).append(lineage)
            self._transaction(writes, moved, owned)
            self.core.note({f"lineage/{p}": lineage for p in moved})
            with self._lock:
                self._at.update(moved)
                self._dirty -= {one for one in dirty if one[0] in lanes or not self._owns(one[0], owned)}
                for one in repairs:
                    self._repairs.pop(one, None)
            self.published += len(writes)
            return True

    def _owns(self, lane: str, owned: Owned) -> bool:
        return self.layout.partition(lane) in owned.positions

    def _lanes(self, dirty: set[tuple[str, str]], owned: Owned) -> dict[str, set[str] | None]:
        """What to publish: workers by lane, None for all; counts of all agents now and then only."""
        lanes: dict[str, set[str] | None] = {}
        due = monotonic() - self._counted >= self.pace.counts or self._stopping
        for lane, worker in dirty:
            if not self._owns(lane, owned) or (not lane and not due):
                continue
            known = lanes.setdefault(lane, set())
            if not worker:
                lanes[lane] = None
            elif known is not None:
                known.add(worker)
        if "" in lanes:
            self._counted = monotonic()
        return lanes

    def _state(self, lane: str, workers: set[str] | None, owned: Owned) -> list[Write]:
        """The records that a lane's state has and the mirror has not."""
        partition = self.layout.partition(lane)
        version = owned.positions[partition] if lane else owned.heartbeats
        words_from = len(self.mirror.keys(self.layout.name("words"), key(lane, ""))) if lane else 0
        parts = self.core.export(lane, None if workers is None else sorted(workers), words_from)
        writes = []
        for part, data in sorted(parts.items()):
            words = part[0] == "words"
            kind: Kind = "words" if words else "models"
            name = key(lane, *part[words:])
            if not self._known(kind, name, data):
                writes.append(self._sealed(kind, partition, name, Stamped(0 if words else version, data)))
        if not lane:
            writes.append(self._position(partition, COUNTS, owned.heartbeats, 0))
        return writes

    def _known(self, kind: Kind, name: bytes, data: bytes) -> bool:
        kept = self.mirror.get(self.layout.name(kind), name)
        return kept is not None and read_record(kept.sealed).data == data

    def _again(self, kind: Kind, name: bytes, owned: Owned) -> Write | None:
        """The mirror's record, if it is ours to write."""
        topic = self.layout.name(kind)
        kept = self.mirror.get(topic, name)
        try:
            lane = name.split(b"/", 1)[0].decode()
            partition = self.layout.partition(lane.replace("%2F", "/").replace("%25", "%"))
            mine = kind not in {"models", "words"} or partition in owned.positions
            if kept is None or not mine:
                return None
            open_record(self.signer.public, kind, topic, name, kept.sealed)
        except (CodecError, UnicodeDecodeError):
            return None
        return Write(kind, partition if kind in {"models", "words"} else 0, name, kept.sealed)

    def _position(self, partition: int, name: str, following: int, lineage: int) -> Write:
        data = msgspec.msgpack.encode(Position(following, lineage))
        return self._sealed("models", partition, position_key(name), Stamped(following, data))

    def _sealed(self, kind: Kind, partition: int, name: bytes, record: Stamped) -> Write:
        sealed = seal_record(self.signer, kind, self.layout.name(kind), name, record)
        return Write(kind, partition, name, sealed)

    def _send(self, producer: Any, write: Write) -> Any:
        return producer.send(self.layout.name(write.kind), write.value, key=write.key, partition=write.partition)

    def _transaction(self, writes: list[Write], moved: dict[int, int], owned: Owned) -> None:
        with located("cannot publish"):
            try:
                if self._transactional is None:
                    self._transactional = self.cluster.producer(f"{self.layout.prefix}-{self.cluster.name}")
                    self._transactional.init_transactions()
                producer = self._transactional
                producer.begin_transaction()
                for write in writes:
                    self._send(producer, write)
                offsets = {
                    spot(self.layout.deltas, p): kafka().OffsetAndMetadata(at, "", -1) for p, at in moved.items()
                }
                manager = producer._transaction_manager
                if offsets:
                    self._await(manager.send_offsets_to_transaction(offsets, owned.membership))
                self._await(manager.begin_commit())
            except BaseException:
                self._transactional = _close(self._transactional)
                raise

    def _await(self, result: Any) -> None:
        """What the client's own calls do, but not for ever: they hang when the broker died meanwhile."""
        self._transactional._sender.wakeup()
        if not result.wait(timeout_ms=self.cluster.timeout_millis * 2):
            raise kafka().errors.KafkaTimeoutError("no end of the transaction")

    def _drop(self) -> None:
        self._transactional, self._plain = _close(self._transactional), _close(self._plain)


def _close(producer: Any) -> Any:
    """What it still held is void."""
    if producer is not None:
        try:
            producer.close(timeout=0.5)
        except kafka().errors.KafkaError:  # it will not close while it holds something: throw that away first
            producer._sender.force_close()
            producer._sender.join(1)
            producer.close(timeout=0)
    return None
