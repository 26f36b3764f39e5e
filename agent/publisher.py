"""Epochs → envelopes: the agent's side of the wire.

Rules of this file
    - No I/O: requests come out as bytes, answers go in as bytes. When an epoch brings something new the agent first
      asks for the words that the cluster has learned meanwhile (they cost a number each), then sends; else it sends a
      heartbeat. A monitor that does not know the agent's words answers `base`: then the same epoch goes out `again`.
    - Envelopes are numbered and chained by hash; session and name are given from outside.

Complexity: O(what is new).
Source: design section 4 (publish), section 6 (transport).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from agent.epochs import Epoch
from grammar import CodecError, Delta, Envelope, Lexicon, Revision, apply_extension, encode_delta

MAX_EXTENSIONS = 1 << 28


@dataclass(slots=True)
class Publisher:
    """One agent session; `lexicons` are shared with `agent.epochs.Epochs`."""

    name: str
    session: bytes
    lexicons: dict[str, Lexicon]
    sequence: int = 0
    before: bytes = b""
    delta_bytes: int = 0
    _earlier: bytes = field(default=b"", repr=False)

    def question(self, epoch: Epoch) -> bytes:
        """What to ask before sending this epoch: the revisions of its applications; nothing for a heartbeat."""
        if not epoch.deltas:
            return b""
        revisions: dict[str, Revision] = {app: self._lexicon(app).revision for app in epoch.deltas}
        return msgspec.msgpack.encode(revisions)

    def learn(self, answer: bytes) -> None:
        """Take in the words that the monitor sent; anything else is a `CodecError`."""
        if len(answer) > MAX_EXTENSIONS:
            raise CodecError("more words than an agent will hold", hint=f"limit {MAX_EXTENSIONS} bytes")
        try:
            extensions = msgspec.msgpack.decode(answer, type=dict[str, bytes])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CodecError(f"not an answer with words: {error}", offending=answer[:16].hex()) from None
        for app, extension in extensions.items():
            if app in self.lexicons:
                apply_extension(self.lexicons[app], extension)

    def envelope(self, epoch: Epoch) -> bytes:
        """The epoch as bytes, next in the chain."""
        deltas = tuple(
            (app, self._delta(app, part)) for app, delta in sorted(epoch.deltas.items()) for part in delta.parts()
        )
        envelope = Envelope(
            agent=self.name,
            session=self.session,
            sequence=self.sequence,
            start=epoch.start,
            length=epoch.length,
            events=epoch.events,
            lost=epoch.lost,
            deltas=deltas,
            active=epoch.active,
            before=self.before,
        )
        body = envelope.encode()
        self.delta_bytes = sum(len(data) for _, data in deltas)
        self.sequence += 1
        self._earlier, self.before = self.before, envelope.digest
        return body

    def again(self, epoch: Epoch) -> bytes:
        """The envelope of the epoch sent last, once more and in full: with no word taken as known."""
        for app in epoch.deltas:
            self.lexicons[app] = Lexicon()
        self.sequence, self.before = self.sequence - 1, self._earlier
        return self.envelope(epoch)

    def _lexicon(self, app: str) -> Lexicon:
        return self.lexicons.setdefault(app, Lexicon())

    def _delta(self, app: str, delta: Delta) -> bytes:
        """A delta against the known words; an example command line goes with a state that is new to the cluster."""
        lexicon = self._lexicon(app)
        fresh = {state: command for state, command in delta.commands.items() if state not in lexicon.state_number}
        return encode_delta(Delta(delta.sightings, fresh, delta.learned), lexicon)
