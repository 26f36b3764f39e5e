"""Causal history: which labels a vertex has come from, and the state that this makes of it.

Rules of this file
    - A history is a set of labels, held as the bits of one integer. Names that differ in their numbers only share a
      bit, so that learning `p{int}.html` later changes no history.
    - A state's context is its tags and a fingerprint of its history: merged by causal history, tracing is exact. What
      is learned on top (`grammar.merging`) decides which histories are worth telling apart. The fingerprint depends on
      the labels only, not on the order in which they became known here.
    - Histories can be as many as subsets, so they are rationed. The first `fine` of a label stay apart; then only the
      programs, peers and pipes among them, and how many files, rounded, count (`coarse` of those); then none (`MUCH`).
    - Past `labels` labels, new ones share bits by hash: that coarsens, and loses nothing.

Invariant: the same label, tags and history give the same context for ever; vertices of different kinds or tags never
share a state.
Complexity: `bit` O(1); `context` O(1) for what is known, O(labels) for what is new; memory O(labels * coarse * fine)
at worst, whatever the log.
Source: fidelity notes of the design ("merged by causal history" is exact but not small); k-bounded indexes as in A(k).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

_NUMBER: Final = re.compile(r"[0-9]+")
_DETAIL: Final = "File "
MUCH: Final = "much"
"""The context entry of a state whose histories are too many to tell apart."""
MARK: Final = "#"
"""Begins a context entry that is a fingerprint: eight hexadecimal digits follow."""
ROUNDED: Final = 1.5
"""Coarse histories count their labels in powers of this."""


@dataclass(frozen=True, slots=True)
class Ration:
    """How many histories of one label are told apart: `fine` exactly, `coarse` roughly; and how many labels exactly."""

    fine: int = 16
    coarse: int = 32
    labels: int = 4096


@dataclass(slots=True)
class Histories:
    """The histories of one application on one worker.

    >>> histories = Histories()
    >>> known = histories.bit("File /p1.html") | histories.bit("Process sh /bin/sh")
    >>> histories.bit("File /p2.html") & known == histories.bit("File /p2.html")
    True
    >>> histories.context("Process cat /bin/cat", ("entry exec",), known)
    ('entry exec', '#994c4b06')
    >>> histories.context("Process cat /bin/cat", (), 0)
    ()
    """

    ration: Ration = field(default_factory=Ration)
    _bits: dict[str, int] = field(default_factory=dict)
    _shapes: dict[str, int] = field(default_factory=dict)
    _names: list[int] = field(default_factory=list)
    _detail: int = 0
    _fine: dict[tuple[str, tuple[str, ...], int], tuple[str, ...]] = field(default_factory=dict)
    _coarse: dict[tuple[str, tuple[str, ...], int, int], int] = field(default_factory=dict)
    _last: tuple[int, int] = (0, 0)
    _told: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)

    def bit(self, label: str) -> int:
        """The bit of a label: `1 << n`."""
        found = self._bits.get(label)
        if found is None:
            found = self._new_bit(label)
            if len(self._bits) < 4 * self.ration.labels:
                self._bits[label] = found
        return found

    def context(self, label: str, tags: tuple[str, ...], known: int) -> tuple[str, ...]:
        """The context of a state of that label with those tags and that history (a union of bits)."""
        if not known:
            return tags
        found = self._fine.get((label, tags, known))
        return self._ration(label, tags, known) if found is None else found

    def _ration(self, label: str, tags: tuple[str, ...], known: int) -> tuple[str, ...]:
        size = int(math.log(known.bit_count() + 1, ROUNDED))
        key = label, tags, known & ~self._detail, size
        used = self._coarse.get(key, 0)
        if not used:
            if self._told[label, tags] >= self.ration.coarse:
                return (*tags, MUCH)
            self._told[label, tags] += 1
        if used >= self.ration.fine:
            return (*tags, self._fingerprint(key[2], size))
        self._coarse[key] = used + 1
        exact = self._fine[label, tags, known] = (*tags, self._fingerprint(known, 0))
        return exact

    def _new_bit(self, label: str) -> int:
        detail = label.startswith(_DETAIL)
        shape = _NUMBER.sub("{int}", label) if detail else label
        number = self._shapes.get(shape)
        if number is None:
            number = len(self._names)
            if number >= self.ration.labels:
                return 1 << int.from_bytes(_digest(shape), "big") % self.ration.labels
            self._shapes[shape] = number
            self._names.append(int.from_bytes(_digest(shape), "big"))
            self._detail |= detail << number
        return 1 << number

    def _fingerprint(self, known: int, size: int) -> str:
        """A hash of the names and the size: from a sum, which is taken on from the history before."""
        before, total = self._last
        for changed, sign in ((known & ~before, 1), (before & ~known, -1)):
            rest = changed
            while rest:
                low = rest & -rest
                total += sign * self._names[low.bit_length() - 1]
                rest ^= low
        self._last = known, total
        return MARK + blake2b(b"%d %d" % (size, total), digest_size=4).hexdigest()


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
