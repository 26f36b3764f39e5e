"""A program's catalogue of messages: what it says under each error number, in a file beside it (`errmsg.sys`).

Rules of this file
    - The form is MariaDB's: texts in ranges of a thousand numbers, 1000 first; a range need not be full.
    - A catalogue is known by its first bytes. No count in it is believed: they must agree with one another and with
      the file. What does not is an `InputError`; so is a version whose form we do not know.
    - Where a program looks for its catalogue we look too: beside it, in `../share/*/english`; only if the program
      names the file.

Invariant: `text` gives nothing but bytes of the file's texts.
Complexity: O(file), once; a lookup O(1).
Source: MariaDB extra/comp_err.c (create_sys_files), sql/derror.cc (read_texts).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

from grammar.errors import InputError

MAGIC: Final = b"\xfe\xfe\x02"
VERSION: Final = 5
HEADER: Final = 32
RANGE: Final = 1000
"""Numbers of a range; the first one begins at as many."""
MAX_FILE: Final = 8 << 20
NAME: Final = "errmsg.sys"
FOLDERS: Final = ("share/mysql/english", "share/mariadb/english", "share/mysql", "share")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The texts of each range; empty where a number says nothing."""

    path: str
    ranges: tuple[tuple[bytes, ...], ...]

    def text(self, number: int) -> bytes:
        """What is said under `number`; nothing if there is no such one."""
        return self.at(number // RANGE - 1, number % RANGE)

    def at(self, part: int, index: int) -> bytes:
        """The same by range, from 0, and place in it."""
        texts = self.ranges[part] if 0 <= part < len(self.ranges) else ()
        return texts[index] if 0 <= index < len(texts) else b""

    def __len__(self) -> int:
        return sum(bool(text) for texts in self.ranges for text in texts)


def is_catalogue(path: Path) -> bool:
    """Whether the file begins like one; False for what cannot be read."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


def catalogue_beside(binary: Path, data: bytes) -> Path | None:
    """The catalogue of a program that holds `data`, from where it is installed; None without."""
    if not names_catalogue(data):
        return None
    tree = binary.parent / ".."
    return next((path.resolve() for folder in FOLDERS if is_catalogue(path := tree / folder / NAME)), None)


def names_catalogue(data: bytes) -> bool:
    """Whether a program that holds `data` looks for a catalogue."""
    return b"\0" + NAME.encode() + b"\0" in data


def read_catalogue(path: Path) -> Catalogue:
    """Read one; what is wrong with it is an `InputError`."""
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read: {getattr(error, 'strerror', None) or error}", file=name) from None
    if len(data) > MAX_FILE:
        raise InputError("catalogue too large", file=name, hint=f"at most {MAX_FILE >> 20} MiB")
    return parse_catalogue(data, name)


def parse_catalogue(data: bytes, name: str) -> Catalogue:
    """The same on bytes."""
    if not data.startswith(MAGIC):
        raise InputError("not a catalogue of messages", file=name, offending=data[:4], hint="give MariaDB's errmsg.sys")
    if len(data) < HEADER:
        raise InputError("truncated catalogue: no header", file=name, hint=f"it has only {len(data)} bytes")
    if data[3] != VERSION:
        hint = "that of MariaDB 10.6 and later is read"
        raise InputError(f"a catalogue of version {data[3]}", file=name, hint=hint)
    size, _, errors, sections = struct.unpack_from("<IHHH", data, 6)
    begin = HEADER + 2 * (sections + errors)
    if begin + size > len(data):
        raise InputError("truncated catalogue", file=name, hint=f"it has only {len(data)} bytes")
    counts = struct.unpack_from(f"<{sections}H", data, HEADER)
    lengths = struct.unpack_from(f"<{errors}H", data, HEADER + 2 * sections)[:-1]
    if sum(counts) != errors or sum(lengths) > size or max(counts, default=0) > RANGE:
        raise InputError("a catalogue whose counts disagree", file=name, hint="copy it again from the package")
    ends = (*accumulate(lengths, initial=begin), begin + size)  # the last length is written wrong, and not needed
    texts = tuple(data[low:high].split(b"\0", 1)[0] for low, high in pairwise(ends))
    places = pairwise(accumulate(counts, initial=0))
    return Catalogue(name, tuple(texts[low:high] for low, high in places))
