"""The chain of envelopes that an agent has sent in one lane: what is new, repeated, missing, or not of this chain.

Rules of this file
    - No I/O, no clock: a link comes in, a verdict comes out; `judge` changes nothing, `take` notes what was judged new.
    - Each link names the digest of the one before. Within the last `WINDOW` numbers order does not matter and a repeat
      is no error; another content under a known number, a number older than the window, a link that does not fit its
      neighbours, and a session that does not go on from the head are conflicts: two agents with one identity, an agent
      restored from a backup, or a replay.
    - What is missing is counted as long as it is missing. What leaves the window without having come stays counted.
    - `strict` is for signed envelopes. Without it an empty `before` says nothing, and is not checked (plain envelopes
      of a replay between parts that trust each other).

Invariant: `digests` and `named` hold numbers of (head - WINDOW, head] only; no number is in both.
Complexity: O(1) per link in order, O(WINDOW) per link that leaves a gap; memory O(WINDOW).
Source: design section 4 (publish: at-least-once, hash of the previous envelope), section 3 promise 5.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

import msgspec

from grammar.errors import InputError

WINDOW: Final = 64


class Verdict(Enum):
    """What a link is to a chain."""

    NEW = "new"
    REPEAT = "repeat"
    CONFLICT = "conflict"


class Link(NamedTuple):
    """What an envelope says of its place: its number in its session, its digest, and that of the one before."""

    session: bytes
    number: int
    before: bytes
    digest: bytes


class Chain(msgspec.Struct, array_like=True):
    """One lane of one agent: `head` is the highest number taken (-1: none), `named` what missing ones must be.

    >>> chain = Chain()
    >>> chain.take(Link(b"s", 0, b"", b"a")), chain.take(Link(b"s", 2, b"b", b"c")), chain.missing
    (0, 1, 1)
    >>> chain.judge(Link(b"s", 1, b"a", b"b")).value, chain.judge(Link(b"s", 1, b"a", b"other")).value
    ('new', 'conflict')
    """

    session: bytes = b""
    head: int = -1
    missing: int = 0
    digests: dict[int, bytes] = {}
    named: dict[int, bytes] = {}
    earlier: tuple[bytes, ...] = ()

    def judge(self, link: Link, *, strict: bool = False) -> Verdict:
        """Whether a link is new, a repeat, or none of this chain."""
        if self.head < 0:
            return Verdict.NEW if link.number == 0 or link.before or not strict else Verdict.CONFLICT
        if link.session != self.session:
            return self._of_session(link, strict)
        known = self.digests.get(link.number)
        if known is not None:
            return Verdict.REPEAT if known == link.digest else Verdict.CONFLICT
        if link.number <= self.head - WINDOW or not self._fits(link, strict):
            return Verdict.CONFLICT
        return Verdict.NEW

    def _of_session(self, link: Link, strict: bool) -> Verdict:
        if link.digest in self.earlier:
            return Verdict.REPEAT
        follows = link.before == self.digests[self.head] or (not strict and not link.before)
        return Verdict.NEW if link.number == 0 and follows else Verdict.CONFLICT

    def _fits(self, link: Link, strict: bool) -> bool:
        """Whether it is what its successor names, and names its predecessor, as far as they are known."""
        if self.named.get(link.number, link.digest) != link.digest:
            return False
        if not link.before:
            return not strict or link.number == 0
        return self.digests.get(link.number - 1, link.before) == link.before

    def take(self, link: Link) -> int:
        """Note a link that is new; gives by how much more (or fewer) envelopes are missing."""
        if link.session != self.session:
            self.earlier = tuple(self.digests.values())
            self.session, self.head, self.missing, self.digests, self.named = link.session, -1, 0, {}, {}
        change = -1 if link.number < self.head else link.number - self.head - 1
        self._advance(max(self.head, link.number))
        self.named.pop(link.number, None)
        self.digests[link.number] = link.digest
        one_before = link.number - 1
        if link.before and one_before > self.head - WINDOW and one_before >= 0 and one_before not in self.digests:
            self.named[one_before] = link.before
        self.missing += change
        return change

    def _advance(self, head: int) -> None:
        """What is out of the window is forgotten."""
        last = head - WINDOW
        if head == self.head + 1:
            self.digests.pop(last, None)
            self.named.pop(last, None)
        elif head > self.head:
            self.digests = {number: one for number, one in self.digests.items() if number > last}
            self.named = {number: one for number, one in self.named.items() if number > last}
        self.head = head

    @property
    def tip(self) -> bytes:
        """The digest that the next envelope names."""
        return self.digests.get(self.head, b"")

    def encode(self) -> bytes:
        """For the store."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def decode(data: bytes) -> Chain:
        """From the store."""
        try:
            return msgspec.msgpack.decode(data, type=Chain)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"damaged chain in the state: {error}", offending=data[:16].hex()) from None
