"""The monitor's state on disk: one SQLite file.

Rules of this file
    - The one place of the monitor that touches the disk. What one envelope changes is one transaction: after a crash it
      is there whole or not at all. A question opens the file for reading only.
    - Evidence is kept as it came (words in the order in which they became known, sightings by number); models are made
      from it.
    - A file of another format is refused; a file that is no such database, is locked, damaged or cannot be written is a
      located `InputError`. Texts that may hold undecodable bytes are kept as bytes.

Complexity: O(what an envelope adds) per envelope, O(evidence) to load.
Source: design section 5 (--state DIR); issue "monitor".
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from grammar import InputError, Replica, Span
from monitor.sequence import SessionSequence

FILE: Final = "monitor.sqlite"
FORMAT: Final = 3
MAX_SESSIONS: Final = 8
"""Sessions of one agent whose late envelopes are still told from repeated ones."""
_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE words (app TEXT, number INTEGER, extension BLOB NOT NULL, PRIMARY KEY (app, number)) WITHOUT ROWID;
CREATE TABLE sighting (app TEXT, item INTEGER, worker TEXT, container BLOB, first INTEGER, last INTEGER, level INTEGER,
    PRIMARY KEY (app, item, worker, container)) WITHOUT ROWID;
CREATE TABLE command (app TEXT, state INTEGER, command BLOB NOT NULL, PRIMARY KEY (app, state)) WITHOUT ROWID;
CREATE TABLE learned (app TEXT, pattern BLOB, PRIMARY KEY (app, pattern)) WITHOUT ROWID;
CREATE TABLE session (agent TEXT, session BLOB, age INTEGER, next INTEGER, ahead TEXT, given_up INTEGER,
    PRIMARY KEY (agent, session)) WITHOUT ROWID;
CREATE TABLE lost (agent TEXT, cause TEXT, number INTEGER, PRIMARY KEY (agent, cause)) WITHOUT ROWID;
CREATE TABLE active (app TEXT, worker TEXT, container BLOB, millis INTEGER,
    PRIMARY KEY (app, worker, container)) WITHOUT ROWID;
CREATE TABLE judge (app TEXT PRIMARY KEY, settled INTEGER, alive INTEGER, quiet INTEGER) WITHOUT ROWID;
CREATE TABLE alert (number INTEGER PRIMARY KEY, alert BLOB NOT NULL);
"""

Value = str | int | bytes


class Store:
    """An open state folder, for questions; with `create` for a monitor, which makes it if there is none."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.path = folder / FILE
        self._writing = create
        try:
            if not create and not self.path.is_file():
                hint = "winnower replay RECORDING --state DIR makes one"
                raise InputError("no monitor state here", file=str(folder), hint=hint)
            if create:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot use this state: {error.strerror}", file=str(self.path)) from None
        with self._located("cannot use this state"):
            self._db = self._open()
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> sqlite3.Connection:
        """For writing, or for reading only (also from a medium that cannot be written)."""
        if self._writing:
            db = sqlite3.connect(self.path, isolation_level=None)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            return db
        address = self.path.absolute().as_uri()
        db = sqlite3.connect(f"{address}?mode=ro", uri=True, isolation_level=None)
        try:
            db.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            db.close()
            return sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, isolation_level=None)
        return db

    def _prepare(self) -> None:
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables and self._writing:
            self._db.executescript("BEGIN;" + _SCHEMA + f"INSERT INTO meta VALUES ('format', '{FORMAT}'); COMMIT;")
            return
        query = "SELECT value FROM meta WHERE key = 'format'"
        found = self._db.execute(query).fetchone() if "meta" in tables else None
        if found is None or found[0] != str(FORMAT):
            hint = f"this program reads format {FORMAT}"
            offending = str(found[0]) if found else "no format"
            raise InputError("state of another format", file=str(self.path), offending=offending, hint=hint)

    @contextmanager
    def _located(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            hint = "another program writes to it" if "locked" in str(error) else ""
            raise InputError(f"{what}: {error}", file=str(self.path), hint=hint) from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is kept whole or not at all."""
        with self._located("cannot write this state"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: Value) -> list[tuple[Value, ...]]:
        with self._located("cannot read this state"):
            return self._db.execute(query, values).fetchall()

    def close(self) -> None:
        """Flush and close; the write-ahead log is folded into the file."""
        with self._located("cannot close this state"):
            if self._writing:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()

    def setting(self, key: str) -> str | None:
        """A setting that belongs to this state."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def set_setting(self, key: str, value: str) -> None:
        """Keep a setting with this state."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def apps(self) -> list[str]:
        """The applications that have evidence."""
        return [str(app) for (app,) in self._rows("SELECT DISTINCT app FROM words ORDER BY app")]

    def words(self, app: str) -> list[bytes]:
        """The extensions of an application's lexicon, in order."""
        rows = self._rows("SELECT extension FROM words WHERE app = ? ORDER BY number", app)
        return [_bytes(extension) for (extension,) in rows]

    def add_words(self, app: str, number: int, extension: bytes) -> None:
        """One more revision of an application's lexicon."""
        self._db.execute("INSERT INTO words VALUES (?, ?, ?)", (app, number, extension))

    def sightings(self, app: str) -> Iterator[tuple[int, Replica, Span]]:
        """Who has shown which item (even numbers: states, odd: transitions)."""
        query = "SELECT item, worker, container, first, last, level FROM sighting WHERE app = ?"
        for item, worker, container, *span in self._rows(query, app):
            yield int(item), Replica(str(worker), _text(container)), Span(*map(int, span))

    def add_sightings(self, app: str, rows: Iterable[tuple[int, Replica, Span]]) -> None:
        """Add sightings; known ones widen their span."""
        query = (
            "INSERT INTO sighting VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " first = min(first, excluded.first), last = max(last, excluded.last), level = max(level, excluded.level)"
        )
        values = ((app, item, r.worker, _raw(r.container), *span) for item, r, span in rows)
        self._db.executemany(query, values)

    def commands(self, app: str) -> list[tuple[int, str]]:
        """Example command lines by state number."""
        rows = self._rows("SELECT state, command FROM command WHERE app = ? ORDER BY state", app)
        return [(int(state), _text(command)) for state, command in rows]

    def set_command(self, app: str, state: int, command: str) -> None:
        """The example command line of a state."""
        self._db.execute("INSERT OR REPLACE INTO command VALUES (?, ?, ?)", (app, state, _raw(command)))

    def learned(self, app: str) -> list[str]:
        """The learned patterns."""
        rows = self._rows("SELECT pattern FROM learned WHERE app = ? ORDER BY pattern", app)
        return [_text(pattern) for (pattern,) in rows]

    def add_learned(self, app: str, pattern: str) -> None:
        """One more learned pattern."""
        self._db.execute("INSERT OR IGNORE INTO learned VALUES (?, ?)", (app, _raw(pattern)))

    def session(self, agent: str, session: bytes) -> SessionSequence:
        """Which envelopes of a session have come."""
        query = "SELECT next, ahead, given_up FROM session WHERE agent = ? AND session = ?"
        for upcoming, ahead, given_up in self._rows(query, agent, session):
            return SessionSequence(int(upcoming), json.loads(str(ahead)), int(given_up))
        return SessionSequence()

    def set_session(self, agent: str, session: bytes, numbers: SessionSequence) -> None:
        """Note it; of one agent the latest `MAX_SESSIONS` sessions are kept."""
        self._db.execute(
            "INSERT INTO session VALUES"
            " (?, ?, (SELECT ifnull(max(age), 0) + 1 FROM session WHERE agent = ?), ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET next = excluded.next, ahead = excluded.ahead, given_up = excluded.given_up",
            (agent, session, agent, numbers.next, json.dumps(numbers.ahead), numbers.given_up),
        )
        self._db.execute(
            "DELETE FROM session WHERE agent = ? AND age <= (SELECT max(age) FROM session WHERE agent = ?) - ?",
            (agent, agent, MAX_SESSIONS),
        )

    def lost(self) -> dict[str, dict[str, int]]:
        """What was lost so far, by agent and cause."""
        found: dict[str, dict[str, int]] = {}
        query = "SELECT agent, cause, number FROM lost WHERE number > 0 ORDER BY agent, cause"
        for agent, cause, number in self._rows(query):
            found.setdefault(str(agent), {})[str(cause)] = int(number)
        return found

    def add_lost(self, agent: str, cause: str, number: int) -> None:
        """More was lost (or, with a negative number, came after all)."""
        query = "INSERT INTO lost VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number"
        self._db.execute(query, (agent, cause, number))

    def active(self, app: str) -> dict[Replica, int]:
        """How long each replica has been active, in milliseconds."""
        rows = self._rows("SELECT worker, container, millis FROM active WHERE app = ?", app)
        return {Replica(str(worker), _text(container)): int(millis) for worker, container, millis in rows}

    def set_active(self, app: str, replica: Replica, millis: int) -> None:
        """How long a replica has been active."""
        row = (app, replica.worker, _raw(replica.container), millis)
        self._db.execute("INSERT OR REPLACE INTO active VALUES (?, ?, ?, ?)", row)

    def judge(self, app: str) -> tuple[bool, int, int]:
        """Whether an application has settled, how long it has been active and how long without news."""
        for settled, alive, quiet in self._rows("SELECT settled, alive, quiet FROM judge WHERE app = ?", app):
            return bool(settled), int(alive), int(quiet)
        return False, 0, 0

    def set_judge(self, app: str, settled: bool, alive: int, quiet: int) -> None:
        """How far an application has settled."""
        self._db.execute("INSERT OR REPLACE INTO judge VALUES (?, ?, ?, ?)", (app, int(settled), alive, quiet))

    def alerts(self) -> list[bytes]:
        """Every alert, in order."""
        return [_bytes(alert) for (alert,) in self._rows("SELECT alert FROM alert ORDER BY number")]

    def add_alert(self, alert: bytes) -> None:
        """One more alert."""
        self._db.execute("INSERT INTO alert (alert) VALUES (?)", (alert,))


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _text(value: Value) -> str:
    return _bytes(value).decode("utf-8", "surrogateescape")
