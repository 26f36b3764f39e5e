"""An agent of ours as a process, on the log of a testbed's auditd, for the live demo and the live benches.

    with AgentProcess.begin(ledger, monitor, "worker-1", log=auditd.log, engine=web.engine) as agent: agent.figures()

Rules of this file
    - It runs as users run it: a token from the monitor, `winnower agent enrol`, `winnower agent run --config FILE`.
    - Figures are what its own /metrics says; CPU and memory are what the kernel says of its process.

Invariant: state, settings and log lie in one folder of the ledger, and go with it.
"""

from __future__ import annotations

import os
import re
import socket
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from live_monitor import WINNOWER, MonitorProcess, Table, toml
from testbed.ledger import Ledger
from testbed.processes import wait_until
from testbed.program import Program
from testbed.tell import TestbedError, run, step

from agent.kernel_wire import Rule
from agent.rules import MACHINES, RuleSet, Scope, wanted
from agent.rules_text import line, parse_names

READY: Final = 30.0
_FIGURE: Final = re.compile(r"^(\w+)(\{[^}]*\})? (\S+)$", re.M)
_EXIT: Final = "exit"


@dataclass(slots=True)
class AgentProcess:
    """The agent: its program, its name, and where its own pages are."""

    program: Program
    name: str
    health: str
    config: Path
    settings: Table

    @staticmethod
    @contextmanager
    def begin(
        ledger: Ledger,
        monitor: MonitorProcess,
        name: str,
        *,
        log: Path,
        engine: Path | None = None,
        settings: Table | None = None,
        url: str = "",
    ) -> Iterator[AgentProcess]:
        """Enrol and start one with these settings (the shape of agent.toml); it follows the log from its end.

        `url` is where it finds the monitor, if not directly.
        """
        folder = ledger.folder()
        config = folder / "agent.toml"
        health = _free_port()
        own: Table = {
            "name": name,
            "state": str(folder / "state"),
            "capture": {"log": str(log), "rules": "any"},
            "monitor": {"url": url or monitor.url},
            "engines": {"sockets": [f"unix://{engine}"] if engine else []},
            "health": {"port": health},
            "log": {"form": "json"},
        }
        given = merged(own, settings or {})
        config.write_text(toml(given), "utf-8")
        secret = folder / "token"
        secret.write_text(monitor.token(name), "utf-8")
        run([*WINNOWER, "agent", "enrol", "--config", str(config), "--token-file", str(secret)])
        secret.unlink()
        argv = [*WINNOWER, "agent", "run", "--config", str(config)]
        with Program(ledger, f"agent-{name}", argv, folder) as program:
            with step(f"starting the agent {name}"):
                program.wait_for("agent works", READY)
            yield AgentProcess(program, name, f"http://127.0.0.1:{health}", config, given)

    def restart(self, settings: Table) -> None:
        """Stop it in good order and start it with other settings; it goes on where it was."""
        self.config.write_text(toml(merged(self.settings, settings)), "utf-8")
        self.program.stop()
        self.program.start()
        if not wait_until(self._answers, READY):
            raise TestbedError(f"the agent does not come back: {self.program.last_words()}")

    def _answers(self) -> bool:
        try:
            return bool(self.figures())
        except TestbedError:
            return False

    def figures(self) -> dict[str, float]:
        """Its metrics, by name and labels as they are written; those that have labels also by name alone, summed."""
        try:
            with urllib.request.urlopen(f"{self.health}/metrics", timeout=30) as answer:
                return read_figures(answer.read().decode("utf-8", "replace"))
        except OSError as error:
            raise TestbedError(f"the agent's figures cannot be read ({error}): {self.program.last_words()}") from None

    def figure(self, name: str) -> float:
        """One of them; `TestbedError` if there is none of that name."""
        found = self.figures()
        if name not in found:
            raise TestbedError(f"the agent has no figure {name}")
        return found[name]

    def ready(self) -> str:
        """What it says is wrong; empty if nothing is."""
        try:
            with urllib.request.urlopen(f"{self.health}/readyz", timeout=5):
                return ""
        except OSError as error:
            return str(error)

    def rest(self, seconds: float, *, quiet: float = 0.5) -> bool:
        """Wait until it has nothing more to do: its CPU time has as good as stood still for `quiet` seconds."""
        last = [self.program.cpu_seconds()]

        def still() -> bool:
            last.append(self.program.cpu_seconds())
            return last[-1] - last[-2] < 0.05 * quiet

        return wait_until(still, seconds, every=quiet)


def read_figures(text: str) -> dict[str, float]:
    """Prometheus' text as numbers.

    >>> read_figures('a_total{what="x"} 2.0\\na_total{what="y"} 3.0\\nb 1.0\\n')["a_total"]
    5.0
    """
    found: dict[str, float] = {}
    for name, labels, value in _FIGURE.findall(text):
        if labels:
            found[name + labels] = float(value)
        found[name] = found.get(name, 0.0) + float(value)
    return found


def merged(own: Table, given: Table) -> Table:
    """Settings with others laid over them, section by section."""
    over = dict(own)
    for name, value in given.items():
        below = over.get(name)
        both = isinstance(below, dict) and isinstance(value, dict)
        over[name] = {**cast("Table", below), **cast("Table", value)} if both else value
    return over


def rules_for(which: RuleSet, auid: int) -> list[str]:
    """The lines that `winnower agent rules --set … --auid …` prints for auditctl, comments left out."""
    arches = list(MACHINES[os.uname().machine].values())
    names = {arch: parse_names(run(["ausyscall", arch, "--dump"])) for arch in arches}
    rules: Sequence[Rule] = wanted(which, arches, Scope(auid=auid))
    # auditctl before 3.1 has no list for io_uring; nothing in the containers uses it.
    return [line(rule, names) for rule in rules if rule.filter == _EXIT]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])
