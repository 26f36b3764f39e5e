"""Errors of the query language: what is wrong, of which kind, and several at once.

Rules of this file
    - All are `InputError`s, so that a command needs one handler: exit 2 and located lines.
    - `kind` and `detail` are the names that openCypher's conformance suite has for what is wrong; a clause or function
      of Cypher that this language leaves out is of kind `UNSUPPORTED`.
    - All the errors of a file are reported, not the first; in reading order, without repeats.

Source: design section 7 (errors); openCypher TCK (error types and details).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from grammar.errors import InputError

SYNTAX: Final = "SyntaxError"
TYPE: Final = "TypeError"
ARGUMENT: Final = "ArgumentError"
UNSUPPORTED: Final = "Unsupported"


class QueryError(InputError):
    """What is wrong with a query, or with what it does at run time."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = SYNTAX,
        detail: str = "UnexpectedSyntax",
        file: str = "",
        line: int = 0,
        column: int = 0,
        offending: str = "",
        hint: str = "",
    ) -> None:
        self.kind, self.detail = kind, detail
        super().__init__(message, file=file, line=line, column=column, offending=offending, hint=hint)


class PolicyErrors(InputError):  # noqa: N818 - it is several errors, and says so
    """All that is wrong with one text (or with several); `str()` is one located line for each."""

    def __init__(self, errors: Iterable[InputError]) -> None:
        """Flatten nested collections, so that files can be gathered in turn."""
        flat = [one for error in errors for one in (error.errors if isinstance(error, PolicyErrors) else (error,))]
        self.errors: tuple[InputError, ...] = tuple(
            sorted({str(e): e for e in flat}.values(), key=lambda e: (e.file, e.line, e.column))
        )
        first = self.errors[0] if self.errors else InputError("no error was given")
        super().__init__(first.message, file=first.file, line=first.line, column=first.column, hint=first.hint)

    @property
    def details(self) -> frozenset[str]:
        """The details of those of the errors that are the language's."""
        return frozenset(error.detail for error in self.errors if isinstance(error, QueryError))

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def raise_all(errors: Iterable[InputError]) -> None:
    """Raise what was gathered: nothing, the one error itself, or all of them together."""
    all_of_them = PolicyErrors(errors)
    if len(all_of_them.errors) == 1:
        raise all_of_them.errors[0]
    if all_of_them.errors:
        raise all_of_them
