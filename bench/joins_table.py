"""The live join tables: how lines were joined and what it cost, what tags are worth, what a live agent says.

Rules of this file
    - A capture is read with every method that it has something for (`joins_replay.methods`).
    - A share is cut off, never rounded up: 100 % is all lines. What is wrong stands in bold.
    - What joining costs in records is what the method's log has over that of "time only" on the same server and load.

Complexity: O(captures x methods x bytes).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from joins_capture import Capture
from joins_judge import Class, Verdict, judge, tags_right
from joins_replay import METHODS, TIME, Method, Outcome, methods, replay
from testbed.servers import KINDS

HEAD: Final = (
    "server", "clients", "tags by", "joined by", "lines", "exact", "process only", "program only (another process)",
    "none", "wrong", "audit records a line", "over time only", "audit bytes a line", "agent CPU µs a line",
)  # fmt: skip
KERNEL: Final = ("server", "clients", "rules", "tags by", "lines", "tag at its line", "guessed elsewhere", "no tag")
LIVE: Final = ("server", "clients", "rules", "tags by", "who", "log", "log_near", "nobody")


@dataclass(slots=True)
class Row:
    """One capture read with one method."""

    capture: Capture
    method: Method
    outcome: Outcome
    verdict: Verdict

    @property
    def load(self) -> tuple[int, int, bool]:
        """Server, clients, and whether it was in a guest: what may be compared."""
        about = self.capture.about
        return KINDS.index(about.server), about.concurrency, by(self.capture).startswith("module")

    @property
    def records(self) -> float:
        """Audit records a line."""
        return self.outcome.records / max(1, self.verdict.lines)

    def cells(self, least: float) -> list[str]:
        """As the table has them; `least` are the records that a line costs anyhow."""
        about, verdict = self.capture.about, self.verdict
        program = share(verdict, "program") + (f" ({percent(verdict.another, verdict.lines)})" * bool(verdict.another))
        joined = [share(verdict, "exact"), share(verdict, "process"), program, share(verdict, "none")]
        wrong = f"**{verdict.wrong}**" if verdict.wrong else "0"
        tags = by(self.capture) if self.method.tags or self.method.companion else ""
        costs = f"{self.outcome.bytes / verdict.lines:,.0f}", f"{1e6 * self.outcome.seconds / verdict.lines:,.0f}"
        records = f"{self.records:.1f}", f"{max(0.0, self.records - least):.1f}"
        head = about.server, str(about.concurrency), tags, self.method.name, f"{verdict.lines:,}"
        return [*head, *joined, wrong, *records, *costs]


def share(verdict: Verdict, which: Class) -> str:
    """A class's part of all lines."""
    return percent(verdict.counts[which], verdict.lines)


def percent(part: int, whole: int) -> str:
    """Cut off after two digits.

    >>> percent(2_999, 3_000), percent(3, 3), percent(0, 3)
    ('99.96 %', '100 %', '0')
    """
    return "0" if not part else "100 %" if part == whole else f"{10_000 * part // whole / 100:.2f} %"


def by(capture: Capture) -> str:
    """Who gave the tags, in words of the table."""
    kind = capture.about.tags
    return {"none": ""}.get(kind, kind if kind.startswith("module") else f"eBPF ({kind})")


def rows(captures: Sequence[Capture]) -> Iterator[Row]:
    """Every capture with every method that it has something for."""
    for capture in captures:
        for method in methods(capture):
            outcome = replay(capture, method)
            yield Row(capture, method, outcome, judge(capture.truth, outcome))


def joins(found: Sequence[Row]) -> list[str]:
    """How lines were joined, in order of server, clients, method."""
    least = {row.load: row.records for row in found if row.method is TIME}
    ordered = sorted(found, key=lambda row: (row.load, METHODS.index(row.method)))
    return markdown(HEAD, [row.cells(least.get(row.load, row.records)) for row in ordered])


def kernel(captures: Sequence[Capture]) -> list[str]:
    """What the tags themselves are worth, before anything of ours has read them."""
    cells = []
    for one in captures:
        if one.tags:
            right, elsewhere, none = tags_right(one)
            lines = len(one.truth)
            shown = [percent(part, lines) for part in (right, elsewhere, none)]
            cells.append([one.about.server, str(one.about.concurrency), one.about.rules, by(one), f"{lines:,}", *shown])
    return markdown(KERNEL, cells)


def live(found: Sequence[Row]) -> list[str]:
    """What `winnower agent` has said of the same lines, beside the pipeline."""
    cells = []
    for row in found:
        about, told = row.capture.about, row.outcome.told
        if about.agent and row.method.tags == (about.tags != "none"):
            head = [about.server, str(about.concurrency), about.rules, by(row.capture)]
            ours = [str(told[one]) for one in ("log", "log_near", "")]
            its = [str(about.agent.get(one, 0)) for one in ("log", "log_near", "none")]
            cells += [[*head, "winnower agent", *its], [*head, "the pipeline", *ours]]
    return markdown(LIVE, cells)


def markdown(head: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """A table; nothing without rows."""
    if not cells:
        return []
    lines = [head, ["---"] * len(head), *cells]
    return ["| " + " | ".join(line) + " |" for line in lines]
