"""How far an action has come in the table of alerts, on the disk: so that a restart neither skips nor starts over.

Rules of this file
    - One small JSON file an action, replaced whole. A file that is damaged is one that is not there, and is said.
    - What an action did not deliver is counted here by cause, for good.

Invariant: the number only grows while a state stays the same, and alerts up to it are delivered or counted.
Complexity: O(1); one sync of the disk an alert.
Source: issue "policies and questions" (restart loses none).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from grammar import InputError
from monitor.secret import private_folder

MAX_FILE = 1 << 20


class Position(msgspec.Struct):
    """The number of the last alert that is done with, and how many alerts came to which end."""

    number: int = 0
    counts: dict[str, int] = {}

    def count(self, cause: str, many: int = 1) -> None:
        """So many more."""
        self.counts[cause] = self.counts.get(cause, 0) + many


def read_position(path: Path) -> Position | None:
    """What the file says; None if there is none, or none that can be read."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MAX_FILE), type=Position)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_file(path: Path, data: bytes) -> None:
    """Replace a private file: it is there whole, old or new. An `OSError` if the disk refuses."""
    fresh = path.with_name(f".{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)


def position_folder(folder: Path) -> Path:
    """The folder of all positions, made if there is none."""
    try:
        private_folder(folder)
    except OSError as error:
        raise InputError(f"cannot keep what actions have done: {error.strerror}", file=str(folder)) from None
    for leftover in folder.glob(".*.new"):
        with contextlib.suppress(OSError):
            leftover.unlink()
    return folder
