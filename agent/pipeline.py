"""The whole way of one worker, from bytes of the audit log to epochs. Read this first.

    bytes ──AuditParser──► events ──Node──► graphs of containers, abstracted ──Epochs──► deltas ──publish──► monitor
            records           │   processes, descriptors,     states = label + context;
            put together      │   versions, units             what is new since the last epoch
                              ├── labels by agent.abstraction
    application logs ──LogMessages──► lines joined with the writes that made them, cut units, tell why

Rules of this file
    - Nothing here waits or does I/O: bytes come in, epochs go out; time comes from the log (design promise 6).
    - A recording is `feed`: an epoch ends with the first event at or after its end; epochs in which nothing happened
      are left out. A live node is `absorb` and `cut`: whoever reads the log says when an epoch ends, at any byte. The
      same bytes with the same cuts give the same epochs: a restarted agent reads again what it had not made safe.

Complexity: O(bytes) time; memory bounded by what is live on the node.
Source: design section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.abstraction import Abstraction
from agent.containers import Roster
from agent.epochs import Epoch, Epochs
from agent.events import AuditParser, Event
from agent.node import Node
from agent.upg import Recorder, Scope, States

if TYPE_CHECKING:
    from agent.logmessages import LogMessages


class Pipeline:
    """One worker's records → events → graphs → epochs."""

    def __init__(
        self,
        containers: Roster,
        epoch_millis: int,
        abstraction: Abstraction | None = None,
        recorder: Recorder | None = None,
        refresh: int = 0,
        *,
        logs: LogMessages | None = None,
    ) -> None:
        self.parser = AuditParser()
        self.node = Node(containers, abstraction or Abstraction(), recorder, logs)
        self.epochs = Epochs(self.node, epoch_millis, refresh)
        self.length = epoch_millis
        self._start: int | None = None

    def feed(self, data: bytes) -> Iterator[Epoch]:
        """Take the next bytes of the log; give the epochs that ended in them."""
        yield from self._take(self.parser.feed(data))

    def finish(self) -> Iterator[Epoch]:
        """The log ends here."""
        yield from self._take(self.parser.finish())
        if self.node.logs is not None:
            self.node.logs.finish(self.node)
        if self._start is not None:
            yield self._close(self._start)

    def absorb(self, data: bytes) -> None:
        """Take the next bytes of a live log."""
        self.node.apply(self.parser.feed(data))

    @property
    def news(self) -> bool:
        """Whether anything is there that the next epoch will tell."""
        return any(scope.fresh or scope.lone for scope in self.node.scopes.values())

    @property
    def earliest(self) -> int:
        """Log time in milliseconds of the first thing that the next epoch will tell; 0 if there is none."""
        return min((scope.fresh_first for scope in self.node.scopes.values() if scope.fresh_first), default=0)

    @property
    def open(self) -> bool:
        """Whether anything waits for its second to end: with no further event, `node.tick` ends it."""
        return any(scope.open for scope in self.node.scopes.values())

    def cut(self, start: int, length: int) -> Epoch:
        """End the epoch here: it began at `start` and has lasted for `length` milliseconds."""
        self.epochs.length = length
        return self._close(start)

    def retire(self, container: str) -> None:
        """A container has ended, and all of it has been told: let go of its graph."""
        if self.node.retire(container):
            self.epochs.retire(container)

    def _take(self, events: list[Event]) -> Iterator[Epoch]:
        first = 0
        for position, event in enumerate(events):
            at = event.millis + self.node.time.offset
            if self._start is None:
                self._start = at - at % self.length
            elif at >= self._start + self.length:
                self.node.apply(events[first:position])
                first = position
                yield self._close(self._start)
                self._start = at - at % self.length
        self.node.apply(events[first:])

    def _close(self, start: int) -> Epoch:
        tables: list[Scope | States] = [*self.node.scopes.values(), *self.node.states.values()]
        for table in tables:
            if table.beyond:
                self.node.loss.note("behaviour_limit", table.beyond)
                table.beyond = 0
        lost = self.parser.loss.take()
        for cause, number in self.node.loss.take().items():
            lost[cause] = lost.get(cause, 0) + number
        return self.epochs.close(start, self.parser.lines, lost)
