"""Asking workers about matches that are only possible, in a live monitor.

Rules of this file
    - A task of the event loop beside the others: an envelope never waits for it. So many workers are asked at once.
    - Who does not answer in time is asked again, a few times (`monitor.pending.MAX_TRIES`); then the alert is raised
      and says that nobody could be asked.

Complexity: O(what waits).
Source: issue "policies and questions", item 3.
"""

from __future__ import annotations

import asyncio
from typing import Final

from grammar import InputError
from monitor.agents_api import AgentsApi
from monitor.logs import log
from monitor.pending import Waiting, verdict
from monitor.service import BusyError

AT_ONCE: Final = 8
SECONDS: Final = 4.0
"""How long one worker may take to answer."""
PAUSE: Final = 0.2


async def settle_for_ever(agents: AgentsApi, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
    """Until cancelled."""
    pending = agents.service.monitor.alarms
    while not agents.stopping:
        if not pending.pending.waiting:
            await asyncio.sleep(PAUSE)
            continue
        try:
            waiting = await agents.errand(lambda: pending.pending.unasked(at_once))
            await asyncio.gather(*(_settle(agents, one, seconds) for one in waiting))
        except (BusyError, InputError) as error:
            log("a worker could not be asked about a match", "warning", error=str(error))
        await asyncio.sleep(PAUSE)


async def _settle(agents: AgentsApi, one: Waiting, seconds: float) -> None:
    enrolled = one.alert.worker in agents.service.register.by_name
    said = None
    if enrolled:
        outcome = await agents.ask(one.question, {one.alert.worker}, seconds)
        said = next((verdict(reply) for reply in outcome.replies), None)
    monitor = agents.service.monitor
    await agents.errand(lambda: monitor.settle(one.question.id, said))
