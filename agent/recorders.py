"""Several recorders as one: a recording that is dumped and looked into.

Rules of this file
    - Hooks are handed on in order; nothing is kept.

Complexity: O(recorders) a hook.
Source: `agent.upg.Recorder`.
"""

from __future__ import annotations

from agent.upg import CommandRecorder, Recorder, Scope


class Recorders:
    """All of them hear everything."""

    def __init__(self, *recorders: Recorder) -> None:
        self._all = recorders
        self._commands = [one for one in recorders if isinstance(one, CommandRecorder)]

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        """A new vertex."""
        for one in self._all:
            one.vertex(scope, number, label, ident)

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        """A vertex has its state."""
        for one in self._all:
            one.sealed(scope, number, state)

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """A new edge."""
        for one in self._all:
            one.edge(scope, effect, kind, cause, millis)

    def command(self, ident: str, text: str) -> None:
        """The process of that identity runs this."""
        for one in self._commands:
            one.command(ident, text)
