"""Secrets on disk: made private, and refused when others can read them.

Rules of this file
    - A secret is a regular file of mode 0600 (or 0400), its folder 0700; it belongs to whoever runs the monitor.
      Anything else is an `InputError` that says what to do. What is there is never made private silently: others may
      have read it.
    - A new secret appears whole or not at all.

Source: issue "live monitor" (secrets files are 0600 and refused otherwise).
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from grammar import InputError

MAX_SECRET: Final = 4096


def private_folder(folder: Path) -> None:
    """Make it, or see that nobody else can look into it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        _refuse_shared(folder, 0o077, "0700")


def private_file(path: Path, content: bytes = b"") -> None:
    """Make it with that content if there is none; see that nobody else can read it."""
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.write(handle, content)
            os.fsync(handle)
            os.link(fresh, path)  # of two that make it at once, one does
        except FileExistsError:
            pass
        finally:
            os.close(handle)
            fresh.unlink()
    _refuse_shared(path, 0o077, "0600")


def check_secret(path: Path) -> None:
    """A secret that others read for us (a private key of TLS) must be private, too."""
    try:
        _refuse_shared(path, 0o077, "0600")
    except OSError as error:
        raise InputError(f"cannot read this secret: {error.strerror}", file=str(path)) from None


def read_secret(path: Path) -> bytes:
    """The content of a private file."""
    try:
        _refuse_shared(path, 0o077, "0600")
        with path.open("rb") as file:
            content = file.read(MAX_SECRET + 1)
    except OSError as error:
        raise InputError(f"cannot read this secret: {error.strerror}", file=str(path)) from None
    if len(content) > MAX_SECRET:
        raise InputError("a secret of more than 4096 bytes", file=str(path), hint="is this the right file?")
    return content


def _refuse_shared(path: Path, forbidden: int, mode: str) -> None:
    found = path.stat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise InputError("not a file or folder", file=str(path))
    if os.geteuid() and found.st_uid not in (os.geteuid(), 0):
        raise InputError("belongs to somebody else", file=str(path), hint=f"chown {os.geteuid()} it, if it is yours")
    if found.st_mode & forbidden:
        hint = f"others can read it: chmod {mode} it; if they may have, replace it"
        shown = f"{stat.S_IMODE(found.st_mode):04o}"
        raise InputError("a secret must be private", file=str(path), offending=shown, hint=hint)
