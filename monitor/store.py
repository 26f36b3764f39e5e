"""The monitor's state on disk: one SQLite file.

Rules of this file
    - The one place of the monitor that touches the disk. What one envelope changes is one transaction: after a crash it is
      there whole or not at all.
    - Evidence is kept as it came (words in the order in which they became known, sightings by number); models are made from it.
    - A file of a newer format is refused, a file that is no such database is a located error.

Complexity: O(what an envelope adds) per envelope, O(evidence) to load.
Source: design section 5 (--state DIR); issue "monitor".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from grammar import InputError, Replica, Span

FILE: Final = "monitor.sqlite"
FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE words (app TEXT, number INTEGER, extension BLOB NOT NULL, PRIMARY KEY (app, number)) WITHOUT ROWID;
CREATE TABLE sighting (app TEXT, item INTEGER, worker TEXT, container TEXT, first INTEGER, last INTEGER,
    PRIMARY KEY (app, item, worker, container)) WITHOUT ROWID;
CREATE TABLE command (app TEXT, state INTEGER, command BLOB NOT NULL, PRIMARY KEY (app, state)) WITHOUT ROWID;
CREATE TABLE learned (app TEXT, pattern BLOB, PRIMARY KEY (app, pattern)) WITHOUT ROWID;
CREATE TABLE agent (name TEXT PRIMARY KEY, session BLOB, sequence INTEGER, digest BLOB) WITHOUT ROWID;
CREATE TABLE lost (agent TEXT, cause TEXT, number INTEGER, PRIMARY KEY (agent, cause)) WITHOUT ROWID;
CREATE TABLE alert (number INTEGER PRIMARY KEY, alert BLOB NOT NULL);
"""

Row = tuple[int, str, str, int, int]


class Store:
    """An open state directory."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.path = folder / FILE
        if not create and not self.path.is_file():
            hint = "winnower replay RECORDING --state DIR makes one"
            raise InputError("no monitor state here", file=str(folder), hint=hint)
        try:
            folder.mkdir(parents=True, exist_ok=True) if create else None
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._prepare()
        except sqlite3.Error as error:
            raise InputError(f"cannot use this state: {error}", file=str(self.path)) from None
        except OSError as error:
            raise InputError(f"cannot make this state: {error.strerror}", file=str(self.path)) from None

    def _prepare(self) -> None:
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            self._db.executescript("BEGIN;" + _SCHEMA + f"INSERT INTO meta VALUES ('format', '{FORMAT}'); COMMIT;")
            return
        found = self._db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() if "meta" in tables else None
        if found is None or found[0] != str(FORMAT):
            hint = f"this program reads format {FORMAT}"
            raise InputError("state of another format", file=str(self.path), offending=str(found), hint=hint)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is kept whole or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Flush and close; the write-ahead log is folded into the file."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def apps(self) -> list[str]:
        """The applications that have evidence."""
        return [app for (app,) in self._db.execute("SELECT DISTINCT app FROM words ORDER BY app")]

    def words(self, app: str) -> list[bytes]:
        """The extensions of an application's lexicon, in order."""
        rows = self._db.execute("SELECT extension FROM words WHERE app = ? ORDER BY number", (app,))
        return [extension for (extension,) in rows]

    def add_words(self, app: str, number: int, extension: bytes) -> None:
        """One more revision of an application's lexicon."""
        self._db.execute("INSERT INTO words VALUES (?, ?, ?)", (app, number, extension))

    def sightings(self, app: str) -> Iterator[tuple[int, Replica, Span]]:
        """Who has shown which item (even numbers: states, odd: transitions)."""
        query = "SELECT item, worker, container, first, last FROM sighting WHERE app = ?"
        for item, worker, container, first, last in self._db.execute(query, (app,)):
            yield item, Replica(worker, container), Span(first, last)

    def add_sightings(self, app: str, rows: Iterable[tuple[int, Replica, Span]]) -> None:
        """Add sightings; known ones widen their span."""
        query = (
            "INSERT INTO sighting VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " first = min(first, excluded.first), last = max(last, excluded.last)"
        )
        self._db.executemany(query, ((app, item, r.worker, r.container, s.first, s.last) for item, r, s in rows))

    def commands(self, app: str) -> list[tuple[int, str]]:
        """Example command lines by state number."""
        rows = self._db.execute("SELECT state, command FROM command WHERE app = ? ORDER BY state", (app,))
        return [(state, command.decode("utf-8", "surrogateescape")) for state, command in rows]

    def set_command(self, app: str, state: int, command: str) -> None:
        """The example command line of a state."""
        row = (app, state, command.encode("utf-8", "surrogateescape"))
        self._db.execute("INSERT OR REPLACE INTO command VALUES (?, ?, ?)", row)

    def learned(self, app: str) -> list[str]:
        """The learned patterns."""
        rows = self._db.execute("SELECT pattern FROM learned WHERE app = ? ORDER BY pattern", (app,))
        return [pattern.decode("utf-8", "surrogateescape") for (pattern,) in rows]

    def add_learned(self, app: str, pattern: str) -> None:
        """One more learned pattern."""
        self._db.execute("INSERT OR IGNORE INTO learned VALUES (?, ?)", (app, pattern.encode("utf-8", "surrogateescape")))

    def agent(self, name: str) -> tuple[bytes, int, bytes] | None:
        """Session, last sequence number and digest of an agent."""
        query = "SELECT session, sequence, digest FROM agent WHERE name = ?"
        row: tuple[bytes, int, bytes] | None = self._db.execute(query, (name,)).fetchone()
        return row

    def set_agent(self, name: str, session: bytes, sequence: int, digest: bytes) -> None:
        """Where an agent stands."""
        self._db.execute("INSERT OR REPLACE INTO agent VALUES (?, ?, ?, ?)", (name, session, sequence, digest))

    def lost(self) -> dict[str, dict[str, int]]:
        """What was lost so far, by agent and cause."""
        found: dict[str, dict[str, int]] = {}
        for agent, cause, number in self._db.execute("SELECT agent, cause, number FROM lost ORDER BY agent, cause"):
            found.setdefault(agent, {})[cause] = number
        return found

    def add_lost(self, agent: str, cause: str, number: int) -> None:
        """More was lost."""
        query = "INSERT INTO lost VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number"
        self._db.execute(query, (agent, cause, number))

    def alerts(self) -> list[bytes]:
        """Every alert, in order."""
        return [alert for (alert,) in self._db.execute("SELECT alert FROM alert ORDER BY number")]

    def add_alert(self, alert: bytes) -> None:
        """One more alert."""
        self._db.execute("INSERT INTO alert (alert) VALUES (?)", (alert,))
