"""The monitor's state on disk: one SQLite file.

Rules of this file
    - The one place of the monitor that touches this file; the tables of agents and tokens (`monitor.register`) and of
      containers' lives (`monitor.schedule`) are read and written through `rows` and `write`. What a group of envelopes
      changes is one transaction: after a crash it is there whole or not at all. A question opens the file for reading.
    - A live monitor's file is private (it holds tokens), and a commit is on the disk when it returns.
    - Evidence is kept as it came (words in the order in which they became known, sightings by number); models are made
      from it.
    - A file of another format is refused; a file that is no such database, is locked, damaged or cannot be written is a
      located `InputError`. Texts that may hold undecodable bytes are kept as bytes.

Complexity: O(what an envelope adds) per envelope, O(evidence) to load.
Source: design section 5 (--state DIR); issue "monitor".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from grammar import InputError, Replica, Span
from monitor.chain import Chain
from monitor.secret import private_file, private_folder

FILE: Final = "monitor.sqlite"
FORMAT: Final = 4
_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE words (app TEXT, number INTEGER, extension BLOB NOT NULL, PRIMARY KEY (app, number)) WITHOUT ROWID;
CREATE TABLE sighting (app TEXT, item INTEGER, worker TEXT, container BLOB, first INTEGER, last INTEGER, level INTEGER,
    PRIMARY KEY (app, item, worker, container)) WITHOUT ROWID;
CREATE TABLE command (app TEXT, state INTEGER, command BLOB NOT NULL, PRIMARY KEY (app, state)) WITHOUT ROWID;
CREATE TABLE learned (app TEXT, pattern BLOB, PRIMARY KEY (app, pattern)) WITHOUT ROWID;
CREATE TABLE chain (agent TEXT, lane TEXT, chain BLOB NOT NULL, PRIMARY KEY (agent, lane)) WITHOUT ROWID;
CREATE TABLE journal (number INTEGER PRIMARY KEY, agent TEXT, lane TEXT, session BLOB, sequence INTEGER);
CREATE TABLE position (source TEXT PRIMARY KEY, next INTEGER) WITHOUT ROWID;
CREATE TABLE pending (app TEXT, item INTEGER, worker TEXT, container BLOB,
    PRIMARY KEY (app, item, worker, container)) WITHOUT ROWID;
CREATE TABLE lost (agent TEXT, cause TEXT, number INTEGER, PRIMARY KEY (agent, cause)) WITHOUT ROWID;
CREATE TABLE active (app TEXT, worker TEXT, container BLOB, millis INTEGER,
    PRIMARY KEY (app, worker, container)) WITHOUT ROWID;
CREATE TABLE judge (app TEXT PRIMARY KEY, settled INTEGER, alive INTEGER, quiet INTEGER) WITHOUT ROWID;
CREATE TABLE alert (number INTEGER PRIMARY KEY, alert BLOB NOT NULL);
CREATE TABLE agent (name TEXT PRIMARY KEY, public BLOB NOT NULL, revision INTEGER, revoked INTEGER, enrolled INTEGER,
    seen INTEGER DEFAULT 0, control INTEGER DEFAULT 0, lost TEXT DEFAULT '{}') WITHOUT ROWID;
CREATE TABLE used_key (public BLOB PRIMARY KEY, agent TEXT) WITHOUT ROWID;
CREATE TABLE token (id BLOB PRIMARY KEY, secret BLOB, agent TEXT, expires INTEGER, used BLOB) WITHOUT ROWID;
CREATE TABLE incident (agent TEXT, cause TEXT, number INTEGER, last INTEGER, PRIMARY KEY (agent, cause)) WITHOUT ROWID;
CREATE TABLE run (worker TEXT, id TEXT, start INTEGER, name TEXT, app TEXT, image TEXT, end INTEGER,
    PRIMARY KEY (worker, id, start)) WITHOUT ROWID;
CREATE INDEX run_by_name ON run (name);
"""
MOST: Final = 1 << 60
"""Counts stop here: a number from outside may be anything."""
JOURNAL: Final = 100_000
"""Envelopes that the journal remembers."""

Value = str | int | bytes | None


class NotAppliedError(Exception):
    """What a savepoint held could not be applied, and is undone."""


class Store:
    """An open state folder, for questions; with `create` for a monitor, which makes it if there is none."""

    def __init__(self, folder: Path, *, create: bool = False, live: bool = False) -> None:
        self.path = folder / FILE
        self._writing, self._live = create, live
        try:
            if not create and not self.path.is_file():
                hint = "winnower replay RECORDING --state DIR makes one"
                raise InputError("no monitor state here", file=str(folder), hint=hint)
            if create and live:
                private_folder(folder)
                private_file(self.path)
            elif create:
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
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=not self._live)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(f"PRAGMA synchronous={'FULL' if self._live else 'NORMAL'}")
            return db
        address = self.path.absolute().as_uri()
        db = sqlite3.connect(f"{address}?mode=ro", uri=True, isolation_level=None, check_same_thread=not self._live)
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

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Inside a transaction: a part that is kept whole or not at all.

        What goes wrong in it is a `NotAppliedError`; only an error of the disk spoils the whole transaction.
        """
        self._db.execute("SAVEPOINT part")
        try:
            yield
        except (sqlite3.Error, MemoryError):
            raise
        except Exception as error:
            self._db.execute("ROLLBACK TO part")
            self._db.execute("RELEASE part")
            raise NotAppliedError(repr(error)) from error
        self._db.execute("RELEASE part")

    def rows(self, query: str, *values: Value) -> list[tuple[Value, ...]]:
        """All rows of a question."""
        with self._located("cannot read this state"):
            return self._db.execute(query, values).fetchall()

    _rows = rows

    def write(self, query: str, *values: Value) -> int:
        """Change something, inside a transaction; gives how many rows changed."""
        return self._db.execute(query, values).rowcount

    def write_many(self, query: str, rows: Iterable[Sequence[Value]]) -> None:
        """The same change with each of the rows."""
        self._db.executemany(query, rows)

    @property
    def others(self) -> int:
        """A number that changes when another program has written to the file."""
        return number(self.rows("PRAGMA data_version")[0][0])

    def close(self) -> None:
        """Flush and close; the write-ahead log is folded into the file."""
        with self._located("cannot close this state"):
            if self._writing:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()

    def setting(self, key: str) -> str | None:
        """A setting that belongs to this state."""
        rows = self.rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def set_setting(self, key: str, value: str) -> None:
        """Keep a setting with this state."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def apps(self) -> list[str]:
        """The applications that have evidence."""
        return [str(app) for (app,) in self.rows("SELECT DISTINCT app FROM words ORDER BY app")]

    def words(self, app: str) -> list[bytes]:
        """The extensions of an application's lexicon, in order."""
        rows = self.rows("SELECT extension FROM words WHERE app = ? ORDER BY number", app)
        return [_bytes(extension) for (extension,) in rows]

    def add_words(self, app: str, number: int, extension: bytes) -> None:
        """One more revision of an application's lexicon."""
        self._db.execute("INSERT INTO words VALUES (?, ?, ?)", (app, number, extension))

    def sightings(self, app: str) -> Iterator[tuple[int, Replica, Span]]:
        """Who has shown which item (even numbers: states, odd: transitions)."""
        query = "SELECT item, worker, container, first, last, level FROM sighting WHERE app = ?"
        for item, worker, container, *span in self.rows(query, app):
            yield number(item), Replica(str(worker), _text(container)), Span(*map(number, span))

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
        rows = self.rows("SELECT state, command FROM command WHERE app = ? ORDER BY state", app)
        return [(number(state), _text(command)) for state, command in rows]

    def set_command(self, app: str, state: int, command: str) -> None:
        """The example command line of a state."""
        self._db.execute("INSERT OR REPLACE INTO command VALUES (?, ?, ?)", (app, state, _raw(command)))

    def learned(self, app: str) -> list[str]:
        """The learned patterns."""
        rows = self.rows("SELECT pattern FROM learned WHERE app = ? ORDER BY pattern", app)
        return [_text(pattern) for (pattern,) in rows]

    def add_learned(self, app: str, pattern: str) -> None:
        """One more learned pattern."""
        self._db.execute("INSERT OR IGNORE INTO learned VALUES (?, ?)", (app, _raw(pattern)))

    def chain(self, agent: str, lane: str) -> Chain:
        """What has come in a lane of an agent."""
        for (data,) in self.rows("SELECT chain FROM chain WHERE agent = ? AND lane = ?", agent, lane):
            return Chain.decode(_bytes(data))
        return Chain()

    def set_chain(self, agent: str, lane: str, chain: bytes) -> None:
        """Note it."""
        self._db.execute("INSERT OR REPLACE INTO chain VALUES (?, ?, ?)", (agent, lane, chain))

    def chains(self, lane: str) -> dict[str, bytes]:
        """What has come in a lane, by agent."""
        rows = self.rows("SELECT agent, chain FROM chain WHERE lane = ? ORDER BY agent", lane)
        return {str(agent): _bytes(data) for agent, data in rows}

    def lanes(self) -> dict[str, int]:
        """How many lanes each agent has."""
        return {str(agent): number(n) for agent, n in self.rows("SELECT agent, count(*) FROM chain GROUP BY agent")}

    def drop_chains(self, agent: str) -> None:
        """An agent starts anew."""
        self._db.execute("DELETE FROM chain WHERE agent = ?", (agent,))

    def add_journal(self, agent: str, lane: str, session: bytes, sequence: int, keep: int = JOURNAL) -> None:
        """One envelope more was applied; `keep` are remembered, a little more between two clearings."""
        query = "INSERT INTO journal (agent, lane, session, sequence) VALUES (?, ?, ?, ?)"
        number_ = self._db.execute(query, (agent, lane, session, sequence)).lastrowid or 0
        if number_ % 1_000 == 0:
            self._db.execute("DELETE FROM journal WHERE number <= ?", (number_ - keep,))

    def journal(self, after: int = 0, most: int = 10_000) -> list[tuple[int, str, str, bytes, int]]:
        """What was applied in which order: number, agent, lane, session, sequence."""
        query = "SELECT number, agent, lane, session, sequence FROM journal WHERE number > ? ORDER BY number LIMIT ?"
        rows = self.rows(query, after, most)
        return [(number(n), str(agent), str(lane), _bytes(s), number(sequence)) for n, agent, lane, s, sequence in rows]

    def positions(self) -> dict[str, int]:
        """How far each source of envelopes has been read."""
        return {str(source): number(n) for source, n in self.rows("SELECT source, next FROM position")}

    def set_position(self, source: str, upcoming: int) -> None:
        """A source has been read up to there."""
        self._db.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (source, upcoming))

    def pending(self, app: str) -> set[tuple[int, Replica]]:
        """Items of settled applications that are news and not judged yet."""
        rows = self.rows("SELECT item, worker, container FROM pending WHERE app = ?", app)
        return {(number(item), Replica(str(worker), _text(container))) for item, worker, container in rows}

    def add_pending(self, app: str, rows: Iterable[tuple[int, Replica]]) -> None:
        """More news that is not judged yet."""
        values = ((app, item, replica.worker, _raw(replica.container)) for item, replica in rows)
        self._db.executemany("INSERT OR IGNORE INTO pending VALUES (?, ?, ?, ?)", values)

    def clear_pending(self, app: str) -> None:
        """All of it is judged."""
        self._db.execute("DELETE FROM pending WHERE app = ?", (app,))

    def drop_app(self, app: str) -> None:
        """Forget all of an application, and the lane of that name."""
        for table in ("words", "sighting", "command", "learned", "active", "judge", "pending"):
            self._db.execute(f"DELETE FROM {table} WHERE app = ?", (app,))
        self._db.execute("DELETE FROM chain WHERE lane = ?", (app,))

    def lost(self) -> dict[str, dict[str, int]]:
        """What was lost so far, by agent and cause."""
        found: dict[str, dict[str, int]] = {}
        query = "SELECT agent, cause, number FROM lost WHERE number > 0 ORDER BY agent, cause"
        for agent, cause, count in self.rows(query):
            found.setdefault(str(agent), {})[str(cause)] = number(count)
        return found

    def add_lost(self, agent: str, cause: str, number: int) -> None:
        """More was lost (or, with a negative number, came after all); what is countless stays `MOST`."""
        query = (
            "INSERT INTO lost VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
            f" number = min({MOST}, number + excluded.number)"
        )
        self._db.execute(query, (agent, cause, number))

    def incidents(self) -> dict[str, dict[str, tuple[int, int]]]:
        """What went wrong with agents: by agent and cause how often, and when last (the monitor's milliseconds)."""
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for agent, cause, count, last in self.rows("SELECT agent, cause, number, last FROM incident"):
            found.setdefault(str(agent), {})[str(cause)] = number(count), number(last)
        return found

    def add_incident(self, agent: str, cause: str, count: int, now: int) -> int:
        """It went wrong again; gives how often by now."""
        query = (
            "INSERT INTO incident VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            f" number = min({MOST}, number + excluded.number), last = excluded.last RETURNING number"
        )
        return number(self._db.execute(query, (agent, cause, count, now)).fetchall()[0][0])

    def active(self, app: str) -> dict[Replica, int]:
        """How long each replica has been active, in milliseconds."""
        rows = self.rows("SELECT worker, container, millis FROM active WHERE app = ?", app)
        return {Replica(str(worker), _text(container)): number(millis) for worker, container, millis in rows}

    def set_active(self, app: str, replica: Replica, millis: int) -> None:
        """How long a replica has been active."""
        row = (app, replica.worker, _raw(replica.container), millis)
        self._db.execute("INSERT OR REPLACE INTO active VALUES (?, ?, ?, ?)", row)

    def judge(self, app: str) -> tuple[bool, int, int]:
        """Whether an application has settled, how long it has been active and how long without news."""
        for settled, alive, quiet in self.rows("SELECT settled, alive, quiet FROM judge WHERE app = ?", app):
            return bool(settled), number(alive), number(quiet)
        return False, 0, 0

    def set_judge(self, app: str, settled: bool, alive: int, quiet: int) -> None:
        """How far an application has settled."""
        self._db.execute("INSERT OR REPLACE INTO judge VALUES (?, ?, ?, ?)", (app, int(settled), alive, quiet))

    def alerts_after(self, after: int, most: int = 1_000) -> list[tuple[int, bytes]]:
        """Alerts with their numbers, which grow."""
        rows = self.rows("SELECT number, alert FROM alert WHERE number > ? ORDER BY number LIMIT ?", after, most)
        return [(number(n), _bytes(alert)) for n, alert in rows]

    def alerts(self) -> list[bytes]:
        """Every alert, in order."""
        return [_bytes(alert) for (alert,) in self.rows("SELECT alert FROM alert ORDER BY number")]

    def add_alert(self, alert: bytes) -> int:
        """One more alert; its number."""
        return self._db.execute("INSERT INTO alert (alert) VALUES (?)", (alert,)).lastrowid or 0


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def number(value: Value) -> int:
    """A number as SQLite gave it."""
    return int(value or 0)


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _text(value: Value) -> str:
    return _bytes(value).decode("utf-8", "surrogateescape")
