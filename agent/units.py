"""Execution units: one iteration of an event-handling loop of a process, one request, one job.

Rules of this file
    - A connection that is accepted begins a unit; so does more input on a connection whose last request has been logged
      as ended (keep-alive), and a line that a profile knows as the first of an iteration, in a process that serves no
      connection.
    - A unit knows who asked (`peer`), and what it has done so far: a line of the log tells of that.

Source: design section 2 (execution unit); ProTracer (units); DisProTrack Algorithm 2.
"""

from __future__ import annotations

from typing import Final

from agent.processes import Process
from agent.upg import EDGE, Actor

UNIT: Final = EDGE["WAS_TRIGGERED_BY", "unit"]


def begin(process: Process, source: str, peer: str = "") -> Actor:
    """A new unit of a process, for what comes from `source` (a label)."""
    base = process.base
    context = (*base.context, f"unit {source}")
    unit = Actor(base.label, context, process.ident, process.scope.vertex(base.label, context, process.ident))
    unit.did, unit.peer, unit.begun = {}, peer, process.scope.clock.millis
    process.scope.edge(unit.vertex, UNIT, base.vertex)
    process.current = unit
    if process.scope.recent is not None:
        process.scope.recent.append((process.scope.clock.millis, process, unit))
    return unit


def again(process: Process, unit: Actor) -> Actor:
    """The next request on a connection: a unit of its own, of the same client."""
    source = next((one for one in reversed(unit.context) if one.startswith("unit ")), "unit {any}")
    return begin(process, source.partition(" ")[2], unit.peer)
