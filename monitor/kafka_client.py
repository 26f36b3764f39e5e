"""The Kafka client as the monitor uses it: one place that imports it, and makes consumers and producers with limits.

Rules of this file
    - Imported lazily: a monitor without Kafka needs no client. What the client raises becomes `AwayError` (the broker
      cannot be reached: try again) or an `InputError` that says what to do.
    - What is fetched is bounded; offsets are never committed by the client on its own; topics are never made by
      accident.

Source: kafka-python 3 (kafka-python.readthedocs.io).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from grammar.errors import InputError
from grammar.topics import FETCH, MAX_RECORD, Layout

DENIED: Final = ("Authorization", "Authentication", "Sasl", "InvalidTopic")
MEMBER: Final = 10_000
"""Milliseconds after which a silent monitor loses its partitions."""


class AwayError(Exception):
    """No broker answers."""


class Record(Protocol):
    """What came out of a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the brokers are, and what the connection needs; `name` is this monitor's, unlike every other's."""

    servers: tuple[str, ...]
    layout: Layout
    name: str
    client: Mapping[str, str | int | bool] = field(default_factory=dict)
    timeout_millis: int = 10_000

    @property
    def group(self) -> str:
        """What the monitors of one cluster are to the broker."""
        return f"{self.layout.prefix}-monitors"

    def consumer(self, group: str | None = None) -> Any:
        """A reader of what is committed; with a group, one that shares partitions with others."""
        return _made(
            "KafkaConsumer",
            **self._common(),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            fetch_max_bytes=FETCH,
            max_partition_fetch_bytes=FETCH,
            receive_message_max_bytes=FETCH + MAX_RECORD + 65_536,
            max_poll_records=1_000,
            session_timeout_ms=MEMBER,
            heartbeat_interval_ms=MEMBER // 4,
            request_timeout_ms=max(self.timeout_millis, MEMBER + 1_000),
            metadata_max_age_ms=30_000,
        )

    def producer(self, transactional: str | None = None) -> Any:
        """A writer whose acknowledgement means that all replicas in sync have it."""
        more = {"transactional_id": transactional, "transaction_timeout_ms": 15_000} if transactional else {}
        return _made(
            "KafkaProducer",
            **self._common(),
            **more,
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            max_request_size=MAX_RECORD,
            max_block_ms=self.timeout_millis,
            request_timeout_ms=self.timeout_millis,
            delivery_timeout_ms=self.timeout_millis * 2,
        )

    def admin(self) -> Any:
        """For making and checking topics."""
        return _made("KafkaAdminClient", **self._common(), request_timeout_ms=self.timeout_millis)

    def _common(self) -> dict[str, Any]:
        return dict(self.client) | {
            "bootstrap_servers": list(self.servers),
            "client_id": self.name,
            "bootstrap_timeout_ms": self.timeout_millis,
            "reconnect_backoff_max_ms": 1_000,
            "metrics_enabled": False,
        }


def kafka() -> Any:
    """The client's module."""
    try:
        return importlib.import_module("kafka")
    except ImportError:
        raise InputError("no Kafka client here", hint="pip install 'winnower[kafka]'") from None


def spot(topic: str, partition: int) -> Any:
    """One partition of one topic, as the client names it."""
    return kafka().TopicPartition(topic, partition)


def spots(topic: str, partitions: Sequence[int]) -> list[Any]:
    """Several of them."""
    return [spot(topic, partition) for partition in partitions]


@contextmanager
def located(what: str) -> Iterator[None]:
    """What the client raises, as ours."""
    errors = kafka().errors
    try:
        yield
    except errors.KafkaError as error:
        name = type(error).__name__
        if name.startswith(DENIED) or any(part in name for part in DENIED[:2]):
            hint = "check the credentials and the access rules of the topics"
            raise InputError(f"{what}: the broker refuses ({name})", hint=hint) from None
        raise AwayError(f"{what}: {name}") from None
    except (OSError, TimeoutError) as error:
        raise AwayError(f"{what}: {error}") from None


def _made(sort: str, **settings: Any) -> Any:
    with located("cannot connect to Kafka"):
        maker = getattr(kafka() if sort != "KafkaAdminClient" else kafka().admin, sort)
        known = maker.DEFAULT_CONFIG
        try:
            return maker(**{name: value for name, value in settings.items() if name in known})
        except (ValueError, AssertionError) as error:
            raise InputError(f"the Kafka client does not take these settings: {error}") from None
