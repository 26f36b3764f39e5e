"""The sender: brings the ledger's entries to the monitor, one after the other, for as long as it takes.

Rules of this file
    - `step` does one entry and says how long to wait; the thread around it does nothing else. It never gives up and
      never dies: whatever happens is a wait, longer each time.
    - What the monitor will not take (`conflict`, `refused`) is loud and shown in the state; it is tried again slowly,
      while the ledger keeps what comes within its budget.
    - New entries wake it when it has nothing to do, not when the monitor is away.

Complexity: O(bytes).
Source: design section 6; issue "live agent" (monitor away for 500 epochs, then back).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread
from time import time
from typing import Final, NamedTuple

from agent.backoff import Backoff
from agent.conveying import Action, Ask, Deliver, Fly, Land, Result, convey
from agent.ledger import Held, Ledger
from agent.ledger_file import NoRoomError
from agent.link import BusyError, Link, LinkError, RefusedError
from agent.publisher import Author, Vocabulary
from grammar import InputError
from grammar.signing import Signer

IDLE: Final = 60.0
SLOWLY: Final = 60.0
PATIENCE: Final = 10
"""Refusals of one entry after which it goes without what it tells of behaviour."""
HINTS: Final = {
    "conflict": "the monitor knows another chain of this agent: two agents with one identity, or a restored backup; "
    "enrol it again",
    "refused": "the monitor does not take what this agent says: see its log",
    "base": "the monitor does not take deltas in full: see its log",
}

_log = logging.getLogger("agent.sender")


class State(NamedTuple):
    """How it stands: `reached` is when the monitor last took something (seconds since 1970); `trouble` in words."""

    reached: float = 0.0
    failures: int = 0
    trouble: str = ""


@dataclass(slots=True)
class Sender:
    """`counts`: `sent` entries, `unreachable`, `busy`, `refused`, `conflict`, `in_full`, `no_room`, `failed`."""

    ledger: Ledger
    link: Link
    name: str
    signer: Signer
    vocabulary: Vocabulary
    backoff: Backoff
    wall: Callable[[], float] = time
    state: State = field(default_factory=State)
    counts: Counter[str] = field(default_factory=Counter)
    _refusals: int = 0
    _awake: Event = field(default_factory=Event)
    _stopping: Event = field(default_factory=Event)

    def start(self) -> Thread:
        """Begin to send, in a thread of its own."""
        thread = Thread(target=self.run, name="sender", daemon=True)
        thread.start()
        return thread

    def run(self) -> None:
        """Send until `stop`."""
        while not self._stopping.is_set():
            self._awake.clear()
            self._rest(self.step())
        self.link.close()

    def wake(self) -> None:
        """There is something new to send."""
        self._awake.set()

    def stop(self) -> None:
        """End after what is being done now; what is left stays in the ledger."""
        self._stopping.set()
        self._awake.set()

    def step(self) -> float:
        """Try to bring over the oldest entry; seconds to wait before the next step, 0 if it has worked."""
        try:
            held = self.ledger.upcoming()
            if held is None:
                return IDLE
            status = self._convey(held)
        except NoRoomError as error:
            return self._failed("no_room", str(error))
        except BusyError as error:
            return self._failed("busy", str(error), error.seconds)
        except (RefusedError, InputError) as error:
            return self._trouble("refused", str(error))
        except LinkError as error:
            return self._failed("unreachable", str(error))
        except Exception:
            _log.exception("sending has failed")
            return self._failed("failed", "an error of ours: see the log")
        if status != "new":
            self._give_up(held, status)
            return self._trouble(status, HINTS.get(status, status))
        if self.state.failures or self.state.trouble:
            _log.warning("the monitor takes epochs again", extra={"failures": self.state.failures})
        self.backoff.worked()
        self._refusals = 0
        self.counts["sent"] += 1
        self.state = State(self.wall())
        return 0.0

    def _give_up(self, held: Held, status: str) -> None:
        """What the monitor has refused `PATIENCE` times it will not take: the rest behind it must not wait for ever."""
        self._refusals = self._refusals + 1 if status == "refused" else 0
        if self._refusals >= PATIENCE and held.entry.deltas:
            self._refusals = 0
            _log.error("an epoch's behaviour is given up: the monitor refuses it", extra={"start": held.entry.start})
            self.ledger.strip(held.number, "spool_refused")

    def _convey(self, held: Held) -> str:
        """Run the script of one entry."""
        named = {app for app, _ in held.entry.deltas} | {one.app for one in held.entry.findings}
        shares = self.link.lanes(sorted(named))
        session = self.ledger.session
        author = Author(self.name, self.signer, session, self.vocabulary)
        script = convey(held, shares, self.ledger.head, author)
        result: Result = None
        while True:
            try:
                action = script.send(result)
            except StopIteration as end:
                return str(end.value)
            result = self._do(action, held.number, session)

    def _do(self, action: Action, number: int, session: bytes) -> Result:
        match action:
            case Ask(revisions):
                return self.link.words(revisions)
            case Fly(lane, sequence, sealed):
                self.ledger.fly(number, lane, sequence, sealed)
            case Deliver(lane, sequence, sealed):
                answer = self.link.deliver(sealed, lane, session, sequence)
                self.counts["in_full"] += answer.status == "base"
                return answer
            case Land(lane, digest, last):
                self.ledger.acknowledge(number, lane, digest, last)
        return None

    def _failed(self, cause: str, said: str, least: float = 0.0) -> float:
        if not self.state.failures:
            _log.warning("the monitor does not take epochs", extra={"cause": cause, "reason": said})
        self.counts[cause] += 1
        self.state = State(self.state.reached, self.state.failures + 1, said)
        return self.backoff.failed(least)

    def _trouble(self, cause: str, said: str) -> float:
        _log.error("the monitor refuses this agent", extra={"cause": cause, "reason": said})
        self.counts[cause] += 1
        self.state = State(self.state.reached, self.state.failures + 1, f"{cause}: {said}")
        return self.backoff.spread(SLOWLY)

    def _rest(self, seconds: float) -> None:
        """Wait; only who is idle is woken by new entries, who is stopping always."""
        (self._stopping if self.state.failures else self._awake).wait(seconds)
