"""stdout and stderr as engines keep them: bytes of their files → whole entries with times of their own. No I/O.

Rules of this file
    - podman, cri-o and containerd (`k8s-file`): `TIME STREAM P|F TEXT`, a long line in parts. Docker (`json-file`): a
      JSON object a line, `log` without line end where a long line goes on. Parts are put together per stream.
    - An entry holds `MAX_ENTRY` bytes at most, the rest of it is counted (`log_oversized`) and the entry says `cut`. A
      line of the file that is no entry is counted (`log_malformed`), and nothing else is lost by it.
    - Feeding a file whole or by the byte gives the same entries; the state can be saved at any byte.

Invariant: at most three entries' bytes are held: a line, and a part of an entry for each of two streams.
Complexity: O(bytes).
Source: conmon ctr_logging.c; Kubernetes CRI log format (kubelet/kuberuntime/logs); moby daemon/logger/jsonfilelog.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, cast

import msgspec

from agent.container_files import millis_of
from agent.logfiles_value import Generation, Stream
from agent.loss import Loss

MAX_ENTRY: Final = 1 << 18
MAX_LINE: Final = 2 * MAX_ENTRY
NONE: Final = Generation()
Form = Literal["k8s-file", "json-file"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One whole entry: where it begins in the engine's file, and when it was taken."""

    stream: Stream
    offset: int
    millis: int
    data: bytes
    cut: bool = False


@dataclass(slots=True)
class Part:
    """An entry whose end has not come."""

    offset: int
    millis: int
    data: bytes = b""
    cut: bool = False


class _Json(msgspec.Struct, frozen=True):
    log: str = ""
    stream: str = ""
    time: str = ""


@dataclass(slots=True)
class Entries:
    """The entries of one engine's file, as its bytes come; `at` is the offset of the line that is not whole yet."""

    form: Form
    generation: Generation = NONE
    at: int = 0
    line: bytes = b""
    dropping: bool = False
    parts: dict[str, Part] = field(default_factory=dict)

    def feed(self, generation: Generation, offset: int, data: bytes, loss: Loss) -> Iterator[Entry]:
        """Take the next bytes of a file."""
        follows = (generation, offset) == (self.generation, self.at + len(self.line))
        if not follows:
            self._torn(generation == self.generation, loss)
        if not self.line:
            self.at = offset
        self.generation = generation
        lines = (self.line + data).split(b"\n")
        self.line = lines.pop()
        for line in lines:
            if self.dropping:
                self.dropping = False
            else:
                yield from self._line(line, loss)
            self.at += len(line) + 1
        if len(self.line) > MAX_LINE or (self.dropping and self.line):
            if not self.dropping:
                loss.note("log_malformed")
            self.at, self.line, self.dropping = self.at + len(self.line), b"", True

    def _torn(self, same: bool, loss: Loss) -> None:
        """What comes does not follow what came: an entry that was begun may go on in a new file, not after a gap."""
        if self.line:
            loss.note("log_malformed")
        if same and self.parts:
            loss.note("log_malformed", len(self.parts))
            self.parts.clear()
        self.line, self.dropping = b"", False

    def _line(self, line: bytes, loss: Loss) -> Iterator[Entry]:
        found = _k8s(line) if self.form == "k8s-file" else _json(line)
        if found is None:
            if line:
                loss.note("log_malformed")
            return
        stream, millis, data, ends = found
        part = self.parts.setdefault(stream, Part(self.at, millis))
        kept = data[: MAX_ENTRY - len(part.data)]
        part.data += kept
        if len(kept) < len(data):
            part.cut = True
            loss.note("log_oversized", len(data) - len(kept))
        if ends:
            del self.parts[stream]
            yield Entry(stream, part.offset, part.millis, part.data + b"\n", part.cut)


def _k8s(line: bytes) -> tuple[Stream, int, bytes, bool] | None:
    words = line.split(b" ", 3)
    if len(words) < 3 or words[1] not in (b"stdout", b"stderr") or words[2][:1] not in (b"P", b"F"):
        return None
    millis = millis_of(words[0].decode("ascii", "replace"))
    return cast(Stream, words[1].decode()), millis, words[3] if len(words) > 3 else b"", words[2][:1] == b"F"


def _json(line: bytes) -> tuple[Stream, int, bytes, bool] | None:
    try:
        found = msgspec.json.decode(line, type=_Json)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if found.stream not in ("stdout", "stderr"):
        return None
    data = found.log.encode("utf-8", "surrogatepass")
    return cast(Stream, found.stream), millis_of(found.time), data.removesuffix(b"\n"), data.endswith(b"\n")
