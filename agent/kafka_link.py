"""The agent's link through Kafka: one envelope at a time to the topic of its lane, orders from compacted topics.

Rules of this file
    - The broker's acknowledgement (all replicas in sync) is the acknowledgement: the envelope is durable, some monitor
      will take it. What became of it can only be told later (`Notice`), and is told at the next envelope of its lane.
    - The client's own buffer is unbounded and forgetful: it never holds more than the one record that is waited for. If
      the broker does not answer in time the client is thrown away with what it holds, and the caller sends it again.
    - The sender's thread writes, the listener's thread reads; each has its own client. Imported lazily.

Complexity: O(bytes).
Source: design section 6; kafka-python 3.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any, Final

from agent.kafka_reader import Reader
from agent.link import Lanes, RefusedError, UnreachableError, lane_per_app
from grammar import InputError, Revision
from grammar.control import Answer, Orders, Outcome
from grammar.topics import FETCH, MAX_RECORD, Layout, key

SLICE: Final = 250
"""Milliseconds between looks at what the sender wants while the listener waits."""
DENIED: Final = ("Authorization", "Authentication", "Sasl")
FRAME: Final = 133
ACKNOWLEDGED: Final = 72
"""Bytes on the wire beside key and value of one record on its own, and of its acknowledgement (measured, `ss -i`)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the brokers are, and what the connection needs."""

    servers: tuple[str, ...]
    layout: Layout
    client: Mapping[str, str | int | bool] = field(default_factory=dict)
    timeout_millis: int = 10_000

    def settings(self, name: str) -> dict[str, Any]:
        """What reader and writer have in common."""
        return dict(self.client) | {
            "bootstrap_servers": list(self.servers),
            "client_id": name,
            "bootstrap_timeout_ms": self.timeout_millis,
            "request_timeout_ms": self.timeout_millis,
            "reconnect_backoff_max_ms": 1_000,
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
        }


@dataclass(slots=True)
class KafkaLink:
    """An agent's connection; `public` is the monitors' key, `agent` the name under which it is enrolled."""

    place: Place
    agent: str
    public: bytes
    lanes: Lanes = lane_per_app
    concerns: Callable[[str], bool] = lambda app: True
    counts: Counter[str] = field(default_factory=Counter)
    reader: Reader = field(init=False)
    _producer: Any = None
    _consumer: Any = None

    def __post_init__(self) -> None:
        _kafka()
        self.reader = Reader(self.agent, self.place.layout, self.public, lambda: int(time() * 1000), self.concerns)

    def deliver(self, sealed: bytes, lane: str, session: bytes, sequence: int) -> Answer:
        """Send one envelope; `new` when it is durable, else what a monitor has said of this lane before."""
        notice = self.reader.verdict(lane, session)
        if notice is not None:
            return Answer(notice.status, sequence, self.reader.control.revision)
        layout = self.place.layout
        if lane:
            self._send(layout.deltas, layout.partition(lane), key(lane), sealed)
        else:
            self._send(layout.name("heartbeats"), 0, key(self.agent), sealed)
        return Answer("new", sequence, self.reader.control.revision)

    def reply(self, sealed: bytes, question: bytes) -> None:
        """Send the answer to a question."""
        self._send(self.place.layout.name("replies"), 0, key(question.hex(), self.agent), sealed)

    def words(self, asked: Mapping[str, Revision]) -> dict[str, bytes]:
        """What the cluster's words have more than these revisions, by application."""
        return self.reader.words(asked)

    def listen(self, revision: int, wait_millis: int, outcomes: tuple[Outcome, ...] = ()) -> Orders:
        """Wait for newer control or a question; empty when the time is over. The listener's thread only."""
        until = monotonic() + wait_millis / 1000
        orders = self.reader.orders(revision)
        while orders == Orders() and monotonic() < until:
            left = max(0, int((until - monotonic()) * 1000))
            try:
                if self.reader.wants():
                    self._close_reader()
                self._open_reader()
                self.reader.poll(self._consumer, _kafka().TopicPartition, min(SLICE, left))
            except Exception as error:
                self._close_reader()
                raise _ours(error, "cannot read from Kafka") from None
            orders = self.reader.orders(revision)
        return orders

    def close(self) -> None:
        """Throw the clients away; nothing that matters is in them."""
        self._close_writer()
        self._close_reader()

    def _send(self, topic: str, partition: int, name: bytes, value: bytes) -> None:
        """One record, and wait for its acknowledgement."""
        if len(value) > MAX_RECORD - 65_536:
            raise RefusedError(f"an envelope of {len(value)} bytes is too large for Kafka")
        try:
            if self._producer is None:
                self._producer = self._open_writer()
            future = self._producer.send(topic, value, key=name, partition=partition)
            future.get(self.place.timeout_millis / 1000 + 1)  # by then the client has given up by itself
            self.counts["up"] += FRAME + len(name) + len(value)
            self.counts["down"] += ACKNOWLEDGED
        except Exception as error:
            self._close_writer()
            raise _ours(error, "cannot send through Kafka") from None

    def _open_writer(self) -> Any:
        timeout = self.place.timeout_millis
        producer = _kafka().KafkaProducer(
            **self.place.settings(self.agent),
            acks="all",
            enable_idempotence=True,
            max_request_size=MAX_RECORD,
            max_block_ms=timeout,
            delivery_timeout_ms=timeout,
        )
        found = producer.partitions_for(self.place.layout.deltas)
        if len(found) != self.place.layout.partitions:
            producer.close(timeout=0)
            said = f"{self.place.layout.partitions} here, {len(found)} in the topic"
            raise RefusedError(f"another number of partitions than the cluster's: {said}: set the same everywhere")
        return producer

    def _open_reader(self) -> None:
        if self._consumer is None:
            self._consumer = _kafka().KafkaConsumer(
                **self.place.settings(self.agent),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                fetch_max_wait_ms=self.place.timeout_millis // 2,
                fetch_max_bytes=FETCH,
                max_partition_fetch_bytes=FETCH,
                receive_message_max_bytes=FETCH + MAX_RECORD + 65_536,
            )
            self.reader.start_over()

    def _close_writer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.close(timeout=0)
            except _kafka().errors.KafkaError:  # it will not close while it holds something: throw that away first
                producer._sender.force_close()
                producer._sender.join(1)
                producer.close(timeout=0)

    def _close_reader(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=200)


def _kafka() -> Any:
    try:
        return importlib.import_module("kafka")
    except ImportError:
        raise InputError("no Kafka client here", hint="pip install 'winnower[kafka]'") from None


def _ours(error: Exception, what: str) -> Exception:
    """An error of the client as one of ours; one that is ours, or nobody's, as it is."""
    name = type(error).__name__
    if isinstance(error, _kafka().errors.KafkaError):
        if any(part in name for part in DENIED):
            hint = "check the credentials and the access rules of the topics"
            return RefusedError(f"{what}: the broker refuses ({name}); {hint}")
        return UnreachableError(f"{what}: {name}")
    if isinstance(error, OSError):
        return UnreachableError(f"{what}: {error}")
    return error
