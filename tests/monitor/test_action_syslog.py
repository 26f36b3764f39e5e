"""Every message is one message of RFC 5424, whatever the alert holds, over whatever it is sent."""

import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from listeners import Stream, certificate, until
from told import HOSTILE, alert, alerts, hostile

from monitor.action_sink import NotDeliveredError
from monitor.action_syslog import BOM, MAX_DATAGRAM, MAX_STREAM, Syslog, _closed, message
from monitor.action_webhook import trusting
from monitor.alerts import Alert
from monitor.config_actions import Address

VALUE = rb"(?:[^\"\\\]]|\\[\"\\\]])*"
HEADER = re.compile(
    rb"<([0-9]{1,3})>1 (\S+) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) \[alert@32473((?: [a-z]+=\""
    + VALUE
    + rb"\")*)\] "
)
PAIR = re.compile(rb" ([a-z]+)=\"(" + VALUE + rb")\"")


def parsed(data: bytes) -> tuple[dict[str, str], str]:
    """The fields and the text of a message; it is well formed."""
    found = HEADER.match(data)
    assert found, data
    pairs = PAIR.findall(found[7])
    rest = data[found.end() :]
    assert rest.startswith(BOM)
    return {name.decode(): re.sub(rb"\\([\"\\\]])", rb"\1", value).decode() for name, value in pairs}, rest[3:].decode()


def syslog(transport: str, host: str = "127.0.0.1", port: int = 0, **settings: object) -> Syslog:
    return Syslog(Address(transport, host, port), "monitor", 42, timeout=2.0, **settings)  # type: ignore[arg-type]


def test_the_header_says_what_the_standard_asks_for() -> None:
    data = message(alert(7), "host", 42, "local3", MAX_DATAGRAM)
    assert data.startswith(b"<155>1 2026-01-31T12:00:00.130Z host winnower 42 shell-below-web-server [alert@32473 ")
    fields, text = parsed(data)
    assert fields == {
        "number": "7",
        "key": alert(7).key,
        "policy": "shell-below-web-server",
        "severity": "high",
        "certainty": "certain",
        "app": "web",
        "worker": "worker1",
        "container": "web-1",
        "replicas": "1 of 8",
        "techniques": "T1059.004,T1003",
        "title": "a web server starts a shell",
    }
    assert text == "high shell-below-web-server: a web server starts a shell (web / worker1 / web-1)"


@pytest.mark.parametrize(
    ("severity", "number"), [("critical", 26), ("high", 27), ("medium", 28), ("low", 29), ("?", 28)]
)
def test_priorities(severity: str, number: int) -> None:
    assert message(alert(severity=severity), "h", 1, "daemon", MAX_STREAM).startswith(b"<%d>1 " % number)


@given(alerts)
def test_whatever_it_holds_a_message_is_well_formed_and_fits(one: Alert) -> None:
    for most in (MAX_DATAGRAM, MAX_STREAM):
        data = message(one, one.worker, 42, "daemon", most)
        assert len(data) <= most
        fields, text = parsed(data)
        assert all(c.isprintable() for value in (*fields.values(), text) for c in value)


def test_a_field_comes_back_as_it_was_but_for_what_is_no_character() -> None:
    fields, _ = parsed(message(hostile('a"b]c\\d\n\x1b[31m\udcff'), "h", 1, "daemon", MAX_STREAM))
    assert fields["title"] == 'a"b]c\\d\\n\\x1b[31m\\udcff'


@pytest.mark.parametrize("time", [-(1 << 62), 1 << 62])
def test_a_time_that_no_calendar_has_is_left_out(time: int) -> None:
    assert message(alert(time=time), "h", 1, "daemon", MAX_STREAM).startswith(b"<27>1 - h ")


def test_over_udp_an_alert_is_one_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(2)
        sink = syslog("udp", port=server.getsockname()[1])
        for text in HOSTILE:
            sink.send(hostile(text))
            fields, _ = parsed(server.recv(65_536))
            assert fields["severity"] == "high"
        sink.close()


def test_over_a_local_socket_too(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with pytest.raises(NotDeliveredError):
        syslog("unix", str(path)).send(alert(1))
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(str(path))
            server.settimeout(2)
            sink = syslog("unix", str(path))
            sink.send(alert(1))
            assert parsed(server.recv(65_536))[0]["number"] == "1"
        with pytest.raises(NotDeliveredError):
            sink.send(alert(2))
        path.unlink()


def test_over_tcp_no_text_can_end_or_begin_a_message() -> None:
    with Stream().running() as server:
        sink = syslog("tcp", port=server.port)
        for text in HOSTILE:
            sink.send(hostile(text))
        until(lambda: len(server.messages) == len(HOSTILE))
        assert server.rubbish == []
        for data in server.messages:
            parsed(data)
        sink.close()


def test_a_logger_that_was_restarted_is_connected_to_again() -> None:
    with Stream().running() as server:
        sink = syslog("tcp", port=server.port)
        sink.send(alert(1))
        until(lambda: len(server.messages) == 1)
        server.hang_up()
        until(lambda: _is_over(sink))
        sink.send(alert(2))
        until(lambda: len(server.messages) == 2)
        sink.close()
    with pytest.raises(NotDeliveredError):
        sink.send(alert(3))


def _is_over(sink: Syslog) -> bool:
    assert sink._link is not None
    return _closed(sink._link)


def test_over_tls_the_logger_is_verified(tmp_path: Path) -> None:
    public, context = certificate(tmp_path)
    with Stream(context).running() as server:
        with pytest.raises(NotDeliveredError, match=r"(?i)certificate.verify.failed"):
            syslog("tls", port=server.port, context=trusting(None)).send(alert(1))
        sink = syslog("tls", port=server.port, context=trusting(public))
        for number in range(3):
            sink.send(alert(number))
        until(lambda: len(server.messages) == 3)
        server.hang_up()
        until(lambda: _is_over(sink))
        sink.send(alert(4))
        until(lambda: len(server.messages) == 4)
        sink.close()
