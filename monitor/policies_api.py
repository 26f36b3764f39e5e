"""The API for people, of policies: which are in force, and what they, or others, match in what has been seen.

Rules of this file
    - Policies are evaluated in a thread of their own, few at once, on immutable models: no envelope waits for it.
    - Possible matches are put to their workers if that is asked for; whoever does not answer in time is not waited for,
      and the match says so. At most `MAX_ASKED` questions, `AT_ONCE` at a time.
    - A policy that is sent along is a stranger's text: it is checked like any other, and bounded in steps and time.

Complexity: as `monitor.policies_run`; one errand to the writer per application.
Source: issue "policies and questions", items 3 and 4.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from rich.console import RenderableType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from grammar import InputError, Model
from monitor.agents_api import AgentsApi
from monitor.pending import verdict
from monitor.policies_run import Found, Key, Report, Sent, Window, open_questions, question_for, run_policies, settled
from monitor.render_policies import show_report
from monitor.web import HttpError, announced, read_body
from policies.errors import PolicyErrors
from policies.limits import Limits
from policies.policy import Policy, parse_policy

MAX_BODY: Final = 4 << 20
MAX_ASKED: Final = 64
AT_ONCE: Final = 8
THREADS: Final = 2
MAX_WAIT: Final = 60.0
LIMITS: Final = Limits(rows=10_000, steps=2_000_000, seconds=5.0)

Handler = Callable[[Request], Awaitable[object]]
Guard = Callable[[Handler], Callable[[Request], Awaitable[Response]]]
Shower = Callable[[RenderableType, int], str]


class PoliciesApi:
    """What people ask of policies; lives in the event loop's thread. `text_of` draws an answer for a terminal."""

    def __init__(self, agents: AgentsApi, text_of: Shower) -> None:
        self.agents, self._text_of = agents, text_of
        self._turns = asyncio.Semaphore(THREADS)

    def routes(self, guarded: Guard) -> list[Route]:
        """Paths and what answers them; they do not meet `/v1/policies`."""
        return [
            Route("/v1/policies/in-force", guarded(self.in_force)),
            Route("/v1/policies/run", guarded(self.run), methods=["POST"]),
        ]

    async def in_force(self, request: Request) -> object:
        """Every policy by which the monitor and its agents go."""
        return {"policies": [_value(one) for one in self.agents.service.monitor.alarms.policies]}

    async def run(self, request: Request) -> object:
        """What policies match: `?app=&since=MILLIS&until=MILLIS`; `&confirm=1&deadline=SECONDS` asks the workers.

        The body is JSON: `{"ids": [...], "files": [["NAME", "TEXT"], ...]}`; with neither, all that are in force. With
        `format=` the answer is `{"matched", "text"}`.
        """
        asked = request.query_params
        policies = await asyncio.to_thread(self._policies, await self._sent(request))
        window = Window(_moment(asked.get("since", "")), _moment(asked.get("until", "")))
        models = await self._models(asked.get("app", ""))
        async with self._turns:
            report = await asyncio.to_thread(run_policies, models, policies, window, LIMITS, time.monotonic)
        if asked.get("confirm", "0") not in ("", "0"):
            report = await self._confirmed(report, _seconds(asked.get("deadline", "5")))
        how = asked.get("format", "")
        if not how:
            return report.value()
        width = min(1_000, max(40, _moment(asked.get("width", "")) or 100))
        shown = await asyncio.to_thread(lambda: self._text_of(show_report(report, how), width))
        return {"matched": len(report.found), "text": shown}

    async def _sent(self, request: Request) -> Sent:
        size = announced(request.scope)
        if size > MAX_BODY:
            raise HttpError(413, "too many policies")
        body = await read_body(request.receive, size, self.agents.slow)
        try:
            return msgspec.json.decode(body, type=Sent) if body.strip() else Sent()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HttpError(400, f"not what a run of policies takes: {error}") from None

    def _policies(self, sent: Sent) -> Sequence[Policy]:
        """What is to be run; all that is wrong with it, if it is."""
        standing = self.agents.service.monitor.alarms.policies
        known = {one.id: one for one in standing}
        missing = [one for one in sent.ids if one not in known]
        if missing:
            hint = "winnower policy list --url names those in force"
            raise InputError("no such policy in force", offending=missing[0], hint=hint)
        errors: list[InputError] = []
        files: list[Policy] = []
        for name, text in sent.files:
            try:
                files.append(parse_policy(text, name))
            except InputError as error:
                errors.append(error)
        if errors:
            raise PolicyErrors(errors)
        return [*(known[one] for one in sent.ids), *files] if sent.ids or sent.files else standing

    async def _models(self, app: str) -> list[Model]:
        monitor = self.agents.service.monitor
        known = sorted(monitor.apps)
        if app and app not in known:
            raise HttpError(404, "no such application")
        wanted = [app] if app else known
        return [await self.agents.errand(lambda name=name: monitor.apps[name].model) for name in wanted]  # type: ignore[misc]

    async def _confirmed(self, report: Report, seconds: float) -> Report:
        """The report, with the word of the workers."""
        until = time.monotonic() + seconds
        turns = asyncio.Semaphore(AT_ONCE)
        groups = list(open_questions(report))
        said: dict[Key, str | None] = {key: None for key, _ in groups}

        async def ask(key: Key, group: Sequence[Found]) -> None:
            worker = group[0].replica.worker
            async with turns:
                left = until - time.monotonic()
                if left <= 0 or worker not in self.agents.service.register.by_name:
                    return
                question = await asyncio.to_thread(question_for, self.agents.fresh_id(), group)
                outcome = await self.agents.ask(question, {worker}, left)
                said[key] = next((verdict(reply) for reply in outcome.replies), None)

        await asyncio.gather(*(ask(key, group) for key, group in groups[:MAX_ASKED]))
        return settled(report, said)


def _value(one: Policy) -> dict[str, object]:
    return {
        "id": one.id,
        "severity": one.severity,
        "maturity": one.maturity,
        "technique": list(one.techniques),
        "title": one.title,
        "applications": list(one.applications),
        "file": one.file,
    }


def _moment(written: str) -> int | None:
    if not written:
        return None
    if not _digits(written):
        raise HttpError(400, "a time is a number of milliseconds")
    return int(written)


def _digits(written: str) -> bool:
    return written.isascii() and written.isdigit() and len(written) <= 15


def _seconds(written: str) -> float:
    try:
        found = float(written)
    except ValueError:
        raise HttpError(400, "deadline is a number of seconds") from None
    if not 0 < found <= MAX_WAIT:
        raise HttpError(400, f"deadline is at most {MAX_WAIT:g} seconds")
    return found
