"""A program of ours that runs beside the testbed (a monitor, an agent): started, watched, stopped; found after kill -9.

    with Program(ledger, "monitor", [...], folder) as monitor: monitor.pid, monitor.cpu_seconds()

Rules of this file
    - Its command line names a folder of the ledger: that is how it is found when the one who started it is dead.
    - What it prints goes to a file in that folder, both streams; the end of it is in every error about it.

Invariant: after the block it is not there, whoever had to end it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from .ledger import Entry, Facts, Ledger, undoes
from .processes import cpu_seconds, end, marked, rss_bytes, wait_until
from .tell import TestbedError, escaped

LAST_WORDS: Final = 1_500
PEAK: Final = re.compile(r"VmHWM:\s+(\d+) kB")


class Program:
    """`argv` while the block runs; `log` is what it prints. `folder` is one of the ledger's, and named in `argv`."""

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        argv: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        if not any(str(folder) in word for word in argv):
            raise ValueError("the command line must name the folder")
        self.ledger, self.name, self.argv, self.folder, self.env = ledger, name, list(argv), folder, env
        self.log = folder / f"{name}.log"
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._entries: list[Entry] = []

    def __enter__(self) -> Program:
        """Start it; whether it is ready is for the caller to know."""
        self._entries.append(self.ledger.note("program", folder=str(self.folder), name=Path(self.argv[0]).name))
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it as a supervisor would, by force if it does not listen."""
        self.stop()
        self.ledger.undo_all(self._entries)
        self._entries.clear()

    def start(self) -> None:
        """Start it (again)."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **self.env} if self.env else None,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def stop(self, seconds: float = 15.0) -> int:
        """SIGTERM, and SIGKILL after a while; its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait()

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def wait_for(self, words: str, seconds: float) -> str:
        """The first line of its log that holds `words`; `TestbedError` if it ends before, or takes too long."""
        found: list[str] = []

        def there() -> bool:
            lines = self.log.read_text("utf-8", "replace").splitlines()
            found[:] = [line for line in lines if words in line][:1]
            return bool(found) or not self.alive()

        wait_until(there, seconds)
        if not found:
            raise TestbedError(f"{self.name} did not say '{words}': {self.last_words()}")
        return found[0]

    def last_words(self) -> str:
        """The end of what it printed."""
        return escaped(self.log.read_text("utf-8", "replace").strip()[-LAST_WORDS:])

    def cpu_seconds(self) -> float:
        """CPU seconds of all its threads since it was started."""
        return cpu_seconds(self.pid)

    def rss_bytes(self) -> int:
        """Its resident memory now."""
        return rss_bytes(self.pid)

    def peak_bytes(self) -> int:
        """The most resident memory that it had."""
        found = PEAK.search(Path(f"/proc/{self.pid}/status").read_text("utf-8"))
        return int(found[1]) * 1024 if found else 0


@undoes("program")
def _stop(facts: Facts) -> None:
    for process in marked(facts["folder"], facts["name"]):
        end(process, grace=5.0)
