"""The terminal: one console for tables, one for progress on standard error.

Rules of this file
    - Results go to standard output; progress only to a terminal. Markup in data is never interpreted.
"""

from __future__ import annotations

from rich.console import Console


def output() -> Console:
    """For results; off a terminal lines are as wide as they need to be (80 columns at least)."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, 100)
    return console


def errors() -> Console:
    """For progress and remarks."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False)
