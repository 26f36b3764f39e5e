"""The ledger's file: one SQLite database that is whole at every instant, and a reserve for when the disk is full.

Rules of this file
    - Knows tables and transactions, not what they mean (`agent.ledger`). One connection, one lock, one process: whoever
      comes second is told so.
    - A transaction is on disk when it ends (WAL, synchronous=FULL), or it is a `NoRoomError` and nothing has happened.
    - On a full disk the reserve is given away: sending and deleting take little, and go on. Nothing large is written
      before the reserve is there again.
    - A damaged file is renamed, and a new one begun at `position`.

Source: SQLite documentation (WAL, pragmas, result codes).
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Final

from agent.private import make_file, make_folder

FILE: Final = "agent.sqlite"
RESERVE: Final = "agent.reserve"
RESERVED: Final = 2 << 20
"""Bytes of a file that is there to be given away when the disk is full."""
FORMAT: Final = 1
GIVEN_BACK: Final = 2_000
"""Pages of the file that are given back to the disk at most with every snapshot."""
CHECKED: Final = 64 << 20
"""Bytes of a file that is checked whole when it is opened."""
DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_log = logging.getLogger("agent.ledger")

_SCHEMA: Final = (
    "CREATE TABLE about (format INTEGER, session BLOB, owner BLOB, snapshot TEXT, position BLOB)",
    "CREATE TABLE entries"
    " (number INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER, news INTEGER, start INTEGER, body BLOB)",
    "CREATE TABLE flights"
    " (entry INTEGER, lane TEXT, sequence INTEGER, done INTEGER, sealed BLOB, PRIMARY KEY (entry, lane))",
    "CREATE TABLE heads (lane TEXT PRIMARY KEY, sequence INTEGER, digest BLOB)",
    "CREATE TABLE journal (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, position BLOB, payload BLOB)",
    "CREATE TABLE sent (session BLOB, lane TEXT, sequence INTEGER, sealed BLOB, PRIMARY KEY (session, lane, sequence))",
    "CREATE TABLE totals (entries INTEGER, bytes INTEGER)",
    "INSERT INTO totals VALUES (0, 0)",
    "CREATE TRIGGER came AFTER INSERT ON entries BEGIN"
    " UPDATE totals SET entries = entries + 1, bytes = bytes + new.size; END",
    "CREATE TRIGGER went AFTER DELETE ON entries BEGIN"
    " UPDATE totals SET entries = entries - 1, bytes = bytes - old.size; END",
    "CREATE TRIGGER changed AFTER UPDATE OF size ON entries BEGIN"
    " UPDATE totals SET bytes = bytes + new.size - old.size; END",
)


class NoRoomError(Exception):
    """The disk does not take it now: full, read-only, or broken."""


@dataclass(slots=True)
class LedgerFile:
    """The file in `folder`; a new one gets a session from `fresh`. `position` is where a new one would begin."""

    folder: Path
    fresh: Callable[[], bytes]
    counts: Counter[str]
    position: bytes = b""
    db: sqlite3.Connection | None = None
    lock: RLock = field(default_factory=RLock)
    _scarce: bool = True

    def __post_init__(self) -> None:
        make_folder(self.folder)

    def close(self) -> None:
        """Let go of it; the next transaction opens it again."""
        with self.lock:
            if self.db is not None:
                self.db.close()
                self.db = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing. No room is a `NoRoomError`; a damaged file is set aside, and that is one too."""
        with self.lock:
            try:
                db = self.db or self.open()
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except sqlite3.DatabaseError as error:
                if _code(error) in DAMAGED:
                    self._set_aside(error)
                self._release()
                raise NoRoomError(str(error)) from error
            except OSError as error:
                raise NoRoomError(error.strerror or str(error)) from error

    def open(self) -> sqlite3.Connection:
        """Open the file, or begin one; a damaged one is set aside."""
        for _ in range(2):
            try:
                self.db = self._connect()
                return self.db
            except OSError as error:
                raise NoRoomError(error.strerror or str(error)) from error
            except sqlite3.DatabaseError as error:
                if _code(error) not in DAMAGED:
                    raise NoRoomError(_said(error)) from error
                self._set_aside(error)
        raise NoRoomError("a new file is damaged at once")

    def _release(self) -> None:
        """The disk is full: give the reserve away, so that what is small (sending, deleting) can go on."""
        self._scarce = True
        with suppress(OSError):
            (self.folder / RESERVE).unlink()

    def regain(self) -> None:
        """Before anything large is written the reserve must be there again."""
        if self._scarce:
            self.give_back()
            try:
                make_file(self.folder / RESERVE)
                with (self.folder / RESERVE).open("r+b") as reserve:
                    os.posix_fallocate(reserve.fileno(), 0, RESERVED)
            except OSError as error:
                self._release()
                raise NoRoomError(error.strerror or str(error)) from error
            self._scarce = False

    def give_back(self) -> None:
        """What the file does not need any more goes back to the disk."""
        with suppress(sqlite3.Error, NoRoomError):
            # Not `execute`: that takes one step, and a step is one page.
            (self.db or self.open()).executescript(f"PRAGMA incremental_vacuum({GIVEN_BACK})")

    def _connect(self) -> sqlite3.Connection:
        path = self.folder / FILE
        make_file(path)
        db = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA wal_autocheckpoint = 250")
            if path.stat().st_size < CHECKED and db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise _damage("it does not pass its check")
            self._begin(db)
        except BaseException:
            db.close()
            raise
        return db

    def _begin(self, db: sqlite3.Connection) -> None:
        """Make the tables of a new file; look at those of an old one."""
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute("INSERT INTO about VALUES (?, ?, x'', '', ?)", (FORMAT, self.fresh(), self.position))
            db.execute("COMMIT")
        elif db.execute("SELECT format FROM about").fetchone() != (FORMAT,):
            raise _damage("it is of another format")

    def _set_aside(self, error: Exception) -> None:
        """Rename a damaged file, so that somebody may look at it; one such file is kept."""
        self.close()
        self.counts["set_aside"] += 1
        _log.error("the ledger is damaged and set aside", extra={"reason": str(error), "file": f"{FILE}.damaged"})
        for tail in ("", "-wal", "-shm"):
            with suppress(OSError):
                (self.folder / (FILE + tail)).replace(self.folder / f"{FILE}.damaged{tail}")


def _damage(message: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _code(error: sqlite3.Error) -> int:
    """The primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _said(error: sqlite3.Error) -> str:
    return "another agent uses this folder" if _code(error) == sqlite3.SQLITE_BUSY else str(error)
