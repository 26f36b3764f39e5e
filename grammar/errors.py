"""Errors that a person can act on: whose fault, where, the offending text, what to do.

Rules of this file
    - Every error that bad input can cause is an `InputError`; a command turns it into exit code 2 and one located line.
    - The offending text is escaped before it is shown: log text is attacker-controlled (design promise 7).
    - The tree is shallow: a caller that wants one kind catches one subclass.

Complexity: O(what is shown of the offending text), which is bounded.
Source: design section 5 (errors) and section 7.
"""

from __future__ import annotations

from typing import Final

SHOWN: Final = 80


def escape(text: str | bytes, limit: int = SHOWN) -> str:
    r"""Make `text` safe for a terminal: printable ASCII as is, the rest as escapes, at most `limit` characters.

    >>> escape(b"a\x1b[31mb")
    'a\\x1b[31mb'
    """
    shown = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    cut = shown[:limit]
    safe = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in cut)
    return safe + ("…" if len(shown) > limit else "")


class InputError(Exception):
    """Bad input: `file:line:column: message: 'offending' (hint)`; lines and columns from 1, 0 is unknown."""

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        offending: str | bytes = "",
        hint: str = "",
    ) -> None:
        self.message, self.file, self.line, self.column = message, file, line, column
        self.offending, self.hint = escape(offending), hint
        super().__init__(str(self))

    def __str__(self) -> str:
        where = ":".join([escape(self.file, 400)] * bool(self.file) + [str(n) for n in (self.line, self.column) if n])
        text = f"{where}: {self.message}" if where else self.message
        text += f": '{self.offending}'" if self.offending else ""
        return text + (f" ({self.hint})" if self.hint else "")


class CodecError(InputError):
    """Bytes that are not what they claim to be, or claim to be more than a decoder will hold."""


class BaseMismatchError(CodecError):
    """A delta that names a base which is not the receiver's."""
