"""The life cycle of alerts on the disk: its rows in the monitor's state, and the alerts with their numbers.

Rules of this file
    - One table, made when the first row is written: a state without it is one where nobody has said anything yet.
    - Rows are written inside the transaction that keeps the alerts they belong to.

Complexity: O(rows that changed) to write, O(alerts) to read.
Source: issue "policies and questions" (acknowledged, re-armed); `monitor.store` (who reads and writes tables).
"""

from __future__ import annotations

from monitor.alerts import Alert
from monitor.lifecycle import Lifecycle
from monitor.store import Store, number

_TABLE = "CREATE TABLE IF NOT EXISTS lifecycle (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"


def numbered_alerts(store: Store) -> list[Alert]:
    """Every alert with its number, in order."""
    rows = store.rows("SELECT number, alert FROM alert ORDER BY number")
    return [Alert.decode(_bytes(data)).numbered(number(count)) for count, data in rows]


def read_rows(store: Store) -> list[tuple[str, bytes]]:
    """The rows as they are now."""
    if not store.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'lifecycle'"):
        return []
    return [(str(key), _bytes(value)) for key, value in store.rows("SELECT key, value FROM lifecycle ORDER BY key")]


def load_lifecycle(store: Store, alerts: list[Alert] | None = None) -> Lifecycle:
    """As the state has it; `alerts` spares reading them twice."""
    return Lifecycle.load(read_rows(store), numbered_alerts(store) if alerts is None else alerts)


def save_lifecycle(store: Store, lifecycle: Lifecycle) -> None:
    """Inside a transaction: write what has changed."""
    changes = lifecycle.take_changes()
    if changes:
        store.write(_TABLE)
    for key, value in changes:
        if value is None:
            store.write("DELETE FROM lifecycle WHERE key = ?", key)
        else:
            store.write("INSERT OR REPLACE INTO lifecycle VALUES (?, ?)", key, value)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
