"""What this run has changed on the machine, and how to undo it: one undo log for every way to end.

    with Ledger.begin() as ledger:
        entry = ledger.note("rule", arguments="-a always,exit ...")
        ...
        ledger.undo(entry)      # or leave it to the end of the block

Rules of this file
    - An entry is written before the change is made, so that even kill -9 between the two leaves nothing unknown:
      to undo what never happened must be harmless.
    - Entries are undone in reverse order. One that fails is said and kept for the next run; the others are undone.
    - A ledger whose writer is dead is stale: the next run undoes it first. A writer is its pid and its start time.
    - Facts are strings. Who can undo a kind says so with `@undoes(kind)`; `testbed.session` knows all of them.

Invariant: the file of a run exists as long as something of it may be left on the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from .processes import Identity, mounts, of_process
from .tell import TestbedError, run, say

STATE: Final = Path(__file__).resolve().parents[2] / ".testbed"
# Not /tmp: it may be in memory, and podman takes no run folder longer than 50 characters.
TEMPORARY: Final = Path("/var/tmp")
PREFIX: Final = "winnower-bed-"

Facts = dict[str, str]
_UNDO: Final[dict[str, Callable[[Facts], None]]] = {}


def undoes(kind: str) -> Callable[[Callable[[Facts], None]], Callable[[Facts], None]]:
    """Register the function that undoes one kind of entry; it must be harmless for what never happened."""

    def register(function: Callable[[Facts], None]) -> Callable[[Facts], None]:
        _UNDO[kind] = function
        return function

    return register


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: its number in the ledger, its kind, and what undoing it needs to know."""

    number: int
    kind: str
    facts: Facts


@dataclass(slots=True)
class Ledger:
    """The undo log of one run, on disk at `path`."""

    path: Path
    entries: dict[int, Entry] = field(default_factory=dict)
    _next: int = 0

    @staticmethod
    @contextmanager
    def begin(state: Path = STATE) -> Iterator[Ledger]:
        """Sweep what dead runs left, then record this one; at the end undo what is left of it."""
        sweep(state)
        me = of_process(os.getpid())
        folder = state / "run"
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f"{me}-", suffix=".jsonl", dir=folder)
        os.close(descriptor)
        ledger = Ledger(Path(name))
        with _signals_as_exceptions():
            try:
                yield ledger
            finally:
                ledger.close()

    def note(self, kind: str, **facts: str) -> Entry:
        """Write down a change that is about to be made."""
        if kind not in _UNDO:
            raise ValueError(f"nobody undoes {kind}")
        entry = Entry(self._next, kind, facts)
        self._write({"number": entry.number, "kind": kind, "facts": facts})
        self.entries[entry.number] = entry
        self._next += 1
        return entry

    def folder(self, *, memory: str = "") -> Path:
        """A new temporary folder, gone at the end; its unique name marks the processes that work in it.

        With `memory` ("2g") it is a file system in memory, at most so large: quick to fill and to remove. Needs root.
        """
        path = TEMPORARY / f"{PREFIX}{os.urandom(4).hex()}"
        self.note("folder", path=str(path))
        path.mkdir(mode=0o700)
        if memory:
            run(["mount", "-t", "tmpfs", "-o", f"mode=0700,size={memory}", "tmpfs", str(path)])
        return path

    def undo(self, entry: Entry) -> None:
        """Undo one entry now, if it has not been already."""
        if self.entries.pop(entry.number, None) is None:
            return
        try:
            _UNDO[entry.kind](entry.facts)
        except BaseException:
            self.entries[entry.number] = entry
            raise
        self._write({"undone": entry.number})

    def undo_all(self, entries: Sequence[Entry]) -> None:
        """Undo these, the last first. What cannot be undone is said, and does not keep the others from it."""
        for entry in reversed(entries):
            try:
                self.undo(entry)
            except (TestbedError, OSError) as error:
                say(f"could not undo {entry.kind} {entry.facts}: {error}; the next run will try again")

    def forget(self, entry: Entry) -> None:
        """The change was refused: there is nothing to undo."""
        if self.entries.pop(entry.number, None) is not None:
            self._write({"undone": entry.number})

    def close(self) -> None:
        """Undo everything that is left, in reverse; ^C does not interrupt that. The file goes if all was undone."""
        with _undisturbed():
            self.undo_all(sorted(self.entries.values(), key=lambda entry: entry.number))
        if not self.entries:
            self.path.unlink(missing_ok=True)

    def _write(self, line: dict[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read(path: Path) -> Ledger:
    """The ledger that a run left, as far as it was written; a last line cut short never happened."""
    ledger = Ledger(path)
    for line in path.read_text("utf-8").splitlines():
        try:
            fields = json.loads(line)
        except ValueError:
            break
        if "undone" in fields:
            ledger.entries.pop(fields["undone"], None)
        else:
            ledger.entries[fields["number"]] = Entry(fields["number"], fields["kind"], fields["facts"])
            ledger._next = fields["number"] + 1
    return ledger


def sweep(state: Path = STATE) -> int:
    """Undo what runs that are dead have left; how many there were."""
    from . import session  # noqa: F401, PLC0415  (it knows every kind, and each of its files needs this one)

    stale = [path for path in sorted((state / "run").glob("*.jsonl")) if not _writer(path).alive()]
    for path in stale:
        say(f"an earlier run was killed: undoing what it left ({path.name})")
        read(path).close()
    return len(stale)


@undoes("folder")
def _remove_folder(facts: Facts) -> None:
    """Unmount what is mounted below, deepest first, and remove it. Only a folder that this file named."""
    path = Path(facts["path"])
    if path.parent != TEMPORARY or not path.name.startswith(PREFIX):
        raise TestbedError(f"{path} is not a folder of ours")
    for mount in sorted((one for one in mounts() if f"{one}/".startswith(f"{path}/")), key=len, reverse=True):
        run(["umount", "--lazy", mount])
    if path.exists():
        shutil.rmtree(path)


def _writer(path: Path) -> Identity:
    pid, start = path.name.split("-")[:2]
    return Identity(int(pid), int(start))


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as ^C does, so that everything is undone."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handled((signal.SIGTERM, signal.SIGHUP), end):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No signal that a terminal or a supervisor sends while we clean up."""
    with _handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), signal.SIG_IGN):
        yield


@contextmanager
def _handled(
    signals: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None] | signal.Handlers
) -> Iterator[None]:
    """These signals handled so in the block; only the main thread may choose, another one changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [(number, signal.signal(number, handler)) for number in signals]
    try:
        yield
    finally:
        for number, old in before:
            signal.signal(number, old)
