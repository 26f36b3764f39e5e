"""All engines of a worker as one: who has been asked knows, whoever of them it was.

Rules of this file
    - An engine is listened to from when its socket is there; one that never comes costs nothing.

Complexity: O(engines) a call.
Source: issue "live agent" (containers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from agent.container_files import Known
from agent.engine import Engine, Status


@dataclass(slots=True)
class Engines:
    """The engines at these sockets (`unix:///…`); what `agent.live_containers.Names` asks."""

    urls: tuple[str, ...]
    engine: Callable[[str], Engine] = Engine
    running: dict[str, Engine] = field(default_factory=dict)

    def look(self) -> None:
        """Begin to listen to engines whose sockets have appeared."""
        for url in self.urls:
            if url not in self.running and Path(url.removeprefix("unix://")).exists():
                self.running[url] = self.engine(url)
                self.running[url].start()

    def ready(self, seconds: float) -> None:
        """Wait for what is running at the start, at most so long for each."""
        for one in self.running.values():
            one.ready(seconds)

    def stop(self) -> None:
        """Listen no more."""
        for one in self.running.values():
            one.stop()

    def status(self) -> Iterable[Status]:
        """How each of them does."""
        return [one.status() for one in list(self.running.values())]

    def known(self, ident: str) -> Known | None:
        """What one of them has said."""
        found = (one.known(ident) for one in self.running.values())
        return next((known for known in found if known is not None), None)

    def ask(self, ident: str, seconds: float) -> Known | None:
        """What one of them says, within `seconds` in all."""
        known = self.known(ident)
        for one in self.running.values() if known is None else ():
            known = one.ask(ident, seconds / len(self.running))
            if known is not None:
                break
        return known

    def take_changes(self) -> list[Known]:
        """What has begun, ended or changed since the last call."""
        return [known for one in self.running.values() for known in one.take_changes()]
