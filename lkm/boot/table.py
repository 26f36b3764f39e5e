"""What is printed of guests: one line for each check, and the kernel's log where something was wrong.

Rules of this file
    - Everything a guest said is escaped; the log is cut at both ends, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .console import Report
from .tell import escaped

LOG: Final = 6_000


def table(reports: Mapping[str, Report]) -> str:
    """Checks downwards, guests across; behind them what a check had to say: where all are well, in the first guest."""
    names = list(dict.fromkeys(result.name for report in reports.values() for result in report.results))
    wide = max([len(name) for name in names] + [5])
    guests = {guest: {result.name: result for result in report.results} for guest, report in reports.items()}
    lines = [" ".join(["check".ljust(wide), *(guest.ljust(len(guest)) for guest in guests), "detail"])]
    for name in names:
        found = [guests[guest].get(name) for guest in guests]
        said = [result.verdict if result else "-" for result in found]
        verdicts = [verdict.ljust(len(guest)) for verdict, guest in zip(said, guests, strict=True)]
        there = [result for result in found if result]
        bad = [result for result in there if result.verdict == "FAIL"]
        details = dict.fromkeys(escaped(result.detail) for result in (bad or there[:1]))
        lines.append(" ".join([escaped(name).ljust(wide), *verdicts, " | ".join(details)]).rstrip())
    return "\n".join([*lines, *_faults(reports)])


def ends(log: str) -> str:
    """A log's beginning and end."""
    text = escaped(log.replace("\r", ""))
    return text if len(text) <= LOG else f"{text[: LOG // 3]}\n[…]\n{text[-LOG * 2 // 3 :]}"


def _faults(reports: Mapping[str, Report]) -> list[str]:
    return [f"{guest}: {escaped(fault)}" for guest, report in reports.items() for fault in report.faults]
