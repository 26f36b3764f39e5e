"""Answers and alerts as people see them: tables, dot, JSON.

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
    return Group(
        table if answer.states else Text("no such node"), *(_lost(*one) for one in sorted(answer.lost.items()))
    )


def _lost(worker: str, causes: Mapping[str, int]) -> Text:
    told = ", ".join(f"{safe(cause)} {number}" for cause, number in sorted(causes.items()))
    return Text(f"  lost on {safe(worker)} so far: {told}", style="dim")


def answer_dot(answer: Answer) -> str:
    """The answer as a graph, causes above effects."""
    lines = ["digraph answer {", "  rankdir=TB; node [fontname=Helvetica, fontsize=10]; edge [fontsize=8];"]
    if answer.lost:
        lines.append(f"  label={_dot('; '.join(_lost(*one).plain.strip() for one in sorted(answer.lost.items())))};")
    for state in answer.nodes:
        shape = _SHAPES.get(state.label.partition(" ")[0], "note")
        style = ", style=bold" if state == answer.start else ""
        lines.append(f"  n{answer.model.ids[state]} [shape={shape}, label={_dot(state.label)}{style}];")
    for one in answer.edges:
        effect, cause = answer.model.ids[one.effect], answer.model.ids[one.cause]
        lines.append(f"  n{cause} -> n{effect} [label={_dot(one.operation)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _dot(text: str) -> str:
    return '"' + safe(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def show_answer(answer: Answer, how: str) -> Group | str:
    """An answer in one of the formats `table`, `json`, `dot`."""
    if how == "json":
        return to_json(answer.value())
    if how == "dot":
        return answer_dot(answer)
    if how == "table":
        return answer_table(answer)
    raise InputError("no such format", offending=how, hint="table, json or dot")


def rows_table(rows: Sequence[Mapping[str, str | None]]) -> Table | Text:
    """Rows of a query's answer."""
    if not rows:
        return Text("no match")
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(safe(name), overflow="fold")
    for row in rows:
        table.add_row(*(safe(value) if value is not None else "null" for value in row.values()))
    return table


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
        parts.append(Text.assemble(severity, f"{safe(alert.policy)}: {safe(alert.title)}"))
    longest = max(alerts, key=lambda one: (one.policy == NOVELTY, len(one.trace)))
    parts.append(Text("  shortest trace:"))
    parts += [_step(step, first=not at) for at, step in enumerate(_told(longest.trace))]
    if first.lost:
        parts.append(_lost(first.worker, first.lost))
    return Group(*parts)


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
