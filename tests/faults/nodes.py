"""A monitor and agents as processes of their own: started, killed, started again on what their disks hold.

Rules of this file
    - A process is ended by its own pid, and dies with the one that started it. It keeps its port, so that others find
      it again.
    - Files of a process lie below the folder it is given; `log` is what it has said (JSON lines on its stderr).
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from agent import identity
from agent.http_connection import Connection, Place
from agent.http_link import enrol
from agent.ledger import Ledger
from grammar.signing import Token
from monitor.register import Register
from monitor.store import Store

ROOT = Path(__file__).resolve().parents[2]
# PR_SET_PDEATHSIG: nothing outlives the tests, however they end.
DIE = "import ctypes; ctypes.CDLL(None).prctl(1, 9)\n"
# The wall clock of a process is the real one and what the file of this name says, in nanoseconds.
CLOCK = """
import os, time
if os.environ.get("FAULTS_CLOCK"):
    real = time.time_ns
    def shifted():
        with open(os.environ["FAULTS_CLOCK"]) as file:
            return real() + int(file.read() or 0)
    time.time_ns = shifted
    time.time = lambda: shifted() / 1e9
"""
WINNOWER = DIE + CLOCK + "from winnower.cli import main; main()"
MONITOR = """
state = "{state}"
epoch = "1s"
[listen]
host = "{host}"
port = {port}
{listen}
[log]
level = "info"
{more}
"""
AGENT = """
name = "{name}"
state = "{state}"
keep_sent = true
[capture]
log = "{log}"
start = "beginning"
rules = "any"
kernel = false
[epochs]
length = "{epoch}"
early = "{early}"
idle = "{idle}"
[limits]
spool = "{spool}"
snapshot = "{snapshot}"
snapshot_log = "{snapshot_log}"
[monitor]
url = "{url}"
timeout = "{timeout}"
connect = "1s"
wait = "2s"
[engines]
sockets = []
[health]
port = 0
[log]
form = "json"
"""
DEFAULTS: Mapping[str, str] = {
    "epoch": "500ms",
    "early": "50ms",
    "idle": "5s",
    "spool": "256MB",
    "snapshot": "1s",
    "snapshot_log": "1MB",
    "timeout": "5s",
}


class Process:
    """One program in a process of its own; `before` is what it is run under."""

    def __init__(self, folder: Path, *arguments: str, before: Sequence[str] = ()) -> None:
        self.folder, self.arguments, self.before = folder, arguments, tuple(before)
        self.environment: dict[str, str] = {}
        self.peak = 0
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """Its pid; under a wrapper that execs, the program's."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that it has said."""
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def said(self, event: str) -> list[dict[str, object]]:
        """The lines of its log that tell of this event."""
        return [one for one in _objects(self.log) if one.get("event") == event]

    def launch(self) -> None:
        """Start it, and do not wait."""
        assert not self.alive
        command = [*self.before, sys.executable, "-c", WINNOWER, *self.arguments]
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | self.environment
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """Ask it to end; gives its exit status. `peak` is what it has held at most, in resident bytes."""
        assert self._process is not None
        self.peak = max(self.peak, self.memory())
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        """Freeze it, thaw it."""
        os.kill(self.pid, number)

    def memory(self) -> int:
        """Resident bytes, at most so far."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


class Clock:
    """A wall clock that can be set: for the log's writer, and for processes that are given its file."""

    def __init__(self, file: Path) -> None:
        self.file, self.shift = file, 0
        file.write_text("0")

    def set(self, seconds: float) -> None:
        """So many seconds from the real time."""
        self.shift = round(seconds * 1000)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(self.shift * 1_000_000))
        fresh.replace(self.file)

    def millis(self) -> int:
        """What it shows."""
        return time.time_ns() // 1_000_000 + self.shift

    def of(self, process: Process) -> None:
        """This is the process's clock, from its next start on."""
        process.environment["FAULTS_CLOCK"] = str(self.file)


class RealMonitor(Process):
    """`winnower monitor run`; `more` are further settings, `listen` further ones of [listen]."""

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        state: Path | None = None,
        more: str = "",
        listen: str = "",
        before: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, "monitor", "run", "--config", str(folder / "monitor.toml"), before=before)
        self.host, self.port, self.state = host, free_port(), state or folder / "state"
        text = MONITOR.format(state=self.state, host=host, port=self.port, more=more, listen=listen)
        (folder / "monitor.toml").write_text(text)
        self._ready = 0

    def __enter__(self) -> RealMonitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where agents find it."""
        return f"http://{self.host}:{self.port}"

    def launch(self) -> None:
        """Start it, and do not wait."""
        self._ready = len(self.said("ready"))
        super().launch()

    def start(self, seconds: float = 30.0) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        self.wait(seconds)

    def wait(self, seconds: float = 30.0) -> None:
        """Until it answers."""
        until(lambda: len(self.said("ready")) > self._ready or not self.alive, seconds, "the monitor is ready")
        assert self.alive, self.log[-2000:]

    def token(self, name: str) -> Token:
        """A one-time token, as `winnower monitor token NAME` makes it."""
        with closing(Store(self.state, create=True, live=True)) as store:
            register = Register(store)
            with store.transaction():
                return register.issue(name, time.time_ns() // 10**6, secrets.token_bytes)

    def enrol(self, name: str, folder: Path) -> identity.Identity:
        """An agent's identity in that folder, known here."""
        with connected(self.url) as connection:
            return identity.enrol(folder, name, self.token(name), lambda asked: enrol(connection, asked))

    @property
    def store(self) -> Store:
        """What is on its disk; close it."""
        return Store(self.state)

    def incidents(self) -> dict[str, dict[str, int]]:
        """By agent and cause, how often."""
        with closing(self.store) as store:
            return {agent: {cause: n for cause, (n, _) in by.items()} for agent, by in store.incidents().items()}

    def lost(self) -> dict[str, dict[str, int]]:
        """By agent and cause."""
        with closing(self.store) as store:
            return store.lost()


class RealAgent(Process):
    """`winnower agent run`, enrolled; `settings` as in `DEFAULTS`."""

    def __init__(
        self,
        folder: Path,
        monitor: RealMonitor,
        name: str,
        log: Path,
        *,
        url: str = "",
        before: Sequence[str] = (),
        state: Path | None = None,
        settings: Mapping[str, str] = DEFAULTS,
    ) -> None:
        super().__init__(folder, "agent", "run", "--config", str(folder / "agent.toml"), before=before)
        self.name, self.state = name, state or folder / "state"
        values = {**DEFAULTS, **settings}
        text = AGENT.format(name=name, state=self.state, log=log, url=url or monitor.url, **values)
        (folder / "agent.toml").write_text(text)
        self.identity = monitor.enrol(name, self.state)
        self._works = 0

    def __enter__(self) -> RealAgent:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def launch(self) -> None:
        """Start it, and do not wait."""
        self._works = len(self.said("agent works"))
        super().launch()

    def start(self) -> None:
        """Start it, and wait until it works."""
        self.launch()
        self.wait()

    def wait(self) -> None:
        """Until it works."""
        until(lambda: len(self.said("agent works")) > self._works or not self.alive, 60, "the agent works")
        assert self.alive, self.log[-2000:]

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """What is on its disk; it must not run."""
        assert not self.alive
        one = Ledger(self.state, 1 << 40, lambda: b"", keep_sent=True)
        with closing(one):
            yield one

    def entries(self) -> int:
        """How many epochs wait on its disk; it must not run."""
        with self.ledger() as ledger:
            return ledger.depth.entries


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection to a monitor."""
    connection = Connection(Place.parse(url))
    try:
        yield connection
    finally:
        connection.close()


def until(what: Callable[[], bool], seconds: float = 20.0, why: str = "", every: float = 0.02) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"never happened: {why}"
        time.sleep(every)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _objects(text: str) -> Iterator[dict[str, object]]:
    for line in text.splitlines():
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found
