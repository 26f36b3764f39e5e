"""The eBPF helper `winnower-tags`: started without a shell, heard without waiting, never left behind.

Rules of this file
    - It ends when its standard input does, which only this process holds open: whoever kills the agent ends it.
    - What it says on stderr is lines of JSON, of at most `MAX_LINE` bytes; of anything else the last words are kept,
      escaped, for the reason why it ended. What is no tag on stdout is counted; one that gives hardly anything else is
      ended.
    - It has `patience` seconds to say that it is ready. Nothing here waits: `take` moves on as time does.

Source: lkm/README.md (the eBPF twin's command line).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.loss import Loss
from agent.tags_source import Batch, Kind, Refused, State
from agent.tags_tap import ROOM, Tap
from grammar.errors import escape

PATIENCE: Final = 10.0
FOLDERS: Final = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/usr/libexec/winnower:/usr/local/libexec/winnower"
PIPE: Final = 1 << 20
MAX_LINE: Final = 8_192
MAX_WORDS: Final = 200
RUBBISH: Final = 1 << 18
"""Bytes that are no tags, from which on a helper that gives more of them than of tags is ended."""
MUTE: Final = 1.0
"""Seconds that it may live on without its output: it is ending."""
LAST: Final = 2.0
"""Seconds that it gets to end by itself."""
COUNTERS: Final = ("tagged", "dropped", "read", "missed", "unwalked")


def find(name: str) -> str:
    """The helper's path; one that is not there, or that others may write, is `Refused`."""
    path = name if "/" in name else shutil.which(name, path=f"{FOLDERS}:{os.environ.get('PATH', os.defpath)}")
    try:
        found = Path(path).stat() if path else None
    except (OSError, ValueError):
        found = None
    if path is None or found is None or not os.access(path, os.X_OK) or not stat.S_ISREG(found.st_mode):
        raise Refused(f"no helper {escape(name)}: make -C lkm install, or tags.helper")
    if found.st_mode & 0o022:
        raise Refused(f"{escape(path)} may be written by others: chmod go-w")
    return path


class Helper:
    """A helper started by `command`, as a `Channel`; one that cannot be started is `Refused`."""

    kind: Kind = "ebpf"

    def __init__(
        self,
        command: Sequence[str],
        *,
        excluded: Iterable[int] = (),
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        room: int = ROOM,
    ) -> None:
        self.mode = ""
        self._clock, self._until = clock, clock() + patience
        self._excluded = frozenset(excluded)
        self._over = self._said = self._words = ""
        self._line, self._counted = b"", dict[str, int]()
        self._taken, self._mute = 0, 0.0
        tags, errors = os.pipe(), os.pipe()
        with suppress(OSError):
            fcntl.fcntl(tags[0], fcntl.F_SETPIPE_SZ, PIPE)
        os.set_blocking(errors[0], False)
        try:
            self._process = _started(command, tags[1], errors[1])
        except (OSError, ValueError) as error:
            os.close(tags[0])
            os.close(errors[0])
            raise Refused(f"{escape(command[0])} cannot be started: {getattr(error, 'strerror', error)}") from None
        finally:
            os.close(tags[1])
            os.close(errors[1])
        self.path, self.pid = command[0], self._process.pid
        self._errors = errors[0]
        self._tap = Tap(tags[0], room)

    @property
    def loss(self) -> Loss:
        """What was no tag."""
        return self._tap.loss

    @property
    def state(self) -> State:
        """Where it stands, as of the last `take`."""
        return "ended" if self._over else "works" if self.mode else "starting"

    @property
    def why(self) -> str:
        """How it makes tags, or why it does not."""
        return self._over or (f"eBPF ({self.mode})" if self.mode else f"{escape(self.path)} is starting")

    @property
    def behind(self) -> int:
        """Bytes that were read and not taken."""
        return self._tap.behind

    def take(self) -> Batch:
        """What has come; never waits. The call that finds it ready gives nothing yet: nobody reads it by then."""
        ready = bool(self.mode)
        self._listen()
        batch = self._tap.take() if ready else Batch([], b"")
        self._taken += len(batch.raw)
        self._judge()
        return batch

    def counters(self) -> Mapping[str, int]:
        """What it has told of its own counters."""
        return dict(self._counted)

    def exclude(self, pids: Iterable[int]) -> None:
        """It is told whom to leave out when it is started: somebody new ends it."""
        if not self._over and not self._excluded.issuperset(pids):
            self._over = "to be started again: somebody else is to be left out"

    def close(self) -> None:
        """End it; a thread waits for that."""
        if self._errors < 0:
            return
        self._over = self._over or "closed"
        with suppress(OSError):
            self._process.terminate()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._tap.close()
        os.close(self._errors)
        self._errors = -1
        threading.Thread(target=_end, args=(self._process,), name="tags end").start()

    def _listen(self) -> None:
        """What it has said on stderr, a bounded piece of it."""
        if self._errors < 0:
            return
        try:
            data = self._line + os.read(self._errors, 1 << 16)
        except OSError:
            return
        *lines, rest = data.split(b"\n")
        self._line = rest[:MAX_LINE]
        for line in lines:
            self._hear(line[:MAX_LINE])

    def _hear(self, line: bytes) -> None:
        """One line: JSON of its own, or somebody's last words."""
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self._words = escape(line.strip(), MAX_WORDS) or self._words
        elif found.get("ready") is True:
            self.mode = escape(str(found.get("mode", "")), 20) or "eBPF"
            self._count(found, ("load",))
        elif found.get("ready") is False:
            words = (str(found.get(key, "")) for key in ("why", "hint"))
            self._said = "; ".join(escape(word, MAX_WORDS) for word in words if word)
        else:
            self._count(found, COUNTERS)

    def _count(self, found: Mapping[object, object], names: Sequence[str]) -> None:
        for name in names:
            value = found.get(name)
            if type(value) is int and 0 <= value < 1 << 64:
                self._counted[name] = value

    def _judge(self) -> None:
        """Whether it is over, and why."""
        if self._over:
            return
        if self._tap.ended and not self._mute:
            self._mute = self._clock()
        code, damaged = self._process.poll(), self._tap.decoder.damaged
        if code is not None:
            if not self._tap.behind or not self.mode:
                self._listen()
                self._over = self._said or (f"{_how(code)}: {self._words}" if self._words else _how(code))
        elif self._mute and self._clock() >= self._mute + MUTE:
            self._over = f"{escape(self.path)} has closed its output"
        elif damaged > RUBBISH and 2 * damaged > self._taken:
            self._over = f"{escape(self.path)} prints what are no tags"
        elif not self.mode and self._clock() >= self._until:
            self._over = f"{escape(self.path)} does not get ready"


def _started(command: Sequence[str], tags: int, errors: int) -> subprocess.Popen[bytes]:
    """The process: no shell, no descriptors and no environment of ours, a session of its own."""
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    return subprocess.Popen(
        list(command), stdin=subprocess.PIPE, stdout=tags, stderr=errors, cwd="/", env=environment,
        close_fds=True, start_new_session=True,
    )  # fmt: skip


def _how(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"ended with code {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait until it has ended; not for ever."""
    try:
        process.wait(LAST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
