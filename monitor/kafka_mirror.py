"""The compacted topics as this monitor has read them, on disk: what it takes over from, and need not read again.

Rules of this file
    - A copy: deleting the file costs time and nothing else. What goes in is verified before; of two records with one
      key the higher version counts, then the later.
    - Whether a record is new, the same, or stale (somebody repeats an old one) is the answer of `put`.
    - One connection, any thread, one lock.

Complexity: O(log n) per record.
Source: design section 6 (compacted topics).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from threading import RLock
from typing import Final, NamedTuple

from grammar.errors import InputError

FILE: Final = "kafka.sqlite"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS record (topic TEXT, key BLOB, version INTEGER, sealed BLOB NOT NULL,
    PRIMARY KEY (topic, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (topic TEXT, partition INTEGER, next INTEGER,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
"""


class Put(Enum):
    """What a record was to the mirror."""

    NEW = "new"
    SAME = "same"
    STALE = "stale"


class Kept(NamedTuple):
    """One record."""

    key: bytes
    version: int
    sealed: bytes


class Mirror:
    """An open mirror; `folder` is the monitor's state."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = RLock()
        with self._located():
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)

    @contextmanager
    def _located(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (sqlite3.Error, OSError) as error:
            hint = "this file is a copy of what Kafka holds: stop the monitor and delete it"
            raise InputError(f"cannot use the mirror: {error}", file=str(self.path), hint=hint) from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is kept whole or not at all."""
        with self._located():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def put(self, topic: str, record: Kept) -> Put:
        """Take one record, unless a higher version is here."""
        with self._located():
            query = "SELECT version, sealed FROM record WHERE topic = ? AND key = ?"
            known = self._db.execute(query, (topic, record.key)).fetchone()
            if known is not None and known[0] > record.version:
                return Put.STALE
            if known is not None and known[1] == record.sealed:
                return Put.SAME
            query = "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)"
            self._db.execute(query, (topic, record.key, record.version, record.sealed))
            return Put.NEW

    def get(self, topic: str, key: bytes) -> Kept | None:
        """One record."""
        with self._located():
            query = "SELECT key, version, sealed FROM record WHERE topic = ? AND key = ?"
            found = self._db.execute(query, (topic, key)).fetchone()
            return Kept(*found) if found else None

    def drop(self, topic: str, key: bytes) -> None:
        """Forget one record."""
        with self._located():
            self._db.execute("DELETE FROM record WHERE topic = ? AND key = ?", (topic, key))

    def under(self, topic: str, prefix: bytes) -> list[Kept]:
        """All records whose key begins so, by key."""
        with self._located():
            query = "SELECT key, version, sealed FROM record WHERE topic = ? AND key >= ? AND key < ? ORDER BY key"
            rows = self._db.execute(query, (topic, prefix, prefix + b"\xff")).fetchall()
            return [Kept(*row) for row in rows]

    def keys(self, topic: str, prefix: bytes = b"") -> list[bytes]:
        """The keys that begin so."""
        with self._located():
            query = "SELECT key FROM record WHERE topic = ? AND key >= ? AND key < ? ORDER BY key"
            return [bytes(name) for (name,) in self._db.execute(query, (topic, prefix, prefix + b"\xff"))]

    def positions(self) -> dict[tuple[str, int], int]:
        """How far each partition has been read."""
        with self._located():
            rows = self._db.execute("SELECT topic, partition, next FROM position").fetchall()
            return {(topic, partition): following for topic, partition, following in rows}

    def note(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Note how far."""
        with self._located():
            rows = [(topic, partition, following) for (topic, partition), following in positions.items()]
            self._db.executemany("INSERT OR REPLACE INTO position VALUES (?, ?, ?)", rows)

    def clear(self, topics: Iterable[str]) -> None:
        """Forget topics: they were made anew."""
        with self.transaction():
            for topic in topics:
                self._db.execute("DELETE FROM record WHERE topic = ?", (topic,))
                self._db.execute("DELETE FROM position WHERE topic = ?", (topic,))

    def close(self) -> None:
        """Close it."""
        with self._located():
            self._db.close()
