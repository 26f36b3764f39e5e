"""What a service tells systemd: that it is ready, what it is doing, that it is alive.

Rules of this file
    - Where there is no NOTIFY_SOCKET nothing happens; where it does not take the message, that is said, never raised.
      Telling takes at most `PATIENCE` seconds.
    - A text is one line: whatever is in it cannot become another message.

Complexity: one datagram per message.
Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import os
import socket
import time
from typing import Final

from grammar.errors import escape

PATIENCE: Final = 1.0
MAX_STATUS: Final = 400


def ready(text: str = "") -> bool:
    """The service works from now on (or again, after `reloading`)."""
    return _send("READY=1", *_status(text))


def reloading() -> bool:
    """It reads its settings anew; `ready` ends that."""
    return _send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping(text: str = "") -> bool:
    """It is about to end."""
    return _send("STOPPING=1", *_status(text))


def status(text: str) -> bool:
    """What it is doing, for `systemctl status`."""
    return _send(*_status(text))


def alive() -> bool:
    """It is not stuck: to be said more often than every `watchdog_seconds`."""
    return _send("WATCHDOG=1")


def watchdog_seconds() -> float:
    """After how many seconds without `alive` the service is killed; 0 if nobody watches this process."""
    number, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", str(os.getpid()))
    watched = pid == str(os.getpid()) and number.isascii() and number.isdecimal() and len(number) < 19
    return int(number) / 1e6 if watched else 0.0


def _status(text: str) -> list[str]:
    return [f"STATUS={escape(text, MAX_STATUS)}"] if text else []


def _send(*fields: str) -> bool:
    """Whether the message was taken. A name that begins with @ is in the abstract namespace."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if name[:1] not in ("/", "@"):
        return False
    address = "\0" + name[1:] if name.startswith("@") else name
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.settimeout(PATIENCE)
            link.sendto("\n".join(fields).encode("utf-8"), address)
    except OSError:
        return False
    return True
