"""The scheduling log: which container ran on which worker, when, as which application, of which image.

Rules of this file
    - A run is told by its worker, may be told again (its end becomes known), and is kept by worker, id and start.
    - Of each worker at most `MOST` runs are kept, the latest; names that are too long are cut.

Complexity: O(log runs) to note one, O(runs found) to ask.
Source: issue "live monitor" (the scheduling log: a trace follows a container that moved).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from grammar.envelope import Run
from monitor.store import Store, Value, number

MOST: Final = 10_000
SHOWN: Final = 1_000
MAX_TEXT: Final = 1_024
LATEST: Final = 1 << 52


class Life(msgspec.Struct, frozen=True):
    """One life of a container, milliseconds of log time; `end` 0: it still runs."""

    worker: str
    container: str
    id: str
    app: str
    image: str
    start: int
    end: int


class Schedule:
    """The log, in a store; `note` belongs into a transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def note(self, worker: str, runs: Iterable[Run]) -> None:
        """A worker tells what has changed."""
        rows = [
            (worker, _cut(one.id), one.start, _cut(one.name), _cut(one.app), _cut(one.image), one.end)
            for one in runs
            if max(one.start, one.end) < LATEST
        ]
        self.store.write_many(
            "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " name = excluded.name, app = excluded.app, image = excluded.image, end = max(end, excluded.end)",
            rows,
        )
        if rows:
            query = (
                "DELETE FROM run WHERE worker = ? AND start <= (SELECT start FROM run WHERE worker = ?"
                " ORDER BY start DESC LIMIT 1 OFFSET ?)"
            )
            self.store.write(query, worker, worker, MOST)

    def find(self, container: str = "", app: str = "", worker: str = "", at: int = 0) -> list[Life]:
        """Runs of a container (by name or id), of an application, on a worker, at a time; the latest first."""
        query = (
            "SELECT worker, name, id, app, image, start, end FROM run WHERE (? = '' OR name = ? OR id = ?)"
            " AND (? = '' OR app = ?) AND (? = '' OR worker = ?) AND (? = 0 OR (start <= ? AND (end = 0 OR end >= ?)))"
            " ORDER BY start DESC, worker, id LIMIT ?"
        )
        values = (container, container, container, app, app, worker, worker, at, at, at, SHOWN)
        return [_life(row) for row in self.store.rows(query, *values)]

    def workers(self, containers: Iterable[str]) -> set[str]:
        """Every worker on which one of these containers has run."""
        query = "SELECT DISTINCT worker FROM run WHERE name = ? OR id = ?"
        return {str(worker) for one in containers for (worker,) in self.store.rows(query, one, one)}


def _cut(text: str) -> str:
    return text[:MAX_TEXT]


def _life(row: tuple[Value, ...]) -> Life:
    worker, name, ident, app, image, start, end = row
    return Life(str(worker), str(name), str(ident), str(app), str(image), number(start), number(end))
