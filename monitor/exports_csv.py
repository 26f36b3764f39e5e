r"""Comma-separated values, for spreadsheets and scripts.

Rules of this file
    - Texts are printable ASCII (`monitor.render.safe`), so a row is a line.
    - A text that a spreadsheet would take for a formula (`=`, `+`, `@`, or `-` before what is no number) gets an
      apostrophe before it: log text must not compute anything on the reader's machine.

Complexity: O(cells).
Source: RFC 4180; OWASP, "CSV injection".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final

from monitor.render import safe

LONGEST: Final = 1 << 15
"""Characters of a cell at most: as many as a spreadsheet takes."""
_FORMULA: Final = re.compile(r"[=+@]|-(?![0-9.]+$)")


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""A head and rows.

    >>> csv_of(["a", "b"], [["=1+1", "x,y"]])
    'a,b\n\'=1+1,"x,y"\n'
    """
    page = StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    writer.writerows(map(_cell, row) for row in rows)
    return page.getvalue()


def _cell(text: str) -> str:
    shown = safe(text, LONGEST)
    return f"'{shown}" if _FORMULA.match(shown) else shown
