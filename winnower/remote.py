"""Questions to a running monitor: one HTTP request, one text.

Rules of this file
    - The monitor renders; what comes back is printed as it is, but for control characters, which it never holds.
    - The token comes from a file that nobody else can read, never from the command line. Redirects are not followed.
    - Whatever goes wrong is an `InputError` that says what to do.

Source: design section 5 (`--url URL`); issue "live agent" (distributed query).
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from grammar import InputError, escape

TOKEN_FILE: Final = "WINNOWER_TOKEN_FILE"
MAX_ANSWER: Final = 64 << 20
MAX_TOKEN: Final = 4_096
SLACK: Final = 10.0
"""Seconds that an answer may take beyond what was asked for."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A monitor at `url`; `authority` is a file of certificates to trust for https."""

    url: str
    token: str
    authority: Path | None = None

    def ask(self, path: str, params: Mapping[str, str], body: str | None = None, seconds: float = SLACK) -> str:
        """The answer's text."""
        query = urlencode({name: value for name, value in params.items() if value != ""})
        target = quote(path) + (f"?{query}" if query else "")
        connection = self._connection(seconds)
        try:
            method, data = ("GET", None) if body is None else ("POST", body.encode("utf-8", "surrogateescape"))
            connection.request(method, target, data, {"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            text = answer.read(MAX_ANSWER).decode("utf-8", "replace")
        except (OSError, HTTPException, ValueError) as error:
            hint = "does the monitor run, and is this its address?"
            raise InputError(f"the monitor cannot be asked: {error}", offending=self.url, hint=hint) from None
        finally:
            connection.close()
        if answer.status != 200:
            raise InputError(f"the monitor says: {_reason(text)}", offending=self.url)
        return "".join(c for c in text if c >= " " or c == "\n")

    def _connection(self, seconds: float) -> HTTPConnection:
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError:
            raise self._wrong() from None
        if not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise self._wrong()
        if parts.scheme == "http":
            return HTTPConnection(parts.hostname, port, timeout=seconds)
        if parts.scheme != "https":
            raise self._wrong()
        try:
            context = ssl.create_default_context(cafile=str(self.authority) if self.authority else None)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"no certificates to trust: {error}", file=str(self.authority)) from None
        return HTTPSConnection(parts.hostname, port, timeout=seconds, context=context)

    def _wrong(self) -> InputError:
        return InputError("not a monitor's address", offending=self.url, hint="https://HOST:PORT or http://HOST:PORT")


def remote(url: str, token_file: Path | None, authority: Path | None) -> Remote:
    """A monitor to ask, with the token of a file (or of the one that the environment names)."""
    place = token_file or (Path(named) if (named := os.environ.get(TOKEN_FILE, "")) else None)
    if place is None:
        hint = f"--token-file FILE, or {TOKEN_FILE}; the monitor has made it: users.token in its state"
        raise InputError("a running monitor wants a token", hint=hint)
    try:
        with place.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise InputError("others may read this secret", file=str(place), hint=f"chmod 600 {place}")
            token = file.read(MAX_TOKEN).decode("ascii", "replace").strip()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(place)) from None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError("not a token", file=str(place))
    return Remote(url, token, authority)


def _reason(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    told = found.get("error", text) if isinstance(found, dict) else text
    return escape(str(told).strip(), 400)
