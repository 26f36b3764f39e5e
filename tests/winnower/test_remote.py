"""Questions to a running monitor: a token that is a secret, and errors that say what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from grammar import InputError
from winnower.remote import TOKEN_FILE, Remote, remote


class Handler(BaseHTTPRequestHandler):
    """Answers what its server is told to."""

    def do_GET(self) -> None:
        status, body = self.server.answer  # type: ignore[attr-defined]
        self.server.asked.append((self.path, self.headers["Authorization"]))  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    made = HTTPServer(("127.0.0.1", 0), Handler)
    made.asked, made.answer = [], (200, b"told\n")  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def at(server: HTTPServer) -> Remote:
    return Remote(f"http://127.0.0.1:{server.server_port}", "secret")


def test_a_question_carries_the_token_and_its_parameters(server: HTTPServer) -> None:
    assert at(server).ask("/v1/nodes", {"app": "a b", "depth": ""}) == "told\n"
    assert server.asked == [("/v1/nodes?app=a+b", "Bearer secret")]  # type: ignore[attr-defined]


def test_what_a_terminal_would_obey_is_left_out(server: HTTPServer) -> None:
    server.answer = (200, b"a\x1b[31mb\x07\n")  # type: ignore[attr-defined]
    assert at(server).ask("/v1/x", {}) == "a[31mb\n"


@pytest.mark.parametrize("body", [b'{"error": "no such\\u001b app"}', b"no such app", b"\xff", b"[]"])
def test_a_refusal_is_told_escaped(server: HTTPServer, body: bytes) -> None:
    server.answer = (404, body)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="the monitor says") as error:
        at(server).ask("/v1/x", {})
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://x:y", "http://x/path", "http://x?q", "monitor:1"])
def test_what_is_no_address_says_so(url: str) -> None:
    with pytest.raises(InputError, match="not a monitor's address"):
        Remote(url, "secret").ask("/v1/x", {})


def test_a_monitor_that_is_away_says_so() -> None:
    with pytest.raises(InputError, match="does the monitor run"):
        Remote("http://127.0.0.1:1", "secret").ask("/v1/x", {})


def test_the_token_is_a_private_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_FILE, raising=False)
    with pytest.raises(InputError, match="wants a token"):
        remote("http://x", None, None)
    place = tmp_path / "token"
    place.write_text("secret\n")
    place.chmod(0o644)
    with pytest.raises(InputError, match="others may read this secret"):
        remote("http://x", place, None)
    place.chmod(0o600)
    monkeypatch.setenv(TOKEN_FILE, str(place))
    assert remote("http://x", None, None).token == "secret"
    place.write_text("two words")
    with pytest.raises(InputError, match="not a token"):
        remote("http://x", place, None)
    with pytest.raises(InputError, match="cannot be read"):
        remote("http://x", tmp_path / "none", None)
