"""The listener: waits for the monitor's orders, hands control to the main loop, answers questions for instances.

Rules of this file
    - One thread with a link of its own; `step` is one long poll and what came of it. It never dies.
    - Control is a whole: of several the newest counts, and only that is kept until the main loop takes it.
    - A question is answered here, from the local store: the main loop does not wait for it. At most `MAX_QUESTIONS` of
      one round are answered, the monitor asks again; an answer that is too large is cut, and says so.

Complexity: O(bytes), and whatever answering costs.
Source: issue "live agent" (control, distributed query).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Final, Protocol

import msgspec

from agent.backoff import Backoff
from agent.link import BusyError, Link, LinkError
from grammar.control import Control, Order, Orders, Outcome, Question, Reply, write
from grammar.signing import Signer

MAX_QUESTIONS: Final = 16
MAX_REPLY: Final = 4_000_000
WAIT: Final = 55_000
ACTING: Final = 2.0
"""Seconds that orders get before the next poll, so that it tells what became of them."""

_log = logging.getLogger("agent.listener")


class Responder(Protocol):
    """Who acts on containers (`agent.respond`); its calls but `wait` do not wait."""

    def take(self, orders: tuple[Order, ...], /) -> None:
        """Do these."""

    def wait(self, seconds: float, /) -> object:
        """Until what was taken is done, at most so long."""

    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of orders, and has not been heard."""

    def told(self, outcomes: tuple[Outcome, ...], /) -> None:
        """These have been heard."""


@dataclass(slots=True)
class Listener:
    """`answer` looks into the local store; `revision` is that of the control that the agent has.

    `counts`: `orders`, `questions`, `unanswered`, `unreachable`.
    """

    link: Link
    signer: Signer
    answer: Callable[[Question], Reply]
    backoff: Backoff
    revision: int = 0
    wait_millis: int = WAIT
    on_control: Callable[[], None] = lambda: None
    responder: Responder | None = None
    counts: Counter[str] = field(default_factory=Counter)
    _control: Control | None = None
    _lock: Lock = field(default_factory=Lock)
    _stopping: Event = field(default_factory=Event)

    def start(self) -> Thread:
        """Begin to listen, in a thread of its own."""
        thread = Thread(target=self.run, name="listener", daemon=True)
        thread.start()
        return thread

    def run(self) -> None:
        """Listen until `stop`."""
        while not self._stopping.is_set():
            self._stopping.wait(self.step())
        self.link.close()

    def stop(self) -> None:
        """End after the poll that is open; nothing is lost if nobody waits for that."""
        self._stopping.set()

    def take(self) -> Control | None:
        """The newest control that has come since the last call."""
        with self._lock:
            control, self._control = self._control, None
        return control

    def step(self) -> float:
        """Ask once; seconds to wait before asking again."""
        try:
            orders = self._listen()
            self.counts["orders"] += 1
            if orders.control is not None:
                self._obey(orders.control)
            for question in orders.questions[:MAX_QUESTIONS]:
                self._reply(question)
        except BusyError as error:
            return self.backoff.failed(error.seconds)
        except LinkError as error:
            if not self.backoff.failures:
                _log.warning("no orders from the monitor", extra={"reason": str(error)})
            self.counts["unreachable"] += 1
            return self.backoff.failed()
        except Exception:
            _log.exception("listening has failed")
            self.counts["unreachable"] += 1
            return self.backoff.failed()
        self.backoff.worked()
        return 0.0

    def _listen(self) -> Orders:
        """Wait for orders; what became of earlier ones is told, until it has been heard."""
        outcomes = self.responder.outcomes() if self.responder is not None else ()
        orders = self.link.listen(self.revision, self.wait_millis, outcomes)
        if self.responder is not None:
            self.responder.told(outcomes)
            self.responder.take(orders.responses)
            if orders.responses:
                self.responder.wait(ACTING)
        return orders

    def _obey(self, control: Control) -> None:
        if control.revision <= self.revision:
            return
        with self._lock:
            self._control = control
        self.revision = control.revision
        self.on_control()

    def _reply(self, question: Question) -> None:
        self.counts["questions"] += 1
        try:
            reply = self.answer(question)
        except Exception:
            _log.exception("a question could not be answered")
            self.counts["unanswered"] += 1
            return
        self.link.reply(self.signer.seal("reply", fitting(reply)), question.id)


def fitting(reply: Reply, most: int = MAX_REPLY) -> bytes:
    """A reply as bytes; of one that is too large the first instances, and the links between them."""
    data = write(reply)
    while len(data) > most and reply.instances:
        kept = reply.instances[: len(reply.instances) // 2]
        numbers = {one.number for one in kept}
        links = tuple(one for one in reply.links if one.effect in numbers and one.cause in numbers)
        reply = msgspec.structs.replace(reply, instances=kept, links=links, cut=True)
        data = write(reply)
    return data
