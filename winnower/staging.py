"""Files that appear together or not at all: made beside their places, moved there when everything is ready.

Rules of this file
    - Whether a place can be written is found out before the work is done, not after it.
    - After an error nothing is left: no temporary folder, no folder made on the way. What was there before is replaced
      file by file; other files of the same folder are not touched.

Source: issue "bad input": nothing half-written.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grammar import InputError


class Staging:
    """Folders to work in, one beside each place; `publish` moves what is in them."""

    def __init__(self) -> None:
        self._made: list[Path] = []
        self._places: list[tuple[Path, Path]] = []

    def folder(self, place: Path) -> Path:
        """A folder to work in; the files in it will be moved into the folder `place`."""
        if place.exists() and not place.is_dir():
            raise InputError("is not a folder", file=str(place), hint="name a folder, or one that does not exist yet")
        return self._work(place.parent, place)

    def file(self, place: Path) -> Path:
        """A path to write; the file there will be moved to `place`."""
        if place.is_dir():
            raise InputError("is a folder", file=str(place), hint="name a file")
        return self._work(place.parent, place.parent) / place.name

    def publish(self) -> None:
        """Move everything to its place."""
        for work, place in self._places:
            self._make(place)
            for path in sorted(work.iterdir()):
                path.replace(place / path.name)
        self._made.clear()

    def clear(self) -> None:
        """Remove what is left of the work."""
        for work, _ in self._places:
            shutil.rmtree(work, ignore_errors=True)
        for folder in reversed(self._made):
            try:
                folder.rmdir()
            except OSError:
                break

    def _work(self, parent: Path, place: Path) -> Path:
        try:
            self._make(parent)
            work = Path(tempfile.mkdtemp(prefix=".winnower-", dir=parent))
        except OSError as error:
            where = str(error.filename or parent)
            raise InputError(f"cannot write here: {error.strerror}", file=where, hint="name another place") from None
        self._places.append((work, place))
        return work

    def _make(self, folder: Path) -> None:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir()
            self._made.append(one)


@contextmanager
def staging() -> Iterator[Staging]:
    """Published if the block ends well; in any case nothing is left behind."""
    stage = Staging()
    try:
        yield stage
        stage.publish()
    except OSError as error:
        where = str(error.filename or "")
        raise InputError(f"cannot be written: {error.strerror or error}", file=where) from None
    finally:
        stage.clear()
