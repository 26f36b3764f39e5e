"""Matches that only the worker can settle: what it is asked, and the alert that waits for its answer.

Rules of this file
    - A match that is only possible, and of which the worker's findings say nothing, waits here until the worker has
      answered or the time is up: confirmed it is an alert, dismissed it is none, unanswered it is one that says so.
    - What waits is on the disk: a monitor that is killed asks again.

Complexity: O(1) a match, O(what waits) to load.
Source: issue "policies and questions", item 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, cast, get_args

import msgspec

from grammar import CodecError, InputError
from grammar.control import Question, Reply, read, write
from grammar.finding import Verdict
from monitor.alerts import Alert
from monitor.lifecycle_values import Terms
from monitor.store import Store

MAX_WAITING: Final = 1_000
MAX_OF_WORKER: Final = 200
"""Of those, so many of one worker: nobody fills the table with matches of its own."""
MAX_TRIES: Final = 3
AT_ONCE: Final = 2
"""Questions to one worker at a time: one that is away holds up nobody else's."""
_TABLE: Final = "CREATE TABLE IF NOT EXISTS unsettled (id BLOB PRIMARY KEY, alert BLOB, question BLOB, terms TEXT)"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert, if the worker that it names says so."""

    alert: Alert
    question: Question
    terms: Terms


class Pending:
    """All that waits, by the question's id; `asked` says how often the worker was asked (since the start)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.waiting: dict[bytes, Waiting] = {}
        self.asked: dict[bytes, int] = {}
        self._of: Counter[str] = Counter()
        if not store.rows("SELECT 1 FROM sqlite_master WHERE name = 'unsettled'"):
            return
        for _, alert, question, terms in store.rows("SELECT id, alert, question, terms FROM unsettled ORDER BY rowid"):
            try:
                found = Waiting(Alert.decode(_bytes(alert)), read(_bytes(question), Question), _terms(str(terms)))
            except CodecError as error:
                raise InputError("damaged state", file=str(store.path), offending=str(error)) from None
            self.waiting[found.question.id] = found
            self._of[found.alert.worker] += 1

    def add(self, one: Waiting) -> bool:
        """Inside a transaction; False if there is no room for it."""
        question, worker = one.question, one.alert.worker
        if question.id not in self.waiting:
            if len(self.waiting) >= MAX_WAITING or self._of[worker] >= MAX_OF_WORKER:
                return False
            self._of[worker] += 1
            self._store.write(_TABLE)
            self._store.write(
                "INSERT OR REPLACE INTO unsettled VALUES (?, ?, ?, ?)",
                question.id,
                one.alert.encode(),
                write(question),
                msgspec.json.encode(one.terms).decode(),
            )
        self.waiting[question.id] = one
        return True

    def take(self, ident: bytes) -> Waiting | None:
        """Inside a transaction: it waits no longer."""
        found = self.waiting.pop(ident, None)
        self.asked.pop(ident, None)
        if found is not None:
            self._of[found.alert.worker] -= 1
            self._store.write("DELETE FROM unsettled WHERE id = ?", ident)
        return found

    def unasked(self, most: int, open_: AbstractSet[bytes] = frozenset()) -> list[Waiting]:
        """What nobody has been asked about yet, or not often enough; it counts as asked from now on.

        `open_` are questions that are out; of one worker's at most `AT_ONCE` are.
        """
        out = Counter(self.waiting[ident].alert.worker for ident in open_ if ident in self.waiting)
        found: list[Waiting] = []
        for ident, one in self.waiting.items():
            if len(found) >= most:
                break
            worker = one.alert.worker
            if ident not in open_ and out[worker] < AT_ONCE and self.asked.get(ident, 0) < MAX_TRIES:
                out[worker] += 1
                found.append(one)
        for one in found:
            self.asked[one.question.id] = self.asked.get(one.question.id, 0) + 1
        return found

    def unasked_after_all(self, ident: bytes) -> None:
        """The question did not get out: that was no try."""
        if self.asked.get(ident, 0):
            self.asked[ident] -= 1

    def tired(self, ident: bytes) -> bool:
        """Whether the worker has been asked often enough."""
        return self.asked.get(ident, 0) >= MAX_TRIES


def ident_of(alert: Alert, ends: tuple[str, ...]) -> bytes:
    """The id of the question about a match: the same match is asked about once."""
    parts = (alert.policy, alert.app, alert.worker, alert.container, *ends)
    return blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).digest()


def verdict(reply: Reply) -> Verdict | None:
    """What a worker's reply says of the match; None if that is no word that we know."""
    return cast(Verdict, reply.verdict) if reply.verdict in get_args(Verdict) else None


def _terms(text: str) -> Terms:
    try:
        return msgspec.json.decode(text, type=Terms)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f"not the terms of an alert: {error}", offending=text[:40]) from None


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
