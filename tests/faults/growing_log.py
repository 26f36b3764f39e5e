"""An audit log that grows for as long as somebody writes: the shipped recording again and again, and news in between.

Rules of this file
    - Every pass has processes of its own: numbers no process of this machine can have, so that nothing here depends on
      who runs meanwhile. Stamps are the given clock's, serial numbers ascend.
    - What is written is cut anywhere, not at lines. All of it is kept in `whole`, whatever becomes of the log.
    - Rotation is auditd's: audit.log.1 becomes audit.log.2, the log becomes audit.log.1, a new one begins.

Source: audit userspace auditd-event.c (rotate_logs).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from random import Random

import zstandard
from lines import AT_CWD, path, syscall

RECORDING = Path(__file__).resolve().parents[2] / "winnower" / "recording" / "worker1" / "audit.log.zst"
BEYOND = 5_000_000
"""Above every pid (PID_MAX_LIMIT is 2^22)."""
PASS = 100_000
SAMPLE = 4 << 20
"""Bytes of the recording that are used."""
KEPT = 20
"""Rotated files (auditd's num_logs)."""
NEWS = 60
"""Every so many events something happens that has not happened before."""
_STAMP = re.compile(rb"msg=audit\([\d.]+:\d+\)")
_PID = re.compile(rb"( p?pid=)(\d+)")
_FORK = re.compile(rb"( syscall=(?:56|57|58|435) success=yes exit=)(\d+)")


@cache
def sample() -> tuple[bytes, ...]:
    """Events of the recording, each with all of its records."""
    with RECORDING.open("rb") as packed:
        text = zstandard.ZstdDecompressor().stream_reader(packed).read(SAMPLE)
    events: dict[bytes, bytes] = {}
    for line in text.splitlines(keepends=True)[:-20]:
        stamp = _STAMP.search(line)
        if stamp is not None:
            events[stamp[0]] = events.get(stamp[0], b"") + line
    return tuple(one for one in events.values() if b"\ntype=PROCTITLE" in one)


def moved(event: bytes, shift: int, millis: int, serial: int) -> bytes:
    """The event at another time, by other processes."""
    stamp = b"msg=audit(%d.%03d:%d)" % (millis // 1000, millis % 1000, serial)

    def higher(match: re.Match[bytes]) -> bytes:
        return match[1] + b"%d" % (int(match[2]) + shift)

    return _FORK.sub(higher, _PID.sub(higher, _STAMP.sub(stamp, event)))


def news(number: int, millis: int, serial: int) -> bytes:
    """A program reads a file that nobody has read before."""
    letters = "".join(chr(97 + number // 26**power % 26) for power in (2, 1, 0))
    name = f"/srv/{letters[:2]}/{letters}"
    return syscall("openat", stamp=(millis, serial), pid=BEYOND - 1, exit=3, a0=AT_CWD, paths=[path(name)])


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def events(clock: Callable[[], int] = now) -> Iterator[bytes]:
    """Without end."""
    serial = count(1)
    fresh = count()
    for number in count():
        shift = BEYOND + number * PASS
        for at, event in enumerate(sample()):
            if at % NEWS == 0:
                yield news(next(fresh), clock(), next(serial))
            yield moved(event, shift, clock(), next(serial))


class GrowingLog:
    """A log and its writer; `written` events so far, at `rate` a second once it is started."""

    def __init__(
        self, log: Path, seed: int, *, rate: int = 400, clock: Callable[[], int] = now, rotate: int = 0
    ) -> None:
        self.log, self.rate, self.rotate = log, rate, rotate
        self.whole = log.with_name(f"{log.name}-whole")
        self.written = self.rotations = 0
        self._random = Random(seed)
        self._events = events(clock)
        self._held = b""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self.whole.touch()

    def write(self, number: int) -> None:
        """So many events more; the last may be written in part."""
        data = self._held + b"".join(next(self._events) for _ in range(number))
        self.written += number
        cut = self._random.randrange(len(data) + 1) if self._random.random() < 0.5 else len(data)
        self._append(data[:cut])
        self._held = data[cut:]

    def complete(self) -> None:
        """The last event is written whole."""
        self._append(self._held)
        self._held = b""

    def shift(self) -> None:
        """Rotate as auditd does."""
        self.rotations += 1
        for age in range(KEPT - 1, 0, -1):
            older = self.log.with_name(f"{self.log.name}.{age}")
            if older.exists():
                older.rename(self.log.with_name(f"{self.log.name}.{age + 1}"))
        self.log.rename(self.log.with_name(f"{self.log.name}.1"))
        self.log.touch()

    def start(self) -> None:
        """Begin to write."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Enough; what was begun is completed."""
        if self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self._thread = None
        self.complete()

    def _run(self) -> None:
        begun, before = time.monotonic(), 0
        while not self._stopping.wait(self._random.uniform(0.005, 0.05)):
            due = int((time.monotonic() - begun) * self.rate)
            self.write(due - before)
            before = due

    def _append(self, data: bytes) -> None:
        for path_ in (self.whole, self.log):
            with path_.open("ab") as file:
                file.write(data)
        if self.rotate and data.endswith(b"\n") and self.log.stat().st_size >= self.rotate:
            self.shift()
