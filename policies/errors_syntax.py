"""Words for a text that the grammar does not know: which clause is left out, what ends too early, what was expected.

Rules of this file
    - A clause that Cypher has and this language has not is named as such (`UNSUPPORTED`), not called a syntax error.
    - The details are those of openCypher's conformance suite, told by the tokens around the place.

Complexity: linear in the tokens before the place, once per refused text.
Source: openCypher 9 (the list of clauses); the conformance suite's details of SyntaxError.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from policies.errors import UNSUPPORTED, QueryError
from policies.lexer import CLOSING, Source, Token

WRITING: Final = frozenset({"CREATE", "MERGE", "DELETE", "DETACH", "SET", "REMOVE", "FOREACH"})
PROCEDURES: Final = frozenset({"CALL", "YIELD"})
OTHERS: Final = frozenset({"LOAD", "USE", "FINISH", "EXPLAIN", "PROFILE", "USING", "START", "DROP", "SHOW", "INSERT"})
MAX_SHOWN: Final = 5
# What people who come from other languages write, and what it is called here.
ELSEWHERE: Final = {
    "!": "<> is unequal, NOT negates",
    "&": "AND, and + joins strings",
    "|": "OR",
    "LIKE": "CONTAINS, STARTS WITH, ENDS WITH or =~",
    "SELECT": "MATCH … RETURN",
    "FROM": "MATCH … RETURN",
    "GROUP": "columns beside an aggregate are its groups",
    "HAVING": "WITH count(*) AS n WHERE n > 1",
    "BETWEEN": "1 <= x <= 3",
}
SHOWN: Final = {
    "NAME": "a name",
    "STRING": "a string",
    "INTEGER": "a number",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "LBRACE": "{",
    "RBRACE": "}",
    "COLON": ":",
    "COMMA": ",",
    "VBAR": "|",
    "MINUS": "-",
    "EQUAL": "=",
}
SILENT: Final = frozenset({"FUNCTION", "PATTERN", "PATHS", "LISTING", "$END", "_DASH", "RELATION"})


def unexpected(source: Source, tokens: Sequence[Token], index: int, expected: frozenset[str]) -> QueryError:
    """The error for the token at `index`, where the grammar `expected` others."""
    token = tokens[index]
    hint = _hint(token, expected)
    if token.types == ("$END",):
        return _at_end(source, tokens, index, hint)
    word = token.text.upper()
    if expected & {"MATCH", "RETURN"} or (expected & {"SKIP"} and word == "OFFSET"):
        missing = _missing(source, tokens, index)
        if missing is not None:
            return missing
    if token.types == ("BADNUMBER",) and "INTEGER" in expected:
        return source.error("not a number", token.start, token.text, detail="InvalidNumberLiteral")
    if token.types == ("_DASH",):
        message = "a dash that stands only in patterns"
        return source.error(message, token.start, token.text, "write -", detail="InvalidUnicodeCharacter")
    if _in_relationship(tokens, index):
        message = "a relationship pattern that is not understood"
        return source.error(message, token.start, token.text, "[:TYPE*1..3]", detail="InvalidRelationshipPattern")
    return source.error("not understood", token.start, token.text, hint)


def _at_end(source: Source, tokens: Sequence[Token], index: int, hint: str) -> QueryError:
    end = tokens[index - 1].end if index else len(source.text)
    return source.error("the query ends too early", end, hint=hint)


def _missing(source: Source, tokens: Sequence[Token], index: int) -> QueryError | None:
    """The error for a clause that this language leaves out."""
    token = tokens[index]
    word = token.text.upper()
    if word in WRITING:
        if _in_subquery(tokens, index):
            message = f"{word} in a subquery"
            return source.error(message, token.start, token.text, detail="InvalidClauseComposition")
        message, hint = f"{word} is not supported: queries here only read", ""
    elif word in PROCEDURES:
        message, hint = f"{word} is not supported: there are no procedures", ""
    elif word == "OFFSET":
        message, hint = "OFFSET is not supported", "SKIP"
    elif word in OTHERS:
        message, hint = f"{word} is not supported", ""
    else:
        return None
    return source.error(message, token.start, token.text, hint, kind=UNSUPPORTED, detail="UnsupportedClause")


def _opened(tokens: Sequence[Token], index: int) -> list[int]:
    """The brackets that are open before `index`, from the outside."""
    opened = list[int]()
    for here in range(index):
        text = tokens[here].text
        if text in CLOSING:
            opened.append(here)
        elif opened and text == CLOSING[tokens[opened[-1]].text]:
            opened.pop()
    return opened


def _in_subquery(tokens: Sequence[Token], index: int) -> bool:
    return any(
        tokens[here].text == "{" and "EXISTS" in tokens[here - 1].types for here in _opened(tokens, index) if here
    )


def _in_relationship(tokens: Sequence[Token], index: int) -> bool:
    """Whether the length of a relationship is what is wrong."""
    before = tokens[index - 1].text if index else ""
    if tokens[index].text != ".." and before not in ("*", ".."):
        return False
    opened = _opened(tokens, index)
    return bool(opened) and tokens[opened[-1]].text == "[" and tokens[opened[-1] - 1].text in ("-", "—")


def _hint(token: Token, expected: frozenset[str]) -> str:
    if token.text.upper() in ELSEWHERE:
        return ELSEWHERE[token.text.upper()]
    words = {name for name in expected if name not in SILENT and (name in SHOWN or name.isalpha())}
    if "NAME" in token.types and token.text.isascii():
        near = get_close_matches(token.text.upper()[:40], [word for word in words if word not in SHOWN], 1, 0.7)
        if near and near[0] != token.text.upper():
            return f"did you mean {near[0]}?"
    shown = sorted({SHOWN.get(name, name) for name in words})
    return "expected " + " or ".join(shown) if 0 < len(shown) <= MAX_SHOWN else ""
