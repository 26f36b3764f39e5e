"""Where a daemon of the testbed runs and is talked to: a folder, programs that are started and ended, a few clients.

Rules of this file
    - A client that is refused, cut off or kept waiting is what is wanted: no error of a socket is ours.
    - Every wait has an end. What was started is ended by its process id, and with the namespace at the latest.

Source: the sessions beside this file (`daemons_*`).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATIENCE: Final = 5.0
HOST: Final = "127.0.0.1"


@dataclass(slots=True)
class Place:
    """One application's: `folder` is for its files, `out` for what it logs."""

    name: str
    folder: Path
    out: Path

    def write(self, name: str, text: str | bytes, mode: int = 0o644) -> Path:
        """A file with this content; `{here}` and `{out}` in text stand for the folders."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, str):
            text = text.replace("{here}", str(self.folder)).replace("{out}", str(self.out)).encode()
        path.write_bytes(text)
        path.chmod(mode)
        return path

    def run(self, argv: Sequence[str], log: str = "", given: bytes = b"", seconds: float = 4 * PATIENCE) -> None:
        """Run to its end, good or bad; what it prints is appended to the log, if there is one."""
        out = (self.out / log).open("ab") if log else None
        try:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    argv,
                    input=given,
                    stdout=out or subprocess.DEVNULL,
                    stderr=subprocess.STDOUT,
                    timeout=seconds,
                    cwd=self.folder,
                    check=False,
                )
        finally:
            if out:
                out.close()

    @contextlib.contextmanager
    def started(self, argv: Sequence[str], log: str = "", port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
        """A daemon while the block runs, once its port answers."""
        with (self.out / log).open("ab") if log else contextlib.nullcontext() as out:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out or subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
        try:
            if port:
                answers(port)
            yield process
            time.sleep(0.2)
        finally:
            process.terminate()
            try:
                process.wait(2 * PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(port: int, seconds: float = 3 * PATIENCE) -> bool:
    """Whether a port of the loopback takes a connection before the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return True
        time.sleep(0.1)
    return False


def say(port: int, *sent: bytes, tls: bool = False, wait: float = 1.0) -> bytes:
    """Send what is to be sent, piece by piece; what came back, as far as it came in time."""
    found = b""
    with contextlib.suppress(OSError, ValueError), socket.create_connection((HOST, port), PATIENCE) as plain:
        plain.settimeout(wait)
        stream = unchecked().wrap_socket(plain, server_hostname="localhost") if tls else plain
        for piece in sent:
            stream.sendall(piece)
            time.sleep(0.02)
        while piece := stream.recv(65_536):
            found += piece
    return found


def get(port: int, target: str, *headers: str, method: str = "GET", body: bytes = b"", tls: bool = False) -> bytes:
    """One HTTP request, with a connection of its own."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return say(port, "\r\n".join([*lines, "", ""]).encode() + body, tls=tls, wait=2 * PATIENCE)


def unchecked() -> ssl.SSLContext:
    """TLS as a client that believes anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def certificate(place: Place, name: str = "localhost") -> tuple[Path, Path]:
    """A new self-signed certificate and its key."""
    key, cert = place.folder / f"{name}.key", place.folder / f"{name}.crt"
    place.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-keyout", str(key), "-out", str(cert)]
    )  # fmt: skip
    return cert, key
