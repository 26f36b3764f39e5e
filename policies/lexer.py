r"""From the text of a query to its tokens, each with all that it could be.

Rules of this file
    - All tokens are made before parsing begins, so that a bracket can be told by what follows it: `(` may open a path
      where a value stands, `[` a comprehension, a word before `(` is a function's name.
    - A token has several possible types, the most special first; which of them it is says the state of the parser
      (`lalr`). So a keyword is a name wherever it could not be a keyword.
    - Sizes and the nesting of brackets are limited here, before anything can recurse.

Complexity: linear in the text: no expression here backtracks over more than one token, and what does not end (a string,
    a comment) ends the lexing.
Source: openCypher 9 (literals, symbolic names, comments, dashes of other alphabets).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final, NamedTuple

from policies.errors import QueryError
from policies.syntax import Place

MAX_TEXT: Final = 1 << 20
MAX_TOKENS: Final = 200_000
MAX_DEPTH: Final = 64

WORD: Final = r"[^\W\d][\w$£€¥¢]*"
QUOTED: Final = r"`[^`]*`(?:`[^`]*`)*"
TOKEN: Final = re.compile(
    rf"""(?P<SPACE>[\s\u180e\ufeff]+|//[^\n]*|/\*(?s:.*?)\*/)
    |(?P<WORD>{WORD})
    |(?P<QUOTED>{QUOTED})
    |(?P<STRING>'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*")
    |(?P<RANGE>\.\.)
    |(?P<FLOAT>(?:[0-9]*\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)(?!\w))
    |(?P<INTEGER>(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|[0-9]+)(?!\w))
    |(?P<BADNUMBER>\.?[0-9]\w*)
    |(?P<PARAMETER>\$(?:\w+|{QUOTED}))
    |(?P<DASH>[\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d])
    |(?P<OPEN>/\*)
    |(?P<SIGN>=~|<>|<=|>=|.)""",
    re.VERBOSE | re.DOTALL,
)
CLOSING: Final[Mapping[str, str]] = {"(": ")", "[": "]", "{": "}"}
QUANTITIES: Final = frozenset({"all", "any", "none", "single"})
RELATION_WORDS: Final = frozenset({"used", "wasgeneratedby", "wastriggeredby", "wasderivedfrom"})
SHORTEST: Final = frozenset({"shortestpath", "allshortestpaths"})
NAMES: Final = frozenset({"WORD", "QUOTED"})


class Token(NamedTuple):
    """`text` stands at `start`; `types` are its possible terminals of `policy.lark`, the most special first."""

    types: tuple[str, ...]
    text: str
    start: int
    end: int


class Source:
    """The text of a query and where it stands in its file."""

    def __init__(self, text: str, file: str = "", lines: int = 0) -> None:
        self.text, self.file, self._above = text, file, lines
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]

    def place(self, at: int) -> Place:
        """Line and column of a character, in the whole file."""
        line = bisect_right(self._lines, at)
        return Place(line + self._above, at - self._lines[line - 1] + 1)

    def error(
        self,
        message: str,
        at: int,
        offending: str = "",
        hint: str = "",
        *,
        kind: str = "SyntaxError",
        detail: str = "UnexpectedSyntax",
    ) -> QueryError:
        """An error at a character."""
        place = self.place(at)
        return QueryError(
            message,
            kind=kind,
            detail=detail,
            file=self.file,
            line=place.line,
            column=place.column,
            offending=offending,
            hint=hint,
        )


def tokens(source: Source, words: Mapping[str, str]) -> list[Token]:
    """All tokens of a query, and the end.

    `words` are the keywords and signs of the grammar with their terminals. Raises `QueryError`.
    """
    raw = _joined(_split(source), source)
    return _Retagger(raw, _partners(raw, source), words).all(len(source.text))


class _Raw(NamedTuple):
    group: str
    text: str
    start: int
    end: int


def _split(source: Source) -> list[_Raw]:
    found: list[_Raw] = []
    for match in TOKEN.finditer(source.text):
        group = match.lastgroup or ""
        if group == "SPACE":
            continue
        raw = _Raw(group, match[0], match.start(), match.end())
        if group == "OPEN" or (group == "SIGN" and raw.text in "'\"`"):
            raise _unended(raw, source)
        if group == "SIGN" and not raw.text.isascii():
            raise source.error(
                "a character that has no meaning here", raw.start, raw.text, detail="InvalidUnicodeCharacter"
            )
        found.append(raw)
        if len(found) > MAX_TOKENS:
            raise source.error(f"a query of more than {MAX_TOKENS} words and signs", raw.start, detail="QueryTooLarge")
    return found


def _unended(raw: _Raw, source: Source) -> QueryError:
    line = source.text[raw.start : raw.start + 200].split("\n")[0]
    if raw.group == "OPEN":
        return source.error("a comment that does not end", raw.start, line, "close it with */")
    what = "a quoted name" if raw.text == "`" else "a string"
    return source.error(f"{what} that does not end", raw.start, line, "close it with the same quote")


def _joined(raw: list[_Raw], source: Source) -> list[_Raw]:
    """The tokens, `a.b.c` before a parenthesis made one word: the name of a function."""
    out: list[_Raw] = []
    for token in raw:
        if token.text == "(" and len(out) >= 3 and out[-1].group in NAMES:
            first = len(out) - 1
            while first >= 2 and out[first - 1].text == "." and out[first - 2].group in NAMES:
                first -= 2
            if first < len(out) - 1:
                name = "".join(one.text for one in out[first:])
                out[first:] = [_Raw("WORD", name, out[first].start, out[-1].end)]
        out.append(token)
    return out


def _partners(raw: list[_Raw], source: Source) -> list[int]:
    """For each bracket that closes, the place of the one that opens, and the other way round; else -1."""
    partners, opened = [-1] * len(raw), list[int]()
    for here, token in enumerate(raw):
        if token.group != "SIGN":
            continue
        if token.text in CLOSING:
            opened.append(here)
            if len(opened) > MAX_DEPTH:
                raise source.error(
                    f"nested more than {MAX_DEPTH} deep", token.start, token.text, detail="NestedTooDeep"
                )
        elif opened and CLOSING[raw[opened[-1]].text] == token.text:
            partners[here] = opened[-1]
            partners[opened.pop()] = here
    return partners


class _Retagger:
    """Gives each token its possible types by looking ahead."""

    def __init__(self, raw: list[_Raw], partners: list[int], words: Mapping[str, str]) -> None:
        self._raw, self._partners, self._words = raw, partners, words
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}

    def all(self, end: int) -> list[Token]:
        found = [Token(self._types(here, one), one.text, one.start, one.end) for here, one in enumerate(self._raw)]
        return [*found, Token(("$END",), "", end, end)]

    def _types(self, here: int, raw: _Raw) -> tuple[str, ...]:
        if raw.group in NAMES:
            before, after = self._text(here - 1), self._text(here + 1)
            if after not in ("(", "{"):
                after = ""
            key = (raw.text, after) if before != ")" else (raw.text, ")" + after)
            types = self._known.get(key)
            if types is None:
                types = self._known[key] = self._of_word(raw, before == ")", after)
            return types
        if raw.text == "(":
            return ("PATTERN", "LPAR") if raw.group == "SIGN" and self._opens_path(here) else ("LPAR",)
        if raw.text == "[":
            return self._of_bracket(here)
        if raw.group == "DASH":
            return ("_DASH",)
        if raw.group in ("SIGN", "RANGE"):
            return (self._words.get(raw.text, "UNKNOWN"),)
        return (raw.group,)

    def _of_word(self, raw: _Raw, follows: bool, after: str) -> tuple[str, ...]:
        if raw.group == "QUOTED":
            return ("FUNCTION", "NAME") if after == "(" else ("NAME",)
        types, word = [], raw.text.lower()
        if after == "{" and word == "exists":
            types.append("EXISTS")
        if after == "(":
            if follows and word in RELATION_WORDS:
                types.append("RELATION")
            if word in QUANTITIES:
                types.append("QUANTITY")
            if word in SHORTEST:
                types.append("SHORTEST")
            if word == "reduce":
                types.append("REDUCE")
        keyword = self._words.get(raw.text.upper())
        if keyword is not None:
            types.append(keyword)
        if after == "(":
            types.append("FUNCTION")
        return (*types, "NAME")

    def _text(self, here: int) -> str:
        """The sign or word there; of a string nothing, which is no sign."""
        if not 0 <= here < len(self._raw):
            return ""
        raw = self._raw[here]
        return raw.text if raw.group in ("SIGN", "WORD", "RANGE") else "-" if raw.group == "DASH" else ""

    def _is_name(self, here: int) -> bool:
        return 0 <= here < len(self._raw) and self._raw[here].group in NAMES

    def _opens_path(self, here: int) -> bool:
        """Whether a node pattern begins here, and an arrow follows it."""
        at = here + 1
        if self._is_name(at):
            at += 1
        while self._text(at) in (":", "|") and (self._is_name(at + 1) or self._text(at + 1) == ":"):
            at += 2 if self._is_name(at + 1) else 1
        if self._text(at) == "{" and self._partners[at] > at:
            at = self._partners[at] + 1
        elif at < len(self._raw) and self._raw[at].group == "PARAMETER":
            at += 1
        return self._text(at) == ")" and self._is_arrow(at + 1)

    def _is_arrow(self, at: int) -> bool:
        if self._text(at) == "<":
            at += 1
        if self._text(at) != "-":
            return False
        at += 1
        if self._text(at) == "[":
            if self._partners[at] < 0:
                return False
            at = self._partners[at] + 1
        if self._text(at) != "-":
            return False
        at += 1
        return self._text(at + (self._text(at) == ">")) == "("

    def _of_bracket(self, here: int) -> tuple[str, ...]:
        end = self._partners[here]
        if end < 0:
            return ("LSQB",)
        named = self._is_name(here + 1)
        path = here + 3 if named and self._text(here + 2) == "=" else here + 1
        if self._text(path) == "(" and self._opens_path(path):
            return ("PATHS", "LSQB") if self._divider(path, end) == "|" else ("LSQB",)
        if named and self._text(here + 2).upper() == "IN" and self._divider(here + 3, end) != ",":
            return ("LISTING", "LSQB")
        return ("LSQB",)

    def _divider(self, at: int, end: int) -> str:
        """The first `|` or `,` between the brackets, those in inner brackets left out."""
        while at < end:
            text = self._text(at)
            if text in ("|", ","):
                return text
            at = self._partners[at] + 1 if self._partners[at] > at else at + 1
        return ""
