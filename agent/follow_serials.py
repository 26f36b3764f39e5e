"""Which events of a stream are missing, by their serial numbers. No I/O.

Rules of this file
    - The kernel numbers its events one by one. A number that does not come, nor among the `SPAN` events after its turn,
      was lost on the way: dropped from auditd's queue, or sent while nobody read.
    - The common case costs one number an event: the end marks (EOE) come in order, none left out. Only where they do
      not (an event without end mark, one missing, two interleaved) is every record's number looked at, `TAIL` bytes
      back, too.
    - It is an estimate: a number that the kernel gave to an event that it then did not send counts as missing.
      auditd's own events (DAEMON_…) have numbers of their own and are left out.

Complexity: O(bytes); at most `MOST` numbers and `TAIL` bytes are held.
Source: kernel/audit.c (audit_serial); agent.events (SPAN).
"""

from __future__ import annotations

import re
from typing import Final

SPAN: Final = 64
MOST: Final = 4096
TAIL: Final = 16_384
_WIDTH: Final = 1 << 32
_SERIAL: Final = re.compile(
    rb"^(?:node=\S{1,256} )?type=(?!DAEMON_)[\w\[\]]{1,64} msg=audit\(\d{1,12}\.\d{3}:(\d{1,10})\)", re.MULTILINE
)
_END: Final = b"type=EOE "
_ENDS: Final = re.compile(rb"type=EOE msg=audit\(\d{1,12}\.\d{3}:(\d{1,10})\)")


class Serials:
    """The numbers of one stream, as whole lines come in.

    >>> serials = Serials()
    >>> serials.see(b"type=EOE msg=audit(1.000:7): \\n") + serials.begin(b"type=EOE msg=audit(1.000:10): \\n")
    2
    """

    def __init__(self, last: int | None = None) -> None:
        self._last = last  # up to here all is settled, but for those in `_late`
        self._late: set[int] = set()
        self._ahead: set[int] = set()
        self._tail = b""

    def begin(self, lines: bytes) -> int:
        """A connection begins with these lines: what lies between the last one and them will not come any more."""
        lost = self.finish()
        found = _SERIAL.search(lines)
        if found is None:
            return lost + self.see(lines)
        if self._last is not None:
            between = (int(found[1]) - self._last) % _WIDTH - 1
            lost += between if 0 < between < _WIDTH // 2 else 0
        self._last = (int(found[1]) - 1) % _WIDTH
        return lost + self.see(lines)

    def see(self, lines: bytes) -> int:
        """Take whole lines; gives the number of events that are now known to be missing."""
        at = lines.rfind(_END)
        rest = _numbers(lines[max(at, 0) :])
        if self._last is None:
            found = _SERIAL.search(lines)
            if found is None:
                return 0
            self._last = (int(found[1]) - 1) % _WIDTH
        if at < 0:
            self._ahead |= rest
            return self._settle(max(self._ahead, key=self._distance), set()) if len(self._ahead) > SPAN else 0
        self._ahead |= rest
        ends = [int(number) for number in _ENDS.findall(lines)]
        before, self._tail = self._tail, (self._tail + lines[-TAIL:])[-TAIL:]
        if not ends or (not self._late and ends == list(range(self._last + 1, self._last + 1 + len(ends)))):
            self._last = ends[-1] if ends else self._last
            self._forget()
            return 0
        return self._settle(ends[-1], _numbers(before) | _numbers(lines))

    def finish(self) -> int:
        """The connection ends: what is late will not come."""
        lost = self._settle(max(self._ahead, key=self._distance), set()) if self._ahead else 0
        lost += len(self._late)
        self._late, self._tail = set(), b""
        return lost

    def _settle(self, last: int, numbers: set[int]) -> int:
        self._ahead |= numbers
        self._late -= self._ahead
        span = self._distance(last)
        if span >= _WIDTH // 2:  # it is behind what was seen before
            last, span = self._last or 0, 0
        came = {distance for number in self._ahead if 0 < (distance := self._distance(number)) <= span}
        lost = 0
        if span - len(came) + len(self._late) > MOST:
            lost = span - len(came)
        elif span > len(came):
            first = self._last or 0
            self._late |= {(first + one) % _WIDTH for one in range(1, span + 1) if one not in came}
        self._last = last
        self._forget()
        gone = {number for number in self._late if (last - number) % _WIDTH > SPAN}
        self._late -= gone
        return lost + len(gone)

    def _forget(self) -> None:
        self._ahead = {number for number in self._ahead if 0 < self._distance(number) < _WIDTH // 2}

    def _distance(self, number: int) -> int:
        return (number - (self._last or 0)) % _WIDTH


def _numbers(lines: bytes) -> set[int]:
    return {int(number) for number in _SERIAL.findall(lines)}
