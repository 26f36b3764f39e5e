"""Errors of the policy language: several at once, and answers that were cut off by a limit.

Rules of this file
    - Both are `InputError`s, so that a command needs one handler: exit 2 and located lines.
    - All the errors of a file are reported, not the first; in reading order, without repeats.
    - A limit never hides what was already found: the matches travel with the error.

Source: design section 7 (errors) and promise 5 (loss is visible).
"""

from __future__ import annotations

from collections.abc import Iterable

from grammar.errors import InputError


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

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def raise_all(errors: list[InputError]) -> None:
    """Raise what was gathered: nothing, the one error itself, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise PolicyErrors(errors)
