"""A capture: what one worker's audit daemon, logs and kernel tags said of one stretch of load, and what is true of it.

    FOLDER/recording.json containers.json truth.jsonl w/audit.log w/tags.bin w/steps.jsonl w/logs/host/access.log

Rules of this file
    - It is a recording (`winnower replay` takes it) with three files more. `steps` says how far each source had come at
      each tenth of a second, audit log first: what a live agent would have had before it when it read on there.
    - `truth` is one line a request, made by the client and the server (`joins_truth`); nothing of ours reads it but who
      judges. Files may be packed (`.zst`).
    - What is read is checked as far as a bench needs it: a capture is ours.

Complexity: O(bytes).
Source: design section 2 (recording).
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import zstandard
from joins_truth import Truth

from agent.tags import SIZE, Decoder

WORKER: Final = "w"
EVERY: Final = 0.1
LEVEL: Final = 19


class Step(NamedTuple):
    """How far all had come at a time: bytes of the audit log, of each generation of the log, of the tags."""

    millis: int
    audit: int
    logs: tuple[int, ...]
    tags: int


@dataclass(slots=True)
class About:
    """What was captured. `files` are the log's generations, oldest first: (device, inode); `widths` the lengths of the
    lines of the server's own account, which were audited too; `cpu` are auditd's CPU seconds; `agent` is what a live
    agent has said of the same lines, by operation."""

    server: str
    rules: str
    concurrency: int
    log: str
    exe: str = ""
    files: list[tuple[int, int]] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0
    lost: int = 0
    tags: str = "none"
    agent: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Capture:
    """A capture in memory."""

    about: About
    audit: bytes
    logs: list[bytes]
    tags: bytes
    steps: list[Step]
    truth: dict[str, Truth]

    @property
    def name(self) -> str:
        """Server, rules, clients."""
        return f"{self.about.server} {self.about.rules} {self.about.concurrency}"

    @property
    def lines(self) -> list[bytes]:
        """The lines of the log, as they were written."""
        return [line for data in self.logs for line in data.splitlines()]


def load(folder: Path) -> Capture:
    """Read a capture."""
    about = About(**json.loads((folder / "recording.json").read_text("utf-8"))["about"])
    about.files = [(device, inode) for device, inode in about.files]
    worker = folder / WORKER
    steps = [
        Step(one[0], one[1], tuple(one[2]), one[3]) for one in _json_lines(_plain(worker / "steps.jsonl"))
    ]  # fmt: skip
    truth = [Truth(*one) for one in _json_lines(_plain(folder / "truth.jsonl"))]
    logs = [_plain(worker / "logs" / "host" / name) for name in names(about)]
    tags = worker / "tags.bin"
    has_tags = tags.exists() or tags.with_name("tags.bin.zst").exists()
    return Capture(
        about, _plain(worker / "audit.log"), logs, _plain(tags) if has_tags else b"", steps,
        {one.id: one for one in truth},
    )  # fmt: skip


def save(capture: Capture, folder: Path, *, packed: bool = False) -> Path:
    """Write a capture."""
    worker = folder / WORKER
    host = worker / "logs" / "host"
    host.mkdir(parents=True, exist_ok=True)
    about = {"name": capture.name, "workers": [WORKER], "about": asdict(capture.about)}
    (folder / "recording.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    (folder / "containers.json").write_text("[]\n", "utf-8")
    files = [(worker / "audit.log", capture.audit)]
    files += zip(map(host.joinpath, names(capture.about)), capture.logs, strict=True)
    files.append((worker / "steps.jsonl", _as_lines(capture.steps)))
    files.append((folder / "truth.jsonl", _as_lines(list(capture.truth.values()))))
    if capture.tags:
        files.append((worker / "tags.bin", capture.tags))
    for path, data in files:
        if packed:
            path.with_name(f"{path.name}.zst").write_bytes(zstandard.ZstdCompressor(LEVEL).compress(data))
        else:
            path.write_bytes(data)
    return folder


def names(about: About) -> list[str]:
    """What the generations of the log are called in a recording, oldest first."""
    base = Path(about.log).name
    older = len(about.files) - 1
    return [f"{base}.{older - at}" if at < older else base for at in range(len(about.files))]


def only(tags: bytes, steps: Sequence[Step], files: Collection[tuple[int, int]]) -> tuple[bytes, list[Step]]:
    """The tags of these files (device, inode), and the steps as they are without all others."""
    places = {(os.major(device), os.minor(device), inode) for device, inode in files}
    records = [tags[at : at + SIZE] for at in range(0, len(tags) - SIZE + 1, SIZE)]
    kept = [any((one.major, one.minor, one.inode) in places for one in Decoder().feed(data)) for data in records]
    upto = [0, *accumulate(SIZE * one for one in kept)]
    found = b"".join(data for data, one in zip(records, kept, strict=True) if one)
    return found, [one._replace(tags=upto[min(one.tags // SIZE, len(kept))]) for one in steps]


class Watcher:
    """Notes every tenth of a second how far all files have come, in a thread; keeps each generation of the log open."""

    def __init__(self, audit: Path, log: Path, tags: Path | None, *, began: int = 0) -> None:
        self.audit, self.log, self.tags, self.began = audit, log, tags, began
        self.steps: list[Step] = []
        self._open = [log.open("rb")]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """One step: the audit log first, so that what its records wrote is in what is looked at after it."""
        audit = self.audit.stat().st_size - self.began
        with suppress(FileNotFoundError):
            found = self.log.stat()
            if (found.st_dev, found.st_ino) not in [_place(one) for one in self._open]:
                self._open.append(self.log.open("rb"))
        logs = tuple(os.fstat(one.fileno()).st_size for one in self._open)
        now = time.time_ns() // 1_000_000  # by now all of it is there
        self.steps.append(Step(now, audit, logs, self.tags.stat().st_size if self.tags is not None else 0))

    def taken(self) -> tuple[bytes, list[bytes], list[tuple[int, int]]]:
        """The audit log since the beginning, and the generations of the log with their device and inode."""
        with self.audit.open("rb") as file:
            file.seek(self.began)
            audit = file.read(self.steps[-1].audit)
        logs, files = [], []
        for one in self._open:
            one.seek(0)
            logs.append(one.read())
            files.append(_place(one))
            one.close()
        return audit, logs, files

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.look()


def _place(file: BinaryIO) -> tuple[int, int]:
    """Device and inode of an open file."""
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino


def _plain(path: Path) -> bytes:
    if path.exists():
        return path.read_bytes()
    with path.with_name(f"{path.name}.zst").open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read()


def _json_lines(data: bytes) -> Iterator[list]:  # type: ignore[type-arg]
    return (json.loads(line) for line in data.splitlines())


def _as_lines(rows: Sequence[tuple[object, ...]]) -> bytes:
    return b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)
