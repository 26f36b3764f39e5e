"""Records → events, sans I/O: bytes in, complete events out.

Rules of this file
    - An event is all records with one node and stamp. It is complete at its PROCTITLE or EOE record; a record of a type
      that never comes with a system call is an event of its own. What gets no end mark (old kernels write none; busy ones
      lose some) is closed after `SPAN` further events or `GRACE` of log time, both measured from its arrival: a blocked
      accept carries the stamp of its beginning.
    - Events leave in the order in which they began: one that is complete waits for the open ones before it.
    - The common case, an event whose records stand together, is one match of one expression over the buffer. Everything
      else goes line by line. Both ways give the same events in the same order, wherever the input is cut.
    - State is one value: `save()` and `restore()`; memory is bounded by `MAX_LINE`, `MAX_OPEN` and `SPAN`.
    - Every line that is not used is counted by cause.

Invariant: feeding a log whole, by line, by byte, or across save and restore gives the same events and the same counts.
Complexity: O(bytes).
Source: audit userspace auparse (event completion), kernel/auditsc.c audit_log_exit (PROCTITLE comes last); design section 4.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec

from agent.loss import Loss
from agent.records import HEADER, Record, parse_line

MAX_LINE: Final = 65_536
MAX_OPEN: Final = 256
SPAN: Final = 64  # events that may begin and end between two records of one event
GRACE: Final = 2_000  # milliseconds of log time, as auparse's default

_NORMAL: Final = re.compile(
    rb"type=SYSCALL msg=audit\((\d{1,12}\.\d{3}:\d{1,10})\): (arch=\w+ syscall=\d+(?: per=\w+)?(?: success=\w+)?)"
    rb"(?: exit=(-?\w+))? a0=(\w+) a1=(\w+) a2=(\w+) a3=(\w+) items=\d+ ([^\n]*+)\n"
    rb"((?:type=(?!PROCTITLE |SYSCALL |EOE )[\w\[\]]+ msg=audit\(\1\):[^\n]*+\n)*+)"
    rb"type=PROCTITLE msg=audit\(\1\):([^\n]*+)\n"
)
"""Possessive throughout: whatever the text, nothing is tried twice (one optional space here once cost 2^lines)."""
_SYSCALL: Final = re.compile(
    rb"type=SYSCALL msg=audit\(([^)]*)\): (arch=\w+ syscall=\d+(?: per=\w+)?(?: success=\w+)?)"
    rb"(?: exit=(-?\w+))? a0=(\w+) a1=(\w+) a2=(\w+) a3=(\w+) items=\d+ ([^\n]*)\n"
)
_ENDS: Final = frozenset({b"PROCTITLE", b"EOE"})
_JOINS: Final = frozenset(
    b"SYSCALL PATH CWD EXECVE SOCKADDR SOCKETCALL FD_PAIR OBJ_PID IPC IPC_SET_PERM MQ_OPEN MQ_SENDRECV MQ_NOTIFY "
    b"MQ_GETSETATTR CAPSET MMAP BPRM_FCAPS OPENAT2 URINGOP NETFILTER_CFG NETFILTER_PKT KERN_MODULE KERNEL_OTHER AVC "
    b"AVC_PATH SELINUX_ERR LOGIN SECCOMP BPF FANOTIFY TIME_INJOFFSET TIME_ADJNTPVAL EVENT_LISTENER MAC_POLICY_LOAD "
    b"MAC_STATUS CONFIG_CHANGE ANOM_PROMISCUOUS ANOM_ABEND ANOM_LINK ANOM_CREAT INTEGRITY_RULE TTY".split()
)
"""Record types that the kernel may add to a system call's event; anything else is an event of its own."""

Call = tuple[bytes, bytes, bytes | None, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
"""stamp, `arch=… syscall=… success=…`, exit, a0, a1, a2, a3 (hex), tail of the SYSCALL record, other records, title."""


@dataclass(slots=True)
class Event:
    """All records of one stamp. `call` is what a system call's event offers to the graph; `raw` is every line."""

    millis: int
    raw: bytes
    call: Call | None = None
    node: str = ""

    @property
    def records(self) -> list[Record]:
        """Its records, in order of arrival."""
        return [record for line in self.raw.splitlines() if (record := parse_line(line)) is not None]

    @property
    def serial(self) -> int:
        """The kernel's number of the event (it starts again at 2^32)."""
        found = HEADER.match(self.raw)
        return int(found["serial"]) if found else 0


class _Open(msgspec.Struct, array_like=True):
    """An event that has begun. `place` counts the events before it; `whole` once it waits only for its turn."""

    node: bytes
    stamp: bytes
    arrived: int
    place: int
    lines: list[bytes]
    whole: bool = False
    titled: bool = False


class _State(msgspec.Struct, array_like=True):
    rest: bytes
    skipping: bool
    clock: int
    lines: int
    places: int
    titles: bool
    queue: list[_Open]
    loss: dict[str, int]


class AuditParser:
    """The audit log as a machine: `feed` bytes, get events; `finish` closes what is open.

    >>> parser = AuditParser()
    >>> [e.serial for e in parser.feed(b"type=USER_LOGIN msg=audit(1.000:7): pid=1\\n")]
    [7]
    """

    def __init__(self) -> None:
        self.loss = Loss()
        self.lines = 0
        self._rest = b""
        self._skipping = self._titles = False
        self._clock = self._places = 0
        self._open: dict[tuple[bytes, bytes], _Open] = {}
        self._queue: deque[_Open | Event] = deque()

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the log, cut anywhere; give the events that they complete."""
        buffer = self._rest + data if self._rest else data
        start = 0
        if self._skipping:
            start = buffer.find(b"\n") + 1
            if not start:
                return []
            self._skipping = False
        end = buffer.rfind(b"\n") + 1
        events: list[Event] = []
        self._lines(buffer, start, end, events)
        self._rest = buffer[max(start, end) :]
        if len(self._rest) > MAX_LINE:
            self.loss.note("oversized")
            self._rest, self._skipping = b"", True
        return events

    def finish(self) -> list[Event]:
        """The log ends here: use a last line without newline if it is whole, close all open events."""
        events: list[Event] = []
        if self._rest and _whole(self._rest):
            self._line(self._rest, events)
        elif self._rest:
            self.loss.note("truncated")
        self._rest, self._skipping = b"", False
        for key in list(self._open):
            self._close(key, events)
        return events

    def save(self) -> bytes:
        """The whole state as bytes; see `restore`."""
        queue = [one if isinstance(one, _Open) else _packed(one) for one in self._queue]
        state = _State(
            self._rest, self._skipping, self._clock, self.lines, self._places, self._titles, queue, dict(self.loss)
        )
        return msgspec.msgpack.encode(state)

    @staticmethod
    def restore(saved: bytes) -> AuditParser:
        """A parser that goes on exactly where the saved one was."""
        state = msgspec.msgpack.decode(saved, type=_State)
        parser = AuditParser()
        parser._rest, parser._skipping, parser._clock = state.rest, state.skipping, state.clock
        parser.lines, parser._places, parser._titles = state.lines, state.places, state.titles
        for one in state.queue:
            parser._queue.append(parser._event(one) if one.whole else one)
            if not one.whole:
                parser._open[one.node, one.stamp] = one
        parser.loss.clear()  # what rebuilding the waiting events has counted was counted before
        parser.loss.update(state.loss)
        return parser

    def _lines(self, buffer: bytes, start: int, end: int, events: list[Event]) -> None:
        normal, opened, at = _NORMAL.match, self._open, start
        while at < end:
            found = normal(buffer, at)
            if found is not None and found.end() - at <= MAX_LINE:
                call = found.groups()
                stamp = call[0]
                if (b"", stamp) not in opened:
                    at = found.end()
                    millis = _millis(stamp)
                    if millis > self._clock:
                        self._clock = millis
                    self._places += 1
                    self._titles = True
                    self.lines += 2 + (call[8].count(b"\n") if call[8] else 0)
                    if opened:
                        self._expire(events)
                    if self._queue:
                        self._queue.append(Event(millis, found.group(), call))
                    else:
                        events.append(Event(millis, found.group(), call))
                    continue
            stop = buffer.index(b"\n", at)
            self._line(buffer[at:stop], events)
            at = stop + 1

    def _line(self, line: bytes, events: list[Event]) -> None:
        if len(line) > MAX_LINE:
            self.loss.note("oversized")
            return
        found = HEADER.match(line)
        if found is None:
            if line.strip():
                self.lines += 1
                self.loss.note("unparsable")
            return
        self.lines += 1
        node, kind, stamp = found["node"] or b"", found["type"], found["stamp"]
        self._clock = max(self._clock, _time(found["sec"], found["frac"]))
        key = (node, stamp)
        one = self._open.get(key)
        if one is None:
            if kind == b"EOE":
                return
            one = self._begin(key, events)
        if kind != b"EOE":
            one.lines.append(line[len(node) + 6 :] if node else line)
        if kind == b"PROCTITLE":
            one.titled = self._titles = True
        if kind in _ENDS or (kind not in _JOINS and len(one.lines) == 1):
            self._close(key, events)

    def _begin(self, key: tuple[bytes, bytes], events: list[Event]) -> _Open:
        self._places += 1
        self._expire(events)
        if len(self._open) >= MAX_OPEN:
            self._close(next(iter(self._open)), events)
        one = self._open[key] = _Open(*key, self._clock, self._places, [])
        self._queue.append(one)
        return one

    def _expire(self, events: list[Event]) -> None:
        while self._open:
            key, oldest = next(iter(self._open.items()))
            if self._clock - oldest.arrived <= GRACE and self._places - oldest.place <= SPAN:
                return
            self._close(key, events)

    def _close(self, key: tuple[bytes, bytes], events: list[Event]) -> None:
        self._open.pop(key).whole = True
        queue = self._queue
        while queue:
            head = queue[0]
            if isinstance(head, _Open):
                if not head.whole:
                    return
                events.append(self._event(head))
            else:
                events.append(head)
            queue.popleft()

    def _event(self, one: _Open) -> Event:
        raw = b"\n".join(one.lines) + b"\n"
        sec, _, rest = one.stamp.partition(b".")
        millis = _time(sec, rest.partition(b":")[0])
        return Event(millis, raw, self._call(one, raw), one.node.decode("utf-8", "replace"))

    def _call(self, one: _Open, raw: bytes) -> Call | None:
        found = _SYSCALL.search(raw)
        if found is None:
            if any(line.startswith(b"type=SYSCALL ") for line in one.lines):
                self.loss.note("malformed")
            elif all(line.startswith(b"type=PROCTITLE ") for line in one.lines):
                self.loss.note("late")
            return None
        if self._titles and not one.titled:
            self.loss.note("unfinished")
        rest = [ln for ln in one.lines if not ln.startswith((b"type=SYSCALL ", b"type=PROCTITLE "))]
        title = next((ln.partition(b": ")[2] for ln in one.lines if ln.startswith(b"type=PROCTITLE ")), b"")
        _, call, code, a0, a1, a2, a3, tail = found.groups()
        return (one.stamp, call, code, a0, a1, a2, a3, tail, b"".join(ln + b"\n" for ln in rest), title)


def _packed(event: Event) -> _Open:
    """An event that waits for its turn, as its lines."""
    found = HEADER.match(event.raw)
    stamp = found["stamp"] if found else b""
    lines = event.raw.split(b"\n")[:-1]
    return _Open(event.node.encode(), stamp, 0, 0, lines, whole=True, titled=True)


def _millis(stamp: bytes) -> int:
    dot = stamp.index(b".")
    return int(stamp[:dot] + stamp[dot + 1 : dot + 4])


def _time(seconds: bytes, fraction: bytes) -> int:
    return int(seconds + fraction[:3].ljust(3, b"0"))


def _whole(line: bytes) -> bool:
    """Whether a last line without newline can be a whole record: its quotes close and its last field has a value."""
    found = HEADER.match(line)
    if found is None or line.count(b'"') % 2 or line.endswith((b"=", b" ")):
        return False
    body = found["body"]
    return b"=" in body.rpartition(b" ")[2] and (found["type"] != b"SYSCALL" or b" key=" in body)
