"""A network that misbehaves when told to: a proxy between agents and the monitor that cuts, delays, halves, swallows.

Rules of this file
    - `mood` is looked at for every piece of data, in both directions; connections that are open change with it.
    - It listens on one port for as long as it lives. `cuts` counts what it has done to whom.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

PIECE = 4_096


@dataclass
class Mood:
    """How it treats what passes: shares of pieces, seconds, bytes.

    `cut_answer` cuts the connection after so many bytes of an answer (-1: does not), `swallow` takes everything and
    passes nothing on, `refuse` closes new connections at once, `loss` is the share of pieces that break a connection,
    `pieces` how small they are.
    """

    delay: float = 0.0
    loss: float = 0.0
    cut_answer: int = -1
    cut_question: int = -1
    swallow: bool = False
    refuse: bool = False
    pieces: int = PIECE


@dataclass
class Proxy:
    """Between anybody and `port` of this machine."""

    port: int
    host: str = "127.0.0.1"
    mood: Mood = field(default_factory=Mood)
    cuts: Counter[str] = field(default_factory=Counter)
    chance: Random = field(default_factory=lambda: Random(11))

    def __enter__(self) -> Proxy:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self.cut()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def cut(self) -> None:
        """End all connections."""
        opened, self._open = self._open, []
        for one in opened:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self.mood.refuse:
                self.cuts["refused"] += 1
                near.close()
                continue
            try:
                far = socket.create_connection((self.host, self.port), timeout=5)
            except OSError:
                near.close()
                continue
            self._open += [near, far]
            for source, target, way in ((near, far, "question"), (far, near, "answer")):
                threading.Thread(target=self._carry, args=(source, target, way), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, way: str) -> None:
        with suppress(OSError):
            while data := source.recv(self.mood.pieces):
                if not self._pass(data, target, way):
                    break
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _pass(self, data: bytes, target: socket.socket, way: str) -> bool:
        """Pass a piece on; whether the connection lives."""
        mood = self.mood
        if mood.delay:
            time.sleep(mood.delay)
        if mood.swallow:
            self.cuts["swallowed"] += 1
            return True
        limit = mood.cut_answer if way == "answer" else mood.cut_question
        if limit >= 0:
            self.cuts[f"cut {way}"] += 1
            target.sendall(data[:limit])
            return False
        if mood.loss and self.chance.random() < mood.loss:
            self.cuts["lost"] += 1
            return False
        target.sendall(data)
        return True
