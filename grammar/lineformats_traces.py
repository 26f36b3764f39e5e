"""Which lines only continue the entry before them: stack traces, indented text, blank lines.

Rules of this file
    - It is asked about lines that no format knows, and only where an entry stands before.
    - Indented and blank lines always continue. Heads of traces continue an entry that had a format; after plain text
      they begin an entry, for nothing says that they belong together.
    - A Python trace ends with the first line that is not indented (`ValueError: ...`), which still belongs to it.

Complexity: O(1): a line's beginning decides.
Source: PHP `Zend/zend_exceptions.c`; Python `traceback`; Java `Throwable.printStackTrace`.
"""

from __future__ import annotations

import re
from typing import Final

OUTSIDE: Final = 0
INSIDE: Final = 1
"""Within a Python trace, before its last line."""
BEHIND: Final = 2
"""Behind its last line: another may follow."""

_PYTHON: Final = "Traceback (most recent call last):"
_MARIADB: Final = "Version: '"
"""The second line of what MariaDB says when it is ready, in the same write."""
_LINKS: Final = ("During handling of the above exception", "The above exception was the direct cause")
_ALWAYS: Final = re.compile(
    r"Stack trace:$|#\d{1,4} |Caused by: |Suppressed: |\.{3} \d{1,6} more$|Next [\w\\]{0,128}(?:Exception|Error)\b",
    re.ASCII,
)
_JAVA: Final = re.compile(r"(?:[A-Za-z_$][\w$]{0,63}\.){1,16}[\w$]{0,64}(?:Exception|Error|Throwable)(?::|$)", re.ASCII)


def continues(text: str, trace: int, has_format: bool) -> tuple[bool, int]:
    """Whether an unknown line continues the entry before it, and where the trace stands then."""
    if not text or text[0] in " \t" or text.isspace():
        return True, trace
    if text.startswith(_PYTHON):
        return has_format or trace != OUTSIDE, INSIDE
    if trace == INSIDE:
        return True, BEHIND
    if trace == BEHIND and text.startswith(_LINKS):
        return True, BEHIND
    if _ALWAYS.match(text) or (has_format and (_JAVA.match(text) or text.startswith(_MARIADB))):
        return True, OUTSIDE
    return False, OUTSIDE
