"""Entries → envelopes: the agent's side of the wire, against the words that the cluster knows.

Rules of this file
    - No I/O: messages come out as bytes, answers go in as bytes. When an epoch brings something new the agent first
      asks for the words that the cluster has learned meanwhile (they cost a number each), then sends; else it sends a
      heartbeat. A monitor that does not know the agent's words answers `base`: then the same epoch goes out in full.
    - Lexicons are shared by two threads: the one that encodes changes them, the one that cuts epochs reads them, both
      under `Vocabulary.lock`. Encoding itself needs no lock: nobody else changes words.
    - `Publisher` numbers and chains envelopes in memory (a recording); a live agent's chain is in its ledger.

Complexity: O(what is new).
Source: design section 4 (publish), section 6 (transport).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Final

import msgspec

from agent.entry import Entry, told
from agent.epochs import Epoch
from agent.ledger import Head
from agent.link import Share
from grammar import CodecError, Delta, Envelope, Lexicon, Revision, apply_extension, encode_delta
from grammar.finding import Finding
from grammar.signing import Signer

LONGEST: Final = 86_400_000
"""A day: no monitor takes a longer epoch; united entries may be longer."""
MAX_EXTENSIONS: Final = 1 << 28


@dataclass(slots=True)
class Vocabulary:
    """The words shared with the cluster, by application; `lexicons` are those of `agent.epochs.Epochs`."""

    lexicons: dict[str, Lexicon]
    lock: RLock = field(default_factory=RLock)

    def revisions(self, apps: Iterable[str]) -> dict[str, Revision]:
        """Where the words of these applications stand."""
        return {app: self._lexicon(app).revision for app in sorted(set(apps))}

    def learn(self, extensions: Mapping[str, bytes]) -> None:
        """Take in new words; what is none of that is a `CodecError`, and that application's words begin anew."""
        for app, extension in extensions.items():
            with self.lock:
                if app in self.lexicons:
                    try:
                        apply_extension(self.lexicons[app], extension)
                    except CodecError:
                        self.lexicons[app] = Lexicon()
                        raise

    def forget(self, apps: Iterable[str]) -> None:
        """Take no word of these applications as known."""
        with self.lock:
            for app in apps:
                self.lexicons[app] = Lexicon()

    def encode(self, app: str, delta: Delta) -> bytes:
        """A delta against the known words; an example command line goes with a state that is new to the cluster."""
        lexicon = self._lexicon(app)
        fresh = {state: command for state, command in delta.commands.items() if state not in lexicon.state_number}
        return encode_delta(Delta(delta.sightings, fresh, delta.learned), lexicon)

    def _lexicon(self, app: str) -> Lexicon:
        with self.lock:
            return self.lexicons.setdefault(app, Lexicon())


@dataclass(frozen=True, slots=True)
class Author:
    """Who signs, in which session, against which words."""

    name: str
    signer: Signer
    session: bytes
    vocabulary: Vocabulary

    def envelope(self, entry: Entry, share: Share, head: Head) -> Envelope:
        """One lane's envelope of an entry; deltas that cannot be read any more are a loss, and said."""
        whole = entry if share.counts else Entry(entry.start, entry.length)
        lost = whole.lost
        try:
            deltas = tuple((app, self.vocabulary.encode(app, one)) for app, one in told(entry) if app in share.apps)
        except CodecError:
            deltas, lost = (), {**lost, "spool_damaged": lost.get("spool_damaged", 0) + 1}
        return Envelope(
            agent=self.name,
            session=self.session,
            sequence=head.sequence,
            start=max(0, entry.start),
            length=min(entry.length, LONGEST),
            events=whole.events,
            lost=lost,
            deltas=deltas,
            active=whole.active,
            before=head.before,
            lane=share.lane,
            control=entry.control,
            runs=whole.runs,
            kernel=whole.kernel,
            findings=tuple(one for one in entry.findings if one.app in share.apps),
        )

    def sealed(self, entry: Entry, share: Share, head: Head) -> bytes:
        """The envelope, signed."""
        return self.signer.seal("envelope", self.envelope(entry, share, head).encode())


@dataclass(slots=True)
class Publisher:
    """One agent session in memory; `lexicons` are shared with `agent.epochs.Epochs`."""

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
        return msgspec.msgpack.encode(Vocabulary(self.lexicons).revisions(epoch.deltas))

    def learn(self, answer: bytes) -> None:
        """Take in the words that the monitor sent; anything else is a `CodecError`."""
        if len(answer) > MAX_EXTENSIONS:
            raise CodecError("more words than an agent will hold", hint=f"limit {MAX_EXTENSIONS} bytes")
        try:
            extensions = msgspec.msgpack.decode(answer, type=dict[str, bytes])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CodecError(f"not an answer with words: {error}", offending=answer[:16].hex()) from None
        Vocabulary(self.lexicons).learn(extensions)

    def envelope(self, epoch: Epoch, findings: tuple[Finding, ...] = ()) -> bytes:
        """The epoch as bytes, next in the chain."""
        vocabulary = Vocabulary(self.lexicons)
        deltas = tuple(
            (app, vocabulary.encode(app, part)) for app, delta in sorted(epoch.deltas.items()) for part in delta.parts()
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
            findings=findings,
        )
        body = envelope.encode()
        self.delta_bytes = sum(len(data) for _, data in deltas)
        self.sequence += 1
        self._earlier, self.before = self.before, envelope.digest
        return body

    def again(self, epoch: Epoch, findings: tuple[Finding, ...] = ()) -> bytes:
        """The envelope of the epoch sent last, once more and in full: with no word taken as known."""
        Vocabulary(self.lexicons).forget(epoch.deltas)
        self.sequence, self.before = self.sequence - 1, self._earlier
        return self.envelope(epoch, findings)
