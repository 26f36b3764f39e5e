"""What the audit dispatcher sends is taken at once, given in order, and counted where it is lost.

Rules of this file
    - `Dispatcher` is auditd's af_unix plugin as far as we see it: one listening socket, one reader, blocking writes.

Source: agent/plugin.py; audispd-builtins.c; design section 3 (promise 5).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.plugin import DispatcherSource, plugin_conf
from agent.source import Position, Source
from grammar.errors import InputError

ALL = 1 << 30


def records(first: int, last: int) -> bytes:
    return b"".join(b"type=SYSCALL msg=audit(1700000000.123:%d): arch=c000003e\n" % n for n in range(first, last + 1))


class Dispatcher:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.listen()

    def listen(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(self.path))
        self.socket.listen(5)

    def accept(self) -> socket.socket:
        self.socket.settimeout(10)
        return self.socket.accept()[0]

    def stop(self) -> None:
        self.socket.close()
        self.path.unlink()


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def some(source: DispatcherSource, size: int) -> bytes:
    data = b""
    end = time.monotonic() + 10
    while len(data) < size and time.monotonic() < end:
        source.wait(1)
        data += source.read(ALL)
    return data


@pytest.fixture
def dispatcher(tmp_path: Path) -> Iterator[Dispatcher]:
    made = Dispatcher(tmp_path / "events")
    yield made
    made.socket.close()


@pytest.fixture
def source(dispatcher: Dispatcher) -> Iterator[DispatcherSource]:
    made = DispatcherSource(str(dispatcher.path))
    yield made
    made.close()


def test_it_is_a_source_and_gives_whole_lines_at_any_limit(dispatcher: Dispatcher, source: DispatcherSource) -> None:
    any_source: Source = source
    writer = dispatcher.accept()
    sent = records(1, 50)
    writer.sendall(sent[:1000])
    writer.sendall(sent[1000:])
    until(lambda: source.behind == len(sent))
    got = b""
    while data := any_source.read(77):
        assert len(data) <= 77
        got += data
    assert got == sent
    assert source.position.stamp == "1700000000.123:50"
    assert not source.wait(0)
    assert not source.loss


def test_wakes_at_once(dispatcher: Dispatcher, source: DispatcherSource) -> None:
    writer = dispatcher.accept()
    assert not source.wait(0.05)
    began = time.monotonic()
    writer.sendall(records(1, 1))
    assert source.wait(5)
    assert time.monotonic() - began < 0.2


def test_what_finds_no_room_is_counted_and_the_dispatcher_never_waits(dispatcher: Dispatcher) -> None:
    source = DispatcherSource(str(dispatcher.path), room=100_000)
    writer = dispatcher.accept()
    writer.settimeout(10)
    sent = records(1, 20_000)
    writer.sendall(sent)
    writer.close()
    until(lambda: not source.connected)
    assert source.behind <= 100_000
    got = source.read(ALL)
    assert got
    assert set(got.splitlines()) < set(sent.splitlines())
    assert source.loss == {"plugin_overflow": 20_000 - got.count(b"\n")}
    source.close()


def test_connects_again_and_counts_half_a_line_and_the_gap(dispatcher: Dispatcher, source: DispatcherSource) -> None:
    writer = dispatcher.accept()
    writer.sendall(records(1, 3) + b"type=SYSCALL msg=aud")
    until(lambda: source.behind)
    writer.close()
    dispatcher.stop()
    until(lambda: not source.connected)
    dispatcher.listen()
    writer = dispatcher.accept()
    daemon = b"type=DAEMON_START msg=audit(1700000001.000:9999): op=start\n"
    writer.sendall(daemon)
    writer.sendall(records(8, 9))
    assert some(source, len(sent := records(1, 3) + daemon + records(8, 9))) == sent
    assert source.loss == {"truncated": 1, "plugin_gap": 4}


@pytest.mark.parametrize(
    ("boot", "first", "loss"),
    [("same", 8, {}), ("same", 10, {"plugin_gap": 2}), ("same", 3, {}), ("other", 10, {"capture_unknown": 1})],
)
def test_a_restart_counts_from_the_last_event(
    dispatcher: Dispatcher, source: DispatcherSource, boot: str, first: int, loss: dict[str, int]
) -> None:
    dispatcher.accept().sendall(records(1, 7))
    some(source, len(records(1, 7)))
    at = source.position
    source.close()
    saved = Position.from_bytes(Position(stamp=at.stamp, boot=at.boot if boot == "same" else "another").to_bytes())
    later = DispatcherSource(str(dispatcher.path), saved)
    dispatcher.accept().sendall(records(first, first))
    assert later.read_to(at, ALL) == b""
    assert some(later, 10) == records(first, first)
    assert later.loss == loss
    later.close()


def test_serial_numbers_roll_over(dispatcher: Dispatcher) -> None:
    source = DispatcherSource(str(dispatcher.path))
    boot = source.position.boot
    source.close()
    dispatcher.accept().close()
    source = DispatcherSource(str(dispatcher.path), Position(stamp="1.000:4294967294", boot=boot))
    dispatcher.accept().sendall(records(1, 1))
    some(source, 10)
    assert source.loss == {"plugin_gap": 2}  # 4294967295 and 0
    source.close()


def test_skip_counts_records_and_leaves_the_rest_of_one(dispatcher: Dispatcher, source: DispatcherSource) -> None:
    dispatcher.accept().sendall(records(1, 10))
    until(lambda: source.behind)
    first = source.read(10)
    assert source.skip() == 9
    assert first + source.read(ALL) == records(1, 1)
    assert source.loss == {"throttled": 9}
    assert source.position.stamp == "1700000000.123:10"


def test_a_line_without_end_is_not_held(dispatcher: Dispatcher, source: DispatcherSource) -> None:
    writer = dispatcher.accept()
    writer.sendall(records(1, 1) + b"x" * 1_000_000)
    writer.sendall(b"x\n" + records(2, 2))
    assert some(source, len(records(1, 2))) == records(1, 2)
    assert source.loss == {"oversized": 1}


def test_as_the_dispatchers_child_it_reads_its_input_to_the_end() -> None:
    reader, writer = os.pipe()
    source = DispatcherSource(descriptor=reader)
    os.write(writer, records(1, 5))
    until(lambda: source.behind)
    assert not source.ended
    os.write(writer, b"type=half")
    os.close(writer)
    until(lambda: not source.connected)
    assert not source.ended
    assert source.read(ALL) == records(1, 5)
    until(lambda: source.ended)
    assert source.loss == {"truncated": 1}
    source.close()
    os.close(reader)


def test_a_socket_that_may_not_be_opened_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    source = DispatcherSource(str(tmp_path / "events"))
    assert source.wait(10)
    with pytest.raises(InputError, match=r"cannot connect: Permission denied .*0660"):
        source.read(ALL)
    source.close()


def test_close_ends_the_thread_whether_connected_or_not(tmp_path: Path, dispatcher: Dispatcher) -> None:
    for path in (dispatcher.path, tmp_path / "none"):
        source = DispatcherSource(str(path))
        time.sleep(0.05)
        source.close()
        source.close()
        assert not source._thread.is_alive()


def test_the_configuration_is_what_auditd_reads() -> None:
    assert plugin_conf() == (
        "active = yes\ndirection = out\npath = builtin_af_unix\ntype = builtin\n"
        "args = 0640 /var/run/audispd_events\nformat = string\n"
    )
    assert "path = /sbin/audisp-af_unix\ntype = always\n" in plugin_conf("program")
    child = plugin_conf("child", command=("/opt/winnower/bin/winnower-agent", "--config=/etc/w.toml"))
    assert "path = /opt/winnower/bin/winnower-agent\ntype = always\nargs = --config=/etc/w.toml\n" in child
    for bad in (("a b",), ("/a", "b\nactive = no"), ("relative",), (), ("/a", "1", "2", "3"), ("/" + "a" * 200,)):
        with pytest.raises(InputError):
            plugin_conf("child", command=bad)
