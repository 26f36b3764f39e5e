"""The containers of a running worker: which one a process is in, by what name it goes, and when it ran.

Rules of this file
    - Asked only when a process appears whose parent does not say it, or leaves the runtime: nothing per record.
    - A process without a known parent is where its cgroup says; if it is gone (or its number is another's by now),
      where its parent's says; if that is gone too it is the host's, and counted.
    - What a container is called is settled once, when its first process is placed, and kept for its life: a name is
      part of what the model is. Sources, best first: the engine's table; its files on disk (exact, and there before the
      first process runs: Docker, containerd, cri-o; podman with its log of events in a file); a short wait for the
      engine, of `PATIENCE` at most and `BUDGET` in a minute; the runtime's command line, the image alone, the short id.
      What is less than exact is counted (`container_unnamed`); the name that the engine tells later goes to the monitor
      in a run with the same id.
    - Who reads the log again after a restart cannot ask as it was asked then: names are journaled (`take_named`), and
      given again (`expect`).
    - Names are the worker's own: a name that runs already, or belongs to another application, gets the short id behind
      it. None is `host`.
    - Bounded: `MAX_GIVEN` containers, `MAX_RUNS` runs between two calls of `take_runs`. Pickled without threads and
      sockets: `attach` puts an engine in again.

Complexity: a placed process costs three reads of /proc; a new container a few files, or one short wait.
Source: design section 2 (application) and 4 (containers); proc(5); pid_namespaces(7) (NSpid).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from posixpath import basename
from typing import ClassVar, Final, Protocol, TypeVar

from agent.cgroups import containers_in
from agent.container_files import EngineFiles, Known, ProcessFiles
from agent.containers import HOST, ID, Container, application
from agent.kubernetes import names_of
from agent.loss import Loss
from grammar.envelope import Run

PATIENCE: Final = 0.25
BUDGET: Final = 2.0
MINUTE: Final = 60.0
MAX_GIVEN: Final = 4_096
MAX_RUNS: Final = 4_096
MAX_TEXT: Final = 256
SHORT: Final = 12
GRACE: Final = 2_000
LINGER: Final = 60_000
VERBS: Final = {"create": False, "run": False, "restore": False, "exec": True}
"""What an OCI runtime is told to do: whether it puts a process into a container that runs already."""

Answer = TypeVar("Answer")
Kept = TypeVar("Kept")


class Names(Protocol):
    """What is asked of an engine (`agent.engine.Engine`)."""

    def known(self, ident: str) -> Known | None:
        """What it has said so far."""

    def ask(self, ident: str, seconds: float) -> Known | None:
        """What it says, within `seconds`."""

    def take_changes(self) -> list[Known]:
        """What has begun, ended or changed since the last call."""


class Owners(Protocol):
    """What is asked of Kubernetes (`agent.kubernetes.Pods`)."""

    def owner(self, namespace: str, pod: str, seconds: float = 0.0) -> str:
        """The workload of a pod, within `seconds`."""


class LiveContainers:
    """A `Roster` that finds out. `loss` is the node's, so that what could not be found out travels with the epoch."""

    once: ClassVar[bool] = False

    def __init__(
        self,
        engine: Names | None = None,
        pods: Owners | None = None,
        loss: Loss | None = None,
        processes: ProcessFiles | None = None,
        files: EngineFiles | None = None,
    ) -> None:
        self.loss = Loss() if loss is None else loss
        self._engine, self._pods = engine, pods
        self._processes, self._files = processes or ProcessFiles(), files or EngineFiles()
        self._given: dict[str, Container] = {}
        self._holders: dict[str, str] = {}
        self._firsts: dict[str, str] = {}
        self._hints: dict[str, str] = {}
        self._joins: dict[str, bool | None] = {}
        self._settled: dict[str, Container] = {}
        self._expected: dict[str, Container] = {}
        self._fresh: dict[str, Run] = {}
        self._open: dict[str, Run] = {}
        self._ends: dict[str, int] = {}
        self._runs: dict[tuple[str, str, int], Run] = {}
        self._spent, self._minute = 0.0, 0.0

    def __getstate__(self) -> dict[str, object]:
        """All but what reads the world; `attach` puts an engine in again."""
        left_out = ("_engine", "_pods", "_processes", "_files")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._engine = self._pods = None
        self._processes, self._files = ProcessFiles(), EngineFiles()
        self._spent = self._minute = 0.0

    def attach(self, engine: Names | None, pods: Owners | None = None) -> None:
        """Ask these from here on."""
        self._engine, self._pods = engine, pods

    # What the graph asks (`Roster`)

    def place(self, pid: bytes, ppid: bytes, born: int, heir: bool) -> Container | None:
        """The container of a process seen first in a call at `born`; an heir is where its parent is."""
        if heir:
            return None
        text = self._processes.cgroup(pid, born)
        asked = pid if text is not None else b""
        if text is None:
            text = self._processes.cgroup(ppid, born) if ppid not in (b"0", b"1", b"2") else None
        if text is None:
            self.loss.note("process_unplaced")
            return None
        marks = containers_in(text)
        if not marks:
            return None
        idents = [mark.id for mark in reversed(marks)]
        ident = next((one for one in idents if len(idents) > 1 and self._recognised(one)), idents[0])
        return self._give(ident, asked, born, entering=False)

    def enter(self, ident: str, pid: bytes, millis: int) -> Container | None:
        """The container of this id, which `pid` is about to enter."""
        return self._give(ident, pid, millis, entering=True) if ident else None

    def reaps(self, pid: bytes) -> bool:
        """Whether this is a container's first process."""
        return pid.decode() in self._firsts

    def named_in(self, arguments: Iterable[str], outside: bool = True) -> str:
        """The id that the host's runtime names: one that is known, else the last word that is one.

        conmon's `-u` may be the id of an exec session; what is run in which container comes last with all of them. A
        runtime inside a container names nothing that is believed: anybody may call a program runc, and an engine in
        there has its containers in this one.
        """
        words = list(arguments)
        found = [ident for word in words for ident in ID.findall(word)]
        if not outside or not found:
            return ""
        whole = (word for word in reversed(words) if ID.fullmatch(word))
        ident = next((one for one in dict.fromkeys(found) if self._recognised(one)), "") or next(whole, found[-1])
        if basename(words[0]) == "conmon":
            if "-n" in words[:-1]:
                _put(self._hints, ident, words[words.index("-n") + 1], MAX_GIVEN)
        else:
            verb = next((word for word in words if word in VERBS), "")
            _put(self._joins, ident, VERBS.get(verb), MAX_GIVEN)
        return ident

    def take_named(self) -> tuple[Container, ...]:
        """Those that have got a name since the last call."""
        taken = tuple(self._settled.values())
        self._settled.clear()
        return taken

    def expect(self, named: Iterable[Container]) -> None:
        """So these are called when they are met."""
        for one in named:
            _put(self._expected, one.id, one, MAX_GIVEN)

    # What the agent asks each epoch, and who reads logs each second

    def named(self) -> list[Container]:
        """All that have got a name here, also such as have ended; the one that was used last comes last."""
        return list(self._given.values())

    def take_runs(self) -> tuple[Run, ...]:
        """The runs that have begun, ended or changed their name since the last call, in order of their beginning.

        What an engine does not tell within `GRACE` is told from what was seen: it began with its first process's first
        event, and ends when that process is gone.
        """
        for known in self._engine.take_changes() if self._engine is not None else ():
            self._record(known)
        now = time.time_ns() // 1_000_000
        for ident, run in list(self._fresh.items()):
            told = self._known(ident)
            if (told is not None and told.start) or self._engine is None or now - run.start > GRACE:
                del self._fresh[ident]
                if told is None or not told.start:
                    _put(self._open, ident, run, MAX_GIVEN)
                    self._note(run)
        for ident, run in list(self._open.items()):
            given = self._given.get(ident)
            if given is None or not (given.pid and self._processes.alive(b"%d" % given.pid, run.start)):
                self._ended(ident, max(now, run.start))
        taken = sorted(self._runs.values(), key=lambda run: (run.start, run.id, run.name))
        self._runs.clear()
        return tuple(taken)

    def take_ended(self) -> tuple[str, ...]:
        """The names of containers that ended `LINGER` ago and have not come back: no record of them is expected."""
        due = time.time_ns() // 1_000_000 - LINGER
        ended = [ident for ident, told in self._ends.items() if told <= due]
        for ident in ended:
            del self._ends[ident]
        given = (self._given[ident] for ident in ended if ident in self._given)
        return tuple(one.name for one in given if self._holders.get(one.name) == one.id)

    def ident_of(self, name: str) -> str:
        """The id of the container that goes by that name now, if one does."""
        return self._holders.get(name, "")

    # Who it is

    def _known(self, ident: str) -> Known | None:
        return self._engine.known(ident) if self._engine is not None else None

    def _recognised(self, ident: str) -> bool:
        return ident in self._given or self._known(ident) is not None or self._files.known(ident) is not None

    def _give(self, ident: str, pid: bytes, millis: int, *, entering: bool) -> Container:
        """The container as it has been called from its first process on; `pid` may be that first process."""
        given = self._given.get(ident)
        self._ends.pop(ident, None)
        if given is None:
            given = self._expected.pop(ident, None) or self._named(self._find(ident))
            _put(self._settled, ident, given, MAX_GIVEN)
            _put(self._given, ident, given, MAX_GIVEN)
            _put(self._holders, given.name, ident, MAX_GIVEN)
        else:
            _put(self._given, ident, given, MAX_GIVEN)  # the one that was used last is forgotten last
        first = self._first(given, pid, millis, entering)
        if first != given.pid:
            self._firsts.pop(str(given.pid), None)
            given = self._given[ident] = replace(given, pid=first)
            if first:
                _put(self._firsts, str(first), ident, MAX_GIVEN)
        told = self._known(ident)
        if ident not in self._open and (told is None or not told.start):
            run = Run(given.name, _sendable(ident), given.app, given.image, max(0, millis), 0)
            if ident not in self._fresh:
                _put(self._fresh, ident, run, MAX_GIVEN)
        return given

    def _find(self, ident: str) -> Known:
        """All that can be found out about it now, the exact first."""
        if "/" in ident:  # a machine's name is all that it has
            return Known(ident, ident, ident)
        known = self._known(ident)
        if known is not None and known.whole:
            return known
        on_disk = self._files.known(ident)
        if on_disk is not None and on_disk.whole:
            return on_disk
        if self._engine is not None:
            engine = self._engine
            known = self._patiently(lambda seconds: engine.ask(ident, seconds)) or known
            if known is not None and known.whole:
                return known
        self.loss.note("container_unnamed")
        found = on_disk or known or Known(ident, whole=False)
        return found if found.name else replace(found, name=self._hints.get(ident, ""))

    def _patiently(self, ask: Callable[[float], Answer]) -> Answer:
        """Wait for an answer, as long as this minute's patience lasts."""
        before = time.monotonic()
        if before - self._minute > MINUTE:
            self._minute, self._spent = before, 0.0
        answer = ask(min(PATIENCE, max(0.0, BUDGET - self._spent)))
        self._spent += time.monotonic() - before
        return answer

    def _named(self, known: Known) -> Container:
        """Name and application by which it goes here."""
        app = self._application(known)
        name = self._called(known)
        holder = self._given.get(self._holders.get(name, ""))
        if name == HOST or (
            holder is not None and holder.id != known.id and (holder.app != app or self._runs_on(holder))
        ):
            name = f"{name}.{_sendable(known.id[:SHORT])}"
        return Container(known.id, name, app, 0, _sendable(known.image or known.image_id))

    def _called(self, known: Known) -> str:
        parts = names_of(known.labels)
        return _sendable("/".join(parts) if all(parts) else known.name or known.id[:SHORT])

    def _application(self, known: Known) -> str:
        namespace, pod, container = names_of(known.labels)
        owner = ""
        if self._pods is not None and namespace and pod and container:
            pods = self._pods
            owner = self._patiently(lambda seconds: pods.owner(namespace, pod, seconds))
        app = _sendable(application(known.labels, known.image, known.image_id, owner))
        return f"container/{app}" if app == HOST else app

    def _runs_on(self, given: Container) -> bool:
        known = self._known(given.id)
        if known is not None:
            return not known.end
        return bool(given.pid) and self._processes.alive(b"%d" % given.pid, time.time_ns() // 1_000_000)

    def _first(self, given: Container, pid: bytes, millis: int, entering: bool) -> int:
        """The first process: who enters when the runtime was told to create it, or has number 1 inside; or as told."""
        joins = self._joins.get(given.id) if entering else None
        if joins is False:
            return int(pid)
        if pid and self._processes.alive(pid, millis):
            inside = self._processes.first(pid)
            if inside:
                return int(pid)
            entering = entering and inside is None
        entering = entering and not joins
        known = self._known(given.id)
        if known is not None and known.pid:
            return known.pid
        if given.pid and (not entering or self._processes.alive(b"%d" % given.pid, millis)):
            return given.pid
        return int(pid) if entering and pid else self._files.first_process(given.id)

    # When it ran

    def _record(self, known: Known) -> None:
        """A run that the engine tells; one that has been told before the engine knew of it keeps its beginning."""
        given, own = self._given.get(known.id), self._open.get(known.id)
        app = given.app if given is not None else self._application(known)
        start = known.start
        if own is not None and known.start <= own.start + GRACE:
            start = own.start
        elif own is not None:
            self._ended(known.id, known.start)
        self._fresh.pop(known.id, None)
        if known.end:
            self._open.pop(known.id, None)
            _put(self._ends, known.id, time.time_ns() // 1_000_000, MAX_GIVEN)
            if given is not None:
                self._firsts.pop(str(given.pid), None)
        image = _sendable(known.image or known.image_id)
        name = self._called(known)
        for called in dict.fromkeys((given.name if given is not None else name, name)):
            self._note(Run(called, _sendable(known.id), app, image, start, known.end and max(start, known.end)))

    def _ended(self, ident: str, millis: int) -> None:
        """A run that no engine has told has ended."""
        run = self._open.pop(ident)
        _put(self._ends, ident, time.time_ns() // 1_000_000, MAX_GIVEN)
        self._note(Run(run.name, run.id, run.app, run.image, run.start, millis))

    def _note(self, run: Run) -> None:
        if len(self._runs) >= MAX_RUNS and (run.id, run.name, run.start) not in self._runs:
            del self._runs[next(iter(self._runs))]
            self.loss.note("runs_dropped")
        self._runs[run.id, run.name, run.start] = run


def _put(table: dict[str, Kept], key: str, value: Kept, most: int) -> None:
    """Put last into a table; the first goes when there are too many."""
    table.pop(key, None)
    if len(table) >= most:
        del table[next(iter(table))]
    table[key] = value


def _sendable(text: str) -> str:
    """Text that is UTF-8 whatever came in, and no longer than a name should be."""
    return text[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()
