"""A monitor of our own as a process, for the live demo and the live benches.

    with MonitorProcess.begin(ledger, {"epoch": "2s", "novelty": {...}}) as monitor: monitor.alerts(after=0, wait=10)

Rules of this file
    - It runs as users run it: `winnower monitor run --config FILE`, on a free port of the loopback, without TLS.
    - What is asked of it goes over its API with the users' token, as the commands with --url do.

Invariant: state, settings and log lie in one folder of the ledger, and go with it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, cast

from testbed.ledger import Ledger
from testbed.program import Program
from testbed.tell import run, step

from grammar import InputError
from winnower.remote import Remote, remote

WINNOWER: Final = [sys.executable, str(Path(sys.executable).with_name("winnower"))]
READY: Final = 30.0
Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Told:
    """An alert as the API gives it, and the wall time at which it was here."""

    alert: Table
    arrived: float

    def says(self, word: str) -> bool:
        """Whether trace or summary hold a word."""
        return word in json.dumps([self.alert["trace"], self.alert["summary"]])


@dataclass(slots=True)
class MonitorProcess:
    """The monitor: its program, its address, and its users' token file."""

    program: Program
    config: Path
    url: str
    token_file: Path
    last: int = 0

    @staticmethod
    @contextmanager
    def begin(ledger: Ledger, settings: Table | None = None, *, port: int = 0) -> Iterator[MonitorProcess]:
        """Start one with these settings (the shape of monitor.toml); it is ready."""
        folder = ledger.folder()
        config = folder / "monitor.toml"
        state = folder / "state"
        given = {"state": str(state), "log": {"level": "info"}, **(settings or {})}
        listen = {"port": port, **cast("Table", given.get("listen", {}))}
        config.write_text(toml({**given, "listen": listen}), "utf-8")
        argv = [*WINNOWER, "monitor", "run", "--config", str(config)]
        with Program(ledger, "monitor", argv, folder) as program:
            with step("starting the monitor"):
                line = program.wait_for('"ready"', READY)
            yield MonitorProcess(program, config, json.loads(line)["addresses"][0], state / "users.token")

    @property
    def remote(self) -> Remote:
        """Its API."""
        return remote(self.url, self.token_file, None)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rsplit(":", 1)[1])

    def ask(self, path: str, **params: object) -> Table:
        """The JSON answer to a question (a list for some)."""
        seconds = 10.0 + float(cast("float", params.get("wait", 0))) + float(cast("float", params.get("deadline", 0)))
        text = self.remote.ask(path, {name: str(value) for name, value in params.items()}, None, seconds)
        return cast("Table", json.loads(text))

    def token(self, name: str) -> str:
        """A token that enrols an agent of that name."""
        return run([*WINNOWER, "monitor", "token", name, "--config", str(self.config)]).strip()

    def choose_epoch(self, length: str) -> None:
        """Tell the agents how long an epoch is."""
        self.remote.ask("/v1/control", {"epoch": length}, "")

    def settled(self, app: str) -> bool:
        """Whether novelty is judged in an application."""
        return any(one["app"] == app and one["settled"] for one in cast("list[Table]", self.ask("/v1/apps")))

    def alerts(self, wait: float = 0.0) -> list[Told]:
        """Alerts that are new since this was asked last; waits so long for the first."""
        answer = self.ask("/v1/alerts", after=self.last, wait=round(wait))
        arrived = time.time()
        self.last = int(cast("int", answer["last"]))
        return [Told(one, arrived) for one in cast("list[Table]", answer["alerts"])]

    def figures(self, agent: str) -> Table:
        """What the monitor says of an agent."""
        agents = cast("list[Table]", self.ask("/v1/agents")["agents"])
        return next((one for one in agents if one["name"] == agent), {})


class Watch:
    """Whoever waits for alerts, all the time: a thread, so that an alert's arrival is when it came."""

    def __init__(self, monitor: MonitorProcess) -> None:
        self.monitor = monitor
        self._told: list[Told] = []
        self._fresh = threading.Condition()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._wait, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; the last question ends within a second or two."""
        self._over.set()
        self._thread.join(5)

    def until(self, enough: Callable[[list[Told]], bool], seconds: float) -> list[Told]:
        """All alerts so far, as soon as there are enough, or when the time is over."""
        with self._fresh:
            self._fresh.wait_for(lambda: enough(self._told), seconds)
            return list(self._told)

    def _wait(self) -> None:
        while not self._over.is_set():
            try:
                found = self.monitor.alerts(1)
            except InputError:  # the monitor is away: the next question will tell
                time.sleep(0.2)
                continue
            with self._fresh:
                self._told += found
                self._fresh.notify_all()


def toml(settings: Table, section: str = "") -> str:
    """Settings as TOML: values first, then sections.

    >>> toml({"epoch": "2s", "novelty": {"hold": "0s", "few": 0.5}})
    'epoch = "2s"\\n\\n[novelty]\\nhold = "0s"\\nfew = 0.5\\n'
    """
    values = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    sections = {name: value for name, value in settings.items() if isinstance(value, Mapping)}
    # What JSON writes is TOML, but for pairs of surrogates and for DEL.
    written = ((name, json.dumps(value, ensure_ascii=False)) for name, value in values.items())
    text = "".join(f"{name} = {value}\n" for name, value in written).replace("\x7f", "\\u007f")
    for name, value in sections.items():
        text += f"\n[{section}{name}]\n" + toml(value, f"{section}{name}.")
    return text
