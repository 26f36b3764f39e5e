"""journald's entries: `journalctl` as a child of ours, its export format → entries with times of their own.

Rules of this file
    - `Export` is pure: bytes in, entries out, at any cut. A field is `NAME=text` or `NAME`, a length of 64 bits, and
      bytes; only the fields of `FIELDS` are kept, others are passed over whatever their length, and nothing is held of
      them.
    - The child's pipe is never waited for; what we do not read stays in the journal. A child that ends is begun again
      after the last cursor, ever less often. It is killed with us, and has no input.
    - Where nothing keeps a journal there is no child.

Invariant: at most `MAX_ENTRY` bytes of a message and `MAX_FIELD` of any other field are held.
Complexity: O(bytes).
Source: systemd, docs/JOURNAL_EXPORT_FORMATS.md; journalctl(1); systemd.journal-fields(7); moby daemon/logger/journald,
conmon ctr_logging.c (CONTAINER_ID_FULL).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.logfiles_streams import MAX_ENTRY
from agent.loss import Loss

FIELDS: Final = (
    "MESSAGE", "CONTAINER_ID_FULL", "CONTAINER_PARTIAL_MESSAGE", "PRIORITY", "_PID", "_SOURCE_REALTIME_TIMESTAMP",
    "__CURSOR", "__REALTIME_TIMESTAMP",
)  # fmt: skip
MAX_FIELD: Final = 1_024
MAX_NAME: Final = 64
MAX_BINARY: Final = 1 << 40
BITE: Final = 1 << 16
DELAYS: Final = (1_000, 5_000, 15_000, 60_000)
MAX_PARTS: Final = 256
COMMAND: Final = (
    "journalctl",
    "--quiet",
    "--all",
    "--follow",
    "--output=export",
    f"--output-fields={','.join(FIELDS)}",
)
FOLDERS: Final = ("/run/log/journal", "/var/log/journal")
_KEPT: Final = {name.encode(): name for name in FIELDS}


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry: of which container (its id), when, by which process; `error` says that it came on stderr."""

    container: str
    millis: int
    pid: int
    error: bool
    data: bytes
    cursor: str
    cut: bool = False


@dataclass(slots=True)
class Export:
    """The export format as it comes, cut anywhere.

    >>> [one.data for one in Export().feed(b"__CURSOR=a\\nCONTAINER_ID_FULL=b\\nMESSAGE=c\\n\\n", Loss())]
    [b'c\\n']
    """

    mode: str = "name"
    held: bytes = b""
    name: str = ""
    left: int = 0
    cut: bool = False
    fields: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)

    def feed(self, data: bytes, loss: Loss) -> Iterator[Logged]:
        """Take the next bytes; entries of containers come out."""
        at = 0
        while at < len(data):
            if self.mode == "name":
                at, ends = self._name(data, at)
                if ends:
                    yield from self._entry(loss)
            elif self.mode == "text":
                end = data.find(b"\n", at)
                self._keep(data[at : end if end >= 0 else len(data)], loss)
                at, self.mode = (end + 1, "name") if end >= 0 else (len(data), "text")
            elif self.mode == "size":
                at = self._size(data, at, loss)
            elif self.mode == "binary":
                took = min(self.left, len(data) - at)
                self._keep(data[at : at + took], loss)
                at, self.left = at + took, self.left - took
                self.mode = "binary" if self.left else "end"
            else:
                at, self.mode = at + (data[at : at + 1] == b"\n"), "name"

    def _name(self, data: bytes, at: int) -> tuple[int, bool]:
        """A field's name up to `=` or the line's end; true where an entry ends."""
        line = data.find(b"\n", at)
        stop = data.find(b"=", at, line if line >= 0 else len(data))
        end = stop if stop >= 0 else line
        self.held = (self.held + data[at : end if end >= 0 else len(data)])[: MAX_NAME + 1]
        if end < 0:
            return len(data), False
        name, self.held = self.held, b""
        if not name and stop < 0:
            return end + 1, True
        self.name = _KEPT.get(name, "")
        self.fields.pop(self.name, None)
        self.mode = "text" if stop >= 0 else "size"
        return end + 1, False

    def _size(self, data: bytes, at: int, loss: Loss) -> int:
        took = min(8 - len(self.held), len(data) - at)
        self.held += data[at : at + took]
        if len(self.held) == 8:
            self.left, self.held = int.from_bytes(self.held, "little"), b""
            self.mode = "binary" if self.left else "end"
            if self.left > MAX_BINARY:  # no journal holds such a thing: this is no export
                loss.note("log_malformed")
                self.left, self.mode = 0, "name"
        return at + took

    def _keep(self, data: bytes, loss: Loss) -> None:
        if not self.name:
            return
        old = self.fields.get(self.name, b"")
        most = MAX_ENTRY if self.name == "MESSAGE" else MAX_FIELD
        self.fields[self.name] = old + data[: most - len(old)]
        if self.name == "MESSAGE" and len(data) > most - len(old):
            self.cut = True
            loss.note("log_oversized", len(data) - (most - len(old)))

    def _entry(self, loss: Loss) -> Iterator[Logged]:
        """An entry is whole; the parts of a long line (Docker cuts at 16 KiB) are put together."""
        found, self.fields, cut, self.cut = self.fields, {}, self.cut, False
        ident = found.get("CONTAINER_ID_FULL", b"").decode("ascii", "replace")
        if not ident:
            return
        data = self.parts.pop(ident, b"") + found.get("MESSAGE", b"")
        if len(data) > MAX_ENTRY:
            loss.note("log_oversized", len(data) - MAX_ENTRY)
            data, cut = data[:MAX_ENTRY], True
        if found.get("CONTAINER_PARTIAL_MESSAGE") == b"true" and not cut and len(self.parts) < MAX_PARTS:
            self.parts[ident] = data
            return
        micros = _number(found.get("_SOURCE_REALTIME_TIMESTAMP")) or _number(found.get("__REALTIME_TIMESTAMP"))
        cursor = found.get("__CURSOR", b"").decode("ascii", "replace")
        error = found.get("PRIORITY") == b"3"
        yield Logged(ident, micros // 1_000, _number(found.get("_PID")), error, data + b"\n", cursor, cut)


class Journal:
    """The child and what came of it; `cursor` is the last entry that was given."""

    def __init__(self, cursor: str = "", command: Sequence[str] = COMMAND, folders: Sequence[str] = FOLDERS) -> None:
        self.cursor, self.command, self.folders = cursor, tuple(command), folders
        self._child: subprocess.Popen[bytes] | None = None
        self._export = Export()
        self._failures = self._again = 0

    @property
    def there(self) -> bool:
        """Whether anything keeps a journal here."""
        return any(Path(folder).is_dir() and any(Path(folder).iterdir()) for folder in self.folders)

    def poll(self, limit: int, now: int, loss: Loss) -> list[Logged]:
        """The entries that are there, about `limit` bytes of them."""
        if self._child is None and not self._start(now):
            return []
        found: list[Logged] = []
        while limit > 0:
            data = self._read()
            if data is None:
                break
            if not data:
                self._ended(now)
                break
            limit -= len(data)
            found += self._export.feed(data, loss)
        if found:
            self.cursor, self._failures = found[-1].cursor or self.cursor, 0
        return found

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            if self._child.stdout is not None:
                self._child.stdout.close()
            self._child = None

    def _start(self, now: int) -> bool:
        if now < self._again or not self.there:
            return False
        where = ("--after-cursor", self.cursor) if self.cursor else ("--lines", "0")
        self._export = Export()
        try:
            self._child = subprocess.Popen(
                [*self.command, *where], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            self._ended(now)
            return False
        assert self._child.stdout is not None
        os.set_blocking(self._child.stdout.fileno(), False)
        return True

    def _read(self) -> bytes | None:
        """What is in the pipe; None if nothing is, nothing if it has ended."""
        assert self._child is not None
        assert self._child.stdout is not None
        try:
            return os.read(self._child.stdout.fileno(), BITE)
        except BlockingIOError:
            return None

    def _ended(self, now: int) -> None:
        self.close()
        self._again = now + DELAYS[min(self._failures, len(DELAYS) - 1)]
        self._failures += 1


def _number(text: bytes | None) -> int:
    return int(text) if text and text.isdigit() and len(text) < 20 else 0
