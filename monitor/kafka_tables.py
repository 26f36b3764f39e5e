"""What every monitor reads: the compacted topics into the mirror, counts and answers into the core.

Rules of this file
    - One thread, one consumer, no group. A record counts if it is sealed for its place by the monitors' key; anything
      else (also a deletion that is not a question's) is counted, has no effect, and is repaired if it is ours.
    - Applications that another monitor owns are taken over from what it publishes; the owner's own state is left alone.
    - `catch_up` waits until everything that was committed by now is here: whoever takes over a partition needs that.

Complexity: O(what is written), once.
Source: design section 6 (any monitor answers any query and recovers by reading the compacted topics).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Event, Lock, RLock, Thread
from time import monotonic
from typing import Any, Final

from grammar.control import Control, read
from grammar.errors import CodecError, InputError
from grammar.signing import Signer
from grammar.topics import Kind, Layout, Member, Stamped, key, open_record, parts_of, read_record
from monitor.kafka_client import Cluster, Record, located, spots
from monitor.kafka_core import Arrival, Core, Part, Strangers
from monitor.kafka_mirror import Kept, Mirror, Put
from monitor.kafka_publish import COUNTS, Position, position_key

COMPACTED: Final[tuple[Kind, ...]] = ("roster", "control", "words", "models", "alerts")
READ: Final[tuple[Kind, ...]] = (*COMPACTED, "heartbeats", "replies")
RETRY: Final = 1.0
POLL: Final = 200
STRANGE: Final = 0.05
SLICE: Final = 0.5
REST: Final = 4.0
"""Seconds of taking over at once, and how much longer than it took others have their turn: counts must not wait."""
SOON: Final = 5_000
"""Milliseconds for one question to the broker."""


@dataclass(slots=True)
class _Wish:
    """Somebody waits until these partitions are read to their end."""

    spots: list[Any]
    ends: dict[Any, int] = field(default_factory=dict)
    done: Event = field(default_factory=Event)
    on_done: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Tables:
    """The reader; `owns` says whether a lane is this monitor's, `repair` is told what has to be written again.

    `ours` says of a partition and a lineage whether what was published so is contained in our own state.
    """

    cluster: Cluster
    signer: Signer
    core: Core
    mirror: Mirror
    owns: Callable[[str], bool]
    repair: Callable[[Kind, bytes], None]
    ours: Callable[[int, int], bool]
    heartbeats: int = 0
    connected: bool = False
    trouble: str = ""
    adopting: RLock = field(default_factory=RLock)
    _kinds: dict[str, Kind] = field(default_factory=dict)
    complete: bool = False
    """Whether all that was there when this began has been read."""
    pace: float = 2.0
    """Seconds between two looks at what others have published."""
    _adopted: float = 0.0
    _pending: dict[str, set[Part]] = field(default_factory=dict)
    _strangers: Strangers = field(default_factory=Strangers)
    _early: set[str] = field(default_factory=set)
    """Lanes that could not be taken over at the last look: words were missing."""
    _wishes: list[_Wish] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _stop: Event = field(default_factory=Event)
    _thread: Thread | None = None

    @property
    def layout(self) -> Layout:
        """Where things lie."""
        return self.cluster.layout

    def start(self) -> None:
        """Begin to read in a thread; what the mirror holds already is told to the core first."""
        self._kinds = {self.layout.name(kind): kind for kind in READ}
        self._tell_again()
        self._thread = Thread(target=self._run, name="kafka-tables", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Stop reading."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def catch_up(self, kinds: Iterable[Kind], partition: int, seconds: float) -> bool:
        """Wait until what is committed now in these topics has been read; whether it was in time."""
        wish = _Wish([one for kind in kinds for one in spots(self.layout.name(kind), [partition])])
        with self._lock:
            self._wishes.append(wish)
        done = wish.done.wait(seconds)
        with self._lock:
            self._wishes = [one for one in self._wishes if one is not wish]
        return done

    def position(self, name: str) -> Position | None:
        """A position that was published."""
        kept = self.mirror.get(self.layout.name("models"), position_key(name))
        return None if kept is None else read(read_record(kept.sealed).data, Position)

    def parts(self, lane: str) -> dict[Part, bytes]:
        """All that is published of a lane."""
        found: dict[Part, bytes] = {}
        for kind in ("words", "models"):
            for kept in self.mirror.under(self.layout.name(kind), key(lane, "")):
                part = self._part(kind, kept.key)
                if part is not None:
                    found[part] = read_record(kept.sealed).data
        return found

    def lanes(self) -> set[str]:
        """The applications of which anything is published."""
        keys = (*self.mirror.keys(self.layout.name("words")), *self.mirror.keys(self.layout.name("models")))
        return {parts_of(name)[0] for name in keys} - {""}

    def _completed(self, consumer: Any, counts: Any) -> None:
        """What others have published is known: counts go on where that ends."""
        consumer.seek(counts, self._heartbeats_from(consumer, counts))
        consumer.resume(counts)
        if not self.complete:
            self._remember()
        self.complete, self._adopted = True, monotonic()
        with self._lock:
            self._wishes = [one for one in self._wishes if not one.done.is_set()]

    def _part(self, kind: Kind, name: bytes) -> Part | None:
        """What of a lane a record is; None for a position."""
        rest = parts_of(name)[1:]
        if kind == "words":
            return ("words", *rest)
        return None if rest[:1] == ("at",) else rest

    def _tell_again(self) -> None:
        for kind in ("roster", "control", "alerts"):
            for kept in self.mirror.under(self.layout.name(kind), b""):
                self._effect(kind, kept.key, read_record(kept.sealed))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with located("cannot read from Kafka"):
                    consumer = self.cluster.consumer()
                    try:
                        self._assign(consumer)
                        while not self._stop.is_set():
                            self._step(consumer)
                    finally:
                        self.connected = False
                        consumer.close(timeout_ms=500)
            except Exception as error:  # whatever it is, the thread goes on
                self.trouble = str(error) or repr(error)
                self._stop.wait(RETRY)

    def _assign(self, consumer: Any) -> None:
        topics = [self.layout.topic(kind) for kind in READ]
        every = [one for topic in topics for one in spots(topic.name, range(topic.partitions))]
        consumer.assign(every)
        counts = next(one for one in every if one.topic == self.layout.name("heartbeats"))
        compacted = [one for one in every if self._kinds[one.topic] in COMPACTED]
        first = _Wish(compacted, on_done=lambda: self._completed(consumer, counts))
        with self._lock:
            self._wishes.append(first)
        known = self.mirror.positions()
        replies, heartbeats = self.layout.name("replies"), self.layout.name("heartbeats")
        for one in every:
            if one.topic == replies:
                consumer.seek_to_end(one)
            elif one.topic == heartbeats:
                consumer.pause(one)
            else:
                consumer.seek(one, known.get((one.topic, one.partition), 0))

    def _heartbeats_from(self, consumer: Any, one: Any) -> int:
        """Where our counts end; those of the cluster, if ours are too old or there are none."""
        begin = consumer.beginning_offsets([one], timeout_ms=SOON)[one]
        ours = self.core.positions().get(f"{one.topic}/0", -1)
        if ours >= begin:
            self.heartbeats = ours
            return ours
        published = self.position(COUNTS)
        if published is not None:
            self.core.adopt("", self.parts(""), whole=False)
        self.heartbeats = max(begin, published.next if published else 0)
        return self.heartbeats

    def _step(self, consumer: Any) -> None:
        found = consumer.poll(POLL, max_records=1_000)
        self.connected, self.trouble = True, ""
        batches: list[tuple[Kind, list[Record]]] = [(self._kinds[one.topic], records) for one, records in found.items()]
        self._mirror([record for kind, records in batches if kind in COMPACTED for record in records])
        for kind, records in batches:
            if kind == "heartbeats":
                self._count(consumer, records)
            elif kind == "replies":
                for record in records:
                    self.core.replied(record.value or b"")
        if self.complete and monotonic() - self._adopted >= self.pace:
            self._adopt()
        self._grant(consumer)

    def _mirror(self, records: list[Record]) -> None:
        if not records:
            return
        effects = []
        with self.mirror.transaction():
            for record in records:
                kind, name = self._kinds[record.topic], record.key or b""
                stamped = self._put(kind, name, record)
                if stamped is not None:
                    effects.append((kind, name, stamped))
            ends = {(record.topic, record.partition): record.offset + 1 for record in records}
            self.mirror.note(ends)
        for kind, name, stamped in effects:
            self._effect(kind, name, stamped)

    def _put(self, kind: Kind, name: bytes, record: Record) -> Stamped | None:
        """Verify one record and keep it; what is in it if that is news."""
        try:
            parts = parts_of(name)
            if record.value is None:
                self._deleted(kind, name, parts)
                return None
            stamped = open_record(self.signer.public, kind, record.topic, name, record.value)
        except CodecError:
            self.core.count("kafka_forged", 1)
            return None
        put = self.mirror.put(record.topic, Kept(name, stamped.version, record.value))
        if put is Put.STALE:
            self.core.count("kafka_stale", 1)
            self.repair(kind, name)
        return stamped if put is Put.NEW else None

    def _deleted(self, kind: Kind, name: bytes, parts: tuple[str, ...]) -> None:
        if kind == "control" and parts[0] in {"question", "notice"}:
            self.mirror.drop(self.layout.name(kind), name)
        else:
            self.core.count("kafka_forged", 1)
            self.repair(kind, name)

    def _effect(self, kind: Kind, name: bytes, stamped: Stamped) -> None:
        """What a record means to the core; one that means nothing is counted."""
        try:
            parts = parts_of(name)
            if kind == "roster":
                self.core.member(stamped.version, read(stamped.data, Member))
            elif kind == "control" and parts == ("control",):
                self.core.orders(read(stamped.data, Control))
            elif kind == "alerts":
                self.core.alert(stamped.data)
            elif kind in {"words", "models"} and parts[0]:
                part = self._part(kind, name)
                if part is not None:
                    self._pending.setdefault(parts[0], set()).add(part)
        except InputError:
            self.core.count("kafka_forged", 1)

    def _count(self, consumer: Any, records: list[Record]) -> None:
        batch = [Arrival(record.value or b"", "") for record in records]
        if self._strangers.wait(self.core.strangers(batch), monotonic()):
            (one,) = spots(records[0].topic, [records[0].partition])
            consumer.seek(one, records[0].offset)  # the roster is read meanwhile
            self._stop.wait(STRANGE)
            return
        following = records[-1].offset + 1
        self.core.take(batch, {f"{records[-1].topic}/0": following})
        self.heartbeats = following

    def _adopt(self) -> None:
        """Take over what others have published of their applications; what cannot be taken yet stays pending."""
        begun = monotonic()
        for lane in list(self._pending):
            with self.adopting:
                if self.owns(lane) or self._is_ours(lane) or self._take_over(lane, self._pending[lane]):
                    del self._pending[lane]
                    self._early.discard(lane)
                else:
                    self._early.add(lane)
                    self._pending[lane] = self._pending.pop(lane)
            if monotonic() - begun > SLICE:
                break
        self._adopted = monotonic() + REST * (monotonic() - begun)

    def _take_over(self, lane: str, names: set[Part]) -> bool:
        """The parts that changed; all of them if words that they need have been passed over; whether that worked."""
        some = self.parts(lane) if lane in self._early else self._some(lane, names)
        taken = self.core.adopt(lane, some, whole=False)
        if taken == "forked":
            taken = self.core.adopt(lane, self.parts(lane), whole=True)
        return taken != "early"

    def _some(self, lane: str, names: set[Part]) -> dict[Part, bytes]:
        """These parts of a lane, as they are published."""
        found = {}
        for part in names:
            words = part[0] == "words"
            topic = self.layout.name("words" if words else "models")
            kept = self.mirror.get(topic, key(lane, *part[words:]))
            if kept is not None:
                found[part] = read_record(kept.sealed).data
        return found

    def _is_ours(self, lane: str) -> bool:
        """Whether our own state goes on from what is published: taking that over would set it back."""
        partition = self.layout.partition(lane)
        published = self.position(str(partition))
        return published is not None and self.ours(partition, published.lineage)

    def _remember(self) -> None:
        """After a start: what was read before it may not have been taken over."""
        for lane in self.lanes():
            self._pending.setdefault(lane, set()).update(self.parts(lane))

    def _grant(self, consumer: Any) -> None:
        """Answer who waits."""
        with self._lock:
            wishes = list(self._wishes)
        for wish in wishes:
            wish.ends = wish.ends or consumer.end_offsets(wish.spots, timeout_ms=SOON)
            if all(consumer.position(one, timeout_ms=SOON) >= end for one, end in wish.ends.items()):
                wish.done.set()
                wish.on_done()
