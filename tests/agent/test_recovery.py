"""An agent starts where it stopped: snapshot, journal, log; with what an agent really holds in memory."""

from __future__ import annotations

from pathlib import Path

from lines import AT_CWD, START, path, syscall

from agent.config import Capture, Config
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

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "state", folder / "audit.log"
        self.config = Config(state=str(self.folder), capture=Capture(log=str(self.log), start="beginning"))
        self.ledger = Ledger(self.folder, 1 << 26, lambda: b"session0")
        self.started: Started = start(self.config, "w1", self.ledger, self.folder)

    @property
    def memory(self) -> Memory:
        return self.started.memory

    def read(self) -> None:
        while data := self.started.source.read(1 << 16):
            self.memory.pipeline.absorb(data)

    def save(self) -> None:
        position = self.started.source.position.to_bytes()
        name = save(self.folder, self.memory, self.started.outside)
        assert self.ledger.snapshot_taken(name, position)

    def kill(self) -> None:
        self.ledger.close()
        self.started.source.close()


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
