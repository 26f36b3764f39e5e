"""What lies where in Kafka: topics with their settings, keys, partitions, and the frame around every record.

Rules of this file
    - Pure: names and numbers. An application belongs to one partition, by a hash of ours (not the client's), so
      that every writer and reader agrees on it; one partition has one owner, who merges its applications.
    - Whoever can write to a topic can write anything: a record counts only if it is sealed by the one whose word it is,
      for that topic and key (`about`), and compacted records carry a version: an older one repeated is no news.
    - Topics are kept uncompressed by the broker, which thereby unpacks what it takes and refuses a bomb: a reader never
      decompresses what it has not verified. Times are the broker's: retention does not go by the clocks of agents.

Complexity: O(length of the key).
Source: design section 6; Kafka's topic settings (kafka.apache.org/documentation, topicconfigs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Final, Literal

import msgspec

from grammar.control import Question, read
from grammar.errors import CodecError
from grammar.finding import Number, Short
from grammar.signing import MAX_SEALED, OVERHEAD, Signer, Sort, key_id, unseal

MAX_RECORD: Final = MAX_SEALED + 65_536
"""Bytes of one record with its key and frame: any message of ours."""
FETCH: Final = 4 << 20
"""Bytes that a reader asks for at once (one larger record comes all the same)."""
MAX_KEY: Final = 4_096
DAY: Final = 86_400_000
PREFIX: Final = "winnower"
CLIENT: Final = frozenset(
    (
        "security_protocol",
        "ssl_cafile",
        "ssl_certfile",
        "ssl_keyfile",
        "ssl_password",
        "ssl_check_hostname",
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
    )
)
"""Settings of the connection that a user may give; they go to the client as they are."""

Kind = Literal["deltas", "heartbeats", "words", "models", "roster", "control", "replies", "alerts"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it has to be."""

    name: str
    partitions: int
    settings: Mapping[str, str]

    @property
    def compacted(self) -> bool:
        """Whether the last record of each key is kept for good."""
        return self.settings["cleanup.policy"] == "compact"


@dataclass(frozen=True, slots=True)
class Layout:
    """All topics of a cluster: every agent and every monitor must be given the same.

    >>> Layout(partitions=4).deltas, Layout().topic("words").compacted
    ('winnower.deltas', True)
    """

    prefix: str = PREFIX
    partitions: int = 8
    replication: int = 1
    min_insync: int = 1
    deltas_millis: int = 30 * DAY
    """How long a delta is kept: longer than all monitors may be away together."""

    @property
    def deltas(self) -> str:
        """Envelopes with an application's deltas, by application."""
        return self.name("deltas")

    def name(self, kind: Kind) -> str:
        """The name of a topic."""
        return f"{self.prefix}.{kind}"

    def topic(self, kind: Kind) -> Topic:
        """A topic; what belongs to applications has as many partitions as deltas, the rest one."""
        by_app = kind in {"deltas", "words", "models"}
        return Topic(self.name(kind), self.partitions if by_app else 1, self._settings(kind))

    def topics(self) -> tuple[Topic, ...]:
        """All of them."""
        return tuple(self.topic(kind) for kind in _KEPT)

    def partition(self, app: str) -> int:
        """Where an application's deltas, words and model are."""
        return int.from_bytes(blake2b(app.encode("utf-8", "surrogateescape"), digest_size=8).digest()) % self.partitions

    def _settings(self, kind: Kind) -> dict[str, str]:
        settings = {
            "compression.type": "uncompressed",
            "max.message.bytes": str(MAX_RECORD),
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(self.min_insync),
            "unclean.leader.election.enable": "false",
        }
        kept = _KEPT[kind]
        if kept:
            millis = self.deltas_millis if kind == "deltas" else kept
            return settings | {"cleanup.policy": "delete", "retention.ms": str(millis), "retention.bytes": "-1"}
        return settings | {"cleanup.policy": "compact", "segment.bytes": str(64 << 20)}


_KEPT: Final[Mapping[Kind, int]] = {
    "deltas": 30 * DAY,
    "heartbeats": 7 * DAY,
    "words": 0,
    "models": 0,
    "roster": 0,
    "control": 0,
    "replies": DAY // 24,
    "alerts": 0,
}
"""Milliseconds for which the records of a topic are kept; 0: the last one of each key, for good."""


class Stamped(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The body of a record in a compacted topic; of two with one key the higher version counts, then the later."""

    version: Number
    data: bytes


_SORTS: Final[Mapping[Kind, Sort]] = {"words": "words", "models": "model"}


class Member(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One agent on the roster; its revision grows with every enrolment and revocation."""

    agent: Short
    public: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    revoked: bool = False


class Asked(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A question to all agents; who reads it after `until` (milliseconds, the monitor's clock) leaves it."""

    question: Question
    until: Number


class Notice(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What became of an envelope that was not taken, since a broker's acknowledgement cannot say it."""

    agent: Short
    session: bytes
    lane: Short
    sequence: Number
    status: Literal["base", "conflict", "refused"]


def key(*parts: str) -> bytes:
    """A record's key; a part may hold any text.

    >>> key("web/a", "words", "3"), parts_of(b"web%2Fa/words/3")
    (b'web%2Fa/words/3', ('web/a', 'words', '3'))
    """
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts).encode("utf-8", "surrogateescape")


def parts_of(data: bytes) -> tuple[str, ...]:
    """What a key was made of."""
    if len(data) > MAX_KEY:
        raise CodecError("key too long", offending=data[:16].hex(), hint=f"limit {MAX_KEY} bytes")
    parts = data.decode("utf-8", "surrogateescape").split("/")
    return tuple(part.replace("%2F", "/").replace("%25", "%") for part in parts)


def seal_record(signer: Signer, kind: Kind, topic: str, name: bytes, record: Stamped) -> bytes:
    """A record of a compacted topic, sealed for its place: in another place it is a forgery."""
    return signer.seal(_SORTS.get(kind, "control"), msgspec.msgpack.encode(record), _about(topic, name))


def open_record(public: bytes, kind: Kind, topic: str, name: bytes, sealed: bytes) -> Stamped:
    """What `seal_record` made with the private key of `public`; anything else is a `CodecError`."""
    mine = key_id(public)
    sort = _SORTS.get(kind, "control")
    unseal(sort, sealed, lambda one: public if one == mine else None, _about(topic, name))
    return read_record(sealed)


def read_record(sealed: bytes) -> Stamped:
    """What is inside of a record that has been verified before."""
    return read(sealed[OVERHEAD:], Stamped)


def _about(topic: str, name: bytes) -> bytes:
    return topic.encode() + b"\0" + name


def client_settings(given: Mapping[str, str | int | bool]) -> dict[str, str | int | bool]:
    """What a user says about the connection; unknown settings are an `InputError`, all named."""
    unknown = sorted(set(given) - CLIENT)
    if unknown:
        hint = f"known: {', '.join(sorted(CLIENT))}"
        raise CodecError("unknown setting of the Kafka client", offending=", ".join(unknown), hint=hint)
    return dict(given)
