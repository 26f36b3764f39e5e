"""The API for people: applications, nodes, traces (with instances), queries, log lines, alerts, agents, control. JSON.

Rules of this file
    - Every request carries the bearer token; it is compared in constant time. Nothing else lets anybody in.
    - Questions are answered in threads of their own, on immutable models that the writer hands out: a question never
      holds up an envelope. So many questions at once; more are told to come again.
    - Texts in answers are data: JSON in ASCII, safe inside a page (`monitor.render.to_json`). With `format=` (and
      `width=`) an answer is the text that the command line prints of a state folder in that format (about a line of a
      log, that text beside whether anything matched).

Complexity: as `monitor.query`; one errand to the writer per question.
Source: design section 5; issue "live monitor" (distributed query, follow alerts).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from io import StringIO
from typing import Final, Literal, TypeVar

import msgspec
from rich.console import Console, RenderableType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from grammar import InputError, Model, Replica, State
from grammar.settings import millis
from monitor.actions import Actions
from monitor.actions_api import ActionsApi
from monitor.actions_listing import Listing
from monitor.agents_api import AgentsApi
from monitor.alerts import Alert
from monitor.asking import question_for
from monitor.instances import Gathered, show_instances
from monitor.lines import Told, trace_line
from monitor.lines_index import Indexes
from monitor.lines_value import told_value
from monitor.logs import log
from monitor.query import Answer, find_nodes, trace
from monitor.render import rows_table, safe, show_answer, time_text, to_json
from monitor.render_lines import show_told
from monitor.render_units import alerts_and_units
from monitor.schedule import Life
from monitor.service import BusyError
from monitor.store import Store
from monitor.view import View
from monitor.web import HttpError, announced, read_body
from policies import LimitError, evaluate, parse_query

T = TypeVar("T")
AT_ONCE: Final = 4
WAITING: Final = 64
MAX_BODY: Final = 1 << 16
MAX_WAIT: Final = 60.0
ROWS: Final = 1_000
Direction = Literal["ancestors", "descendants"]
Handler = Callable[[Request], Awaitable[object]]


class UsersApi:
    """What people can ask; lives in the event loop's thread."""

    def __init__(self, agents: AgentsApi, token: bytes, actions: Actions) -> None:
        self.agents, self.service, self._token = agents, agents.service, token
        self.told = ActionsApi(agents, actions)
        self.laws: Callable[[], Mapping[str, object]] = dict
        """The policies in force, and what is wrong with the others."""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._inside = 0
        self._fresh = asyncio.Event()
        self._reader: Store | None = None
        self._indexes = Indexes()

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        return [
            Route("/v1/apps", self._guarded(self.apps)),
            Route("/v1/nodes", self._guarded(self.nodes)),
            Route("/v1/ancestors/{node}", self._guarded(lambda request: self.trace(request, "ancestors"))),
            Route("/v1/descendants/{node}", self._guarded(lambda request: self.trace(request, "descendants"))),
            Route("/v1/query", self._guarded(self.query), methods=["POST"]),
            Route("/v1/trace-log", self._guarded(self.trace_log), methods=["POST"]),
            *self.told.routes(self._guarded),
            Route("/v1/alerts", self._guarded(self.alerts)),
            Route("/v1/policies", self._guarded(self.policies)),
            Route("/v1/agents", self._guarded(self.listed)),
            Route("/v1/schedule", self._guarded(self.schedule)),
            Route("/v1/control", self._guarded(self.control), methods=["GET", "POST"]),
        ]

    def alerted(self) -> None:
        """From the event loop: there are new alerts."""
        self._fresh.set()
        self._fresh = asyncio.Event()

    def change_token(self, token: bytes) -> None:
        """From now on this one."""
        self._token = token

    def _guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode("latin-1", "replace")
            if not hmac.compare_digest(given, b"Bearer " + self._token):
                return _text(401, "a bearer token is needed: it is in the monitor's file users.token")
            if self._inside >= WAITING:
                return _text(503, "too many questions at once")
            self._inside += 1
            try:
                return _response(await handler(request))
            except HttpError as error:
                return _text(error.status, error.text)
            except BusyError as error:
                return _text(503, str(error))
            except (InputError, LimitError) as error:
                return _text(400, str(error))
            except Exception as error:  # a bug of ours must not stop the others
                log("a question failed", "error", path=request.url.path, error=repr(error))
                return _text(500, "this question failed; the monitor's log says more")
            finally:
                self._inside -= 1

        return guarded

    async def _thought(self, action: Callable[[], T]) -> T:
        """Something that takes long, in a thread of its own."""
        async with self._turns:
            return await asyncio.to_thread(action)

    async def _models(self, app: str = "") -> tuple[list[Model], Mapping[str, Mapping[str, int]]]:
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

    async def apps(self, request: Request) -> object:
        """Every application: how large, how many replicas, whether novelty is judged."""
        monitor = self.service.monitor

        def figures() -> list[dict[str, object]]:
            return [
                {
                    "app": name,
                    "states": len(app.lexicon.states),
                    "transitions": len(app.lexicon.transitions),
                    "replicas": len(app.shown),
                    "patterns": len(app.evidence.learned),
                    "settled": monitor.settled(name),
                }
                for name, app in sorted(monitor.apps.items())
            ]

        return await self.agents.errand(figures)

    async def nodes(self, request: Request) -> object:
        """Nodes of an application whose properties match: `?app=APP&path=/etc/*`."""
        conditions = dict(request.query_params)
        app = conditions.pop("app", "")
        if not app:
            raise HttpError(400, "say which application: ?app=APP")
        models, lost = await self._models(app)
        how, width = conditions.pop("format", ""), _width(request)
        conditions.pop("width", "")
        found = await self._thought(lambda: find_nodes(models[0], conditions))
        answer = _with_lost(found, lost)
        if how:
            return await self._thought(lambda: _text_of(show_answer(answer, how), width))
        return {"nodes": await self._thought(answer.value)}

    async def trace(self, request: Request, direction: Direction) -> object:
        """Ancestors or descendants; `?instances=1` asks the workers, and waits `deadline` seconds for them."""
        models, lost = await self._models()
        node = str(request.path_params["node"])
        depth = _number(request, "depth", -1)
        found = await self._thought(lambda: trace(models, node, direction, None if depth < 0 else depth))
        answer, how, width = _with_lost(found, lost), request.query_params.get("format", ""), _width(request)
        wanted = request.query_params.get("instances", "0") not in ("", "0")
        if not wanted or answer.start is None:
            if how:
                return await self._thought(lambda: _text_of(show_answer(answer, how), width))
            return await self._thought(lambda: _traced(answer))
        gathered, runs = await self._instances(request, answer.model, answer.start, direction, max(0, depth))
        told = [msgspec.structs.asdict(life) for life in runs]
        if how in ("table", "dot"):
            return await self._thought(
                lambda: _text_of(show_instances(gathered, how), width) + (_runs(runs) if how == "table" else "")
            )
        value = await self._thought(gathered.value) | {"runs": told}
        return value if how else {**await self._thought(lambda: _traced(answer)), "instances": value}

    async def _instances(
        self, request: Request, model: Model, state: State, direction: Direction, depth: int
    ) -> tuple[Gathered, list[Life]]:
        seconds = min(MAX_WAIT, max(0.1, _seconds(request.query_params.get("deadline", "5"))))
        since, until = _number(request, "since", 0), _number(request, "until", 0)
        holders: list[Replica] = sorted(model.support[state])
        containers = {replica.container for replica in holders if replica.container}
        ident = self.agents.fresh_id()
        question = await self._thought(
            lambda: question_for(ident, model, state, direction, depth=depth, since=since, until=until)
        )
        schedule = self.service.monitor.schedule
        moved = await self.agents.errand(lambda: schedule.workers(containers))
        enrolled = self.service.register.by_name
        workers = {one for one in {replica.worker for replica in holders} | moved if one in enrolled}
        outcome = await self.agents.ask(question, workers, seconds)
        runs = await self.agents.errand(
            lambda: [life for one in sorted(containers)[:100] for life in schedule.find(container=one)]
        )
        return Gathered.of(outcome.question, outcome.asked, outcome.replies, seconds), runs

    async def _body(self, request: Request, what: str) -> bytes:
        size = announced(request.scope)
        if size > MAX_BODY:
            raise HttpError(413, f"too long a {what}")
        return await read_body(request.receive, size, self.agents.slow)

    async def query(self, request: Request) -> object:
        """The policy language; the body is the text, `?app=APP` restricts it."""
        body = await self._body(request, "query")
        try:
            parsed = parse_query(body.decode(), "query")
        except UnicodeDecodeError:
            raise HttpError(400, "a query is UTF-8 text") from None
        models, _ = await self._models(request.query_params.get("app", ""))

        def rows() -> list[dict[str, str | None]]:
            return [{"app": model.app, **match.row} for model in models for match in evaluate(parsed, View(model))]

        found, how, width = await self._thought(rows), request.query_params.get("format", ""), _width(request)
        if how == "table":
            return await self._thought(lambda: _text_of(rows_table(found), width))
        return await self._thought(lambda: to_json(found)) if how else {"rows": found[:ROWS], "cut": len(found) > ROWS}

    async def trace_log(self, request: Request) -> object:
        """What a line of a log stands for: the body is the line, `?app=&since=MILLIS&until=MILLIS` narrow it.

        `?instances=1` asks the workers about the likeliest state. With `format=` it is `{"matched", "text"}`.
        """
        raw = await self._body(request, "line")
        models, lost = await self._models(request.query_params.get("app", ""))
        since, until = _moment(request, "since"), _moment(request, "until")
        told = await self._thought(lambda: trace_line(models, raw, since, until, indexes=self._indexes, lost=lost))
        how, width = request.query_params.get("format", ""), _width(request)
        if request.query_params.get("instances", "0") in ("", "0") or not told.explained:
            if how:
                text = await self._thought(lambda: _text_of(show_told(told, how), width))
                return {"matched": bool(told.explained), "text": text}
            return await self._thought(lambda: told_value(told))
        return await self._line_instances(request, told, how, width)

    async def _line_instances(self, request: Request, told: Told, how: str, width: int) -> object:
        """An answer about a line, and the instances of its likeliest state."""
        best = told.explained[0].candidate
        gathered, runs = await self._instances(request, best.model, best.state, "ancestors", 0)
        value = await self._thought(gathered.value) | {"runs": [msgspec.structs.asdict(life) for life in runs]}
        if how in ("", "json"):
            whole = await self._thought(lambda: told_value(told)) | {"instances": value}
            return {"matched": True, "text": to_json(whole)} if how else whole
        shown = await self._thought(lambda: _text_of(show_instances(gathered, how), width))
        if how == "table":
            shown = await self._thought(lambda: _text_of(show_told(told, how), width)) + shown + _runs(runs)
        return {"matched": True, "text": shown}

    async def alerts(self, request: Request) -> object:
        """Alerts after number `after`; with `wait` seconds it waits for one."""
        after, wait = _number(request, "after", 0), min(MAX_WAIT, _number(request, "wait", 0))
        app = request.query_params.get("app", "")
        until = asyncio.get_running_loop().time() + wait
        while True:
            fresh = self._fresh
            found = await self.agents.errand(lambda: self.service.store.alerts_after(after, ROWS))
            if found or wait <= 0 or self.agents.stopping:
                break
            try:
                async with asyncio.timeout_at(until):
                    await fresh.wait()
            except TimeoutError:
                break
        told = [(number, Alert.decode(data)) for number, data in found]
        how = request.query_params.get("format", "")
        if how:
            return await self._all_alerts(request.query_params, how, _width(request))
        value = [{"number": number} | alert.value() for number, alert in told if app in ("", alert.app)]
        return {"alerts": value, "last": found[-1][0] if found else after}

    async def _all_alerts(self, params: Mapping[str, str], how: str, width: int) -> str:
        """As `winnower alerts` prints them."""
        listing, monitor = Listing.of(params), self.service.monitor
        life = monitor.alarms.lifecycle
        listed = await self.agents.errand(lambda: listing.listed(monitor.alerts, life))
        if how == "json":
            return await self.agents.errand(lambda: to_json(listed.values(life)))
        notes = await self.agents.errand(lambda: listed.notes(life))
        models, _ = await self._models()
        return await self._thought(lambda: _text_of(alerts_and_units(models, listed.alerts), width) + notes)

    async def policies(self, request: Request) -> object:
        """The policies in force, and files that are bad."""
        return dict(self.laws())

    async def listed(self, request: Request) -> object:
        """Every agent: enrolled, seen and lagging how; what went wrong with it."""
        service = self.service
        incidents = await self.agents.errand(service.store.incidents)
        lost = await self.agents.errand(lambda: dict(service.monitor.lost))
        revision = service.controls.current.revision
        told = []
        for name, entry in sorted(service.register.by_name.items()):
            value: dict[str, object] = {"name": name, "key": entry.public.hex(), "revision": entry.revision}
            value |= {"revoked": entry.revoked, "enrolled": entry.enrolled / 1000, "seen": entry.seen / 1000}
            value |= {"control": entry.control, "behind": max(0, revision - entry.control)}
            value["kernel"] = dict(zip(("backlog", "backlog_limit", "rate_limit"), entry.kernel, strict=False))
            value |= {"lost_last": entry.lost, "lost": lost.get(name, {}), "incidents": _incidents(incidents, name)}
            told.append(value)
        return {"control": revision, "agents": told, "strangers": _incidents(incidents, "")}

    async def schedule(self, request: Request) -> object:
        """Which container ran on which worker when: `?container=&app=&worker=&at=SECONDS`."""
        asked = request.query_params
        at = int(_seconds(asked.get("at", "0")) * 1000)
        names = {key: asked.get(key, "") for key in ("container", "app", "worker")}
        find = self.service.monitor.schedule.find
        runs = await self.agents.errand(lambda: find(names["container"], names["app"], names["worker"], at))
        return {"runs": [msgspec.structs.asdict(run) for run in runs]}

    async def control(self, request: Request) -> object:
        """What agents are told; POST with `?epoch=10s` sets the epoch length, `?epoch=default` the file's."""
        service = self.service
        if request.method == "POST":
            written = request.query_params.get("epoch", "")
            try:
                chosen = 0 if written == "default" else millis(written)
            except ValueError as error:
                raise HttpError(400, str(error)) from None
            if chosen and (not 1_000 <= chosen <= 3_600_000 or chosen % 1_000):
                raise HttpError(400, "an epoch is whole seconds, at least one, at most an hour")
            await self.agents.errand(lambda: self._choose(chosen))
        now = service.controls.current
        return {
            "revision": now.revision,
            "epoch": now.epoch_millis / 1000,
            "patterns": {app: list(patterns) for app, patterns in now.patterns},
            "policies": [name for name, _ in now.policies],
        }

    def _choose(self, epoch: int) -> None:
        with self.service.store.transaction():
            self.service.controls.choose_epoch(epoch)
        self.service.on_orders()


def _with_lost(answer: Answer, lost: Mapping[str, Mapping[str, int]]) -> Answer:
    workers = {replica.worker for replica in answer.model.replicas}
    return Answer(answer.model, answer.states, answer.start, {one: lost[one] for one in workers if one in lost})


def _traced(answer: Answer) -> dict[str, object]:
    """A trace as JSON: start, nodes, edges."""
    ids = answer.model.ids
    edges = [
        {"effect": ids[one.effect], "relation": one.relation, "operation": one.operation, "cause": ids[one.cause]}
        for one in answer.edges
    ]
    return {"start": ids[answer.start] if answer.start else "", "nodes": answer.value(), "edges": edges}


def _text_of(shown: RenderableType, width: int) -> str:
    """As on a terminal of that width, without colours."""
    if isinstance(shown, str):
        return shown
    page = Console(file=StringIO(), width=width, markup=False, highlight=False, emoji=False, no_color=True)
    page.print(shown)
    assert isinstance(page.file, StringIO)
    return page.file.getvalue()


def _runs(runs: Sequence[Life]) -> str:
    """Which container ran where when, one line each."""
    lines = []
    for one in runs:
        end = time_text(one.end) if one.end else "now"
        lines.append(f"{safe(one.container, 100)} ran on {safe(one.worker, 100)}: {time_text(one.start)} to {end}")
    return "".join(f"{line}\n" for line in lines)


def _width(request: Request) -> int:
    return min(1_000, max(40, _number(request, "width", 100)))


def _incidents(incidents: Mapping[str, Mapping[str, tuple[int, int]]], agent: str) -> dict[str, object]:
    found = incidents.get(agent, {}).items()
    return {cause: {"number": number, "last": last / 1000} for cause, (number, last) in found}


def _number(request: Request, name: str, default: int) -> int:
    written = request.query_params.get(name)
    if written is None:
        return default
    if not written.isascii() or not written.isdigit() or len(written) > 15:
        raise HttpError(400, f"{name} is a number")
    return int(written)


def _moment(request: Request, name: str) -> int | None:
    """A time in milliseconds, if one is given."""
    return _number(request, name, 0) if request.query_params.get(name) else None


def _seconds(written: str) -> float:
    try:
        found = float(written)
    except ValueError:
        raise HttpError(400, "at is a time in seconds") from None
    if not 0 <= found < 1 << 42:
        raise HttpError(400, "at is a time in seconds")
    return found


def _response(value: object) -> Response:
    if isinstance(value, str):
        return Response(value if value.endswith("\n") else value + "\n", media_type="text/plain")
    return Response(to_json(value, None) + "\n", media_type="application/json")


def _text(status: int, text: str) -> Response:
    headers = {"retry-after": "1"} if status == 503 else {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(to_json({"error": text}, None) + "\n", status, headers, media_type="application/json")
