"""Who gives tags: `winnower-tags`, the eBPF helper of `lkm/bpf`, or the module's device; records go to a file.

    with Tagger(ledger) as tagger: tagger.out, tagger.kind

Rules of this file
    - It is what the agent starts, with the same options; only that a file is read, not a pipe.
    - It ends when its input is closed; what it could not hold is a gap in the sequences, which whoever reads them sees.

Source: lkm/bpf; issue "lkm" (eBPF twin).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from .ledger import STATE, Ledger
from .processes import wait_until
from .tell import TestbedError, run, step

SOURCE: Final = Path(__file__).resolve().parents[2] / "lkm" / "bpf"
MADE: Final = STATE / "tags"
START: Final = 20.0
DRAIN: Final = 0.5
DEVICE: Final = Path("/dev/winnower")
EXCLUDE: Final = Path("/sys/module/winnower/parameters/exclude")
COMPANION: Final = EXCLUDE.with_name("audit")
EVERY: Final = 0.02
BITE: Final = 1 << 17
NEEDS: Final = ("clang", "cc", "make")


def why_no_tags() -> str:
    """Why there can be no helper here; empty if there is one or can be made."""
    if not (SOURCE / "Makefile").exists():
        return "there is no lkm/bpf"
    lacks = [name for name in NEEDS if shutil.which(name) is None]
    return f"{', '.join(lacks)} not installed: try apt-get install clang libbpf-dev make gcc" if lacks else ""


def helper() -> Path:
    """The helper as its sources are now; what is made is kept."""
    MADE.mkdir(parents=True, exist_ok=True)
    run(["make", "-C", str(SOURCE), f"BUILD={MADE}"], timeout=300.0)
    return MADE / "winnower-tags"


class Tagger:
    """The helper while the block runs: `out` has its records, `kind` the mode that it has found."""

    def __init__(self, ledger: Ledger, options: Sequence[str] = ()) -> None:
        self.ledger, self.options = ledger, list(options)
        self.out = Path()
        self.kind = ""
        self._errors = Path()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Tagger:
        """Start it; it is ready, or has said why not."""
        if why := why_no_tags():
            raise TestbedError(why)
        folder = self.ledger.folder()
        self.out, self._errors = folder / "tags.bin", folder / "tags.err"
        with step("starting winnower-tags"), self.out.open("wb") as out, self._errors.open("wb") as errors:
            self._process = self._started(out, errors)
            wait_until(lambda: bool(self._said()) or self._ended(), START)
        said = self._said()
        if not said.get("ready"):
            self.__exit__(None, None, None)
            raise TestbedError(f"winnower-tags: {said.get('why', 'it says nothing')}", str(said.get("hint", "")))
        self.kind = str(said.get("mode", ""))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it write what it has, and end it."""
        process = self._process
        if process is None:
            return
        time.sleep(DRAIN)
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _started(self, out: IO[bytes], errors: IO[bytes]) -> subprocess.Popen[bytes]:
        argv = [str(helper()), *self.options]
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=errors, start_new_session=True)

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _said(self) -> dict[str, object]:
        """Its first line on standard error, once it is whole."""
        line, newline, _ = self._errors.read_text("utf-8", "replace").partition("\n")
        found: dict[str, object] = json.loads(line) if newline and line.startswith("{") else {}
        return found


class Reader:
    """The module's device while the block runs, read by a thread of ours: `out`, `kind` as a `Tagger` has them.

    `exclude` are processes whose writes are not told; only then, with `companion`, records in writes' own audit events
    begin: auditd's writes of them would make others without end.
    """

    def __init__(self, ledger: Ledger, *, exclude: Sequence[int] = (), companion: bool = False) -> None:
        self.ledger, self.exclude, self.companion = ledger, exclude, companion
        self.out, self.kind = Path(), "module, companion" if companion else "module"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Reader:
        """Open it."""
        if not DEVICE.exists():
            raise TestbedError(f"there is no {DEVICE}", "load the module: insmod winnower.ko")
        self.out = self.ledger.folder() / "tags.bin"
        self.out.touch()
        EXCLUDE.write_text(",".join(map(str, self.exclude)), "ascii")
        COMPANION.write_text("Y" if self.companion else "N", "ascii")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read what is left."""
        COMPANION.write_text("N", "ascii")
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        descriptor = os.open(DEVICE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with self.out.open("wb", buffering=0) as out:
            while not self._stop.wait(EVERY):
                with suppress(BlockingIOError):
                    while data := os.read(descriptor, BITE):
                        out.write(data)
        os.close(descriptor)
