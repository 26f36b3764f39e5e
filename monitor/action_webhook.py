"""Alerts posted to a web server: signed, each with a key by which the server knows a repeat.

Rules of this file
    - One request an alert: JSON, `Idempotency-Key`, and with a secret `X-Winnower-Timestamp` (seconds) and
      `X-Winnower-Signature`: `v1=` and the hex HMAC-SHA256 of timestamp, a dot and the body. Every try is signed anew.
    - A 2xx is a delivery. A 4xx that says the request is wrong is a refusal; anything else is tried again, not before
      `Retry-After`. Redirects are not followed, certificates are always verified.
    - The whole exchange takes at most `timeout`, however slowly the server talks.

Complexity: O(body); an answer is read up to `MAX_ANSWER`.
Source: RFC 9110 (15.5, 10.2.3), RFC 2104; draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import contextlib
import hmac
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from grammar import InputError, escape
from monitor.action_sink import Format, NotDeliveredError, RefusedError, line_of
from monitor.alerts import Alert
from monitor.secret import read_secret

MAX_ANSWER: Final = 4_096
MIN_SECRET: Final = 16
MAX_PAUSE: Final = 3_600.0
WRONG: Final = frozenset((400, 405, 406, 409, 410, 411, 413, 414, 415, 422))
"""Answers after which the same request is not tried again."""


@dataclass(slots=True)
class Webhook:
    """The server at `url`; `secret` empty: nothing is signed; `now` is the time of day in seconds."""

    url: str
    now: Callable[[], float]
    secret: bytes = field(default=b"", repr=False)
    timeout: float = 10.0
    form: Format = "winnower"
    context: ssl.SSLContext | None = None
    tries: int = 0

    def send(self, alert: Alert) -> None:
        """Post one alert."""
        body = line_of(alert, self.form)
        status, pause, text = self._post(body, self.headers(body, alert.key))
        if 200 <= status < 300:
            return
        told = f"the server answers {status}: {escape(text, 200)}"
        if status in WRONG:
            raise RefusedError(told)
        raise NotDeliveredError(told, pause)

    def headers(self, body: bytes, key: str) -> dict[str, str]:
        """What goes with a body now."""
        found = {"Content-Type": "application/json", "User-Agent": "winnower", "Idempotency-Key": key}
        if self.secret:
            stamp = str(int(self.now()))
            found |= {"X-Winnower-Timestamp": stamp, "X-Winnower-Signature": signature(self.secret, stamp, body)}
        return found

    def close(self) -> None:
        """Nothing stays open between two alerts."""

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, float, bytes]:
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection(parts.hostname or "", parts.port, https=parts.scheme == "https")
        watch = _Watch()
        try:
            with watch.within(self.timeout):
                connection.connect()
                watch.link = connection.sock
                connection.request("POST", target, body, dict(headers))
                answer = connection.getresponse()
                text = answer.read(MAX_ANSWER)
                return answer.status, _pause(answer.getheader("Retry-After", "")), text
        except (OSError, HTTPException, ValueError) as error:
            if watch.over or isinstance(error, TimeoutError):
                raise NotDeliveredError(f"no answer within {self.timeout:g} s") from None
            raise NotDeliveredError(f"{type(error).__name__}: {escape(str(error), 200)}") from None
        finally:
            connection.close()

    def _connection(self, host: str, port: int | None, *, https: bool) -> HTTPConnection:
        if https:
            return HTTPSConnection(host, port, timeout=self.timeout, context=self.context)
        return HTTPConnection(host, port, timeout=self.timeout)


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """What a receiver computes, too, and compares in constant time.

    >>> signature(b"k", "0", b"{}")[:11]
    'v1=7cd63ea1'
    """
    return "v1=" + hmac.new(secret, stamp.encode("ascii") + b"." + body, sha256).hexdigest()


def secret_of(path: Path) -> bytes:
    """The secret that a private file holds."""
    found = read_secret(path).strip()
    if len(found) < MIN_SECRET:
        raise InputError("too short a secret", file=str(path), hint=f"at least {MIN_SECRET} bytes")
    return found


def trusting(authority: Path | None) -> ssl.SSLContext:
    """TLS that verifies the other side by these authorities (None: the system's)."""
    try:
        return ssl.create_default_context(cafile=str(authority) if authority else None)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"no certificates to trust: {escape(str(error), 200)}", file=str(authority)) from None


@dataclass(slots=True)
class _Watch:
    """Cuts a connection off after so long: a socket's own time-out starts anew with every byte."""

    link: socket.socket | None = None
    over: bool = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is done inside has so long."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self.over = True
        if self.link is not None:
            with contextlib.suppress(OSError, ValueError):
                self.link.shutdown(socket.SHUT_RDWR)


def _pause(written: str) -> float:
    """Seconds of a Retry-After; a date is not understood."""
    return min(MAX_PAUSE, float(written)) if written.isascii() and written.isdigit() and len(written) < 10 else 0.0
