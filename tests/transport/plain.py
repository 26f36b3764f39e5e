"""A core that keeps what it takes in a dict: what the Kafka parts do is visible without a model.

Rules of this file
    - An envelope is known by its digest; the state of a lane is, by agent, the digests in the order in which they came.
      Taking one twice is a repeat; `applied` counts how often each was applied.
    - A "word" of a lane is its n-th distinct agent: enough to see that words are numbered alike everywhere.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from threading import RLock
from typing import Any

import msgspec

from grammar.control import Control, Reply, Status, read
from grammar.envelope import Envelope, decode_envelope
from grammar.errors import CodecError, InputError
from grammar.signing import Signer, key_id, unseal
from grammar.topics import Member
from monitor.kafka_core import Adopted, Arrival, Part

MONITOR = Signer(b"m" * 32)


class PlainCore:
    """Its `disk` is what survives a crash."""

    def __init__(self, disk: dict[str, Any] | None = None) -> None:
        self.disk: dict[str, Any] = disk if disk is not None else {"lanes": {}, "words": {}, "positions": {}}
        self.keys: dict[bytes, bytes] = {}
        self.members: dict[str, tuple[int, Member]] = {}
        self.counted: Counter[str] = Counter()
        self.applied: Counter[bytes] = Counter()
        self.control = Control()
        self.alerts: set[bytes] = set()
        self.replies: list[Reply] = []
        self.known_words = lambda lane: True
        self._changed: set[tuple[str, str]] = set()
        self._lock = RLock()

    def crash(self) -> PlainCore:
        """What is there after a crash: the disk."""
        with self._lock:
            other = PlainCore(copy.deepcopy(self.disk))
            other.keys, other.members = dict(self.keys), dict(self.members)
            return other

    def take(self, batch: Sequence[Arrival], positions: Mapping[str, int]) -> list[Status]:
        with self._lock:
            statuses = [self._one(arrival) for arrival in batch]
            self.disk["positions"].update(positions)
            return statuses

    def _one(self, arrival: Arrival) -> Status:
        try:
            opened = unseal("envelope", arrival.sealed, self.keys.get)
            envelope = decode_envelope(opened.body)
        except CodecError:
            self.counted["forged"] += 1
            return "refused"
        public = self.members[envelope.agent][1].public if envelope.agent in self.members else b""
        if envelope.lane != arrival.lane or key_id(public) != opened.key_id:
            self.counted["forged"] += 1
            return "refused"
        if arrival.lane and not self.known_words(arrival.lane):
            return "base"
        return self._apply(envelope)

    def _apply(self, envelope: Envelope) -> Status:
        seen = self.disk["lanes"].setdefault(envelope.lane, {}).setdefault(envelope.agent, [])
        if envelope.digest in seen:
            return "repeat"
        if envelope.before and seen and envelope.before != seen[-1]:
            self.counted["conflict"] += 1
            return "conflict"
        words = self.disk["words"].setdefault(envelope.lane, [])
        if envelope.agent not in words:
            words.append(envelope.agent)
        seen.append(envelope.digest)
        self.applied[envelope.digest] += 1
        self._changed.add((envelope.lane, envelope.agent))
        return "new"

    def strangers(self, batch: Sequence[Arrival]) -> set[bytes]:
        return set()

    def count(self, cause: str, number: int) -> None:
        with self._lock:
            self.counted[cause] += number

    def positions(self) -> dict[str, int]:
        with self._lock:
            return dict(self.disk["positions"])

    def note(self, positions: Mapping[str, int]) -> None:
        with self._lock:
            self.disk["positions"].update(positions)

    def lanes(self) -> set[str]:
        with self._lock:
            return set(self.disk["lanes"])

    def changed(self) -> set[tuple[str, str]]:
        with self._lock:
            changed, self._changed = self._changed, set()
            return changed

    def export(self, lane: str, workers: Sequence[str] | None, words_from: int) -> dict[Part, bytes]:
        with self._lock:
            held = self.disk["lanes"].get(lane, {})
            words = self.disk["words"].get(lane, [])
            some = sorted(held) if workers is None else [one for one in workers if one in held]
            found: dict[Part, bytes] = {("part", one): msgspec.msgpack.encode(held[one]) for one in some}
            if lane:
                found |= {("words", f"{n:08d}"): words[n].encode() for n in range(words_from, len(words))}
            return found

    def adopt(self, lane: str, parts: Mapping[Part, bytes], *, whole: bool) -> Adopted:
        with self._lock:
            words = [] if whole else self.disk["words"].get(lane, [])
            for part in sorted(part for part in parts if part[0] == "words"):
                number, word = int(part[1]), parts[part].decode()
                if number < len(words) and words[number] != word:
                    return "forked"
                if number > len(words):
                    return "early"
                if number == len(words):
                    words.append(word)
            told = {part[1]: msgspec.msgpack.decode(data) for part, data in parts.items() if part[0] == "part"}
            if lane and not set(told) <= set(words):
                return "early"
            self.disk["words"][lane] = words
            held = {} if whole else self.disk["lanes"].get(lane, {})
            for worker, seen in told.items():
                held[worker] = seen if len(seen) >= len(held.get(worker, [])) else held[worker]
            self.disk["lanes"][lane] = held
            return "taken"

    def member(self, revision: int, member: Member) -> None:
        with self._lock:
            if revision <= self.members.get(member.agent, (0, member))[0]:
                return
            self.members[member.agent] = (revision, member)
            self.keys[key_id(member.public)] = member.public

    def orders(self, control: Control) -> None:
        with self._lock:
            self.control = control if control.revision > self.control.revision else self.control

    def alert(self, data: bytes) -> None:
        with self._lock:
            self.alerts.add(data)

    def replied(self, sealed: bytes) -> None:
        try:
            self.replies.append(read(unseal("reply", sealed, self.keys.get).body, Reply))
        except InputError:
            self.counted["forged"] += 1

    def seen(self, lane: str) -> dict[str, list[bytes]]:
        """What has been applied in a lane, by agent."""
        with self._lock:
            return copy.deepcopy(self.disk["lanes"].get(lane, {}))


class PlainAgent:
    """An agent that makes chained envelopes by lane."""

    def __init__(self, name: str) -> None:
        self.name, self.signer = name, Signer(name.encode().ljust(32, b"."))
        self.next: dict[str, int] = {}
        self.before: dict[str, bytes] = {}
        self.sent: dict[str, list[bytes]] = {}

    @property
    def member(self) -> Member:
        return Member(self.name, self.signer.public)

    def envelope(self, lane: str, size: int = 40) -> bytes:
        number = self.next.get(lane, 0)
        deltas = ((lane, bytes([number % 251]) * size),) if lane else ()
        one = Envelope(
            self.name, b"s", number, 1000 * number, 1000, 1, {}, deltas, (), self.before.get(lane, b""), lane=lane
        )
        self.next[lane], self.before[lane] = number + 1, one.digest
        self.sent.setdefault(lane, []).append(one.digest)
        return self.signer.seal("envelope", one.encode())
