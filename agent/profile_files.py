"""Profiles from disk, for those who match lines with them.

Rules of this file
    - All files' errors name the file; a profile is read whole before anything is replayed.

Source: design section 5 (a profile is JSON).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from grammar import InputError
from grammar.profile import Profile, read_profile


def read_profiles(paths: Iterable[Path]) -> tuple[Profile, ...]:
    """The profiles in these files."""
    found = []
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            hint = "winnower profile BINARY -o FILE makes one"
            raise InputError(f"cannot be read: {error.strerror}", file=str(path), hint=hint) from None
        found.append(read_profile(data, str(path)))
    return tuple(found)
