"""Asking workers about matches that are only possible, in a live monitor.

Rules of this file
    - A task of the event loop beside the others: an envelope never waits for it. So many questions are out at once, of
      one worker few (`monitor.pending.AT_ONCE`); whoever answers makes room for the next.
    - Who does not answer in time is asked again, a few times (`monitor.pending.MAX_TRIES`); then the alert is raised
      and says that nobody could be asked. A question that did not get out is no try.
    - Whatever goes wrong is logged, and costs that one question; it goes on until it is cancelled.

Complexity: O(what waits).
Source: issue "policies and questions", item 3.
"""

from __future__ import annotations

import asyncio
from typing import Final

from monitor.agents_api import AgentsApi
from monitor.logs import log
from monitor.pending import Waiting, verdict

AT_ONCE: Final = 16
SECONDS: Final = 4.0
"""How long one worker may take to answer."""
PAUSE: Final = 0.2


async def settle_for_ever(agents: AgentsApi, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
    """Until cancelled."""
    alarms = agents.service.monitor.alarms
    out: dict[bytes, asyncio.Task[None]] = {}
    try:
        while not agents.stopping:
            out = {ident: task for ident, task in out.items() if not task.done()}
            free = at_once - len(out)
            if free and len(alarms.pending.waiting) > len(out):
                for one in await _unasked(agents, free, frozenset(out)):
                    out[one.question.id] = asyncio.create_task(_settle(agents, one, seconds))
            await asyncio.sleep(PAUSE)
    finally:
        for task in out.values():
            task.cancel()


async def _unasked(agents: AgentsApi, most: int, out: frozenset[bytes]) -> list[Waiting]:
    try:
        return await agents.errand(lambda: agents.service.monitor.alarms.pending.unasked(most, out))
    except Exception as error:  # a busy writer, a full disk: it is there the next time
        log("matches that wait could not be read", "warning", error=str(error))
        return []


async def _settle(agents: AgentsApi, one: Waiting, seconds: float) -> None:
    monitor = agents.service.monitor
    try:
        said = None
        if one.alert.worker in agents.service.register.by_name:
            outcome = await agents.ask(one.question, {one.alert.worker}, seconds)
            said = next((verdict(reply) for reply in outcome.replies), None)
        await agents.errand(lambda: monitor.settle(one.question.id, said))
    except Exception as error:  # a desk that is full, a busy writer: it is asked again
        monitor.alarms.pending.unasked_after_all(one.question.id)
        log("a worker could not be asked about a match", "warning", worker=one.alert.worker, error=str(error))
