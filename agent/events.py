"""Records → events, sans I/O: bytes in, complete events out.

Rules of this file
    - An event is all records with one node and stamp. It is complete at its PROCTITLE or EOE record; a record of a type
      that never comes with a system call is an event of its own. What gets no end mark (old kernels write none; busy
      ones lose some) is closed after `SPAN` further events, or `FEW` and `GRACE` of log time, both measured from its
      arrival: a blocked accept carries the stamp of its beginning. A second SYSCALL record of one stamp begins another
      event.
    - Events leave in the order in which they began: one that is complete waits for the open ones before it.
    - The common case, an event whose records stand together, is one match of one expression over the buffer. Everything
      else goes line by line. Both ways give the same events in the same order, wherever the input is cut.
    - State is one value: `save()` and `restore()`; memory is bounded by `MAX_LINE`, `MAX_HELD` and `SPAN`.
    - Every line that is not blank is in `lines`, and is in one event, is an end mark (EOE), or is counted as
      unparsable, oversized or truncated. What is wrong with an event (late, malformed, unfinished) is counted when it
      is closed.

Invariant: feeding a log whole, by line, by byte, or across save and restore gives the same events and the same counts.
Complexity: O(bytes), whatever the bytes are: no expression here goes back over what it has taken.
Source: audit userspace auparse (event completion), kernel/auditsc.c audit_log_exit (PROCTITLE comes last; an io_uring
operation has none); linux/audit.h (types by number); design section 4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, cast

import msgspec

from agent.loss import Loss
from agent.records import ENRICHED, HEADER, Record, parse_line, text
from grammar.errors import CodecError

MAX_LINE: Final = 65_536
MAX_HELD: Final = 8_388_608  # bytes of events that are open or wait; a whole argument vector (2 MB, as hex) fits
SPAN: Final = 64  # events that may begin and end between two records of one event
FEW: Final = 4  # events that must have begun before time alone closes one: in a quiet log time says little about order
GRACE: Final = 2_000  # milliseconds of log time, as auparse's default

_CALL: Final = (
    rb"(arch=\w+ syscall=\d{1,9}(?: per=\w+)?(?: success=\w+)?)(?: exit=(-?\w{1,20}))?"
    rb" a0=([0-9A-Fa-f]{1,16}) a1=([0-9A-Fa-f]{1,16}) a2=([0-9A-Fa-f]{1,16}) a3=([0-9A-Fa-f]{1,16})"
    rb" items=\d+ ([^\n]*+)"
)
_NORMAL: Final = re.compile(
    rb"type=SYSCALL msg=audit\((\d{1,12}\.\d{3}:\d{1,10})\): " + _CALL + rb"\n"
    rb"((?:type=(?!PROCTITLE |SYSCALL |EOE )[\w\[\]]++ msg=audit\(\1\):[^\n]*+\n)*)"
    rb"type=PROCTITLE msg=audit\(\1\): ?([^\n]*+)\n"
)
_SYSCALL: Final = re.compile(rb"type=SYSCALL msg=audit\([^)]*+\): " + _CALL)
_ENDS: Final = frozenset({b"PROCTITLE", b"EOE"})
_PARTS: Final = frozenset(
    b"PATH CWD EXECVE SOCKADDR SOCKETCALL FD_PAIR OBJ_PID IPC IPC_SET_PERM MQ_OPEN MQ_SENDRECV MQ_NOTIFY MQ_GETSETATTR "
    b"CAPSET MMAP BPRM_FCAPS OPENAT2 PROCTITLE".split()
)
"""Record types that say nothing without their SYSCALL or URINGOP record."""
_JOINS: Final = _PARTS | frozenset(
    b"SYSCALL URINGOP NETFILTER_CFG NETFILTER_PKT KERN_MODULE KERNEL_OTHER AVC AVC_PATH SELINUX_ERR LOGIN SECCOMP BPF "
    b"FANOTIFY TIME_INJOFFSET TIME_ADJNTPVAL EVENT_LISTENER MAC_POLICY_LOAD MAC_STATUS MAC_CONFIG_CHANGE CONFIG_CHANGE "
    b"FEATURE_CHANGE DM_CTRL DM_EVENT ANOM_PROMISCUOUS ANOM_ABEND ANOM_LINK ANOM_CREAT INTEGRITY_DATA TTY "
    b"INTEGRITY_METADATA INTEGRITY_RULE INTEGRITY_POLICY_RULE IPE_ACCESS IPE_CONFIG_CHANGE IPE_POLICY_LOAD "
    b"LANDLOCK_ACCESS LANDLOCK_DOMAIN".split()
)
"""Record types that the kernel may add to a system call's event, perhaps first; any other is an event of its own."""
_UNNAMED: Final = re.compile(rb"UNKNOWN\[1[3-58]\d\d\]")
"""Types of the kernel's event, SELinux, AppArmor and integrity ranges, too new for the auditd that wrote them."""

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
        found = [record for line in self.raw.split(b"\n") if (record := parse_line(line)) is not None]
        return [replace(record, node=self.node) for record in found] if self.node else found

    @property
    def serial(self) -> int:
        """The kernel's number of the event (it starts again at 2^32)."""
        found = HEADER.match(self.raw)
        return int(found["serial"]) if found else 0


class _Open(msgspec.Struct, array_like=True, eq=False):
    """An event that has begun. `place` counts the events before it; `closed` once it waits only for its turn."""

    node: bytes
    stamp: bytes
    arrived: int
    place: int
    lines: list[bytes]
    called: bool = False
    ended: bool = False
    closed: bool = False


class _State(msgspec.Struct, array_like=True):
    rest: bytes
    skipping: bool
    clock: int
    lines: int
    places: int
    marked: bool
    queue: list[_Open]
    loss: dict[str, int]


class AuditParser:
    """The audit log as a machine: `feed` bytes, get events; `finish` closes what is open.

    `lines` counts the lines that were not blank, `loss` what could not be used.

    >>> parser = AuditParser()
    >>> [e.serial for e in parser.feed(b"type=USER_LOGIN msg=audit(1.000:7): pid=1\\n")]
    [7]
    """

    def __init__(self) -> None:
        self.loss = Loss()
        self.lines = 0
        self._rest = b""
        self._skipping = self._marked = False  # inside a line that is too long; this log has end marks
        self._clock = self._places = self._held = 0
        self._open: dict[tuple[bytes, bytes], _Open] = {}
        self._queue: dict[int, _Open | Event] = {}  # by place; the first is open, or there is none

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the log, cut anywhere; give the events that they complete."""
        buffer = self._rest + data if self._rest else data
        if b"\r" in buffer:
            buffer = buffer.replace(b"\r\n", b"\n")
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
        if len(self._rest) - self._rest.endswith(b"\r") > MAX_LINE:
            self._drop("oversized")
            self._rest, self._skipping = b"", True
        return events

    def finish(self) -> list[Event]:
        """The log ends here: use a last line without newline if it is whole, close all open events."""
        events: list[Event] = []
        last = self._rest.removesuffix(b"\r")
        self._rest, self._skipping = b"", False
        if _whole(last):
            self._line(last, events)
        elif last.strip():
            self._drop("truncated")
        for key in list(self._open):
            self._close(key, events)
        return events

    def save(self) -> bytes:
        """The whole state as bytes; see `restore`."""
        queue = [one if isinstance(one, _Open) else _packed(place, one) for place, one in self._queue.items()]
        state = _State(
            self._rest, self._skipping, self._clock, self.lines, self._places, self._marked, queue, dict(self.loss)
        )
        return msgspec.msgpack.encode(state)

    @staticmethod
    def restore(saved: bytes) -> AuditParser:
        """A parser that goes on exactly where the saved one was; what `save` has not written is a `CodecError`."""
        try:
            state = msgspec.msgpack.decode(saved, type=_State)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CodecError("not a saved state of the audit parser", hint=str(error)) from error
        parser = AuditParser()
        parser._rest, parser._skipping, parser._clock = state.rest, state.skipping, state.clock
        parser.lines, parser._places, parser._marked = state.lines, state.places, state.marked
        for one in state.queue:
            parser._queue[one.place] = _event(one) if one.closed else one
            parser._held += sum(len(line) + 1 for line in one.lines)
            if not one.closed:
                parser._open[one.node, one.stamp] = one
        parser.loss.update(state.loss)
        return parser

    def _lines(self, buffer: bytes, start: int, end: int, events: list[Event]) -> None:
        normal, opened, at = _NORMAL.match, self._open, start
        while at < end:
            found = normal(buffer, at)
            if found is not None and found.end() - at <= MAX_LINE:
                call = cast(Call, found.groups())
                stamp = call[0]
                if (b"", stamp) not in opened:
                    at = found.end()
                    millis = _millis(stamp)
                    self._clock = max(self._clock, millis)
                    self._places += 1
                    self.lines += 2 + (call[8].count(b"\n") if call[8] else 0)
                    if opened:
                        self._expire(events)
                    self._marked = True
                    if self._queue:
                        self._wait(Event(millis, found.group(), call), events)
                    else:
                        events.append(Event(millis, found.group(), call))
                    continue
            stop = buffer.index(b"\n", at)
            self._line(buffer[at:stop], events)
            at = stop + 1

    def _line(self, line: bytes, events: list[Event]) -> None:
        found = HEADER.match(line)
        if found is None or len(line) > MAX_LINE:
            if len(line) > MAX_LINE or line.strip():
                self._drop("oversized" if len(line) > MAX_LINE else "unparsable")
            return
        self.lines += 1
        node, kind, stamp = found["node"] or b"", found["type"], found["stamp"]
        self._clock = max(self._clock, _time(found["sec"], found["frac"]))
        key = (node, stamp)
        one = self._open.get(key)
        if one is not None and one.called and kind == b"SYSCALL":
            self._close(key, events)
            one = None
        if kind == b"EOE":
            self._marked = True
            if one is not None:
                one.ended = True
                self._close(key, events)
            return
        if one is None:
            one = self._begin(key, events)
        self._take(one, kind, line[len(node) + 6 :] if node else line, events)

    def _take(self, one: _Open, kind: bytes, line: bytes, events: list[Event]) -> None:
        one.lines.append(line)
        self._held += len(line) + 1
        if kind == b"SYSCALL":
            one.called = True
        elif kind == b"PROCTITLE":
            one.ended = self._marked = True
        if one.ended or (len(one.lines) == 1 and kind not in _JOINS and _UNNAMED.fullmatch(kind) is None):
            self._close((one.node, one.stamp), events)
        if self._held > MAX_HELD:
            self._relieve(events)

    def _wait(self, event: Event, events: list[Event]) -> None:
        self._queue[self._places] = event
        self._held += len(event.raw)
        if self._held > MAX_HELD:
            self._relieve(events)

    def _begin(self, key: tuple[bytes, bytes], events: list[Event]) -> _Open:
        self._places += 1
        self._expire(events)
        one = self._open[key] = self._queue[self._places] = _Open(*key, self._clock, self._places, [])
        return one

    def _expire(self, events: list[Event]) -> None:
        while self._open:
            key, oldest = next(iter(self._open.items()))
            further = self._places - oldest.place
            if further <= (SPAN if self._clock - oldest.arrived <= GRACE else FEW):
                return
            self._close(key, events)

    def _relieve(self, events: list[Event]) -> None:
        """Too much is held: close the oldest events, however they stand."""
        while self._held > MAX_HELD and self._open:
            self._close(next(iter(self._open)), events, cut=True)

    def _close(self, key: tuple[bytes, bytes], events: list[Event], *, cut: bool = False) -> None:
        one, queue = self._open.pop(key), self._queue
        event = queue[one.place] = _event(one)
        self._judge(one, event, cut)
        while queue:
            place, head = next(iter(queue.items()))
            if isinstance(head, _Open):
                return
            del queue[place]
            self._held -= len(head.raw)
            events.append(head)

    def _judge(self, one: _Open, event: Event, cut: bool) -> None:
        """Count what is wrong with an event that has just been closed."""
        if one.called:
            if event.call is None:
                self.loss.note("malformed")
            elif cut or (self._marked and not one.ended):
                self.loss.note("unfinished")
            return
        kinds = [line[5 : line.index(b" ")] for line in one.lines]
        if b"URINGOP" not in kinds and (late := sum(kind in _PARTS for kind in kinds)):
            self.loss.note("late", late)

    def _drop(self, cause: str) -> None:
        self.lines += 1
        self.loss.note(cause)


def _event(one: _Open) -> Event:
    sec, _, rest = one.stamp.partition(b".")
    millis = _time(sec, rest.partition(b":")[0])
    return Event(millis, b"\n".join(one.lines) + b"\n", _call(one), text(one.node))


def _call(one: _Open) -> Call | None:
    found = next((match for line in one.lines if (match := _SYSCALL.match(line)) is not None), None)
    if found is None:
        return None
    rest = b"".join(ln + b"\n" for ln in one.lines if not ln.startswith((b"type=SYSCALL ", b"type=PROCTITLE ")))
    titles = (HEADER.match(ln) for ln in one.lines if ln.startswith(b"type=PROCTITLE "))
    title = next((head["body"] for head in titles if head is not None), b"")
    call, code, a0, a1, a2, a3, tail = found.groups()
    return (one.stamp, call, code, a0, a1, a2, a3, tail, rest, title)


def _packed(place: int, event: Event) -> _Open:
    """An event that waits for its turn, as its lines."""
    found = HEADER.match(event.raw)
    stamp = found["stamp"] if found else b""
    node = event.node.encode("utf-8", "surrogateescape")
    return _Open(node, stamp, 0, place, event.raw.split(b"\n")[:-1], closed=True)


def _millis(stamp: bytes) -> int:
    dot = stamp.index(b".")
    return int(stamp[:dot] + stamp[dot + 1 : dot + 4])


def _time(seconds: bytes, fraction: bytes) -> int:
    return int(seconds + fraction[:3].ljust(3, b"0"))


def _whole(line: bytes) -> bool:
    """Whether a last line without newline can be a whole record: its quotes close and its last field has a value."""
    found = HEADER.match(line)
    if found is None or found["type"] == b"EOE":
        return found is not None
    if line.count(b'"') % 2 or line.endswith((b"=", b" ")):
        return False
    body = found["body"].partition(ENRICHED)[0]
    message = body.partition(b"msg='")[2]
    if message or b"=" not in body.rpartition(b" ")[2]:
        return b"'" in message
    last = body.rpartition(b"=")[2]
    if last.startswith(b"(") != last.endswith(b")"):
        return False
    if found["type"] in (b"PROCTITLE", b"SOCKADDR"):
        return last.startswith(b'"') or len(last) % 2 == 0
    return found["type"] != b"SYSCALL" or b" key=" in body
