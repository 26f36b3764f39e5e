"""How one entry of the ledger is brought to the monitor: what to do next, and what to make of what comes back.

Rules of this file
    - Pure: a script that yields what is to be done and is sent what came of it. Who runs it has the ledger and the
      link; an error of theirs ends it, and it begins again from what the ledger holds: nothing counts twice.
    - Signed bytes are in the ledger before they are delivered; what is there already goes as it is. `base` means that
      nothing was taken: only then are other bytes signed under the same number.

Complexity: O(bytes).
Source: design section 6; the chain rules of `grammar.envelope`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from agent.ledger import Head, Held
from agent.link import Share
from agent.publisher import Author, Vocabulary
from grammar import CodecError, Revision
from grammar.control import Answer
from grammar.signing import OVERHEAD

LARGE: Final = 8_192
"""Bytes of new words from which on there may be more: an extension ends where a decoder's purse does."""
ROUNDS: Final = 64


class Ask(NamedTuple):
    """Ask for words; what comes back are extensions by application."""

    revisions: dict[str, Revision]


class Fly(NamedTuple):
    """Keep the signed bytes."""

    lane: str
    sequence: int
    sealed: bytes


class Deliver(NamedTuple):
    """Send them; what comes back is an `Answer`."""

    lane: str
    sequence: int
    sealed: bytes


class Land(NamedTuple):
    """They have arrived: forget them; `digest` is what the next of the lane names."""

    lane: str
    digest: bytes
    last: bool


Action = Ask | Fly | Deliver | Land
Result = Answer | Mapping[str, bytes] | None
Script = Generator[Action, Result, str]


def convey(held: Held, shares: Sequence[Share], head_of: Callable[[str], Head], author: Author) -> Script:
    """Bring an entry over, lane by lane; gives the status at which it ended: `new` if all of it has arrived."""
    informed = False
    for share in shares:
        flight = held.flights.get(share.lane)
        if flight is not None and flight.done:
            continue
        if flight is not None:
            sealed, sequence = flight.sealed, flight.sequence
        else:
            if share.apps and not informed:
                informed = True
                yield from _inform({app for one in shares for app in one.apps}, author.vocabulary)
            head = head_of(share.lane)
            sealed, sequence = author.sealed(held.entry, share, head), head.sequence
            yield Fly(share.lane, sequence, sealed)
        answer = _answer((yield Deliver(share.lane, sequence, sealed)))
        if answer.status == "base":
            author.vocabulary.forget(share.apps)
            sealed = author.sealed(held.entry, share, head_of(share.lane))
            yield Fly(share.lane, sequence, sealed)
            answer = _answer((yield Deliver(share.lane, sequence, sealed)))
        if answer.status not in ("new", "repeat"):
            return answer.status
        yield Land(share.lane, named(sealed), share is shares[-1])
    return "new"


def _inform(apps: set[str], vocabulary: Vocabulary) -> Script:
    """Learn the words that the cluster has for these applications; without them all is spelled out."""
    for _ in range(ROUNDS):
        found = yield Ask(vocabulary.revisions(apps))
        extensions = found if isinstance(found, Mapping) else {}
        try:
            vocabulary.learn(extensions)
        except CodecError:
            break
        if sum(map(len, extensions.values())) < LARGE:
            break
    return "new"


def _answer(result: Result) -> Answer:
    if not isinstance(result, Answer):
        raise TypeError("a delivery has an answer")
    return result


def named(sealed: bytes) -> bytes:
    """What the next envelope of the lane carries as `before`."""
    return blake2b(memoryview(sealed)[OVERHEAD:], digest_size=8).digest()
