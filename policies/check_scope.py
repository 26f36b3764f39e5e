"""Which names are known at a place of a query, what they stand for, and the list of what is wrong.

Rules of this file
    - A scope holds names of its own and looks the rest up in the one around it: entering a comprehension copies
      nothing.
    - Errors are gathered, never raised; where a part stands is known from the first of its tokens.

Complexity: a look-up O(scopes around), at most `lalr.MAX_TREE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from policies import syntax as s
from policies.check_shapes import Shape
from policies.errors import SYNTAX, QueryError
from policies.lexer import Source, Token

NEAR: Final = 200  # names that are looked through for one that is spelt alike
MAX_ERRORS: Final = 100  # of one query; whoever makes more wants them no more


class Scope:
    """Names and what they stand for."""

    def __init__(self, names: Mapping[str, Shape] | None = None, around: Scope | None = None) -> None:
        self.names, self.around = dict(names or {}), around

    def get(self, name: str) -> Shape | None:
        """What the name stands for, or None."""
        scope: Scope | None = self
        while scope is not None:
            shape = scope.names.get(name)
            if shape is not None:
                return shape
            scope = scope.around
        return None

    def __iter__(self) -> Iterator[str]:
        yield from self.names
        if self.around is not None:
            yield from self.around

    def inner(self, names: Mapping[str, Shape] | None = None) -> Scope:
        """A scope within this one."""
        return Scope(names, self)


class Report:
    """What is wrong with a query, and where."""

    def __init__(self, source: Source, tokens: Sequence[Token], begins: Mapping[int, int]) -> None:
        self._source, self._tokens, self._begins = source, tokens, begins
        self.errors: list[QueryError] = []

    def wrong(
        self,
        message: str,
        part: object,
        offending: str = "",
        hint: str = "",
        *,
        detail: str,
        kind: str = SYNTAX,
    ) -> None:
        """Note an error where `part` stands: a part of the tree, or a `Place`."""
        if len(self.errors) >= MAX_ERRORS:
            return
        at = part if isinstance(part, s.Place) else self._place(part)
        self.errors.append(
            QueryError(
                message,
                kind=kind,
                detail=detail,
                file=self._source.file,
                line=at.line,
                column=at.column,
                offending=offending,
                hint=hint,
            )
        )

    def _place(self, part: object) -> s.Place:
        first = self._begins.get(id(part))
        if first is not None:
            return self._source.place(self._tokens[first].start)
        at = getattr(part, "at", s.NOWHERE)
        return at if isinstance(at, s.Place) else s.NOWHERE

    def unknown(self, variable: s.Variable, scope: Iterable[str]) -> None:
        """A name that nothing binds."""
        self.undefined(variable.name, variable.at, scope)

    def undefined(self, name: str, part: object, scope: Iterable[str]) -> None:
        """A name that nothing binds, at `part`."""
        hint = near(name, scope) if len(self.errors) < MAX_ERRORS else ""
        self.wrong("a variable that no clause binds", part, name, hint, detail="UndefinedVariable")


def near(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one, as a hint."""
    names = [name for name, _ in zip(dict.fromkeys(known), range(NEAR), strict=False)]
    found = get_close_matches(word[:80], names, 1)
    return f"did you mean {found[0]}?" if found else ""
