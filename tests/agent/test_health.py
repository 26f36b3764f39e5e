"""Health pages: they say what is wrong, and no client can keep another from reading them."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_monitor import AGENT, FakeLink, FakeMonitor

from agent import health as module
from agent.backoff import Backoff
from agent.entry import Entry
from agent.figures import sending, troubles
from agent.health import Figure, Figures, Health, Pages
from agent.ledger import Ledger
from agent.link import RefusedError
from agent.listener import Listener
from agent.publisher import Vocabulary
from agent.sender import Sender
from grammar import InputError
from grammar.control import Reply


class Node:
    """What is wrong with it can be set."""

    def __init__(self) -> None:
        self.dead: dict[str, str] = {}
        self.unready: dict[str, str] = {}
        self.figures = Figures(lambda: [Figure("winnower_x", "Some.", 3, {"what": 'a"\n\x1b'}, True)])


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def server(node: Node) -> Iterator[Health]:
    one = Health("127.0.0.1", 0, Pages(lambda: node.dead, lambda: node.unready, node.figures))
    thread = one.start()
    yield one
    one.stop()
    thread.join(5)
    assert not thread.is_alive()


def get(server: Health, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_pages_say_what_is_wrong(server: Health, node: Node) -> None:
    assert get(server, "/healthz") == (200, "ok\n")
    node.unready = {"monitor": "away \x1b[31m"}
    assert get(server, "/healthz") == (200, "ok\n")
    assert get(server, "/readyz?x=1") == (503, "monitor: away \\x1b[31m\n")
    node.dead = {"loop": "stands"}
    assert get(server, "/healthz")[0] == 503


def test_figures_are_in_prometheus_form(server: Health) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.address[1]}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    assert "# TYPE winnower_x_total counter" in text
    assert 'winnower_x_total{what="a\\"\\\\n\\\\x1b"} 3.0' in text
    assert "python_gc" not in text


def test_other_requests_are_refused(server: Health) -> None:
    assert get(server, "/")[0] == 404
    assert get(server, "/healthz", "POST")[0] == 405
    assert get(server, "/healthz", "HEAD") == (200, "")


@pytest.mark.parametrize(
    "request_", [b"\r\n\r\n", b"\xff\xfe\r\n\r\n", b"GET\n\n", b"x" * 20_000, b"GET /healthz " * 2_000]
)
def test_rubbish_is_answered_or_cut(server: Health, request_: bytes) -> None:
    with socket.create_connection(server.address, timeout=5) as one:
        one.sendall(request_)
        assert one.recv(100).startswith((b"HTTP/1.1 4", b""))
    assert get(server, "/healthz")[0] == 200


def test_slow_and_many_clients_stall_nobody(server: Health) -> None:
    """Half-sent requests, answers that nobody reads, and more connections than there is room for."""
    idle = [socket.create_connection(server.address, timeout=5) for _ in range(2 * module.MOST)]
    for one in idle[::2]:
        one.send(b"GET /metr")
    begun = time.monotonic()
    assert get(server, "/healthz") == (200, "ok\n")
    assert time.monotonic() - begun < 1
    assert len(server._clients) <= module.MOST
    for one in idle:
        one.close()


def test_a_client_that_says_nothing_is_cut_in_time(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)
    server = Health("127.0.0.1", 0, Pages(dict, dict, node.figures))
    with socket.create_connection(server.address, timeout=5) as one:
        for _ in range(4):
            server.turn(0.1)
        assert one.recv(10) == b""
    server.stop()
    server.run()


def test_an_error_in_a_page_is_no_error_of_the_server(server: Health, node: Node) -> None:
    node.dead = None  # type: ignore[assignment]
    node.figures.sources = (lambda: 1 / 0,)  # type: ignore[assignment, return-value]
    server.pages.alive = lambda: 1 / 0  # type: ignore[assignment, return-value]
    assert get(server, "/healthz")[0] == 500
    assert get(server, "/metrics") == (200, "")


def test_a_port_that_is_taken_is_an_error_with_what_to_do(server: Health, node: Node) -> None:
    with pytest.raises(InputError, match=r"\[health\]"):
        Health(*server.address, Pages(dict, dict, node.figures))


def test_the_way_to_the_monitor_has_figures_and_troubles(tmp_path: Path) -> None:
    monitor = FakeMonitor()
    ledger = Ledger(tmp_path, 1 << 20, lambda: b"s")
    sender = Sender(ledger, FakeLink(monitor), "w", AGENT, Vocabulary({}), Backoff(lambda: 0.5), lambda: 7.0)
    listener = Listener(FakeLink(monitor), AGENT, lambda one: Reply(one.id, "w"), Backoff(lambda: 0.5))
    ledger.cut([Entry(5, 1)], b"")
    sender.step()
    listener.step()
    ledger.cut([Entry(9, 1)], b"")
    text = Figures(lambda: sending(ledger, sender, listener)).text().decode()
    for line in (
        "winnower_agent_spool_entries 1.0",
        "winnower_agent_spool_oldest_millis 9.0",
        "winnower_agent_monitor_reached_seconds 7.0",
        'winnower_agent_sending_total{what="sent"} 1.0',
        'winnower_agent_listening_total{what="orders"} 1.0',
    ):
        assert line in text
    assert troubles(ledger, sender) == {}
    sender.link.deliver = lambda *_: (_ for _ in ()).throw(RefusedError("no"))  # type: ignore[method-assign]
    sender.step()
    assert troubles(ledger, sender) == {"monitor": "refused: no"}
