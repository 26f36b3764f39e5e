"""The API for people: applications, questions (`monitor.query_api`), log lines, alerts, agents, control. JSON.

Rules of this file
    - Every request carries the bearer token; it is compared in constant time. Nothing else lets anybody in.
    - Questions are answered in threads of their own, on immutable models that the writer hands out: a question never
      holds up an envelope. So many questions at once; more are told to come again.
    - Texts in answers are data: JSON in ASCII, safe inside a page (`monitor.render.to_json`). With `format=` (and
      `width=`) an answer is the text that the command line prints of a state folder in that format (about a line of a
      log, that text beside whether anything matched).
    - Methods come from the tables that `/v1/openapi.json` is made of: what is not described is not served.

Complexity: as `monitor.query`; one errand to the writer per question.
Source: design section 5; issue "live monitor" (distributed query, follow alerts).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from grammar import InputError
from grammar.settings import millis
from monitor.actions import Actions
from monitor.actions_api import ActionsApi
from monitor.actions_listing import Listing
from monitor.agents_api import AgentsApi
from monitor.alerts import Alert
from monitor.instances import show_instances
from monitor.lines import Told, trace_line
from monitor.lines_index import Indexes
from monitor.lines_value import told_value
from monitor.logs import log
from monitor.openapi import document
from monitor.openapi_routes import ROUTES
from monitor.policies_api import PoliciesApi
from monitor.query_api import QueryApi
from monitor.query_request import (
    number,
    number_or_none,
    refusal,
    response,
    runs_text,
    seconds,
    text_of,
    width,
)
from monitor.render import to_json
from monitor.render_lines import show_told
from monitor.render_units import alerts_and_units
from monitor.service import BusyError
from monitor.web import HttpError

WAITING: Final = 64
MAX_BODY: Final = 1 << 16
MAX_WAIT: Final = 60.0
ROWS: Final = 1_000
Handler = Callable[[Request], Awaitable[object]]


class UsersApi:
    """What people can ask; lives in the event loop's thread."""

    def __init__(self, agents: AgentsApi, token: bytes, actions: Actions) -> None:
        self.agents, self.service, self._token = agents, agents.service, token
        self.told = ActionsApi(agents, actions)
        self.laws: Callable[[], Mapping[str, object]] = dict
        """The policies in force, and what is wrong with the others."""
        self.questions = QueryApi(agents)
        self.trials = PoliciesApi(agents, text_of)
        self._inside = 0
        self._fresh = asyncio.Event()
        self._indexes = Indexes()

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        questions = self.questions
        handlers: dict[str, Handler] = {
            "/v1/apps": self.apps,
            "/v1/nodes": questions.nodes,
            "/v1/ancestors/{node}": lambda request: questions.trace(request, "ancestors"),
            "/v1/descendants/{node}": lambda request: questions.trace(request, "descendants"),
            "/v1/query": questions.query,
            "/v1/trace-log": self.trace_log,
            "/v1/alerts": self.alerts,
            "/v1/policies": self.policies,
            "/v1/agents": self.listed,
            "/v1/schedule": self.schedule,
            "/v1/control": self.control,
            "/v1/openapi.json": self.described,
        }
        mine = [
            Route(path, self._guarded(handler), methods=[method.upper() for method in ROUTES[path]])
            for path, handler in handlers.items()
        ]
        return [*self.told.routes(self._guarded), *self.trials.routes(self._guarded), *mine]

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
                return refusal(401, "a bearer token is needed: it is in the monitor's file users.token")
            if self._inside >= WAITING:
                return refusal(503, "too many questions at once")
            self._inside += 1
            try:
                return response(await handler(request))
            except HttpError as error:
                return refusal(error.status, error.text)
            except BusyError as error:
                return refusal(503, str(error))
            except InputError as error:
                return refusal(400, str(error))
            except Exception as error:  # a bug of ours must not stop the others
                log("a question failed", "error", path=request.url.path, error=repr(error))
                return refusal(500, "this question failed; the monitor's log says more")
            finally:
                self._inside -= 1

        return guarded

    async def described(self, request: Request) -> object:
        """What this API offers, in OpenAPI 3.1."""
        return document(ROUTES)

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

    async def trace_log(self, request: Request) -> object:
        """What a line of a log stands for: the body is the line, `?app=&since=MILLIS&until=MILLIS` narrow it.

        `?instances=1` asks the workers about the likeliest state. With `format=` it is `{"matched", "text"}`.
        """
        raw = await self.questions.body(request, "line", MAX_BODY)
        models, lost = await self.questions.models(request.query_params.get("app", ""))
        since, until = number_or_none(request, "since"), number_or_none(request, "until")
        indexes = self._indexes
        told = await self.questions.thought(lambda: trace_line(models, raw, since, until, indexes=indexes, lost=lost))
        how, columns = request.query_params.get("format", ""), width(request)
        if request.query_params.get("instances", "0") in ("", "0") or not told.explained:
            if how:
                text = await self.questions.thought(lambda: text_of(show_told(told, how), columns))
                return {"matched": bool(told.explained), "text": text}
            return await self.questions.thought(lambda: told_value(told))
        return await self._line_instances(request, told, how, columns)

    async def _line_instances(self, request: Request, told: Told, how: str, columns: int) -> object:
        """An answer about a line, and the instances of its likeliest state."""
        best = told.explained[0].candidate
        gathered, runs = await self.questions.instances(request, best.model, best.state, "ancestors", 0)
        value = await self.questions.thought(gathered.value) | {"runs": [msgspec.structs.asdict(life) for life in runs]}
        if how in ("", "json"):
            whole = await self.questions.thought(lambda: told_value(told)) | {"instances": value}
            return {"matched": True, "text": to_json(whole)} if how else whole
        shown = await self.questions.thought(lambda: text_of(show_instances(gathered, how), columns))
        if how == "table":
            before = await self.questions.thought(lambda: text_of(show_told(told, how), columns))
            shown = before + shown + runs_text(runs)
        return {"matched": True, "text": shown}

    async def alerts(self, request: Request) -> object:
        """Alerts after number `after`; with `wait` seconds it waits for one."""
        after, wait = number(request, "after", 0), min(MAX_WAIT, number(request, "wait", 0))
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
        told = [(at, Alert.decode(data)) for at, data in found]
        how = request.query_params.get("format", "")
        if how:
            return await self._all_alerts(request.query_params, how, width(request))
        value = [{"number": at} | alert.value() for at, alert in told if app in ("", alert.app)]
        return {"alerts": value, "last": found[-1][0] if found else after}

    async def _all_alerts(self, params: Mapping[str, str], how: str, columns: int) -> str:
        """As `winnower alerts` prints them."""
        listing, monitor = Listing.of(params), self.service.monitor
        life = monitor.alarms.lifecycle
        listed = await self.agents.errand(lambda: listing.listed(monitor.alerts, life))
        if how == "json":
            return await self.agents.errand(lambda: to_json(listed.values(life)))
        notes = await self.agents.errand(lambda: listed.notes(life))
        models, _ = await self.questions.models()
        return await self.questions.thought(lambda: text_of(alerts_and_units(models, listed.alerts), columns) + notes)

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
        at = int(seconds(asked.get("at", "0")) * 1000)
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


def _incidents(incidents: Mapping[str, Mapping[str, tuple[int, int]]], agent: str) -> dict[str, object]:
    found = incidents.get(agent, {}).items()
    return {cause: {"number": count, "last": last / 1000} for cause, (count, last) in found}
