"""The files of one container that are worth remembering: path → artifact, bounded.

Rules of this file
    - Two generations: what is used moves to the young one; when that is full the old one is forgotten. A written file that
      is forgotten is a loss that is counted, for a later reader will not be linked to its writer.

Complexity: O(1) a look-up; memory at most 2 x `GENERATION` files.
"""

from __future__ import annotations

from typing import Final

from agent.loss import Loss
from agent.upg import Artifact

GENERATION: Final = 4096


class Files:
    """Artifacts by absolute path (sockets of the file system under their address)."""

    __slots__ = ("_loss", "_old", "_young")

    def __init__(self, loss: Loss) -> None:
        self._young: dict[str, Artifact] = {}
        self._old: dict[str, Artifact] = {}
        self._loss = loss

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

    def _put(self, path: str, artifact: Artifact) -> None:
        self._young[path] = artifact
        if len(self._young) > GENERATION:
            written = sum(1 for one in self._old.values() if one.known and not one.inert)
            if written:
                self._loss.note("files_evicted", written)
            self._old, self._young = self._young, {}
