"""The API for questions: getNodes, getAncestors, getDescendants (with instances), and ad hoc queries.

Rules of this file
    - A question is answered in a thread, on immutable models that the writer hands out: never in the loop that takes
      envelopes. Ad hoc queries have turns of their own, so that slow ones hold up no other question.
    - An ad hoc query ends at its limits, when its client goes away, and when the monitor stops. What was found until
      then is the answer, and says so.
    - Long answers come in pages: `limit`, `skip`; the order is stable as long as the model is.

Complexity: as `monitor.query` and `monitor.query_rows`; one errand to the writer per application.
Source: issue "policies and questions", item 8 (query API) and its bad input; design section 5.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from threading import Event
from typing import Final, Literal, TypeVar

import msgspec
from starlette.requests import Request

from grammar import Model, Replica, State
from monitor.agents_api import AgentsApi
from monitor.asking import question_for
from monitor.exports import SHOWN, edge_of, show_answer, show_gathered, show_rows
from monitor.instances import Gathered
from monitor.query import Answer, find_nodes, trace
from monitor.query_asked import MAX_BODY, MAX_ROWS, Asked
from monitor.query_request import (
    Written,
    formatted,
    number,
    number_or_none,
    runs_text,
    seconds,
    text_of,
    width,
    written,
)
from monitor.query_rows import Views, ask
from monitor.schedule import Life
from monitor.service import BusyError
from monitor.web import HttpError, announced, read_body
from policies import parse_query
from policies.limits import SpentError

T = TypeVar("T")
AT_ONCE: Final = 4
WAITING: Final = 16
"""Ad hoc queries that may wait for their turn."""
MAX_WAIT: Final = 60.0
Direction = Literal["ancestors", "descendants"]
Lost = Mapping[str, Mapping[str, int]]


class QueryApi:
    """What can be asked of models; lives in the event loop's thread."""

    def __init__(self, agents: AgentsApi) -> None:
        self.agents, self.service = agents, agents.service
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, "query")
        """For ad hoc queries: what waits for them is told when its client goes away."""
        self._asking = 0
        self._views = Views()

    async def thought(self, action: Callable[[], T]) -> T:
        """Something that takes long, in a thread of its own."""
        async with self._turns:
            return await asyncio.to_thread(action)

    async def models(self, app: str = "") -> tuple[list[Model], Lost]:
        """The models of all applications or of one as they are now, and what was lost."""
        monitor = self.service.monitor
        known = sorted(monitor.apps)
        if app and app not in known:
            raise HttpError(404, "no such application")
        wanted = [app] if app else known
        models = [
            await self.agents.errand(lambda name=name: monitor.apps[name].model)  # type: ignore[misc]
            for name in wanted
        ]
        return models, await self.agents.errand(lambda: dict(monitor.lost))

    async def body(self, request: Request, what: str, most: int) -> bytes:
        """The body of a request, if it is not too long."""
        size = announced(request.scope)
        if size > most:
            raise HttpError(413, f"too long a {what}")
        return await read_body(request.receive, size, self.agents.slow)

    async def nodes(self, request: Request) -> object:
        """Nodes of an application whose properties match: `?app=APP&path=/etc/*`."""
        conditions = dict(request.query_params)
        app, how = conditions.pop("app", ""), conditions.pop("format", "")
        for name in ("width", "limit", "skip", "notes"):
            conditions.pop(name, None)
        if not app:
            raise HttpError(400, "say which application: ?app=APP")
        models, lost = await self.models(app)

        def found() -> Written:
            answer = _paged(request, find_nodes(models[0], conditions).with_lost(lost), how)
            if how:
                return formatted(request, show_answer(answer, how), answer.notes)
            return written({"nodes": answer.value(), "total": _total(answer)})

        return await self.thought(found)

    async def trace(self, request: Request, direction: Direction) -> object:
        """Ancestors or descendants; `?instances=1` asks the workers, and waits `deadline` seconds for them."""
        models, lost = await self.models()
        node, how = str(request.path_params["node"]), request.query_params.get("format", "")
        depth = number_or_none(request, "depth")
        if request.query_params.get("instances", "0") not in ("", "0"):
            return await self._seen(request, models, lost, node, direction)

        def found() -> Written:
            answer = _paged(request, trace(models, node, direction, depth).with_lost(lost), how)
            if how:
                return formatted(request, show_answer(answer, how), answer.notes)
            return written(traced(answer))

        return await self.thought(found)

    async def _seen(self, request: Request, models: list[Model], lost: Lost, node: str, direction: Direction) -> object:
        """A trace as the workers have seen it."""
        depth, how = number_or_none(request, "depth"), request.query_params.get("format", "")
        answer = await self.thought(lambda: trace(models, node, direction, depth).with_lost(lost))
        assert answer.start is not None
        gathered, runs = await self.instances(request, answer.model, answer.start, direction, depth or 0)
        if how and how != "json":
            after = runs_text(runs) if how == "table" else ""
            return await self.thought(
                lambda: formatted(request, text_of(show_gathered(gathered, how), width(request)) + after)
            )
        told = [msgspec.structs.asdict(life) for life in runs]
        value = await self.thought(gathered.value) | {"runs": told}
        if how:
            return await self.thought(lambda: formatted(request, written(value).text))
        return await self.thought(lambda: written(traced(_paged(request, answer, "")) | {"instances": value}))

    async def instances(
        self, request: Request, model: Model, state: State, direction: Direction, depth: int
    ) -> tuple[Gathered, list[Life]]:
        """What the workers that have shown a state know of it, and where its containers ran."""
        limit = min(MAX_WAIT, max(0.1, seconds(request.query_params.get("deadline", "5"))))
        since, until = number(request, "since", 0), number(request, "until", 0)
        holders: list[Replica] = sorted(model.support[state])
        containers = {replica.container for replica in holders if replica.container}
        ident = self.agents.fresh_id()
        question = await self.thought(
            lambda: question_for(ident, model, state, direction, depth=depth, since=since, until=until)
        )
        schedule = self.service.monitor.schedule
        moved = await self.agents.errand(lambda: schedule.workers(containers))
        enrolled = self.service.register.by_name
        workers = {one for one in {replica.worker for replica in holders} | moved if one in enrolled}
        outcome = await self.agents.ask(question, workers, limit)
        runs = await self.agents.errand(
            lambda: [life for one in sorted(containers)[:100] for life in schedule.find(container=one)]
        )
        return Gathered.of(outcome.question, outcome.asked, outcome.replies, limit), runs

    async def query(self, request: Request) -> object:
        """The policy language: the body is the text, or JSON `{"query", "parameters", "app", "limit", …}`."""
        asked = Asked.of(request, await self.body(request, "query", MAX_BODY))
        if self._asking >= WAITING + AT_ONCE:
            raise BusyError("too many queries at once")
        self._asking += 1
        try:
            models, _ = await self.models(asked.app)
            gone = Event()
            async with _watching(request, gone):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, lambda: self._answer(request, asked, models, gone))
        finally:
            self._asking -= 1

    def _answer(self, request: Request, asked: Asked, models: list[Model], gone: Event) -> Written:
        """In a thread: read the text, run it, write the answer."""

        def tick() -> float:
            if gone.is_set() or self.agents.stopping:
                raise SpentError("nobody waits for this answer any more")
            return time.monotonic()

        query = parse_query(asked.query, "query")
        rows = ask(models, query, self._views, tick, parameters=asked.parameters, limits=asked.limits)
        limit = asked.limit if asked.limit is not None or asked.format not in ("", "table") else SHOWN
        rows = rows.page(asked.skip, limit)
        if not asked.format:
            return written(rows.value())
        shown, notes = show_rows(rows, asked.format)
        return formatted(request, shown, notes)


@asynccontextmanager
async def _watching(request: Request, gone: Event) -> AsyncIterator[None]:
    """While it lasts, `gone` is set if the client goes away."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


def _paged(request: Request, answer: Answer, how: str) -> Answer:
    """The page that is asked for: a table is short if nothing is said, and no answer is endless."""
    limit = number_or_none(request, "limit")
    most = SHOWN if how == "table" else MAX_ROWS
    return answer.page(number(request, "skip", 0), most if limit is None else min(limit, MAX_ROWS))


def _total(answer: Answer) -> int:
    return len(answer.states) if answer.total is None else answer.total


def traced(answer: Answer) -> dict[str, object]:
    """A trace as JSON: start, nodes, the edges among them, how many nodes there are in all."""
    ids, model = answer.model.ids, answer.model
    edges = [
        {"effect": one.effect, "relation": one.relation, "operation": one.operation, "cause": one.cause}
        for one in (edge_of(model, transition) for transition in answer.edges)
    ]
    start = ids[answer.start] if answer.start else ""
    return {"start": start, "nodes": answer.value(), "edges": edges, "total": _total(answer)}
