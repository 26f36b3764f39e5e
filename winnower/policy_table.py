"""The table of policies in `policies/README.md`, from the policies themselves.

Rules of this file
    - `python -m winnower.policy_table policies/README.md` writes it anew; a test says when that is due.

Source: issue "policies and questions" (docs generated from the code).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from policies import Policy
from winnower.policy_files import shipped_policies

BEGIN: Final = "<!-- shipped: winnower/policy_table.py -->\n"
END: Final = "<!-- end -->\n"


def table(policies: Iterable[Policy]) -> str:
    """One row for each policy."""
    rows = [
        f"| `{one.id}` | {one.severity} | {', '.join(one.techniques)} | {one.title.replace('|', chr(92) + '|')} |\n"
        for one in policies
    ]
    return "| id | severity | techniques | title |\n|---|---|---|---|\n" + "".join(rows)


def renewed(text: str, policies: Iterable[Policy]) -> str:
    """The text with the table between its marks as it should be.

    >>> renewed(BEGIN + "old" + END, []) == BEGIN + table([]) + END
    True
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("no place for the table")
    return before + begin + table(policies) + end + after


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.write_text(renewed(place.read_text(encoding="utf-8"), shipped_policies()), encoding="utf-8")
