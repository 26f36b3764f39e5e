"""A peer that is absent, fails or hangs is a row, never an end of the bench."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from peers import INSTALL, Peer, PeerError, cpu_seconds, default_core, run_peer

COUNT = "import sys; assert len(sys.stdin.buffer.readlines()) == 3"


def peer(*code: str, there: bool = True) -> Peer:
    command = [sys.executable, "-c", *code]
    return Peer("peer", "counts", lambda: there, lambda: "1.0", lambda log, folder: command, stdin=True)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    path.write_bytes(b"type=EOE msg=audit(1.000:1):\n" * 3)
    return path


def test_a_peer_that_runs_has_a_rate(log: Path) -> None:
    measured = run_peer(peer(COUNT), log, runs=2)
    assert (measured.records, len(measured.cpu_seconds), measured.version, measured.reason) == (3, 2, "1.0", "")
    assert measured.rate > 0


def test_a_missing_peer_says_how_to_install_it(log: Path) -> None:
    measured = run_peer(peer(COUNT, there=False), log)
    assert (measured.rate, measured.reason) == (0, INSTALL)


def test_a_failing_peer_says_its_exit_code(log: Path) -> None:
    assert run_peer(peer("raise SystemExit(3)"), log).reason == "failed: exit 3"


def test_a_hanging_peer_is_ended() -> None:
    with pytest.raises(PeerError):
        cpu_seconds([sys.executable, "-c", "import time; time.sleep(60)"], core=default_core(), timeout=0.3)
