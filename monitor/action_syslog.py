"""Alerts as syslog messages (RFC 5424) over UDP, TCP, TLS, or the socket of the machine's own logger.

Rules of this file
    - Over TCP and TLS a message is counted octets (RFC 6587): no text can end it or begin another. A datagram is one
      message of at most `MAX_DATAGRAM` bytes.
    - Fields are structured data, the text behind them is for a person. Control characters and what is no character are
      written as escapes, then quotes, backslashes and brackets are escaped as the format asks.
    - Syslog does not acknowledge: over TCP a connection that the other side has closed is noticed before a message is
      written to it, and what was written before a crash of the other side may be lost with it. UDP may lose anything.

Complexity: O(message), at most `MAX_STREAM` bytes.
Source: RFC 5424 (6), RFC 6587 (3.4.1), RFC 5425 (TLS), RFC 5426 (UDP).
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from grammar import escape
from monitor.action_sink import NotDeliveredError, RefusedError
from monitor.alerts import Alert
from monitor.config_actions import Address

SEVERITIES: Final = {"critical": 2, "high": 3, "medium": 4, "low": 5}
FACILITIES: Final = {"user": 1, "daemon": 3, "auth": 4, "authpriv": 10, **{f"local{n}": 16 + n for n in range(8)}}
SD_ID: Final = "alert@32473"
"""The enterprise number that RFC 5612 keeps for those who have none."""
MAX_DATAGRAM: Final = 2_048
MAX_STREAM: Final = 8_192
VALUES: Final = {MAX_DATAGRAM: 120, MAX_STREAM: 500}
"""Bytes of one value, so that all of them leave room for the text."""
BOM: Final = b"\xef\xbb\xbf"
NIL: Final = "-"


@dataclass(slots=True)
class Syslog:
    """A logger; `host` and `pid` are ours, as the header says them."""

    address: Address
    host: str
    pid: int
    facility: str = "daemon"
    timeout: float = 10.0
    context: ssl.SSLContext | None = None
    tries: int = 0
    _link: socket.socket | None = None

    def send(self, alert: Alert) -> None:
        """Send one message."""
        stream = self.address.transport in ("tcp", "tls")
        data = message(alert, self.host, self.pid, self.facility, MAX_STREAM if stream else MAX_DATAGRAM)
        try:
            if self._link is not None and stream and _closed(self._link):
                self.close()
            self._link = self._link or self._connect()
            self._link.sendall(b"%d " % len(data) + data if stream else data)
        except (OSError, ValueError) as error:
            self.close()
            raise NotDeliveredError(f"{type(error).__name__}: {escape(str(error), 200)}") from None

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            with contextlib.suppress(OSError):
                self._link.close()
            self._link = None

    def _connect(self) -> socket.socket:
        transport, host, port = self.address
        if transport == "unix":
            link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            return _connected(link, host, self.timeout)
        if transport == "udp":
            family, sort, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            return _connected(socket.socket(family, sort | socket.SOCK_CLOEXEC), place, self.timeout)
        link = socket.create_connection((host, port), self.timeout)
        if transport == "tcp":
            return link
        if self.context is None:
            link.close()
            raise RefusedError("TLS without authorities")
        try:
            return self.context.wrap_socket(link, server_hostname=host)
        except BaseException:
            link.close()
            raise


def message(alert: Alert, host: str, pid: int, facility: str, most: int) -> bytes:
    """One message of at most `most` bytes; what does not fit of the text at its end is cut."""
    priority = FACILITIES[facility] * 8 + SEVERITIES.get(alert.severity, 4)
    header = f"<{priority}>1 {_stamp(alert.time)} {_name(host, 255)} winnower {pid} {_name(alert.policy, 32)}"
    fields = (
        ("number", str(alert.number)),
        ("key", alert.key),
        ("policy", alert.policy),
        ("severity", alert.severity),
        ("certainty", "certain" if alert.sure else "possible"),
        ("app", alert.app),
        ("worker", alert.worker),
        ("container", alert.container),
        ("replicas", f"{alert.replicas[0]} of {alert.replicas[1]}"),
        ("techniques", ",".join(alert.techniques)),
        ("title", alert.title),
    )
    told = "".join(f' {name}="{_parameter(value, VALUES[most])}"' for name, value in fields if value)
    where = " / ".join(one for one in (alert.app, alert.worker, alert.container) if one)
    text = plain(f"{alert.severity} {alert.policy}: {alert.title} ({where})", most)
    data = f"{header} [{SD_ID}{told}] ".encode() + BOM + text.encode()
    return data if len(data) <= most else data[:most].decode("utf-8", "ignore").encode()


def plain(text: str, most: int) -> str:
    r"""Text that cannot do anything: what is no printable character is written as an escape.

    >>> plain("a\nb\x1b[31m\udcff é", 99)
    'a\\nb\\x1b[31m\\udcff é'
    """
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


def _parameter(value: str, most: int) -> str:
    """A value of structured data of at most so many bytes; no escape is cut in two."""
    parts: list[str] = []
    for character in plain(value, most):
        shown = f"\\{character}" if character in '\\"]' else character
        most -= len(shown.encode())
        if most < 0:
            break
        parts.append(shown)
    return "".join(parts)


def _name(text: str, most: int) -> str:
    """A word of the header: printable ASCII."""
    return "".join(c if "!" <= c <= "~" else "_" for c in text)[:most] or NIL


def _stamp(millis: int) -> str:
    """Log time, or nothing if no calendar has it."""
    try:
        found = datetime.fromtimestamp(millis / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return NIL
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _connected(link: socket.socket, place: object, timeout: float) -> socket.socket:
    try:
        link.settimeout(timeout)
        link.connect(place)  # type: ignore[arg-type]  # what getaddrinfo gave, or a path
    except BaseException:
        link.close()
        raise
    return link


def _closed(link: socket.socket) -> bool:
    """Whether the other side has ended the connection; a logger never says anything else."""
    readable, _, _ = select.select([link], [], [], 0)
    if not readable:
        return False
    timeout = link.gettimeout()
    try:
        link.settimeout(0)
        return link.recv(1_024) == b""
    except (ssl.SSLWantReadError, BlockingIOError):
        return False
    finally:
        link.settimeout(timeout)
