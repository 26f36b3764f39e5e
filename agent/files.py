"""The files of one container that are worth remembering: path → artifact, bounded.

Rules of this file
    - Two generations: what is used moves to the young one; when that is full the old one is forgotten. A written file
      that is forgotten is a loss that is counted, for a later reader will not be linked to its writer.
    - A name is not an identity: what comes to a name after it was dropped is another object (`PATH#NUMBER`).

Invariant: a path is in at most one generation.
Complexity: O(1) a look-up, O(files) for `below`; memory at most 2 x `GENERATION` files.
"""

from __future__ import annotations

from typing import Final

from agent.loss import Loss
from agent.upg import Artifact

GENERATION: Final = 4096


class Files:
    """Artifacts by absolute path (sockets of the file system under their address)."""

    __slots__ = ("_loss", "_made", "_old", "_young")

    def __init__(self, loss: Loss) -> None:
        self._young: dict[str, Artifact] = {}
        self._old: dict[str, Artifact] = {}
        self._loss = loss
        self._made = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def ident(self, path: str) -> str:
        """The identity of a new object at `path`; see `path_of`."""
        self._made += 1
        return f"{path}#{self._made}"

    def get(self, path: str) -> Artifact | None:
        """The artifact at `path`, if it is remembered."""
        found = self._young.get(path)
        if found is None:
            found = self._old.pop(path, None)
            if found is not None:
                self._put(path, found)
        return found

    def put(self, path: str, artifact: Artifact) -> Artifact:
        """Remember `artifact` at `path`."""
        self._old.pop(path, None)
        self._put(path, artifact)
        return artifact

    def drop(self, path: str) -> None:
        """The name is gone: whatever comes there next is another file."""
        self._young.pop(path, None)
        self._old.pop(path, None)

    def below(self, folder: str) -> list[tuple[str, Artifact]]:
        """What is remembered below a folder."""
        start = folder.rstrip("/") + "/"
        return [pair for part in (self._old, self._young) for pair in part.items() if pair[0].startswith(start)]

    def _put(self, path: str, artifact: Artifact) -> None:
        self._young[path] = artifact
        if len(self._young) > GENERATION:
            written = sum(1 for one in self._old.values() if one.known and not one.inert)
            if written:
                self._loss.note("files_evicted", written)
            self._old, self._young = self._young, {}


def path_of(artifact: Artifact | None) -> str | None:
    """The absolute path of a file or directory; None for what has none (a socket, memory, an unknown).

    >>> path_of(Artifact("File", "File /srv", "/srv#7"))
    '/srv'
    """
    if artifact is None or artifact.ident[:1] != "/":
        return None
    return artifact.ident.rpartition("#")[0]


def lends(mode: int) -> bool:
    """Whether whoever runs a file with this mode does so with the rights of its owner, or of its group."""
    return bool(mode & 0o4000) or (mode & 0o2010) == 0o2010
