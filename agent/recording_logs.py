"""The application logs of a recording: `WORKER/logs/CONTAINER/FILE`, as books.

Rules of this file
    - Rotated files (`error.log.1`, `xferlog.2`) are read before the one that took their place, as one book: bytes in
      the order in which they were written. Packed by others they are left out.
    - Only plain files (and such that a recording has packed, `.zst`) below the recording are read, no links; at most
      `MAX_FILES` a container. Reading is lazy.

Source: recordings' README; design section 2 (recording).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agent.logbook import Book
from agent.logmessages import LogMessages
from agent.lognames import LogNames
from agent.recording import read_log

MAX_FILES: Final = 64
_ROTATED: Final = re.compile(r"(.+?)(?:\.([0-9]{1,4}))?")


def logs_of(worker: Path, names: LogNames) -> LogMessages:
    """The logs of one worker's containers; none if it has kept none."""
    logs = LogMessages(names)
    folder = worker / "logs"
    if not folder.is_dir():
        return logs
    for container in sorted(one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()):
        for name, paths in _books(container).items():
            logs.add(container.name, Book(name, _bytes(paths)))
    return logs


def _books(folder: Path) -> dict[str, list[Path]]:
    """The files of each log, oldest first."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir())[:MAX_FILES]:
        if path.is_file() and not path.is_symlink() and path.suffix not in (".gz", ".xz", ".bz2"):
            parts = _ROTATED.fullmatch(path.name.removesuffix(".zst"))
            assert parts is not None
            found.setdefault(parts[1], []).append((-int(parts[2] or 0), path))
    return {name: [path for _, path in sorted(files)] for name, files in found.items()}


def _bytes(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        if path.stat().st_size:
            yield from read_log(path)
