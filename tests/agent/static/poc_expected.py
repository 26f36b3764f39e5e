"""What an analysis of `poc/poc.c` must find: its log strings, the edges between them, its event-handling loop.

Rules of this file
    - Strings are named by the words that no compiler changes: without the newline that `puts` would add.
"""

from __future__ import annotations

from typing import Final

STARTED, WAITING, NOT_ACCEPTED, ACCEPTED, NOT_READ, READING, CLOSING, STOPPED = STRINGS = (
    "Server started on port %hu",
    "Waiting...",
    "Error accepting: %s",
    "Accepted from %s:%d",
    "Error reading: %s",
    "Reading %s",
    "Closing %d after %zd bytes",
    "Server stopped",
)

EDGES: Final = frozenset(
    {
        (STARTED, WAITING),
        (WAITING, NOT_ACCEPTED),
        (NOT_ACCEPTED, WAITING),
        (WAITING, ACCEPTED),
        (ACCEPTED, NOT_READ),
        (ACCEPTED, READING),
        (NOT_READ, CLOSING),
        (READING, CLOSING),
        (CLOSING, WAITING),
        (CLOSING, STOPPED),
    }
)

WAITS: Final = "accept"
FIRST: Final = frozenset({NOT_ACCEPTED, ACCEPTED})
LAST: Final = frozenset({WAITING})
"""The first and last strings of an iteration: it begins where the wait returns: one request."""
