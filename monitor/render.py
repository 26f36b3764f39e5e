"""Answers and alerts as people see them: tables, JSON; for other formats see `monitor.exports`.

Rules of this file
    - Log text is data: whatever is not printable ASCII is shown escaped, in every format; no terminal escape, no markup
      and no dot syntax can come out of it, and no end of a script from JSON (promise 7).
    - Tables fit a terminal of 80 columns. What was lost is said below every answer and alert (promise 5).

Source: design section 5 (`--format`), section 3 promise 7.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from grammar import escape
from monitor.alerts import NOVELTY, Alert, Step
from monitor.query import Answer, node_value

LIMIT: Final = 4096
MAX_SEEN: Final = 6
_RANK: Final = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_COLOURS: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
_MARKUP: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\x7f": "\\u007f"}


def safe(text: str, limit: int = LIMIT) -> str:
    """Text that is safe on a terminal and in a file."""
    return escape(text, limit)


def to_json(value: object, indent: int | None = 1) -> str:
    r"""JSON in ASCII that is also safe inside a page; undecodable bytes become `\xNN` text, for any reader to take.

    >>> to_json({"a": "</script>\udcff"}, None)
    '{"a": "\\u003c/script\\u003e\\\\xff"}'
    """
    text = json.dumps(_decodable(value), indent=indent, ensure_ascii=True)
    for character, written in _MARKUP.items():
        text = text.replace(character, written)
    return text


def _decodable(value: object) -> object:
    if isinstance(value, str):
        return value if value.isascii() else _text(value)
    if isinstance(value, dict):
        return {_decodable(key): _decodable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_decodable(one) for one in value]
    return value


def _text(text: str) -> str:
    return "".join(f"\\x{ord(c) & 0xFF:02x}" if "\ud800" <= c <= "\udfff" else c for c in text)


def answer_table(answer: Answer) -> Group:
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
    notes = [Text(f"  {note}", style="dim") for note in answer.notes]
    return Group(table if answer.states else Text("no such node"), *notes, *lost_lines(answer.lost))


def lost_lines(lost: Mapping[str, Mapping[str, int]]) -> list[Text]:
    """What was lost on each worker, one line each."""
    return [_lost(*one) for one in sorted(lost.items())]


def _lost(worker: str, causes: Mapping[str, int]) -> Text:
    told = ", ".join(f"{safe(cause)} {number}" for cause, number in sorted(causes.items()))
    return Text(f"  lost on {safe(worker)} so far: {told}", style="dim")


def rows_table(columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> Group:
    """Rows of a query's answer, and what must be said beside them."""
    told = [Text(f"  {safe(note)}", style="dim") for note in notes]
    if not rows:
        return Group(Text("no match"), *told)
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(safe(name, 200), overflow="fold")
    for row in rows:
        table.add_row(*map(safe, row))
    return Group(table, *told)


def incident_text(alerts: Sequence[Alert]) -> Group:
    """Alerts of one container at one time: where, how many replicas share it, what fired, one trace of it."""
    first = min(alerts, key=lambda one: (_RANK.get(one.severity, 9), one.policy != NOVELTY, one.policy))
    novel = next((one for one in alerts if one.policy == NOVELTY), first)
    k, n = novel.replicas
    where = f"{safe(first.app)} / {safe(first.worker)} / {safe(first.container)}"
    parts = [Text.assemble(("ALERT ", _COLOURS.get(first.severity, "")), (where, "bold"))]
    parts.append(Text(f"  {k} of {n} replicas behave like this; {time_text(first.time)}"))
    for alert in sorted(alerts, key=lambda one: (_RANK.get(one.severity, 9), one.policy)):
        severity = (f"  {safe(alert.severity, 9).ljust(9)}", _COLOURS.get(alert.severity, ""))
        sure = (f"  {sureness(alert)}".rstrip(), "dim")
        number = f"#{alert.number} " if alert.number else ""
        parts.append(Text.assemble(severity, f"{number}{safe(alert.policy)}: {safe(alert.title)}", sure))
    longest = max(alerts, key=lambda one: (one.policy == NOVELTY, len(one.trace)))
    parts.append(Text("  shortest trace:"))
    parts += [_step(step, first=not at) for at, step in enumerate(_told(longest.trace))]
    seen = dict.fromkeys(line for alert in alerts if alert.confirmed == "worker" for line in alert.summary)
    if seen:
        parts.append(Text("  seen by the worker:"))
        parts += [Text(f"    {safe(line, 120)}", style="dim") for line in islice(seen, MAX_SEEN)]
        parts += [Text(f"    and {len(seen) - MAX_SEEN} more", style="dim")] if len(seen) > MAX_SEEN else []
    if first.lost:
        parts.append(_lost(first.worker, first.lost))
    return Group(*parts)


def sureness(alert: Alert) -> str:
    """Whether the labels alone prove what a policy's alert says, and whether its worker has seen it."""
    if alert.policy == NOVELTY or not alert.maturity:
        return ""
    if alert.confirmed == "worker":
        return f"{alert.certainty}, seen"
    return alert.certainty if alert.certainty == "certain" else "possible, not confirmed"


def _told(trace: Sequence[Step]) -> list[Step]:
    """The steps without those that only say that something became a new version of itself."""
    return [step for at, step in enumerate(trace) if not at or step.operation != "version"]


def _step(step: Step, *, first: bool) -> Text:
    arrow = "    " if first else f"    └ {safe(step.operation, 40)} → "
    text = Text(f"{arrow}{safe(step.label)}")
    if step.command:
        text.append(f"   $ {safe(step.command, 56)}", style="dim")
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
