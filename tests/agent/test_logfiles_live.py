"""Real containers that write logs and are killed in the middle of it: all that was written before is read.

Skipped, with the reason, where there is no engine. Source: agent/logfiles.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from log_node import given, in_order
from testbed.containers import CONFIG, LIMITS, TAG, Store
from testbed.image import image_tar
from testbed.ledger import Ledger
from testbed.ready import why_not

from agent.containers import Container
from agent.logfiles import LogFiles
from agent.logfiles_places import Places
from agent.logfiles_value import STDOUT, Piece

LOG = "/var/log/acc/app.log"
MEMORY_LOG = "/scratch/memory.log"
VOLUME_LOG = "/data/volume.log"
WRITER = f"""
mkdir -p /var/log/acc; exec 3>>{LOG} 4>>{MEMORY_LOG} 5>>{VOLUME_LOG}; n=0
while [ $n -lt %d ]; do n=$((n+1)); echo "memory $n" >&4; echo "volume $n" >&5; echo "line $n" >&3; echo "said $n"; done
sleep 1000
"""


@dataclass
class Engine:
    """One store of podman's; `known` are containers that were started, `inspect` what it said of them."""

    store: Store
    known: list[Container] = field(default_factory=list)
    inspected: dict[str, dict[str, object]] = field(default_factory=dict)

    def start(self, name: str, lines: int) -> Container:
        volume = self.store.folder / f"volume-{name}"
        volume.mkdir()
        words = (
            "run",
            "-d",
            *LIMITS,
            "--network",
            "none",
            "--log-driver",
            "k8s-file",
            "--tmpfs",
            "/scratch",
            "--name",
            name,
        )
        self.store.call(*words, "-v", f"{volume}:/data", TAG, "sh", "-c", WRITER % lines)
        (shown,) = json.loads(self.store.call("inspect", name))
        one = Container(shown["Id"], name, "acc", shown["State"]["Pid"])
        self.known.append(one)
        self.inspected[one.id] = shown
        return one

    def files(self, *, told: bool = False) -> LogFiles:
        places = Places(inspect=self.inspected.get if told else lambda ident: None)
        return LogFiles(lambda: self.known, lambda: time.time_ns() // 1_000_000, places=places)

    def upper(self, one: Container) -> Path:
        graph = self.inspected[one.id]["GraphDriver"]
        assert isinstance(graph, dict)
        return Path(graph["Data"]["UpperDir"])

    def kept(self, one: Container) -> bytes:
        """What the engine has kept of its stdout."""
        host = self.inspected[one.id]["HostConfig"]
        assert isinstance(host, dict)
        return Path(host["LogConfig"]["Path"]).read_bytes()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    if reason := why_not("containers", "image"):
        pytest.skip(reason)
    with Ledger.begin(tmp_path) as ledger:
        store = Store(ledger.folder(memory="1g"))
        ledger.note("podman", folder=str(store.folder))
        (store.folder / "containers.conf").write_text(CONFIG, "utf-8")
        store.call("import", "--quiet", str(image_tar()), TAG)
        yield Engine(store)


def of(pieces: list[Piece], path: str) -> bytes:
    return given([one for one in pieces if one.path == path])


def said(kept: bytes) -> bytes:
    """What the engine's copy holds: a piece marked P goes on in the next, as the pipe happened to be read."""
    parts = [line.split(b" ", 3) for line in kept.splitlines()]
    return b"".join(text + (b"" if mark == b"P" else b"\n") for _, _, mark, text in parts)


def test_killed_in_the_middle_everything_written_before_is_read(engine: Engine) -> None:
    files = engine.files()
    files.poll()
    one = engine.start("acc-killed", 100_000_000)
    for path in (LOG, MEMORY_LOG):
        files.offer("acc-killed", path, fresh=True)
    pieces: list[Piece] = []
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        pieces += files.poll()
        time.sleep(0.02)
    assert of(pieces, LOG)
    engine.store.call("kill", "--signal", "KILL", "acc-killed")
    engine.store.call("wait", "acc-killed")
    files.offer("acc-killed", VOLUME_LOG)  # heard of only now
    end = time.monotonic() + 4
    while time.monotonic() < end:
        pieces += files.poll()
        time.sleep(0.05)
    volume = (engine.store.folder / "volume-acc-killed/volume.log").read_bytes()
    assert of(pieces, LOG) == (engine.upper(one) / LOG[1:]).read_bytes()
    assert of(pieces, VOLUME_LOG) in (volume, volume[-(1 << 20) :])
    assert of(pieces, STDOUT) == said(engine.kept(one))
    lines, memory = of(pieces, LOG).splitlines(), of(pieces, MEMORY_LOG).splitlines()
    assert len(lines) > 1_000
    assert len(memory) - len(lines) in (0, 1)  # a tmpfs, gone with the container, but for us
    assert in_order([piece for piece in pieces if piece.stream == "file"])
    assert all(piece.millis for piece in pieces if piece.path == STDOUT)
    assert not files.loss
    assert files.finder.homes["acc-killed"].tracks == {}  # nothing of it is held any more
    files.close()


def test_one_that_was_dead_before_anybody_looked_is_read_on_the_host(engine: Engine) -> None:
    files = engine.files(told=True)
    files.poll()
    one = engine.start("acc-dead", 5)
    end = time.monotonic() + 10
    while not engine.kept(one).count(b"said 5") and time.monotonic() < end:
        time.sleep(0.05)
    engine.store.call("kill", "--signal", "KILL", "acc-dead")
    engine.store.call("wait", "acc-dead")
    for path in (LOG, VOLUME_LOG, MEMORY_LOG):
        files.offer("acc-dead", path)
    pieces = files.poll()
    time.sleep(1.1)
    pieces += files.poll()
    assert of(pieces, LOG) == b"".join(b"line %d\n" % number for number in range(1, 6))
    assert of(pieces, VOLUME_LOG) == b"".join(b"volume %d\n" % number for number in range(1, 6))
    assert of(pieces, STDOUT) == b"".join(b"said %d\n" % number for number in range(1, 6))
    assert files.loss == {"log_unreadable": 1}  # the tmpfs is gone, and that is told
    files.close()


def test_a_running_container_is_found_without_being_told(engine: Engine) -> None:
    engine.start("acc-found", 3)
    files = engine.files()
    files.poll()
    assert set(files.finder.homes["acc-found"].tracks) == {"\0engine", LOG, MEMORY_LOG, VOLUME_LOG}
    engine.store.call("exec", "acc-found", "sh", "-c", f"echo later >> {LOG}")
    (piece,) = files.poll()
    assert (piece.path, piece.data, piece.offset) == (LOG, b"later\n", 21)
    files.close()
