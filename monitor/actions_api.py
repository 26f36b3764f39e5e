"""The API for people, of what they say about alerts and what became of actions: acknowledge, re-arm, snooze, status.

Rules of this file
    - Everything that changes something is POST, is done in the writer's thread in one transaction, and is on the disk
      when the answer comes.
    - Who says it is what the request says (`by`): whoever has the users' token is believed.

Complexity: O(numbers) a request.
Source: issue "policies and questions" (acknowledged, re-armed; actions).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from grammar import InputError
from monitor.actions import Actions
from monitor.actions_listing import said_value, snooze_value
from monitor.actions_state import save_lifecycle
from monitor.agents_api import AgentsApi
from monitor.lifecycle import ANY, Lifecycle
from monitor.lifecycle_values import Snooze, Standing
from monitor.web import HttpError

MAX_NUMBERS: Final = 1_000
MAX_WORD: Final = 2_000
MAX_SNOOZE: Final = 366 * 86_400_000

Handler = Callable[[Request], Awaitable[object]]
Guard = Callable[[Handler], Callable[[Request], Awaitable[Response]]]


class ActionsApi:
    """What people say about alerts; lives in the event loop's thread. `now` is the time of day in milliseconds."""

    def __init__(
        self, agents: AgentsApi, actions: Actions, now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self.agents, self.actions, self.now = agents, actions, now

    def routes(self, guarded: Guard) -> list[Route]:
        """Paths and what answers them; before `/v1/alerts`'s own nothing needs to stand."""
        return [
            Route("/v1/actions", guarded(self.status)),
            Route("/v1/alerts/{numbers}/ack", guarded(self.acknowledge), methods=["POST"]),
            Route("/v1/alerts/{numbers}/rearm", guarded(self.rearm), methods=["POST"]),
            Route("/v1/snoozes", guarded(self.snoozes), methods=["GET", "POST"]),
        ]

    async def status(self, request: Request) -> object:
        """Every action: how it does, how far behind it is; the last orders to workers."""
        return self.actions.status()

    async def acknowledge(self, request: Request) -> object:
        """`NUMBER,…`: somebody (`?by=`) has taken note of them (`&comment=`)."""
        return await self._say(request, Lifecycle.acknowledge)

    async def rearm(self, request: Request) -> object:
        """`NUMBER,…`: the next deed like theirs is told."""
        return await self._say(request, Lifecycle.rearm)

    async def snoozes(self, request: Request) -> object:
        """The snoozes in force; POST `?policy=&app=&for=MILLIS&by=&comment=` makes one, or ends it with `for=0`."""
        if request.method == "POST":
            asked = request.query_params
            length = _number(asked.get("for", ""), "for", MAX_SNOOZE)
            now, by, comment = self.now(), _word(request, "by"), _word(request, "comment")
            until = now + length if length else 0
            snooze = Snooze(_word(request, "policy") or ANY, _word(request, "app") or ANY, until, by, now, comment)
            await self.agents.errand(lambda: self._change(lambda life: life.snooze(snooze)))
        found = await self.agents.errand(lambda: list(self._life().snoozes.values()))
        return {"snoozes": [snooze_value(one) for one in found]}

    async def _say(
        self, request: Request, say: Callable[[Lifecycle, Iterable[int], str, int, str, int], list[Standing]]
    ) -> object:
        numbers = _numbers(str(request.path_params["numbers"]))
        by, comment, now = _word(request, "by"), _word(request, "comment"), self.now()
        latest = self.agents.service.monitor.latest
        said = await self.agents.errand(lambda: self._change(lambda life: say(life, numbers, by, now, comment, latest)))
        return {"alerts": [said_value(one) for one in said]}

    def _change(self, change: Callable[[Lifecycle], list[Standing] | None]) -> list[Standing]:
        """In the writer's thread: all of it is kept, or none."""
        store, life = self.agents.service.store, self._life()
        try:
            with store.transaction():
                found = change(life)
                save_lifecycle(store, life)
        except BaseException:
            self.agents.service.monitor.alarms.load()
            raise
        return found or []

    def _life(self) -> Lifecycle:
        return self.agents.service.monitor.alarms.lifecycle


def _numbers(written: str) -> list[int]:
    """`3,4,7`."""
    parts = written.split(",")
    if len(parts) > MAX_NUMBERS:
        raise HttpError(400, f"more than {MAX_NUMBERS} numbers at once")
    return [_number(one, "a number", 1 << 60) for one in parts]


def _number(written: str, what: str, most: int) -> int:
    if not written.isascii() or not written.isdigit() or len(written) > 18 or int(written) > most:
        raise InputError(f"{what} is a whole number, at most {most}", offending=written)
    return int(written)


def _word(request: Request, name: str) -> str:
    found = request.query_params.get(name, "")
    if len(found) > MAX_WORD:
        raise HttpError(400, f"{name}: more than {MAX_WORD} characters")
    return found
