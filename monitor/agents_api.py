"""The API for agents: epochs, words, orders, replies, enrolment. Signed messages in, signed answers out.

Rules of this file
    - An answer is about its question (`digest`), so that it cannot be another's. A status that is no success is a short
      text and is not signed: an agent tries again, it does not act on it.
    - 400 malformed, 403 not who it says, 411 and 413 before a body is read, 503 busy or disk full (with Retry-After).
    - An agent has one question for orders open at a time: a new one ends the one before. It is held until there is
      something to say, the time is up, or the monitor stops.

Complexity: O(bytes), one signature checked and one made per request.
Source: design section 6 (transport); issue "live monitor".
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from grammar import CodecError, Envelope, InputError
from grammar.control import Answer, Control, Enrol, Listen, Orders, Question, Reply, Status, read, write
from grammar.signing import Signer, Sort, digest
from monitor import gate
from monitor.action_orders import Orders as Responses
from monitor.asking import Desk, Outcome
from monitor.gate import Rejected
from monitor.logs import log
from monitor.metrics import Metrics
from monitor.monitor import Result
from monitor.register import TokenError
from monitor.service import BusyError, Service
from monitor.web import Budget, HttpError, announced, answer, read_body

MAX_ENROL: Final = 4_096
MAX_ENROLLING: Final = 64
T = TypeVar("T")


class Brokers(Protocol):
    """A monitor's Kafka, as far as this API needs it (`monitor.brokers`)."""

    def ask(self, question: Question, until: int) -> None:
        """Put a question to all agents."""

    def close(self, question: Question) -> None:
        """Nobody waits any longer."""

    @property
    def trouble(self) -> str:
        """Why it does not take envelopes, if it does not."""


Handler = Callable[[bytes], Awaitable[bytes]]


class Post:
    """One target for POST, as an ASGI application: reads a bounded body, hands it on, answers."""

    def __init__(self, api: AgentsApi, handler: Handler, most: int) -> None:
        self.api, self.handler, self.most = api, handler, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            if scope["method"] != "POST":
                raise HttpError(405, "POST only")
            size = announced(scope)
            if size > self.most:
                raise HttpError(413, f"a body of more than {self.most} bytes")
            with self.api.budget.hold(size):
                body = await read_body(receive, size, self.api.slow)
                reply = await self.handler(body)
            await answer(send, reply)
        except HttpError as error:
            self.api.metrics.refused.labels(str(error.status)).inc()
            await answer(send, error.text.encode("ascii", "backslashreplace"), error.status)
        except BusyError as error:
            self.api.metrics.refused.labels("503").inc()
            await answer(send, str(error).encode("ascii", "backslashreplace"), 503)
        except Rejected as error:
            await answer(send, self.api.rejected(error), error.status)
        except Exception as error:  # a bug of ours must not stop the others
            log("a request failed", "error", path=str(scope["path"]), error=repr(error))
            self.api.metrics.refused.labels("500").inc()
            await answer(send, b"failed", 500)


class AgentsApi:
    """What agents can ask; lives in the event loop's thread."""

    def __init__(
        self, service: Service, signer: Signer, metrics: Metrics, budget: Budget, *, slow: float, wait: float
    ) -> None:
        self.service, self.signer, self.metrics, self.budget = service, signer, metrics, budget
        self.slow, self.wait = slow, wait
        self.desk = Desk()
        self.stopping = False
        self.brokers: Brokers | None = None
        self.responses: Responses | None = None
        self._enrolling = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._results: list[tuple[asyncio.Future[Result | BusyError], Result | BusyError]] = []
        self._bells: dict[str, asyncio.Event] = {}
        service.on_group = self._deliver_soon
        service.on_orders = lambda: self.soon(self.ring_all)

    def targets(self) -> dict[str, Post]:
        """By path."""
        return {
            "/v1/epochs": Post(self, self.epochs, self.budget.one),
            "/v1/words": Post(self, self.words, gate.MAX_WORDS),
            "/v1/listen": Post(self, self.listen, gate.MAX_LISTEN),
            "/v1/replies": Post(self, self.replies, min(gate.MAX_REPLY, self.budget.one)),
            "/v1/enrol": Post(self, self.enrol, MAX_ENROL),
        }

    def begin(self) -> None:
        """From the event loop: this is the loop that results are delivered in."""
        self._loop = asyncio.get_running_loop()

    def rejected(self, error: Rejected) -> bytes:
        """Count it, and say so."""
        self.metrics.rejected.labels(error.cause or "noise").inc()
        if error.cause:
            self.service.note(error.agent, error.cause)
        return str(error).encode("ascii", "backslashreplace")[:500]

    async def epochs(self, sealed: bytes) -> bytes:
        """An envelope."""
        if self.brokers is not None:
            raise HttpError(400, "epochs go through Kafka here: give the agent the brokers' addresses")
        _, envelope = gate.envelope(self.service.register, sealed)
        if envelope.lane:
            raise HttpError(400, "over HTTP there is one lane, the empty one")
        result = await self.take(envelope)
        if isinstance(result, BusyError):
            raise result
        if isinstance(result, CodecError):
            return self._answer(sealed, "refused", envelope)
        return self._answer(sealed, result, envelope)

    async def take(self, envelope: Envelope) -> Result | BusyError:
        """Hand it to the writer, and wait for the commit."""
        future: asyncio.Future[Result | BusyError] = asyncio.get_running_loop().create_future()
        if not self.service.submit(envelope, lambda result: self._results.append((future, result))):
            raise BusyError("the monitor is busy")
        return await future

    async def words(self, sealed: bytes) -> bytes:
        """What an agent lacks of the words of its applications."""
        _, asked = gate.words(self.service.register, sealed)
        try:
            found = await self.errand(lambda: self.service.monitor.control(asked))
        except CodecError as error:
            raise HttpError(400, str(error)) from None
        return self._sealed("answer", sealed, found)

    async def listen(self, sealed: bytes) -> bytes:
        """Wait for orders."""
        entry, asked = gate.listen(self.service.register, sealed)
        if asked.outcomes and self.responses is not None:
            self.responses.settled(entry.name, asked.outcomes)
        loop = asyncio.get_running_loop()
        until = loop.time() + min(asked.wait_millis / 1000, self.wait)
        mine = asyncio.Event()
        earlier, self._bells[entry.name] = self._bells.get(entry.name), mine
        if earlier is not None:
            earlier.set()
        self.metrics.listening.inc()
        try:
            orders = self._orders(entry.name, asked)
            while not _says_something(orders) and self._bells.get(entry.name) is mine and not self.stopping:
                mine.clear()
                try:
                    async with asyncio.timeout_at(until):
                        await mine.wait()
                except TimeoutError:
                    break
                orders = self._orders(entry.name, asked) if self._bells.get(entry.name) is mine else Orders()
        finally:
            self.metrics.listening.dec()
            if self._bells.get(entry.name) is mine:
                del self._bells[entry.name]
        return self._sealed("orders", sealed, write(orders))

    async def replies(self, sealed: bytes) -> bytes:
        """What a worker knows of a question's instances."""
        entry, reply = gate.reply(self.service.register, sealed)
        self.answered(entry.name, reply)
        return self._sealed("answer", sealed, b"")

    def answered(self, worker: str, reply: Reply) -> None:
        """What a worker has said; in the event loop's thread."""
        self.desk.reply(worker, reply)

    async def enrol(self, body: bytes) -> bytes:
        """Take an agent in."""
        try:
            asked = read(body, Enrol)
        except CodecError as error:
            raise Rejected(400, "", "", error) from None
        if self._enrolling >= MAX_ENROLLING:
            raise BusyError("too many enrolments at once")
        self._enrolling += 1
        try:
            answer, fresh = await self.errand(lambda: self._enrol(asked))
        except TokenError as error:
            raise Rejected(403, "token", "", error) from None
        except InputError as error:
            log("enrolment failed", "error", error=str(error))
            raise BusyError("the monitor cannot write its state") from None
        finally:
            self._enrolling -= 1
        if fresh:
            log("enrolled", agent=asked.agent)
        return write(answer)

    def _enrol(self, asked: Enrol) -> tuple[msgspec.Struct, bool]:
        """In the writer's thread."""
        service = self.service
        with service.store.transaction():
            found = service.register.enrol(asked, service.wall(), self.signer.public)
            if found[1]:
                service.monitor.start_anew(asked.agent)
        if found[1]:
            service.register.load()
            service.on_roster(asked.agent)
        return found

    async def ask(self, question: Question, workers: set[str], seconds: float) -> Outcome:
        """Put a question to workers, and wait until all have answered or the time is up."""
        done = asyncio.Event()
        inquiry = self.desk.ask(question, workers, done.set)
        if not workers:
            done.set()
        try:
            for name in workers:
                self.ring(name)
            if self.brokers is not None:
                self.brokers.ask(question, self.service.wall() + int(seconds * 1000))
            async with asyncio.timeout(seconds):
                await done.wait()
        except TimeoutError:
            pass
        finally:
            self.desk.close(question.id)
            if self.brokers is not None:
                self.brokers.close(question)
        return inquiry.outcome

    async def errand(self, action: Callable[[], T]) -> T:
        """Do something in the writer's thread."""
        return await asyncio.wrap_future(self.service.call(action))

    def fresh_id(self) -> bytes:
        """For a question."""
        return secrets.token_bytes(16)

    def ring(self, name: str) -> None:
        """There may be something for an agent that listens."""
        bell = self._bells.get(name)
        if bell is not None:
            bell.set()

    def ring_all(self) -> None:
        """There may be something for all."""
        for bell in self._bells.values():
            bell.set()

    def stop(self) -> None:
        """Nobody waits any longer."""
        self.stopping = True
        self.ring_all()

    def _orders(self, name: str, asked: Listen) -> Orders:
        control: Control = self.service.controls.current
        responses = self.responses.waiting(name) if self.responses is not None else ()
        return Orders(control if control.revision > asked.control else None, self.desk.due(name), responses)

    def _answer(self, sealed: bytes, status: Status, envelope: Envelope) -> bytes:
        revision = self.service.controls.current.revision
        return self._sealed("answer", sealed, write(Answer(status, envelope.sequence, revision)))

    def _sealed(self, sort: Sort, question: bytes, body: bytes) -> bytes:
        return self.signer.seal(sort, body, digest(question))

    def soon(self, action: Callable[[], None]) -> None:
        """From any thread: do it in the event loop, if there is one."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(action)

    def _deliver_soon(self) -> None:
        """In the writer's thread: the results of a group."""
        results, self._results = self._results, []

        def deliver() -> None:
            for future, result in results:
                if not future.done():
                    future.set_result(result)

        self.soon(deliver)


def _says_something(orders: Orders) -> bool:
    return orders.control is not None or bool(orders.questions) or bool(orders.responses)
