"""Epochs → envelopes: the agent's side of the wire.

Rules of this file
    - No I/O: requests come out as bytes, answers go in as bytes. When an epoch brings something new the agent first asks for
      the words that the cluster has learned meanwhile (they cost a number each), then sends; else it sends a heartbeat.
    - Envelopes are numbered and chained by hash; session and name are given from outside.

Complexity: O(what is new).
Source: design section 4 (publish), section 6 (transport).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from agent.epochs import Epoch
from grammar import Delta, Envelope, Lexicon, Revision, apply_extension, encode_delta


@dataclass(slots=True)
class Publisher:
    """One agent session; `lexicons` are shared with `agent.epochs.Epochs`."""

    name: str
    session: bytes
    lexicons: dict[str, Lexicon]
    sequence: int = 0
    before: bytes = b""
    delta_bytes: int = 0

    def question(self, epoch: Epoch) -> bytes:
        """What to ask before sending this epoch: the revisions of its applications; nothing for a heartbeat."""
        if not epoch.deltas:
            return b""
        revisions: dict[str, Revision] = {app: self.lexicons.setdefault(app, Lexicon()).revision for app in epoch.deltas}
        return msgspec.msgpack.encode(revisions)

    def learn(self, answer: bytes) -> None:
        """Take in the words that the monitor sent."""
        for app, extension in msgspec.msgpack.decode(answer, type=dict[str, bytes]).items():
            apply_extension(self.lexicons.setdefault(app, Lexicon()), extension)

    def envelope(self, epoch: Epoch) -> bytes:
        """The epoch as bytes, next in the chain."""
        deltas = []
        for app, delta in sorted(epoch.deltas.items()):
            lexicon = self.lexicons.setdefault(app, Lexicon())
            known = lexicon.state_number
            fresh = {state: command for state, command in delta.commands.items() if state not in known}
            deltas.append((app, encode_delta(Delta(delta.sightings, fresh, delta.learned), lexicon)))
        envelope = Envelope(
            agent=self.name,
            session=self.session,
            sequence=self.sequence,
            start=epoch.start,
            length=epoch.length,
            events=epoch.events,
            lost=epoch.lost,
            deltas=tuple(deltas),
            active=epoch.active,
            before=self.before,
        )
        self.delta_bytes = sum(len(data) for _, data in deltas)
        self.sequence += 1
        self.before = envelope.digest
        return envelope.encode()
