"""Tags that are made up, and a helper that gives them: a script that does what it is told, as `winnower-tags` would."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from zlib import crc32

from agent.loss import Loss
from agent.tags import APPEND, Tag, pack
from agent.tags_source import Batch, Kind, State

NOW = 1_700_000_000_000_000_000
LOAD = 77


def tag(sequence: int = 0, *, cpu: int = 0, load: int = LOAD, nanos: int | None = None, text: bytes = b"line\n") -> Tag:
    """The `sequence`th write of a processor, a millisecond after the one before it."""
    return Tag(
        sequence, NOW + sequence % 2**32 * 1_000_000 if nanos is None else nanos, 42, 4_711, 100 * (sequence % 2**32),
        8, 1, len(text), crc32(text), 1_000, 1_001, 10, 11, 4_026_531_836, 33, 4_294_967_295, cpu, APPEND, load, 5,
        len(text), b"nginx",
    )  # fmt: skip


def tags(first: int, end: int, cpu: int = 0, load: int = LOAD) -> list[Tag]:
    """The writes of one processor from `first` on."""
    return [tag(sequence, cpu=cpu, load=load) for sequence in range(first, end)]


def packed(*many: Tag) -> bytes:
    """As the kernel gives them."""
    return b"".join(map(pack, many))


FAKE = """\
#!{python} -SE
import os, sys, time
def say(text): os.write(2, text.encode() + b"\\n")
def ready(load={load}): say('{{"ready": true, "mode": "fexit", "load": %d, "version": 1}}' % load)
def until_the_end():
    os.set_blocking(0, True)
    os.read(0, 1)
    sys.exit(0)
{body}
"""


def fake_helper(folder: Path, body: str, name: str = "winnower-tags") -> str:
    """A program that runs `body`; its path."""
    path = folder / name
    path.write_text(FAKE.format(python=sys.executable, body=body, load=LOAD))
    path.chmod(0o755)
    return str(path)


class Silent:
    """A channel of nothing, to be made one of something."""

    kind: Kind = "none"
    state: State = "works"
    behind = 0

    def __init__(self, why: str = "") -> None:
        self.why = why
        self.loss = Loss()

    def take(self) -> Batch:
        return Batch([], b"")

    def counters(self) -> Mapping[str, int]:
        return {}

    def exclude(self, pids: Iterable[int]) -> None:
        assert pids

    def close(self) -> None:
        self.why = "closed"
