"""Control: what the monitor wants of all agents, kept with the state; its revision grows with every change.

Rules of this file
    - A change that changes nothing makes no revision. What is told to agents is a whole (`grammar.control.Control`).
    - Patterns are those that settled applications have learned: replicas then agree on labels before they learn
      themselves. What cannot travel (undecodable bytes, too long, too many) is left out.
    - An epoch length that a person has set by command goes before that of the settings file.

Complexity: O(what control holds) per change.
Source: issue "live monitor" (control); design section 4 (patterns settled by the monitor travel to the agents).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from grammar.control import Control, read, write
from monitor.application import Application
from monitor.store import Store

CONTROL: Final = "control"
EPOCH: Final = "epoch_millis"
MAX_PATTERNS: Final = 2_000
MAX_PATTERN: Final = 4_096


class Controls:
    """The control that is in force; what changes it belongs into a transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.load()

    def load(self) -> None:
        """Read it (again)."""
        kept = self.store.setting(CONTROL)
        self.current = read(bytes.fromhex(kept), Control) if kept else Control()

    @property
    def chosen_epoch(self) -> int:
        """The epoch length that a person has set, in milliseconds; 0 for none."""
        return int(self.store.setting(EPOCH) or 0)

    def choose_epoch(self, millis: int) -> None:
        """Set it, or with 0 go back to the settings file's (at the monitor's next look)."""
        self.store.set_setting(EPOCH, str(int(millis)))
        if millis:
            self.change(epoch_millis=int(millis))

    def change(
        self,
        *,
        epoch_millis: int | None = None,
        patterns: Sequence[tuple[str, tuple[str, ...]]] | None = None,
        policies: Sequence[tuple[str, str]] | None = None,
    ) -> bool:
        """Change some of it; False if that is how it was."""
        now = self.current
        wanted = Control(
            now.revision,
            now.epoch_millis if epoch_millis is None else epoch_millis,
            now.patterns if patterns is None else tuple(patterns),
            now.policies if policies is None else tuple(policies),
        )
        if wanted == now:
            return False
        self._keep(Control(now.revision + 1, wanted.epoch_millis, wanted.patterns, wanted.policies))
        return True

    def adopt(self, control: Control) -> bool:
        """Control as another monitor has set it, if that is newer."""
        if control.revision <= self.current.revision:
            return False
        self._keep(control)
        return True

    def _keep(self, control: Control) -> None:
        self.store.set_setting(CONTROL, write(control).hex())
        self.current = control


def settled_patterns(apps: Iterable[Application]) -> list[tuple[str, tuple[str, ...]]]:
    """The learned patterns of applications, as control carries them."""
    found = []
    left = MAX_PATTERNS
    for app in sorted(apps, key=lambda one: one.name):
        fit = [one for one in sorted(app.evidence.learned) if len(one) <= MAX_PATTERN and _sendable(one)][:left]
        if fit and len(app.name) <= 256:
            found.append((app.name, tuple(fit)))
            left -= len(fit)
    return found


def _sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
