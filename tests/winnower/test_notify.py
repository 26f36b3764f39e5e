"""What systemd is told, at a socket of our own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from winnower import notify


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(str(tmp_path / "notify"))
        link.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield link


def heard(link: socket.socket) -> list[str]:
    return link.recv(4_096).decode().split("\n")


def test_each_message_is_one_datagram(systemd: socket.socket) -> None:
    assert notify.ready("following")
    assert heard(systemd) == ["READY=1", "STATUS=following"]
    assert notify.reloading()
    said = heard(systemd)
    assert said[0] == "RELOADING=1"
    assert said[1].startswith("MONOTONIC_USEC=")
    assert notify.status("epoch 3")
    assert heard(systemd) == ["STATUS=epoch 3"]
    assert notify.alive()
    assert heard(systemd) == ["WATCHDOG=1"]
    assert notify.stopping()
    assert heard(systemd) == ["STOPPING=1"]


def test_a_text_cannot_become_another_message(systemd: socket.socket) -> None:
    notify.status("worker\nMAINPID=1\x1b[31m")
    assert heard(systemd) == ["STATUS=worker\\nMAINPID=1\\x1b[31m"]


def test_a_socket_without_a_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(f"\0winnower-test-{os.getpid()}")
        link.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@winnower-test-{os.getpid()}")
        assert notify.ready()
        assert heard(link) == ["READY=1"]


@pytest.mark.parametrize("name", ["", "relative", "/no/such/socket", "@no-such-socket-of-winnower", "/" + "x" * 200])
def test_where_nobody_listens_nothing_happens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    assert not notify.ready()


def test_who_is_watched_knows_how_often_to_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert notify.watchdog_seconds() == 0
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert notify.watchdog_seconds() == 30
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notify.watchdog_seconds() == 0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    assert notify.watchdog_seconds() == 0
