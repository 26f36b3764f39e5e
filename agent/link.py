"""The way to the monitor, whatever it is: what an agent can say, what comes back, and how that can fail.

Rules of this file
    - A link carries sealed envelopes and has checked what it gives back: an answer that the monitor has not signed,
      about this very question, is an `UnreachableError`, and counted (`forged`).
    - Every call ends in bounded time, with an answer or an error of this file. Anything may be said again: all that is
      said counts once (envelopes by number, replies by question).
    - `lanes` says how an entry is divided among envelopes. A link belongs to one thread: sender and listener have one
      each (one that is written for two threads may be given to both).

Source: design section 6 (one interface, two implementations).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from grammar import Revision
from grammar.control import Answer, Orders, Outcome


class LinkError(Exception):
    """It did not work; the message is printable."""


class UnreachableError(LinkError):
    """No answer, or none that can be believed: the message may have arrived or not."""


class BusyError(LinkError):
    """The monitor is there, and asks to be left alone for `seconds`."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class RefusedError(LinkError):
    """The monitor does not take this from us: saying it again soon will not help."""


class Share(NamedTuple):
    """What one lane's envelope carries of an entry: the deltas of `apps`; `counts`: all the rest."""

    lane: str
    apps: frozenset[str]
    counts: bool


Lanes = Callable[[Sequence[str]], tuple[Share, ...]]
"""The shares of an entry with deltas of these applications, in the order of sending."""


def one_lane(apps: Sequence[str]) -> tuple[Share, ...]:
    """Everything in one envelope (HTTP).

    >>> [share.lane for share in one_lane(["web"])]
    ['']
    """
    return (Share("", frozenset(apps), True),)


def lane_per_app(apps: Sequence[str]) -> tuple[Share, ...]:
    """Counts first, so that losses are known before what they could have affected; then each application (Kafka).

    >>> [share.lane for share in lane_per_app(["web", "db", "web"])]
    ['', 'db', 'web']
    """
    return (Share("", frozenset(), True), *(Share(app, frozenset((app,)), False) for app in sorted(set(apps))))


class Link(Protocol):
    """A connection; `counts` are bytes `up` and `down`, and how often an answer was `forged`."""

    @property
    def lanes(self) -> Lanes:
        """How an entry is divided among envelopes."""

    @property
    def counts(self) -> Counter[str]:
        """Bytes and forged answers so far."""

    def deliver(self, sealed: bytes, lane: str, session: bytes, sequence: int) -> Answer:
        """Send one envelope; what the monitor says of it."""

    def words(self, asked: Mapping[str, Revision]) -> dict[str, bytes]:
        """What the cluster's words have more than these revisions, by application: extensions."""

    def listen(self, revision: int, wait_millis: int, outcomes: tuple[Outcome, ...] = ()) -> Orders:
        """Wait for control that is newer than `revision`, a question, or an order; empty when the time is over.

        `outcomes` say what became of orders: once this returns, the monitor has heard them.
        """

    def reply(self, sealed: bytes, question: bytes) -> None:
        """Send a sealed reply to the question of that id."""

    def close(self) -> None:
        """Let go of it; the next call opens it again."""
