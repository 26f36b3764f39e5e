"""The agent's memory on disk: epochs that wait to be sent, what is on its way, and how far the log has been read.

Rules of this file
    - One SQLite file, `agent.sqlite`, 0600 in a 0700 folder; every call is one transaction that is on disk when it
      returns (WAL, synchronous=FULL). Besides the snapshot, this is all that an agent needs to go on after kill -9.
    - A cut is one transaction: the epoch's entries, the position of the log behind it, and a row of the *journal*. A
      restarted agent restores its snapshot and reads the log again along the journal: same bytes, same cuts, same
      state.
    - Signed bytes are kept (`fly`) before they are sent: they are sent again until they are acknowledged, never others
      under their number. Acknowledging deletes and moves the head of the lane's chain in one transaction.
    - Beyond its budget heartbeats are merged, then epochs united; only then are the oldest deltas dropped, counted.
      Without room on the disk cuts wait in memory (`MAX_WAITING`, then united): the loop never stops. A reserve lets
      sending go on meanwhile, which makes room.
    - A damaged file is set aside, counted, and a new one begun where the log stands; its chain is new too.

Invariant: an entry is on disk, waits in memory, or has been acknowledged; never two of these, never none.
Complexity: O(bytes) a call; uniting is rationed (`MAX_UNITED` a cut).
Source: design section 4 (publish), section 3 promise 5; SQLite documentation (WAL, result codes).
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from agent.entry import MAX_PLAIN, Entry, unite
from agent.ledger_file import FILE, LedgerFile, NoRoomError
from grammar import CodecError, InputError

MAX_WAITING: Final = 8 << 20
MAX_UNITED: Final = 2 << 20
"""Bytes of deltas that one cut may unite."""
MAX_ROWS: Final = 100_000

_log = logging.getLogger("agent.ledger")


class Flight(NamedTuple):
    """One lane's envelope of an entry: signed and kept; `done` once it is acknowledged."""

    sequence: int
    sealed: bytes
    done: bool


class Held(NamedTuple):
    """The oldest entry that is not acknowledged, and what of it is on its way, by lane."""

    number: int
    entry: Entry
    flights: dict[str, Flight]


class Head(NamedTuple):
    """Where a lane's chain stands: the number of the next envelope, and the digest that it names as `before`."""

    sequence: int
    before: bytes


class Row(NamedTuple):
    """One row of the journal: at `position` of the log something happened (`cut`, `control`, `reset`)."""

    kind: str
    position: bytes
    payload: bytes


class Recovery(NamedTuple):
    """How to go on after a restart: a snapshot's file, its position, then the journal; without a file, from nothing."""

    snapshot: str
    position: bytes
    rows: tuple[Row, ...]


class Depth(NamedTuple):
    """What waits: on disk and in memory; `oldest` is the log time of the first, 0 if there is none."""

    entries: int
    bytes: int
    waiting: int
    oldest: int


@dataclass(slots=True)
class Ledger:
    """One agent's ledger. `fresh` gives a new session's name; every method may be called from any thread.

    `counts` says what has gone wrong since the start: `set_aside`, `no_room`, `united`, `dropped`.
    """

    folder: Path
    budget: int
    fresh: Callable[[], bytes]
    keep_sent: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    file: LedgerFile = field(init=False)
    _waiting: list[Entry] = field(default_factory=list)
    _rows: list[Row] = field(default_factory=list)
    _told_damaged: int = 0

    def __post_init__(self) -> None:
        self.file = LedgerFile(self.folder, self.fresh, self.counts)
        try:
            self.file.open()
        except NoRoomError as error:
            raise InputError(f"the ledger cannot be opened: {error}", file=str(self.folder / FILE)) from None

    @property
    def _db(self) -> sqlite3.Connection | None:
        """The connection, for tests that look behind."""
        return self.file.db

    @property
    def session(self) -> bytes:
        """The name of this agent's chain of envelopes: it outlives restarts."""
        with self.file.transaction() as db:
            return bytes(db.execute("SELECT session FROM about").fetchone()[0])

    def cut(self, entries: Sequence[Entry], position: bytes, kind: str = "cut", payload: bytes = b"") -> bool:
        """An epoch has ended at `position` (or something else that the journal has to know); whether it is on disk.

        If not, it waits in memory, is counted (`no_room`), and goes to disk with a later call.
        """
        with self.file.lock:
            self._waiting += entries
            self._rows.append(Row(kind, position, payload))
            self.file.position = self._rows[0].position
            try:
                self.file.regain()
                with self.file.transaction() as db:
                    self._write(db)
                    self._shrink(db)
                self._safe()
            except NoRoomError as error:
                self.counts["no_room"] += 1
                _log.error("no room for the ledger", extra={"reason": str(error), "waiting": len(self._waiting)})
                self._hold()
            return not self._waiting

    def snapshot_taken(self, name: str, position: bytes) -> bool:
        """The state at `position`, where the log stands now, is safe in the file `name`: the journal begins anew.

        Whether this is on disk: until then the snapshot before it counts.
        """
        with self.file.lock:
            self.file.position = position
            try:
                self.file.regain()
                with self.file.transaction() as db:
                    self._write(db)
                    db.execute("DELETE FROM journal")
                    db.execute("UPDATE about SET snapshot = ?, position = ?", (name, position))
                self._safe()
                self.file.give_back()
            except NoRoomError:
                self.counts["no_room"] += 1
                return False
        return True

    def recovery(self) -> Recovery:
        """Where a restarted agent goes on."""
        with self.file.transaction() as db:
            name, position = db.execute("SELECT snapshot, position FROM about").fetchone()
            rows = tuple(Row(*row) for row in db.execute("SELECT kind, position, payload FROM journal ORDER BY number"))
        return Recovery(name, position, rows)

    def upcoming(self) -> Held | None:
        """The oldest entry; None if there is none on disk."""
        with self.file.transaction() as db:
            while (
                row := db.execute("SELECT number, body FROM entries ORDER BY number LIMIT 1").fetchone()
            ) is not None:
                rows = db.execute("SELECT lane, sequence, sealed, done FROM flights WHERE entry = ?", row[:1])
                flights = {lane: Flight(sequence, sealed, bool(done)) for lane, sequence, sealed, done in rows}
                try:
                    return Held(row[0], Entry.unpack(row[1]), flights)
                except CodecError as error:
                    _log.error("an entry of the spool is damaged", extra={"reason": str(error)})
                    _put(db, row[0], Entry(0, 0, lost={"spool_damaged": 1}))
        return None

    def head(self, lane: str) -> Head:
        """The next number of a lane."""
        with self.file.transaction() as db:
            row = db.execute("SELECT sequence, digest FROM heads WHERE lane = ?", (lane,)).fetchone()
        return Head(*row) if row else Head(0, b"")

    def fly(self, number: int, lane: str, sequence: int, sealed: bytes) -> None:
        """Keep what is about to be sent of an entry; if something is kept already, this is instead of it."""
        with self.file.transaction() as db:
            db.execute("INSERT OR REPLACE INTO flights VALUES (?, ?, ?, 0, ?)", (number, lane, sequence, sealed))
            if self.keep_sent:
                row = (lane, sequence, sealed)
                db.execute("INSERT OR REPLACE INTO sent SELECT session, ?, ?, ? FROM about", row)

    def acknowledge(self, number: int, lane: str, digest: bytes, last: bool) -> None:
        """The lane's envelope of an entry has arrived; `last`: that was all of the entry."""
        with self.file.transaction() as db:
            row = db.execute("SELECT sequence FROM flights WHERE entry = ? AND lane = ?", (number, lane)).fetchone()
            if row is None:
                return
            db.execute("INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", (lane, row[0] + 1, digest))
            if last:
                db.execute("DELETE FROM flights WHERE entry = ?", (number,))
                db.execute("DELETE FROM entries WHERE number = ?", (number,))
            else:
                db.execute("UPDATE flights SET done = 1, sealed = x'' WHERE entry = ? AND lane = ?", (number, lane))

    def strip(self, number: int, cause: str) -> None:
        """What an entry tells of behaviour is given up and counted; its counts go on under the same number."""
        with self.file.transaction() as db:
            _put(db, number, _get(db, number).without_deltas(cause))
            db.execute("DELETE FROM flights WHERE entry = ? AND NOT done", (number,))

    def belongs_to(self, owner: bytes) -> None:
        """The key that signs what is here; another one than before (enrolled again) begins new chains."""
        with self.file.transaction() as db:
            before = bytes(db.execute("SELECT owner FROM about").fetchone()[0])
            db.execute("UPDATE about SET owner = ?", (owner,))
        if before not in (b"", owner):
            self.begin_session()

    def begin_session(self) -> None:
        """Start new chains; what was on its way is signed anew."""
        with self.file.transaction() as db:
            db.execute("UPDATE about SET session = ?", (self.fresh(),))
            db.execute("DELETE FROM heads")
            db.execute("DELETE FROM flights WHERE NOT done")

    def sent(self) -> list[tuple[bytes, str, int, bytes]]:
        """Every envelope as it was sent last (session, lane, sequence, sealed); only with `keep_sent`."""
        with self.file.transaction() as db:
            return db.execute("SELECT session, lane, sequence, sealed FROM sent ORDER BY 1, 2, 3").fetchall()

    @property
    def depth(self) -> Depth:
        """How much waits."""
        with self.file.lock:
            waiting = len(self._waiting)
            try:
                with self.file.transaction() as db:
                    entries, size = db.execute("SELECT entries, bytes FROM totals").fetchone()
                    row = db.execute("SELECT start FROM entries ORDER BY number LIMIT 1").fetchone()
            except NoRoomError:
                return Depth(0, 0, waiting, 0)
        return Depth(entries, size, waiting, row[0] if row else 0)

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()

    def _write(self, db: sqlite3.Connection) -> None:
        """All that waits in memory; the first says so if the file before this one was damaged."""
        damaged = self.counts["set_aside"] - self._told_damaged
        if damaged and self._waiting:
            self._waiting[0] = self._waiting[0].with_loss("spool_damaged", damaged)
            self._told_damaged += damaged
        for entry in self._waiting:
            body = entry.pack()
            row = (len(body), bool(entry.deltas), entry.start, body)
            db.execute("INSERT INTO entries (size, news, start, body) VALUES (?, ?, ?, ?)", row)
        db.executemany("INSERT INTO journal (kind, position, payload) VALUES (?, ?, ?)", self._rows)

    def _safe(self) -> None:
        self._waiting.clear()
        self._rows.clear()

    def _hold(self) -> None:
        """Keep what waits in memory within bounds: unite, and drop deltas only where that is not enough."""
        while len(self._waiting) > 1 and sum(one.size + 200 for one in self._waiting) > MAX_WAITING:
            first, second, *rest = self._waiting
            if first.size + second.size > MAX_PLAIN:
                first = first.without_deltas("spool_dropped")
                self.counts["dropped"] += 1
            self._waiting = [self._united(first, second), *rest]
        if len(self._rows) > MAX_ROWS:
            self._rows = [Row("reset", self._rows[-1].position, b"")]

    def _united(self, first: Entry, second: Entry) -> Entry:
        self.counts["united"] += 1
        try:
            return unite(first, second)
        except CodecError as error:
            _log.error("entries of the spool cannot be united", extra={"reason": str(error)})
            return unite(first.without_deltas("spool_damaged"), second.without_deltas("spool_damaged"))

    def _shrink(self, db: sqlite3.Connection) -> None:
        """Keep the spool within its budget; what is on its way is left alone."""
        if _bytes(db) <= self.budget:
            return
        goal = self.budget - self.budget // 8
        free = db.execute(
            "SELECT number, size, news FROM entries WHERE number NOT IN (SELECT entry FROM flights) ORDER BY number"
        ).fetchall()
        for news, group in groupby(free, key=lambda row: bool(row[2])):
            numbers = [row[0] for row in group]
            if not news and len(numbers) > 1:
                self._merge(db, numbers)
        left = {row[0]: row[1] for row in free if _there(db, row[0])}
        self._unite_oldest(db, left, goal)
        for number in left:
            if _bytes(db) <= self.budget:
                return
            entry = _get(db, number)
            if entry.deltas:
                self.counts["dropped"] += 1
                _put(db, number, entry.without_deltas("spool_dropped"))

    def _unite_oldest(self, db: sqlite3.Connection, left: dict[int, int], goal: int) -> None:
        """Unite neighbours from the oldest on, until the goal or the ration is reached; `left` shrinks with it."""
        kept = united = 0
        for number in list(left):
            if _bytes(db) <= goal or united > MAX_UNITED:
                return
            size = _get(db, kept).size + _get(db, number).size if kept else MAX_PLAIN
            if size <= MAX_PLAIN // 4:
                self._merge(db, [kept, number])
                united += size
                del left[number]
            else:
                kept = number

    def _merge(self, db: sqlite3.Connection, numbers: Sequence[int]) -> None:
        """Make one entry of several, in the place of the first."""
        found = _get(db, numbers[0])
        for number in numbers[1:]:
            found = self._united(found, _get(db, number))
            db.execute("DELETE FROM entries WHERE number = ?", (number,))
        _put(db, numbers[0], found)


def _bytes(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT bytes FROM totals").fetchone()[0])


def _there(db: sqlite3.Connection, number: int) -> bool:
    return db.execute("SELECT 1 FROM entries WHERE number = ?", (number,)).fetchone() is not None


def _get(db: sqlite3.Connection, number: int) -> Entry:
    """An entry; one that cannot be read any more is a loss, and counts as such."""
    try:
        return Entry.unpack(db.execute("SELECT body FROM entries WHERE number = ?", (number,)).fetchone()[0])
    except CodecError as error:
        _log.error("an entry of the spool is damaged", extra={"reason": str(error)})
        return Entry(0, 0, lost={"spool_damaged": 1})


def _put(db: sqlite3.Connection, number: int, entry: Entry) -> None:
    body = entry.pack()
    row = (len(body), bool(entry.deltas), entry.start, body, number)
    db.execute("UPDATE entries SET size = ?, news = ?, start = ?, body = ? WHERE number = ?", row)
