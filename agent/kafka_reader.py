"""What an agent reads from Kafka: words of its applications, control, questions, and what became of its envelopes.

Rules of this file
    - The listener's thread alone touches the client (`poll`); what it has read is asked for from any thread. There is
      no group and no committed position: what matters is compacted, and read from the start.
    - A record counts if the monitors' key has sealed it for its place; anything else is counted and has no effect.
    - Words are read of the applications that were asked for only, and only by the partitions that hold them. An
      application whose partition is not read to its end yet is not answered for: its deltas are sent in full.

Complexity: O(words of the partitions that hold the agent's applications), once.
Source: design section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Condition
from time import monotonic
from typing import Any, Final, Protocol

from grammar import CodecError, InputError, Lexicon, Revision, apply_extension, encode_extension
from grammar.control import Control, Orders, Question, read
from grammar.topics import Asked, Kind, Layout, Notice, Stamped, open_record, parts_of

MAX_QUESTIONS: Final = 1_024
FIRST: Final = 2.0
"""Seconds that a sender waits for the words of an application that it asks for the first time."""


class Record(Protocol):
    """What came out of a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Reader:
    """What has been read so far; `public` is the monitors' key, `clock` gives milliseconds."""

    agent: str
    layout: Layout
    public: bytes
    clock: Callable[[], int]
    concerns: Callable[[str], bool] = lambda app: True
    """Whether this worker may hold something of an application: all are asked, of all applications."""
    forged: int = 0
    control: Control = field(default_factory=Control)
    lexicons: dict[str, Lexicon] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    _wanted: dict[str, bool] = field(default_factory=dict)
    _questions: dict[bytes, Asked] = field(default_factory=dict)
    _answered: dict[bytes, None] = field(default_factory=dict)
    _changed: Condition = field(default_factory=Condition)
    _positions: dict[Any, int] = field(default_factory=dict)
    _assigned: dict[Any, int | None] = field(default_factory=dict)

    def words(self, asked: Mapping[str, Revision], wait: float = FIRST) -> dict[str, bytes]:
        """What each application's lexicon lacks, as far as that is known."""
        until = monotonic() + wait
        with self._changed:
            first = [app for app in asked if app not in self._wanted]
            self._wanted.update(dict.fromkeys(first, False))
            while first and not all(self._wanted[app] for app in asked) and monotonic() < until:
                self._changed.wait(max(0.0, until - monotonic()))
            found = {}
            for app, revision in asked.items():
                lexicon = self.lexicons.get(app)
                if lexicon is not None and self._wanted[app]:
                    extension = encode_extension(lexicon, revision if lexicon.find(revision) else Revision())
                    if extension:
                        found[app] = extension
            return found

    def orders(self, revision: int) -> Orders:
        """Newer control and open questions, each question once."""
        with self._changed:
            now = self.clock()
            open_ = {ident: one for ident, one in self._questions.items() if one.until > now}
            fresh: list[Question] = [one.question for ident, one in open_.items() if ident not in self._answered]
            mine = tuple(one for one in fresh if self.concerns(one.app))
            self._questions = open_
            self._answered = {ident: None for ident in self._answered if ident in open_}
            self._answered.update((one.id, None) for one in fresh)
            return Orders(self.control if self.control.revision > revision else None, mine)

    def verdict(self, lane: str, session: bytes) -> Notice | None:
        """What the monitor says of this lane; that the words were unknown is told once."""
        with self._changed:
            notice = self.notices.get(lane)
            if notice is None or notice.session != session:
                return None
            if notice.status == "base":
                del self.notices[lane]
                self.lexicons.pop(lane, None)
            return notice

    def poll(self, consumer: Any, spot: Callable[[str, int], Any], millis: int) -> bool:
        """One look at the topics; whether anything came that is an order. The listener's thread only."""
        self._assign(consumer, spot)
        found = consumer.poll(millis, max_records=1_000)
        ordered = False
        with self._changed:
            for records in found.values():
                for record in records:
                    ordered |= self._take(record)
            self._caught_up(consumer)
            self._changed.notify_all()
        return ordered

    def start_over(self) -> None:
        """The client is made anew: it goes on where the one before was."""
        with self._changed:
            self._assigned = {}

    def wants(self) -> bool:
        """Whether an application was asked for whose partition is not read: a client that waits would wait too long."""
        with self._changed:
            read = {one.partition for one in self._assigned if one.topic == self._words}
            return bool(self._assigned) and not {self.layout.partition(app) for app in self._wanted} <= read

    def _assign(self, consumer: Any, spot: Callable[[str, int], Any]) -> None:
        if self._assigned:
            return
        with self._changed:
            partitions = {self.layout.partition(app) for app in self._wanted}
        wanted = sorted({spot(self.layout.name("control"), 0), *(spot(self._words, p) for p in partitions)})
        consumer.assign(wanted)
        for one in wanted:
            consumer.seek(one, self._positions.get(one, 0))
        self._assigned = dict(consumer.end_offsets(wanted))

    def _caught_up(self, consumer: Any) -> None:
        """How far everything is read, and which partitions to where they ended when they were assigned."""
        self._positions.update((one, consumer.position(one)) for one in self._assigned)
        for one, end in self._assigned.items():
            if end is not None and self._positions[one] >= end:
                self._assigned[one] = None
        done = {one.partition for one, end in self._assigned.items() if end is None and one.topic == self._words}
        for app, known in self._wanted.items():
            if not known and self.layout.partition(app) in done:
                self._wanted[app] = True
                self.lexicons.setdefault(app, Lexicon())

    @property
    def _words(self) -> str:
        return self.layout.name("words")

    def _take(self, record: Record) -> bool:
        kind: Kind = "words" if record.topic == self._words else "control"
        try:
            parts = parts_of(record.key or b"")
            if record.value is None:
                return self._deleted(kind, parts)
            if kind == "words" and parts[0] not in self._wanted:
                return False
            stamped = open_record(self.public, kind, record.topic, record.key or b"", record.value)
            if kind == "words":
                apply_extension(self.lexicons.setdefault(parts[0], Lexicon()), stamped.data)
                return False
            return self._order(parts, stamped)
        except InputError:
            self.forged += 1
            return False

    def _deleted(self, kind: Kind, parts: tuple[str, ...]) -> bool:
        """Only a question and a notice can be taken back."""
        if kind != "control" or parts[0] not in {"question", "notice"}:
            self.forged += 1
        elif parts[0] == "question" and len(parts) == 2:
            try:
                self._questions.pop(bytes.fromhex(parts[1]), None)
            except ValueError:
                self.forged += 1
        return False

    def _order(self, parts: tuple[str, ...], stamped: Stamped) -> bool:
        if parts == ("control",):
            control = read(stamped.data, Control)
            newer = control.revision > self.control.revision
            self.control = control if newer else self.control
            return newer
        if parts[0] == "question":
            asked = read(stamped.data, Asked)
            if len(self._questions) < MAX_QUESTIONS and asked.until > self.clock():
                self._questions[asked.question.id] = asked
            return True
        if parts[0] == "notice":
            notice = read(stamped.data, Notice)
            if notice.agent == self.agent and parts == ("notice", notice.agent, notice.lane):
                self.notices[notice.lane] = notice
            return False
        raise CodecError("an order of an unknown sort", offending=parts[0])
