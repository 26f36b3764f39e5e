"""What the Kafka parts need of a monitor: taking envelopes, handing an application on, taking one over.

Rules of this file
    - Only what is needed, as a `Protocol`: tests and the service implement it. Every call may come from any thread, and
      is one transaction: it is there whole after a crash, or not at all.
    - A *lane* is an application, or empty for counts. A part of an application's state is named by a tuple of texts and
      is opaque here; parts of one application merge in any order (`monitor.kafka_state`).
    - Positions are names with numbers that are kept with the evidence: how far each partition of each topic is taken.

Source: design section 6; issue "live agent" (transports).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol

from grammar.control import Control, Status
from grammar.topics import Member

PATIENCE: Final = 5.0
"""Seconds that an envelope waits for its agent to come onto the roster."""
MOST_STRANGERS: Final = 10_000
Part = tuple[str, ...]
Adopted = Literal["taken", "forked", "early"]
"""Of parts: taken over; of other words than are here (take the whole); of words that have not come yet."""


class Arrival(NamedTuple):
    """A sealed envelope as it came, and the lane that it must be of."""

    sealed: bytes
    lane: str


@dataclass(slots=True)
class Strangers:
    """Keys that are not on the roster: enrolled elsewhere a moment ago, perhaps. Each is waited for once, not long."""

    since: dict[bytes, float] = field(default_factory=dict)

    def wait(self, keys: Iterable[bytes], now: float) -> bool:
        """Whether there is one among them that is still waited for; `now` in seconds."""
        waiting = False
        for one in keys:
            if one in self.since or len(self.since) < MOST_STRANGERS:
                waiting |= now - self.since.setdefault(one, now) < PATIENCE
        return waiting


class Core(Protocol):
    """A monitor without its network."""

    def strangers(self, batch: Sequence[Arrival]) -> set[bytes]:
        """The keys of envelopes that nobody on the roster has."""
        ...

    def take(self, batch: Sequence[Arrival], positions: Mapping[str, int]) -> list[Status]:
        """Verify and apply envelopes and note the positions, all in one transaction; what is bad is only counted."""
        ...

    def count(self, cause: str, number: int) -> None:
        """Something came that no agent can be blamed for, or was lost: it is shown with the losses."""
        ...

    def positions(self) -> dict[str, int]:
        """What has been noted."""
        ...

    def note(self, positions: Mapping[str, int]) -> None:
        """Note positions by themselves."""
        ...

    def lanes(self) -> set[str]:
        """The lanes that it knows."""
        ...

    def changed(self) -> set[tuple[str, str]]:
        """Which (lane, worker) have changed since this was asked last; a worker of "" stands for all."""
        ...

    def export(self, lane: str, workers: Sequence[str] | None, words_from: int) -> dict[Part, bytes]:
        """The state of a lane: words from that number on, and the parts of some workers (None: of all)."""
        ...

    def adopt(self, lane: str, parts: Mapping[Part, bytes], *, whole: bool) -> Adopted:
        """Take over parts of a lane (`whole`: instead of what is here)."""
        ...

    def member(self, revision: int, member: Member) -> None:
        """An agent was enrolled or revoked, here or at another monitor; an older revision changes nothing."""
        ...

    def orders(self, control: Control) -> None:
        """Control as another monitor has set it; an older revision changes nothing."""
        ...

    def alert(self, data: bytes) -> None:
        """An alert that a monitor raised; one that is known changes nothing."""
        ...

    def replied(self, sealed: bytes) -> None:
        """A worker's answer to a question, sealed by it; what is bad is only counted."""
        ...
