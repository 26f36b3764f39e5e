"""Answers and alerts as people see them: tables, dot, JSON.

Rules of this file
    - Log text is data: whatever is not printable ASCII is shown escaped, in every format; no terminal escape, no markup and
      no dot syntax can come out of it (promise 7).
    - Tables fit a terminal of 80 columns.

Source: design section 5 (`--format`), section 3 promise 7.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from grammar import InputError, escape
from monitor.alerts import NOVELTY, Alert, Step
from monitor.query import Answer, node_value

LIMIT: Final = 4096
_SHAPES: Final = {"Process": "box", "File": "ellipse", "Socket": "diamond", "Pipe": "cds", "Memory": "hexagon"}
_RANK: Final = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_COLOURS: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}


def safe(text: str, limit: int = LIMIT) -> str:
    """Text that is safe on a terminal and in a file."""
    return escape(text, limit)


def to_json(value: object) -> str:
    """JSON with nothing but ASCII in it."""
    return json.dumps(value, indent=1, ensure_ascii=True)


def answer_table(answer: Answer) -> Table:
    """Nodes of an answer."""
    table = Table(box=None, pad_edge=False, title=None, expand=False)
    table.add_column("id", style="dim", no_wrap=True)
    table.add_column("node", overflow="fold", ratio=1)
    table.add_column("shown by", justify="right", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    for state, distance in answer.states.items():
        node = node_value(answer.model, state)
        name = Text(safe(state.label))
        command = answer.model.commands.get(state)
        if command:
            name.append(f"\n{safe(command, 200)}", style="dim")
        held = answer.model.support[state]
        shown = f"{len(held)} of {len(answer.model.replicas)}"
        table.add_row(str(node["id"]), name, shown, str(distance) if answer.start else "")
    return table


def answer_dot(answer: Answer) -> str:
    """The answer as a graph, causes above effects."""
    states = [*([answer.start] if answer.start else []), *answer.states]
    lines = ["digraph answer {", "  rankdir=TB; node [fontname=Helvetica, fontsize=10]; edge [fontsize=8];"]
    for state in states:
        shape = _SHAPES.get(state.label.partition(" ")[0], "note")
        style = ", style=bold" if state is answer.start else ""
        lines.append(f"  n{answer.model.ids[state]} [shape={shape}, label={_dot(state.label)}{style}];")
    for one in answer.edges:
        effect, cause = answer.model.ids[one.effect], answer.model.ids[one.cause]
        lines.append(f"  n{cause} -> n{effect} [label={_dot(one.operation)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _dot(text: str) -> str:
    return '"' + safe(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def show_answer(answer: Answer, how: str) -> Table | str:
    """An answer in one of the formats `table`, `json`, `dot`."""
    if how == "json":
        return to_json(answer.value())
    if how == "dot":
        return answer_dot(answer)
    if how == "table":
        return answer_table(answer)
    raise InputError("no such format", offending=how, hint="table, json or dot")


def incident_text(alerts: Sequence[Alert]) -> Group:
    """Alerts of one container at one time: where, how many replicas share it, what fired, and one trace that explains it."""
    first = min(alerts, key=lambda one: (_RANK.get(one.severity, 9), one.policy != NOVELTY, one.policy))
    novel = next((one for one in alerts if one.policy == NOVELTY), first)
    k, n = novel.replicas
    where = f"{safe(first.app)} / {safe(first.worker)} / {safe(first.container)}"
    parts = [Text.assemble(("ALERT ", _COLOURS.get(first.severity, "")), (where, "bold"))]
    parts.append(Text(f"  {k} of {n} replicas behave like this; {time_text(first.time)}"))
    for alert in sorted(alerts, key=lambda one: (_RANK.get(one.severity, 9), one.policy)):
        style = _COLOURS.get(alert.severity, "")
        parts.append(Text.assemble(("  " + alert.severity.ljust(9), style), f"{safe(alert.policy)}: {safe(alert.title)}"))
    longest = max(alerts, key=lambda one: (one.policy == NOVELTY, len(one.trace)))
    parts.append(Text("  shortest trace:"))
    parts += [_step(step, first=not at) for at, step in enumerate(longest.trace)]
    if first.lost:
        told = ", ".join(f"{safe(cause)} {number}" for cause, number in sorted(first.lost.items()))
        parts.append(Text(f"  lost on {safe(first.worker)} so far: {told}", style="dim"))
    return Group(*parts)


def _step(step: Step, *, first: bool) -> Text:
    arrow = "    " if first else f"    └ {step.operation} → "
    text = Text(f"{arrow}{safe(step.label)}")
    if step.command:
        text.append(f"   $ {safe(step.command, 120)}", style="dim")
    return text


def time_text(millis: int) -> str:
    """Log time as ISO 8601 in UTC."""
    try:
        return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{millis} ms"


def alerts_table(alerts: Sequence[Alert]) -> Group:
    """All alerts, grouped by container and time."""
    if not alerts:
        return Group(Text("no alerts"))
    incidents: dict[tuple[str, str, str, int], list[Alert]] = {}
    for alert in alerts:
        incidents.setdefault((alert.app, alert.worker, alert.container, alert.time), []).append(alert)
    return Group(*(incident_text(one) for one in incidents.values()))
