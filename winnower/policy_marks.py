"""Errors and warnings as people read them: where, what, the line of the file, a caret below; or as JSON, or for GitHub.

Rules of this file
    - Pure: texts of files come in. Whatever is not printable ASCII is shown escaped, and the caret stands below what is
      shown: escapes are wider than what they stand for.
    - A long line is cut around the place.

Complexity: O(what is shown).
Source: rustc and ruff (the form); docs.github.com, workflow commands (`::error file=…`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from grammar.errors import InputError, escape

WIDTH: Final = 96
BEFORE: Final = 40
"""Characters of the line that are shown before the place, if the line is long."""
MAX_TEXT: Final = 400


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing to say about a place in a file; lines and columns from 1, 0 is unknown. `rule` names a warning."""

    level: Literal["error", "warning"]
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    offending: str = ""
    hint: str = ""
    rule: str = ""

    @staticmethod
    def of(error: InputError) -> Mark:
        """An error's."""
        return Mark("error", error.message, error.file, error.line, error.column, error.offending, error.hint)

    @property
    def where(self) -> str:
        """`file:line:column`, as far as it is known."""
        parts = [escape(self.file, MAX_TEXT)] * bool(self.file) + [str(n) for n in (self.line, self.column) if n]
        return ":".join(parts)

    @property
    def what(self) -> str:
        """The message with the offending text and what to do."""
        text = escape(self.message, MAX_TEXT) + (f": '{self.offending}'" if self.offending else "")
        text += f" ({escape(self.hint, MAX_TEXT)})" if self.hint else ""
        return text + (f" [{self.rule}]" if self.rule else "")

    @property
    def order(self) -> tuple[str, int, int, str]:
        """As files are read."""
        return self.file, self.line, self.column, self.message

    def value(self) -> dict[str, object]:
        """For JSON."""
        return {
            "level": self.level,
            "file": escape(self.file, MAX_TEXT),
            "line": self.line or None,
            "column": self.column or None,
            "message": escape(self.message, MAX_TEXT),
            "offending": self.offending,
            "hint": escape(self.hint, MAX_TEXT),
            "rule": self.rule,
        }


def shown(mark: Mark, texts: Mapping[str, str]) -> str:
    """The mark in words, and below it the line that it speaks of, if that is at hand."""
    head = f"{mark.where}: " if mark.where else ""
    word = "warning: " if mark.level == "warning" else ""
    excerpt = excerpt_of(texts.get(mark.file, ""), mark.line, mark.column)
    return f"{head}{word}{mark.what}\n" + "".join(f"{line}\n" for line in excerpt)


def excerpt_of(text: str, line: int, column: int) -> tuple[str, ...]:
    r"""The line with its number, and a caret under the column.

    >>> for row in excerpt_of("MATCH (a)\nRETURN\tb", 2, 8): print(row)
      |
    2 | RETURN  b
      |         ^
    """
    lines = text.removeprefix("\ufeff").split("\n") if line else []
    if not 1 <= line <= len(lines) or not column:
        return ()
    raw = lines[line - 1].rstrip("\r")
    at = min(column - 1, len(raw))
    begin = max(0, at - BEFORE) if len(raw) > WIDTH else 0
    before = _visible(raw[begin:at], len(_ahead(begin)))
    after = _visible(raw[at : begin + WIDTH], len(before))
    gutter = " " * len(str(line))
    row = f"{_ahead(begin)}{before}{after}{'…' if len(raw) > begin + WIDTH else ''}"
    caret = " " * (len(_ahead(begin)) + len(before))
    return f"{gutter} |", f"{line} | {row}".rstrip(), f"{gutter} | {caret}^"


def _ahead(begin: int) -> str:
    return "…" if begin else ""


def _visible(text: str, at: int) -> str:
    """Tabs as spaces up to the next stop, the rest escaped."""
    shown_so_far = ""
    for character in text:
        if character == "\t":
            shown_so_far += " " * (8 - (at + len(shown_so_far)) % 8)
        else:
            shown_so_far += escape(character)
    return shown_so_far


def for_github(mark: Mark) -> str:
    r"""A workflow command that puts the mark beside the line.

    >>> for_github(Mark("error", "50% of\nit", "a,b", 3))
    '::error file=a%2Cb,line=3::50%25 of\\nit'
    """
    places = [("file", mark.file), ("line", mark.line), ("col", mark.column), ("title", mark.rule)]
    named = ",".join(f"{name}={_property(str(value))}" for name, value in places if value)
    return f"::{mark.level}{' ' if named else ''}{named}::{_data(mark.what)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return escape(text, MAX_TEXT).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")


def in_order(marks: Iterable[Mark]) -> list[Mark]:
    """As files are read, each once."""
    return sorted(dict.fromkeys(marks), key=lambda one: one.order)
