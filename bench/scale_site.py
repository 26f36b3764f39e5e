"""The monitors of the scale bench: real processes in one folder, one key; what they cost, and what they have applied.

Rules of this file
    - A monitor is `winnower monitor run` with its own state. With Kafka all of them have the same key, as a cluster
      has. They end by their pid.
    - Applied is what a monitor's journal on disk says, looked at every `LOOK` seconds: counts (the empty lane) when
      every monitor has them, an application's deltas when its owner has.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from scale_http import Where
from scale_load import Place
from testbed.processes import cpu_seconds, rss_bytes, wait_until

from grammar.signing import Token
from monitor.register import Register, monitor_key
from monitor.store import Store

LOOK = 0.1
CONFIG = """
state = "state"
[listen]
port = 0
connections = 16384
[policies]
shipped = true
[log]
level = "info"
"""
KAFKA = """
[kafka]
servers = ["{server}"]
name = "{name}"
partitions = {partitions}
"""


class Post:
    """One monitor's process; `more` are further settings."""

    def __init__(self, folder: Path, key: bytes = b"", more: str = "") -> None:
        self.folder, self.state = folder, folder / "state"
        folder.mkdir()
        (folder / "monitor.toml").write_text(CONFIG + more)
        with closing(Store(self.state, create=True, live=True)):
            self.public = monitor_key(self.state, lambda size: key or secrets.token_bytes(size)).public
        self.where = Where("", 0)

    def start(self) -> None:
        """Until it answers."""
        code = "from winnower.monitor_command import monitor; monitor()"
        command = [sys.executable, "-c", code, "run", "--config", str(self.folder / "monitor.toml")]
        env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, env=env)
        ready = wait_until(lambda: bool(self._addresses()) or self.process.poll() is not None, 60)
        if not ready or self.process.poll() is not None:
            raise SystemExit(self.log)
        host, _, port = self._addresses()[0].removeprefix("http://").rpartition(":")
        self.where = Where(host, int(port))

    def stop(self) -> str:
        """In good order; what it had to say besides enrolments."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        size = sum(file.stat().st_size for file in self.state.iterdir()) >> 20
        said = Counter(line for line in map(_event, self.log.splitlines()) if line not in QUIET)
        return f"stopped with {self.process.returncode}, state {size} MB, said {dict(said)}"

    def tokens(self, names: list[str]) -> dict[str, Token]:
        """One-time tokens."""
        with closing(Store(self.state, create=True, live=True)) as store:
            register = Register(store)
            with store.transaction():
                return {name: register.issue(name, time.time_ns() // 10**6, secrets.token_bytes) for name in names}

    def knows(self) -> int:
        """How many agents are on its roster."""
        with closing(Store(self.state)) as store:
            return len(Register(store).by_name)

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_seconds(self.process.pid)

    @property
    def memory(self) -> int:
        """Resident megabytes."""
        return rss_bytes(self.process.pid) >> 20

    @property
    def log(self) -> str:
        """What it says."""
        return (self.folder / "log").read_text()

    def _addresses(self) -> list[str]:
        for line in self.log.splitlines():
            if _event(line) == "ready":
                found: list[str] = json.loads(line)["addresses"]
                return found
        return []


QUIET = ("ready", "stopped", "enrolled", "roster changed")


def _event(line: str) -> str:
    try:
        return str(json.loads(line).get("event"))
    except ValueError:
        return line[:200]


@dataclass(slots=True)
class Watch:
    """Looks into the journals in a thread: `delays` of counts (lane "") and of news, `done` envelopes by lane or none.

    `sent` is shared with the load: what is applied is taken out of it.
    """

    posts: list[Post]
    sent: dict[Place, float]
    counts: list[float] = field(default_factory=list)
    news: list[float] = field(default_factory=list)
    _seen: Counter[Place] = field(default_factory=Counter)
    _last: list[int] = field(default_factory=list)
    _going: bool = True
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._last = [0] * len(self.posts)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._going = False
        if self._thread is not None:
            self._thread.join(10)

    def _run(self) -> None:
        stores = [Store(post.state, create=False, live=True) for post in self.posts]
        while self._going:
            time.sleep(LOOK)
            for number, store in enumerate(stores):
                self._look(number, store)
        for store in stores:
            store.close()

    def _look(self, number: int, store: Store) -> None:
        while rows := store.journal(self._last[number]):
            now = time.perf_counter()
            self._last[number] = rows[-1][0]
            for _, agent, lane, _, sequence in rows:
                place = (agent, lane, sequence)
                self._seen[place] += 1
                if lane or self._seen[place] == len(self.posts):
                    del self._seen[place]
                    begun = self.sent.pop(place, now)
                    (self.news if lane else self.counts).append(now - begun)

    def take(self) -> tuple[list[float], list[float]]:
        """Delays of counts and of news since the last time."""
        (counts, self.counts), (news, self.news) = (self.counts, []), (self.news, [])
        return counts, news


def shares(values: list[float], *parts: float) -> list[float]:
    """Quantiles, in milliseconds; 0 if there is nothing."""
    ordered = sorted(values) or [0.0]
    return [ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1_000 for part in parts]


def drained(sent: dict[Place, float], seconds: float, tell: Callable[[str], None]) -> bool:
    """Whether everything that was sent is applied within that time."""
    done = wait_until(lambda: not sent, seconds)
    if not done:
        tell(f"not applied after {seconds:.0f} s: {len(sent)} envelopes, for example {next(iter(sent))}")
    return done
