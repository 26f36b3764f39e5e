"""Records from the audit dispatcher as they happen: its socket, or our own standard input as its child.

Rules of this file
    - A dispatcher that is not read stops auditd, and then the machine: a thread takes what comes as fast as it comes,
      into a buffer of `room` bytes. What finds no room is counted (`plugin_overflow`), whole records only.
    - A stream cannot be read again. A position is the last event given (time, serial number and boot).
    - Events that do not come (nobody read, or auditd's own queue was full: `q_depth`) are counted from the serial
      numbers (`plugin_gap`), after a restart, too: an estimate, see `agent.follow_serials`. After a boot it is one
      stretch of unknown size.
    - The thread must get its turn while another computes: `sys.setswitchinterval(0.0005)` is the caller's to set, for
      the whole process. With Python's 5 ms auditd's queue of 2,000 overflows at about 30,000 records/s.
    - auditd serves one reader of its socket: a second one waits in line and gets nothing.
    - Only whole lines leave the thread; half a line at the end of a connection is counted (`truncated`).

Complexity: O(bytes); memory at most `room` and one line.
Source: audit userspace audispd-builtins.c (af_unix: blocking writes, one connection), auditd-plugins(5).
"""

from __future__ import annotations

import os
import re
import select
import socket
import threading
from collections import deque
from pathlib import Path
from typing import Final, Literal

from agent.follow_serials import Serials
from agent.loss import Loss
from agent.source import Position
from grammar.errors import InputError

SOCKET: Final = "/var/run/audispd_events"
ROOM: Final = 32 << 20
BITE: Final = 1 << 18
MAX_LINE: Final = 65_536
RETRY: Final = (0.1, 2.0)  # seconds until the next try to connect, at first and at most
EACH: Final = 64  # bytes that a piece in the buffer costs beside its own
_STAMP: Final = re.compile(
    rb"(?:^|\n)(?:node=\S{1,256} )?type=(?!DAEMON_)[\w\[\]]+ msg=audit\((\d{1,12}\.\d{3}:\d{1,10})\)"
)
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
RIGHTS: Final = "run the agent as root, or give its group the socket: `args = 0660 PATH` and the folder's rights"


class DispatcherSource:
    """What auditd's af_unix plugin sends to the socket `path`, or what comes in at `descriptor`; a `Source`.

    A socket that is not there, or goes away, is tried again; a descriptor ends. `connected` tells which it is now.
    """

    def __init__(
        self,
        path: str = SOCKET,
        position: Position | None = None,
        *,
        descriptor: int | None = None,
        room: int = ROOM,
    ) -> None:
        self.path = path
        self.connected = self._over = False
        self._loss, self._counted = Loss(), Loss()  # the reader's, and the thread's until it is collected
        self._room, self._held = room, 0
        self._pieces: deque[bytes] = deque()
        self._front, self._at, self._cut = b"", 0, False
        self._boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
        self._given = position.stamp if position else ""
        self._other_boot = bool(position and position.stamp and position.boot != self._boot)
        known = self._given and not self._other_boot
        self._serials = Serials(int(self._given.rpartition(":")[2] or 0) % (1 << 32) if known else None)
        self._error: OSError | None = None
        self._change = threading.Condition()
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, args=(descriptor,), name="dispatcher", daemon=True)
        self._thread.start()

    @property
    def loss(self) -> Loss:
        """What was lost, by cause; to be taken by the thread that reads."""
        with self._change:
            self._loss.update(self._counted)
            self._counted.clear()
        return self._loss

    @property
    def position(self) -> Position:
        """The last event given."""
        return Position(stamp=self._given, boot=self._boot, cut=self._cut)

    @property
    def behind(self) -> int:
        """Bytes in the buffer."""
        with self._change:
            return len(self._front) - self._at + self._held - EACH * len(self._pieces)

    @property
    def ended(self) -> bool:
        """The descriptor came to its end, and all that came from it was given."""
        return self._over and not self.behind

    def read(self, limit: int) -> bytes:
        """The next bytes, at most `limit`; a socket that may not be opened is an `InputError`."""
        parts: list[bytes] = []
        with self._change:
            if self._error is not None and not self._held:
                raise InputError(f"cannot connect: {self._error.strerror}", file=self.path, hint=RIGHTS)
            while limit > 0 and self._next():
                parts.append(part := self._front[self._at : self._at + limit])
                self._at += len(part)
                limit -= len(part)
        data = b"".join(parts)
        if data:
            self._given = _last_stamp(data) or self._given
            self._cut = data[-1] != 10
        return data

    def read_to(self, position: Position, limit: int) -> bytes:
        """Nothing: a stream cannot be read again."""
        return b""

    def seek(self, position: Position) -> None:
        """Nothing: a stream goes on where it is."""

    def skip(self) -> int:
        """Leave out the whole records in the buffer; the rest of one that was begun is still given."""
        with self._change:
            self._next()
            rest = self._front.find(b"\n", self._at) + 1 if self._cut else self._at
            count = self._front.count(b"\n", rest) + sum(piece.count(b"\n") for piece in self._pieces)
            last = self._pieces[-1] if self._pieces else self._front[rest:]
            self._front = self._front[:rest]
            self._pieces.clear()
            self._held = 0
        if count:
            self._given = _last_stamp(last) or self._given
            self._loss.note("throttled", count)
        return count

    def wait(self, seconds: float) -> bool:
        """Wait for records, for the end, or for an error that `read` will tell."""
        with self._change:
            return self._change.wait_for(self._stirs, seconds)

    def close(self) -> None:
        """Leave the dispatcher; the thread ends."""
        if self._stop >= 0:
            os.close(self._stop)
            self._stop = -1
            self._thread.join(5)
            os.close(self._wake)

    def _stirs(self) -> bool:
        return self._at < len(self._front) or bool(self._pieces) or self._over or self._error is not None

    def _next(self) -> bool:
        """Is there something in front? If not, the next piece comes to the front."""
        if self._at == len(self._front) and self._pieces:
            self._front, self._at = self._pieces.popleft(), 0
            self._held -= len(self._front) + EACH
        return self._at < len(self._front)

    def _run(self, descriptor: int | None) -> None:
        """The thread: connect, receive, and again, until `close`."""
        pause = RETRY[0]
        while descriptor is None:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                    connection.connect(self.path)
                    pause = RETRY[0]
                    self._receive(connection.fileno())
            except OSError as error:
                with self._change:
                    self._error = error if isinstance(error, PermissionError) else None
                    self._change.notify()
            if select.select([self._wake], [], [], pause)[0]:
                return
            pause = min(2 * pause, RETRY[1])
        self._receive(descriptor)
        with self._change:
            self._over = True
            self._change.notify()

    def _receive(self, descriptor: int) -> None:
        rest, fresh, skipping = b"", True, False
        self.connected, self._error = True, None
        while data := self._take(descriptor):
            if skipping:
                end = data.find(b"\n") + 1
                skipping, data = not end, data[end:] if end else b""
            end = data.rfind(b"\n") + 1
            lines, rest = (rest + data[:end], data[end:]) if end else (b"", rest + data)
            if lines:
                fresh = self._keep(lines, fresh)
            if len(rest) > MAX_LINE:
                rest, skipping = b"", True
                self._count("oversized", 1)
        if rest:
            self._count("truncated", 1)
        self._count("plugin_gap", self._serials.finish())
        self.connected = False

    def _take(self, descriptor: int) -> bytes:
        """What comes next; nothing if the other side or we have closed."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        try:
            ready = dict(poll.poll())
            return b"" if self._wake in ready else os.read(descriptor, BITE)
        except OSError:
            return b""

    def _keep(self, lines: bytes, fresh: bool) -> bool:
        """Put whole lines into the buffer; true as long as a connection has not told a serial number."""
        self._count("plugin_gap", self._serials.begin(lines) if fresh else self._serials.see(lines))
        if fresh and _STAMP.search(lines):
            self._count("capture_unknown", self._other_boot)
            fresh = self._other_boot = False
        with self._change:
            if self._held + len(lines) + EACH > self._room:
                self._counted.note("plugin_overflow", lines.count(b"\n"))
            else:
                self._pieces.append(lines)
                self._held += len(lines) + EACH
                self._change.notify()
        return fresh

    def _count(self, cause: str, number: int) -> None:
        if number:
            with self._change:
                self._counted.note(cause, number)


def _last_stamp(data: bytes) -> str:
    """The last event's time and serial; none if its record is too long to be looked through."""
    found = _STAMP.findall(data, max(0, len(data) - 8_192))
    return found[-1].decode() if found else ""


def plugin_conf(
    how: Literal["builtin", "program", "child"] = "builtin",
    *,
    path: str = SOCKET,
    mode: int = 0o640,
    command: tuple[str, ...] = (),
) -> str:
    """What a file in auditd's `plugins.d` says, so that auditd sends us its records. Nothing is installed here.

    `builtin` is the socket of audit 2.8 to 3, `program` that of audit 4 (a program of its own), `child` lets auditd
    start `command` (at most two arguments; root's, and writable by nobody else) with the records as its input.

    >>> print(plugin_conf(path="/run/winnower/audit.sock").splitlines()[-2])
    args = 0640 /run/winnower/audit.sock
    """
    words = {
        "builtin": ("builtin_af_unix", "builtin", f"{mode:04o} {path}"),
        "program": ("/sbin/audisp-af_unix", "always", f"{mode:04o} {path}"),
        "child": (command[0] if command else "", "always", " ".join(command[1:])),
    }
    for word in (path, *command):
        if not re.fullmatch(r"[!-~]{1,107}", word):
            hint = "auditd takes printable words of at most 107 bytes, without spaces"
            raise InputError("cannot stand in a plugin's configuration", offending=word, hint=hint)
    if how == "child" and not (1 <= len(command) <= 3 and command[0].startswith("/")):
        raise InputError("auditd starts one absolute path with at most two arguments", offending=" ".join(command))
    program, kind, arguments = words[how]
    lines = ["active = yes", "direction = out", f"path = {program}", f"type = {kind}"]
    lines += [f"args = {arguments}"] if arguments else []
    return "\n".join([*lines, "format = string", ""])
