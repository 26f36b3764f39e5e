"""An agent starts where it stopped: snapshot, journal, log; with what an agent really holds in memory."""

from __future__ import annotations

from pathlib import Path

from lines import AT_CWD, START, path, syscall

from agent.config import Capture, Config, LogFile, Logs
from agent.entry import entries_of
from agent.ledger import Ledger
from agent.memory import Memory
from agent.recovery import Started, start
from agent.snapshot import save


def events(first: int, last: int) -> bytes:
    return b"".join(
        syscall("openat", stamp=(START + n, n), exit=3, a0=AT_CWD, paths=[path(f"/f/{chr(97 + n % 23)}x")])
        for n in range(first, last)
    )


class Agent:
    """The parts of an agent in a folder, without its threads."""

    def __init__(self, folder: Path, logs: Logs = Logs()) -> None:  # noqa: B008 - frozen
        self.folder, self.log = folder / "state", folder / "audit.log"
        capture = Capture(log=str(self.log), start="beginning")
        self.config = Config(state=str(self.folder), capture=capture, logs=logs)
        self.ledger = Ledger(self.folder, 1 << 26, lambda: b"session0")
        self.started: Started = start(self.config, "w1", self.ledger, self.folder)

    @property
    def memory(self) -> Memory:
        return self.started.memory

    def read(self) -> None:
        while data := self.started.source.read(1 << 16):
            self.memory.pipeline.absorb(data)

    def feed(self) -> list[str]:
        """Take what applications have logged; what waits in the books for its writes."""
        assert self.started.logs is not None
        self.started.logs.feed(self.memory)
        books = self.memory.pipeline.node.logs
        assert books is not None
        found = [entry.line for book in books.books.get("host", {}).values() for entry in book.lines]
        return [line.message for line in found if line is not None]

    def save(self) -> None:
        if self.started.logs is not None:
            self.started.logs.note()
        position = self.started.source.position.to_bytes()
        name = save(self.folder, self.memory, self.started.outside)
        assert self.ledger.snapshot_taken(name, position)

    def kill(self) -> None:
        self.ledger.close()
        self.started.source.close()
        if self.started.logs is not None:
            self.started.logs.close()


def test_memory_with_live_containers_and_a_local_store_comes_back_whole(tmp_path: Path) -> None:
    first = Agent(tmp_path)
    first.log.write_bytes(events(1, 200))
    first.read()
    first.memory.pipeline.cut(START, 1000)
    first.save()
    seen = set(first.memory.pipeline.node.scopes["host"].seen)
    first.kill()
    second = Agent(tmp_path)
    assert "state_reset" not in second.memory.pipeline.node.loss
    assert second.memory.pipeline.node.scopes["host"].seen == seen
    assert second.memory.pipeline.node.recorder is second.started.instances
    with second.log.open("ab") as file:
        file.write(events(200, 300))
    second.read()
    assert entries_of(second.memory.pipeline.cut(START, 1000))[0].events == 100


def test_application_logs_are_read_on_from_the_snapshot(tmp_path: Path) -> None:
    app = tmp_path / "app.log"
    app.write_bytes(b"before the agent\n")
    logs = Logs(files=(LogFile(str(app), "host"),))
    first = Agent(tmp_path, logs)
    assert first.feed() == []
    for line in (b"one\n", b"two\n"):
        with app.open("ab") as file:
            file.write(line)
        if line == b"one\n":
            assert first.feed() == ["one"]
            first.save()
    assert first.feed() == ["one", "two"]
    first.kill()
    app.rename(tmp_path / "app.log.1")
    app.write_bytes(b"three\n")
    second = Agent(tmp_path, logs)
    assert second.feed() == ["one", "two", "three"]
    assert not second.memory.pipeline.node.loss
    second.kill()
    third = Agent(tmp_path, Logs(enabled=False))
    assert third.started.logs is None
    assert third.memory.pipeline.node.logs is None
    third.kill()


def test_a_damaged_snapshot_is_counted_and_the_agent_goes_on(tmp_path: Path) -> None:
    first = Agent(tmp_path)
    first.log.write_bytes(events(1, 200))
    first.read()
    first.memory.pipeline.cut(START, 1000)
    first.save()
    first.kill()
    for place in first.folder.glob("snapshot-*"):
        place.write_bytes(b"not one")
    second = Agent(tmp_path)
    assert second.memory.pipeline.node.loss["state_reset"] == 1
    with second.log.open("ab") as file:
        file.write(events(200, 300))
    second.read()
    entry = entries_of(second.memory.pipeline.cut(START, 1000))[0]
    assert entry.events == 100 and entry.lost["state_reset"] == 1
