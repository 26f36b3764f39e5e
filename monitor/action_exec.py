"""A program run for every alert: an argument vector, the alert as JSON on its standard input, never a shell.

Rules of this file
    - Its environment is `PATH` and `LANG` and nothing of ours; it runs in `/`, in a session of its own, with no file of
      ours open. What it prints is read up to `MAX_OUTPUT` and goes to the log when it fails.
    - After `timeout` its whole session's group is killed. Exit code 0 is a delivery; anything else is tried again, so
      often as the settings say.

Complexity: one process an alert, one at a time.
Source: issue "policies and questions" (exec: off by default, argument vector only).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from grammar import escape
from monitor.action_exec_fields import arguments
from monitor.action_sink import NotDeliveredError, line_of
from monitor.alerts import Alert

MAX_OUTPUT: Final = 4_096
ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@dataclass(slots=True)
class Program:
    """A command; `{field}` as an argument is a field of the alert (`monitor.action_exec_fields`)."""

    command: tuple[str, ...]
    timeout: float = 10.0
    tries: int = 3
    clock: Callable[[], float] = time.monotonic

    def send(self, alert: Alert) -> None:
        """Run it once."""
        line = line_of(alert, "winnower") + b"\n"
        try:
            process = subprocess.Popen(
                arguments(self.command, alert),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            raise NotDeliveredError(f"it cannot be run: {error}") from None
        with process:
            try:
                output = _talk(process, line, self.clock() + self.timeout, self.clock)
            finally:
                _end(process)
        if output is None:
            raise NotDeliveredError(f"it ran longer than {self.timeout:g} s")
        if process.returncode:
            raise NotDeliveredError(f"exit code {process.returncode}: {escape(output, 200)}")

    def close(self) -> None:
        """Nothing stays open between two alerts."""


def _talk(process: subprocess.Popen[bytes], line: bytes, until: float, clock: Callable[[], float]) -> bytes | None:
    """Write its input, read its output, until it has ended; None if that takes too long. It is not reaped yet."""
    assert process.stdin is not None
    assert process.stdout is not None
    into, out, life = process.stdin.fileno(), process.stdout.fileno(), os.pidfd_open(process.pid)
    output, rest = b"", memoryview(line)
    try:
        with selectors.DefaultSelector() as selector:
            for handle, events in ((into, selectors.EVENT_WRITE), (out, selectors.EVENT_READ)):
                os.set_blocking(handle, False)
                selector.register(handle, events)
            selector.register(life, selectors.EVENT_READ)
            while (left := until - clock()) > 0:
                ready = {key.fd for key, _ in selector.select(left)}
                if into in ready:
                    rest = rest[_written(into, rest) :]
                if into in ready and not rest:
                    selector.unregister(into)
                    process.stdin.close()
                if out in ready:
                    data = _read(out)
                    output += data[: MAX_OUTPUT - len(output)]
                    if not data:
                        selector.unregister(out)
                if life in ready:
                    return output + _read(out)[: MAX_OUTPUT - len(output)]
    finally:
        os.close(life)
    return None


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65_536)
    except BlockingIOError:
        return b""


def _written(handle: int, data: memoryview) -> int:
    """How much of it was taken; a program need not read its input."""
    try:
        return os.write(handle, data)
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(data)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it stays: also what it has started itself and left behind. Its number is ours until it is reaped."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
