"""A descriptor that tags come out of: read as fast as they come, handed on as the main loop has time for them.

Rules of this file
    - The kernel's room for tags is small: a thread takes them as they come, into at most `room` bytes. It rests a
      moment after each look, so that many tags wake it once. What has no room here is left with the kernel, which
      counts what it drops by its sequence numbers: nothing that was read is thrown away.
    - `take` looks first, too: what was written before it is in what it gives. It never waits for the descriptor.
    - End of file and every error but "nothing there" end the tap; what was read before is still given.

Complexity: O(bytes); memory at most `room` and one piece.
Source: read(2), poll(2); agent.plugin, which does the same for records.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from agent.loss import Loss
from agent.tags import MAX_RECORD, Decoder
from agent.tags_source import Batch

ROOM: Final = 8 << 20
PIECE: Final = 1 << 17
MOST: Final = 1 << 20
"""Bytes that one `take` gives, at most: 8,192 tags."""
EACH: Final = 128
"""Bytes that a piece costs beside its own."""
REST: Final = 0.02
"""Seconds between two looks of the thread: 4,096 records of a processor last for 200,000 writes a second."""

Read = Callable[[int, int], bytes]
"""`os.read`, or what stands in for it."""


class Tap:
    """Tags out of `descriptor`, which is the tap's from now on; `ended` says why no more will come."""

    def __init__(self, descriptor: int, room: int = ROOM, read: Read = os.read) -> None:
        os.set_blocking(descriptor, False)
        self.loss = Loss()
        self.ended = ""
        self.decoder = Decoder()
        self._descriptor, self._room, self._read = descriptor, max(room, MAX_RECORD), read
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._closed = False
        self._lock = threading.Lock()
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, name="tags", daemon=True)
        self._thread.start()

    @property
    def behind(self) -> int:
        """Bytes that were read and not taken, about."""
        return self._held

    def take(self, most: int = MOST) -> Batch:
        """What has come, about `most` bytes of it at most."""
        pieces: list[bytes] = []
        with self._lock:
            self._look()
            while self._pieces and most > 0:
                pieces.append(piece := self._pieces.popleft())
                self._held -= len(piece) + EACH
                most -= len(piece)
        if not pieces:
            return Batch([], b"")
        before = self.decoder.damaged
        tags = self.decoder.feed(b"".join(pieces))
        self.loss.note("tags_damaged", self.decoder.damaged - before)
        return Batch(tags, self.decoder.used)

    def close(self) -> None:
        """Let go of the descriptor; the thread ends."""
        if not self._closed:
            self._closed = True
            os.close(self._stop)
            self._thread.join(5)
            os.close(self._wake)
            os.close(self._descriptor)
            self.ended = self.ended or "closed"

    def _look(self) -> None:
        """Read what is there, as far as there is room."""
        while not self.ended and not self._closed and self._held < self._room:
            try:
                piece = self._read(self._descriptor, PIECE)
            except BlockingIOError:
                return
            except OSError as error:
                self.ended = error.strerror or str(error)
                return
            if not piece:
                self.ended = "it has ended"
                return
            self._pieces.append(piece)
            self._held += len(piece) + EACH

    def _run(self) -> None:
        """The thread: wait for tags, take them, rest."""
        both, wake = select.poll(), select.poll()
        both.register(self._descriptor, select.POLLIN)
        both.register(self._wake, select.POLLIN)
        wake.register(self._wake, select.POLLIN)
        while not self.ended:
            if self._held < self._room and any(where == self._wake for where, _ in both.poll()):
                return
            with self._lock:
                self._look()
            if wake.poll(1000 * REST):
                return
