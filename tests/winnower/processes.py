"""A real monitor and a real agent, each a process, in a folder of a test's own.

Rules of this file
    - The agent follows a file that the test writes: no root, no kernel, no engine. Everything ends with the test.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

PATIENCE = 30.0
WINNOWER = str(Path(sys.executable).with_name("winnower"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(what: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


class Site:
    """Settings, processes, commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "audit.log"
        self.port, self.health = free_port(), free_port()
        self.log.touch()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.write_monitor()
        self.write_agent()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_file(self) -> Path:
        return self.folder / "monitor" / "users.token"

    def write_monitor(self, more: str = "") -> None:
        text = f'state = "monitor"\nepoch = "1s"\n{more}\n[listen]\nport = {self.port}\n'
        (self.folder / "monitor.toml").write_text(text)

    def write_agent(self, more: str = "") -> None:
        text = f"""name = "w1"
state = "{self.folder}/agent"
keep_sent = true
{more}
[capture]
log = "{self.log}"
start = "beginning"
kernel = false
[monitor]
url = "{self.url}"
wait = "5s"
[engines]
sockets = []
[health]
port = {self.health}
"""
        (self.folder / "agent.toml").write_text(text)

    def command(self, *arguments: str, told: str = "") -> subprocess.CompletedProcess[str]:
        """One command of ours, to its end."""
        return subprocess.run(
            [WINNOWER, *arguments],
            input=told,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            check=False,
        )

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A question to the running monitor."""
        return self.command(*arguments, "--url", self.url, "--token-file", str(self.token_file))

    def start(self, name: str) -> None:
        """Start the monitor or the agent."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [WINNOWER, name, "run", "--config", f"{name}.toml"],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def start_monitor(self) -> None:
        self.start("monitor")
        until(lambda: self.answers(self.port))

    def start_agent(self) -> None:
        self.start("agent")
        until(lambda: "agent works" in self.said("agent"))

    def enrol(self) -> None:
        token = self.command("monitor", "token", "w1", "--state", "monitor")
        done = self.command("agent", "enrol", "--config", "agent.toml", told=token.stdout)
        assert done.returncode == 0, done.stderr

    def answers(self, port: int) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return True
        except OSError:
            return False

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        process = self.running.pop(name)
        process.send_signal(number)
        return process.wait(PATIENCE)

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def figures(self) -> dict[str, float]:
        """What the agent's /metrics say."""
        with urlopen(f"http://127.0.0.1:{self.health}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def drained(self) -> bool:
        """Whether all that has been written is at the monitor."""
        found = self.figures()
        return not found["winnower_agent_behind_bytes"] and not found["winnower_agent_spool_entries"]

    def alerts(self) -> list[dict[str, object]]:
        told = json.loads(self.ask("alerts", "--format", "json").stdout)
        found: list[dict[str, object]] = told["alerts"] if isinstance(told, dict) else told
        return found

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A monitor and an enrolled agent, running."""
    one = Site(folder)
    os.umask(0o022)
    try:
        one.start_monitor()
        one.enrol()
        one.start_agent()
        yield one
    finally:
        one.end()
