"""HTTP: exactly the bytes that are counted, bounded time and memory, and no word that the monitor has not signed."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_monitor import AGENT, MONITOR, FakeMonitor, Server
from hypothesis import given
from hypothesis import strategies as st

from agent.http_connection import Connection, Place, Tls, read_head
from agent.http_link import HttpLink, enrol, post
from agent.identity import enrol as enrol_here
from agent.link import BusyError, LinkError, RefusedError, UnreachableError
from grammar import Envelope, InputError, Revision, State, answered, framed
from grammar.control import Answer, Control, Orders, Reply, write
from grammar.signing import Signer, digest


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server(FakeMonitor())
    yield one
    one.close()


def connected(server: Server) -> Connection:
    return Connection(Place("127.0.0.1", server.port, "", False))


def linked(server: Server, seconds: float = 5.0) -> HttpLink:
    return HttpLink(connected(server), "w", AGENT, MONITOR.public, seconds)


def sealed(sequence: int = 0, before: bytes = b"") -> bytes:
    return AGENT.seal("envelope", Envelope("w", b"s", sequence, 0, 1, 0, {}, (), (), before).encode())


def test_what_crosses_the_wire_is_what_is_counted(server: Server) -> None:
    link, one = linked(server), sealed()
    assert link.deliver(one, "", b"s", 0) == Answer("new", 0)
    assert bytes(server.raw) == framed("POST", "/v1/epochs", one)
    answer = answered(MONITOR.seal("answer", write(Answer("new", 0)), digest(one)))
    assert link.counts == {"up": len(server.raw), "down": len(answer)}


def test_all_that_an_agent_says(server: Server) -> None:
    link, monitor = linked(server), server.monitor
    monitor.lexicon("web").extend([State("File /a")], [])
    monitor.orders = Orders(Control(3), ())
    assert set(link.words({"web": Revision(), "db": Revision()})) == {"web"}
    assert link.listen(2, 100) == Orders(Control(3), ())
    assert link.listen(3, 100) == Orders()
    link.reply(AGENT.seal("reply", write(Reply(b"q", "w"))), b"q")
    assert monitor.replies == [Reply(b"q", "w")]
    assert server.connections == 1


def test_enrolment_over_http(server: Server, tmp_path: Path) -> None:
    found = enrol_here(tmp_path, "w", server.monitor.token, lambda asked: enrol(connected(server), asked))
    assert found.monitor == MONITOR.public


def test_a_connection_that_was_closed_meanwhile_is_opened_again_once(server: Server) -> None:
    link, first = linked(server), sealed()
    server.close_after = True
    link.deliver(first, "", b"s", 0)
    before = server.monitor.taken[0].digest
    assert link.deliver(sealed(1, before), "", b"s", 1).status == "new"
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"rubbish",
        b"short",
        Signer(b"x" * 32).seal("answer", write(Answer("new", 0))),
        MONITOR.seal("answer", write(Answer("new", 0))),
        MONITOR.seal("answer", write(Answer("new", 0)), b"another question"),
        MONITOR.seal("orders", write(Answer("new", 0)), digest(sealed())),
        MONITOR.seal("answer", write(Answer("new", 7)), digest(sealed())),
    ],
)
def test_an_answer_that_the_monitor_has_not_signed_about_this_is_none(server: Server, answer: bytes) -> None:
    link = linked(server)
    server.answer = lambda body: answered(answer)
    with pytest.raises(UnreachableError):
        link.deliver(sealed(), "", b"s", 0)
    assert link.counts["forged"] == 1


@pytest.mark.parametrize(
    ("status", "head", "kind"),
    [
        (503, b"Retry-After: 7\r\n", BusyError),
        (429, b"", BusyError),
        (400, b"", RefusedError),
        (403, b"", RefusedError),
        (301, b"Location: http://evil/\r\n", RefusedError),
        (500, b"", UnreachableError),
    ],
)
def test_statuses_say_when_to_try_again(server: Server, status: int, head: bytes, kind: type[LinkError]) -> None:
    server.monitor.status, server.monitor.head = status, head
    with pytest.raises(kind) as caught:
        linked(server).deliver(sealed(), "", b"s", 0)
    assert "\x1b" not in str(caught.value)
    if isinstance(caught.value, BusyError):
        assert caught.value.seconds == (7.0 if head else 5.0)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 40_000,
        b"HTTP/1.1 503 X\r\nContent-Length: 5000000\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
)
def test_whatever_comes_back_is_bounded(server: Server, raw: bytes) -> None:
    server.close_after = True
    server.answer = lambda body: raw
    with pytest.raises(UnreachableError):
        linked(server, 2.0).deliver(sealed(), "", b"s", 0)


@given(st.binary(max_size=200))
def test_any_head_is_read_or_refused(data: bytes) -> None:
    """Whatever the bytes: a head with sane numbers, or an `UnreachableError`."""
    for head in (data, b"HTTP/1.1 200 OK\r\n" + data):
        try:
            found = read_head(head)
        except UnreachableError as error:
            assert str(error).isprintable()
        else:
            assert 0 <= found.length < 10**12


def test_one_deadline_for_all_of_it(server: Server) -> None:
    """A server that sends a byte now and then keeps a request open no longer than one that sends nothing."""
    slow = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        one, _ = slow.accept()
        try:
            while True:
                one.sendall(b"H")
                time.sleep(0.05)
        except OSError:
            return

    threading.Thread(target=drip, daemon=True).start()
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="in time"):
        Connection(Place("127.0.0.1", slow.getsockname()[1], "", False)).post("/", b"x", 0.4, 10)
    assert time.monotonic() - begun < 2
    slow.close()


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    with pytest.raises(UnreachableError, match="cannot reach"):
        Connection(Place("127.0.0.1", port, "", False)).post("/", b"x", 1.0, 10)


@pytest.mark.parametrize(
    "url",
    ["", "ftp://a", "http://", "http://a:x", "http://a:99999", "http://u:p@a", "http://a/?q", "http://a b", "a:1"],
)
def test_what_is_no_url_of_a_monitor_is_an_error(url: str) -> None:
    with pytest.raises(InputError):
        Place.parse(url)


def test_urls() -> None:
    assert Place.parse("http://monitor:7717") == Place("monitor", 7717, "", False)
    assert Place.parse("https://[::1]/winnower/") == Place("::1", 443, "/winnower", True)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of a monitor at 127.0.0.1 and of an agent."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make certificates with")
    folder = tmp_path_factory.mktemp("tls")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    _openssl(folder, "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    for name in ("monitor", "agent"):
        _openssl(folder, "req", *new[:-2], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"]
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
        (folder / f"{name}.key").chmod(0o600)
    return folder


def test_tls_both_ways(certificates: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "monitor.pem", certificates / "monitor.key")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(FakeMonitor(), context)
    place = Place("127.0.0.1", server.port, "", True)
    files = [str(certificates / name) for name in ("ca.pem", "agent.pem", "agent.key")]
    good = HttpLink(Connection(place, Tls(*files)), "w", AGENT, MONITOR.public, 5.0)
    assert good.deliver(sealed(), "", b"s", 0).status == "new"
    for tls in (Tls(files[0]), Tls(), Tls("", *files[1:])):
        with pytest.raises(UnreachableError):
            post(Connection(place, tls), "/v1/epochs", sealed(), 5.0, 1_000)
    wrong = Connection(place._replace(host="localhost"), Tls(*files))
    with pytest.raises(UnreachableError, match=r"certificate|match"):
        wrong.post("/v1/epochs", sealed(), 5.0, 1_000)
    server.close()


def test_a_private_key_that_others_may_read_is_refused(certificates: Path, tmp_path: Path) -> None:
    key = tmp_path / "agent.key"
    key.write_bytes((certificates / "agent.key").read_bytes())
    key.chmod(0o644)
    with pytest.raises(InputError, match="others may read"):
        Tls("", str(certificates / "agent.pem"), str(key)).context()
    with pytest.raises(InputError, match="TLS files"):
        Tls(str(tmp_path / "none.pem")).context()
