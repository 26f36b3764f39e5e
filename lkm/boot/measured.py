"""What writes cost, as ratios to the same write without the module: medians over rounds that took turns.

Rules of this file
    - Never an absolute figure: an emulated processor's nanoseconds mean nothing.
    - Each round's figure is divided by the same round's baseline; the spread is shown, not hidden.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from statistics import median, quantiles
from typing import Final

LINE: Final = re.compile(r"^MEASURE (\d+) (\w+):(\w+) (\d+)\r?$", re.M)
BASE: Final = "base"
# What is measured, in the words of the table: the write, its state.
ROWS: Final[dict[tuple[str, str], str]] = {
    ("null", "loaded"): "no file (/dev/null): rejected at once",
    ("plain", "loaded"): "a file not open for appending: rejected",
    ("plain", "other_paths"): "the same with `paths` set, file elsewhere: its path is looked at, rejected",
    ("log", "other_cgroup"): "a log line of another cgroup than `cgroups`: rejected",
    ("log", "full"): "a log line, the buffer full: counted, dropped",
    ("log", "room"): "a log line, tagged, nobody reads yet",
    ("log", "reader"): "a log line, tagged, a live reader on the same two cores",
}


def ratios(results: str) -> dict[tuple[str, str], list[float]]:
    """For each row its ratio in each round."""
    rounds: dict[tuple[str, int], dict[str, int]] = {}
    for number, what, state, nanos in LINE.findall(results):
        rounds.setdefault((what, int(number)), {})[state] = int(nanos)
    found: dict[tuple[str, str], list[float]] = {row: [] for row in ROWS}
    for (what, _), states in rounds.items():
        for state, nanos in states.items():
            if state != BASE and states.get(BASE) and (what, state) in found:
                found[what, state].append(nanos / states[BASE])
    return {row: values for row, values in found.items() if len(values) > 1}


def rows(kernels: Mapping[str, str]) -> str:
    """A table in Markdown: a line for each write, a column for each kernel (its name: what its guest said)."""
    measured = {name: ratios(results) for name, results in kernels.items()}
    head = f"| a write | {' | '.join(kernels)} |\n|---|{'---|' * len(kernels)}"
    lines = [head, f"| without the module (baseline) |{' 1.00 |' * len(kernels)}"]
    for row, words in ROWS.items():
        cells = [_cell(found.get(row, [])) for found in measured.values()]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    low, _, high = quantiles(values, n=4)
    return f"{median(values):.2f} ({low:.2f} to {high:.2f})"
