"""Files that are nobody else's business: 0600 in folders of 0700, refused if others could have had a hand in them.

Rules of this file
    - A file is never open to others, not even for a moment: its mode is given when it is made.
    - What others may write is not believed; what is secret and others may read is refused, with the command that helps.
    - Replacing is atomic and lasting: written aside, synced, renamed, and the folder synced.

Source: open(2), rename(2), fsync(2); issue "live agent" (secrets files are 0600 and refused otherwise).
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from grammar import InputError


def make_folder(folder: Path) -> None:
    """Make a folder of our own, or check that it is one."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise InputError(f"cannot be used as a folder: {error.strerror}", file=str(folder)) from None
    if found.st_uid != os.geteuid():
        raise InputError("this folder is another user's", file=str(folder), hint="name one of your own")
    if found.st_mode & 0o022:
        raise InputError("others may write to this folder", file=str(folder), hint=f"chmod 700 {_quoted(folder)}")


def make_file(path: Path) -> None:
    """Make an empty file, if there is none."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def read_private(path: Path, limit: int, *, secret: bool) -> bytes:
    """The bytes of a file of ours: nobody else may write it, nor read it if it is `secret`; at most `limit` bytes."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as source:
            _check(path, os.fstat(source.fileno()), secret)
            data = source.read(limit + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    if len(data) > limit:
        raise InputError("file is too long", file=str(path), hint=f"limit {limit} bytes")
    return data


def _check(path: Path, found: os.stat_result, secret: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise InputError("not a plain file", file=str(path))
    if found.st_uid != os.geteuid():
        raise InputError("this file is another user's", file=str(path), hint="only our own files are believed")
    if found.st_mode & (0o077 if secret else 0o022):
        what = "others may read this secret" if secret else "others may write this file"
        raise InputError(what, file=str(path), hint=f"chmod 600 {_quoted(path)}")


def write_private(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write a file whole or not at all; without `replace` a file that is there already is a `FileExistsError`."""
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())
        if replace:
            aside.rename(path)
        else:
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
