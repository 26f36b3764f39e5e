"""The execution units that alerts belong to, as trees: the request in the log, and what came of it.

Rules of this file
    - One tree for each line's state, however many alerts lead to it, and `MAX_UNITS` of them; an alert that no line
      tells of has none.

Source: issue "application logs", done when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from rich.console import Group
from rich.text import Text

from grammar import Model, State
from monitor.alerts import Alert
from monitor.lines_units import unit_of_alert
from monitor.render import alerts_table, safe
from monitor.render_lines import unit_text

MAX_UNITS: Final = 8


def alerts_and_units(models: Iterable[Model], alerts: Sequence[Alert]) -> Group:
    """All alerts, and the units that they happened in."""
    return Group(alerts_table(alerts), units_of_alerts({model.app: model for model in models}, alerts))


def units_of_alerts(models: Mapping[str, Model], alerts: Iterable[Alert]) -> Group:
    """The units of these alerts; empty if there are none."""
    found: dict[tuple[str, State], Alert] = {}
    for alert in alerts:
        line = unit_of_alert(models[alert.app], alert) if alert.app in models else None
        if line is not None:
            found.setdefault((alert.app, line), alert)
    parts: list[Text | Group] = []
    for (app, line), alert in islice(found.items(), MAX_UNITS):
        where = safe(f"{alert.worker} / {alert.container}")
        parts.append(Text(f"the unit that it happened in, on {where}:"))
        parts.append(unit_text(models[app], line))
        parts.append(Text(f"  more: winnower trace-log --app {safe(app)} 'LINE'", style="dim"))
    return Group(*parts)
