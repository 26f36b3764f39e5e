"""What policies match, as people see it.

Rules of this file
    - Log text is data: it is shown escaped (`monitor.render.safe`). What was cut short or dismissed is said below.

Source: design section 5 (`--format`), section 3 promise 7.
"""

from __future__ import annotations

from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from monitor.policies_run import Found, Report
from monitor.render import safe, to_json

COLOURS: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
MAX_VALUE: Final = 200


def show_report(report: Report, how: str) -> Group | str:
    """A report as `table` or `json`."""
    return to_json(report.value()) if how == "json" else report_table(report)


def report_table(report: Report) -> Group:
    """One line for each match, and what else there is to say."""
    table = Table(box=None, pad_edge=False)
    for name in ("policy", "severity", "app", "replica", "match"):
        table.add_column(name, overflow="fold")
    table.add_column("row", overflow="fold", ratio=1)
    for one in report.found:
        severity = Text(one.policy.severity, COLOURS.get(one.policy.severity, ""))
        table.add_row(one.policy.id, severity, safe(one.model.app), _where(one), one.certainty, _row(one))
    remarks = [f"{report.dismissed} more that workers have dismissed"] if report.dismissed else []
    remarks += [f"cut short: {safe(text)}" for text in report.cut]
    first = table if report.found else Text("no match")
    return Group(first, *(Text(text, style="dim") for text in remarks))


def _where(one: Found) -> str:
    return safe(f"{one.replica.worker}/{one.replica.container}" if one.replica.container else one.replica.worker)


def _row(one: Found) -> str:
    pairs = one.row().items()
    return ", ".join(f"{safe(key)}={'null' if value is None else safe(value, MAX_VALUE)}" for key, value in pairs)
