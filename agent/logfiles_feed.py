"""From the accumulator into the books: what has been written to logs, before the writes of it are read.

Rules of this file
    - Fed before each bite of the audit log: a write is recorded after it was done, so that its bytes are there by then.
      What one poll does not hold is polled for at once, `ROUNDS` times at most.
    - What each poll gave is noted in memory (`heard`) for the journal. Where memory is brought back (`replay`), just
      what was given there at first is given again; all else waits until the agent goes on. What is found to be lost
      meanwhile travels with the first epoch after.
    - Logs that the graph has seen opened are offered. What the accumulator has lost travels with the epoch.
    - A rule's zone and format tell a book's reader what its lines do not say of themselves.

Complexity: that of a poll.
Source: issue "application logs" (log accumulator, log processor).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from agent.heard import TAGS
from agent.logfiles import LogFiles
from agent.logfiles_value import Look, Piece, Rule
from agent.logmessages import LogMessages
from agent.memory import Memory
from grammar.lineformat import Reader

ROUNDS: Final = 4


class LogFeed:
    """Gives `memory` the pieces of `files`.

    For whoever shows figures, who must not ask `files`: `read` counts bytes, `behind` are those that were there and not
    read, `followed` the logs, when last looked.
    """

    def __init__(self, files: LogFiles) -> None:
        self.files = files
        self.read = self.behind = self.followed = 0

    def feed(self, memory: Memory) -> None:
        """All that has been written by now, as far as it goes."""
        node = memory.pipeline.node
        if node.logs is None:
            return
        if memory.replay is not None:
            self._again(node.logs, memory.replay)
            return
        self._offer(node.logs)
        for _ in range(ROUNDS):
            self._take(node.logs, self.files.poll())
            if self.files.heard.given:
                memory.heard.append(self.files.heard)
            self.behind = self.files.behind
            if not self.behind:
                break
        self.followed = self.files.followed
        for cause, number in self.files.loss.take().items():
            node.loss.note(cause, number)

    def note(self) -> None:
        """How far all has been read goes into memory: a snapshot is about to be taken.

        The first one is taken before anything was read. A restart from it must know what was there by then: all else
        was written since, and is not to be left out.
        """
        if not self.files.progress.looked:
            self.files.look()
        _ = self.files.progress

    def saved(self) -> None:
        """It has been written: the files themselves keep what a restart needs."""

    def close(self) -> None:
        """Let go of all files."""
        self.files.close()

    def _again(self, logs: LogMessages, look: Look) -> None:
        given = tuple(one for one in look.given if one.path != TAGS)
        if given:
            self._offer(logs)
            self._take(logs, self.files.again(look._replace(given=given)))

    def _offer(self, logs: LogMessages) -> None:
        for container, path in sorted(logs.wanted):
            self.files.offer(container, path)
        logs.wanted.clear()

    def _take(self, logs: LogMessages, pieces: list[Piece]) -> None:
        """A look that gave nothing is not repeated: it changes nothing."""
        if not pieces:
            return
        self._told(logs, pieces)
        logs.take(pieces)
        self.read += sum(len(piece.data) for piece in pieces)

    def _told(self, logs: LogMessages, pieces: Iterable[Piece]) -> None:
        """Books that a rule says something of get a reader that knows it, before their first line."""
        for piece in pieces:
            rule = self.files.rule(piece.container, piece.path)
            if rule is None or not (rule.zone or rule.format) or piece.path in logs.books.get(piece.container, ()):
                continue
            book = logs.stream(piece.container, piece.path)
            if book is not None:
                book.reader = reader_of(rule)


def reader_of(rule: Rule) -> Reader:
    """A reader that knows the zone, and tries the format first.

    >>> reader_of(Rule("*", "/a.log", "", "-01:30")).zone_minutes
    -90
    """
    zone = rule.zone.removeprefix("UTC")
    minutes = (int(zone[1:3]) * 60 + int(zone[4:6])) * (-1 if zone[0] == "-" else 1) if zone else 0
    return Reader.restore(json.dumps({"zone_minutes": minutes, "format": rule.format}))
