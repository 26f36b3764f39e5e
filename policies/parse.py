"""From the text of a query to its checked syntax tree, or to all that is wrong with it.

Rules of this file
    - The grammar is data (`policy.lark`, LALR, read once with the package); this file runs it and words its errors.
    - Whatever the text, the outcome is a `Query` or an `InputError`: sizes and depth are limited before they can hurt.
    - A clause that Cypher has and this subset has not is named as such, not called a syntax error.

Invariant: `parse_query` never raises anything but `InputError`; brackets and NOTs nest at most `MAX_DEPTH` deep in
    its result.
Complexity: linear in the text.
Source: openCypher 9 (the list of clauses), design section 7 (errors).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken
from lark.lark import PostLex

from grammar.errors import InputError
from policies.build import build
from policies.check import query_problems
from policies.errors import raise_all
from policies.syntax import Query

MAX_TEXT: Final = 1 << 20
MAX_TOKENS: Final = 100_000
MAX_DEPTH: Final = 64

# Clauses, and what else of Cypher is known but not offered, by the words that they begin with.
UNSUPPORTED: Final = re.compile(
    r"(OPTIONAL\s+MATCH|MATCH|WITH|UNWIND|UNION(\s+ALL)?|ORDER\s+BY|SKIP|OFFSET|CREATE|MERGE|(DETACH\s+)?DELETE|SET|REMOVE"
    r"|CALL|FOREACH|LOAD\s+CSV|USE|FINISH|CASE|EXISTS|COUNT|XOR|shortestPath|allShortestPaths|EXPLAIN|PROFILE)(?!\w)",
    re.IGNORECASE,
)
HINTS: Final = {
    "MATCH": "one MATCH with several paths, separated by commas",
    "XOR": "write (a OR b) AND NOT (a AND b)",
    "OFFSET": "use LIMIT",
    "SKIP": "use LIMIT",
}


def parse_query(text: str, file: str = "", lines: int = 0) -> Query:
    """Parse and check one query; `lines` is how many lines of `file` stand above it.

    Raises `InputError` (for several errors `PolicyErrors`), located in the whole file.

    >>> parse_query("MATCH (a:File) RETURN a.path").items[0].name
    'a.path'
    """
    if len(text) > MAX_TEXT:
        raise InputError(f"a query of more than {MAX_TEXT} characters", file=file, line=lines + 1, column=1)
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _located(error, text, file, lines) from None
    except _LimitedError as error:
        at = error.token
        raise InputError(
            error.message, file=file, line=(at.line or 0) + lines, column=at.column or 0, offending=str(at)
        ) from None
    query, errors = build(tree, text, file, lines)
    raise_all(errors + query_problems(query, file))
    return query


class _LimitedError(Exception):
    def __init__(self, message: str, token: Token) -> None:
        super().__init__(message)
        self.message, self.token = message, token


class _Limits(PostLex):
    """Counts tokens and open brackets as they pass, before a tree is built that recursion could not climb."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        pending = [0]  # for each open bracket, the NOTs that wait for their operand in it
        for count, token in enumerate(stream):
            if token.type in ("_LPAR", "_LSQUARE"):
                pending.append(0)
            elif token.type in ("_RPAR", "_RSQUARE"):
                pending[1:] = pending[1:-1]
                pending[-1] = 0
            elif token.type == "_NOT":
                pending[-1] += 1
            elif token.type in ("_AND", "_OR", "COMMA"):
                pending[-1] = 0
            if len(pending) + sum(pending) > MAX_DEPTH:
                raise _LimitedError(f"nested more than {MAX_DEPTH} deep", token)
            if count >= MAX_TOKENS:
                raise _LimitedError(f"a query of more than {MAX_TOKENS} words and signs", token)
            yield token


@cache
def _parser() -> Lark:
    return Lark.open_from_package(
        "policies",
        "policy.lark",
        parser="lalr",
        start="query",
        propagate_positions=True,
        maybe_placeholders=False,
        postlex=_Limits(),
    )


def _located(error: UnexpectedInput, text: str, file: str, lines: int) -> InputError:
    at = error.pos_in_stream if isinstance(error.pos_in_stream, int) else len(text)
    ended = isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END")
    if ended:
        at = len(text.rstrip())
    line, column = text.count("\n", 0, at) + 1 + lines, at - (text.rfind("\n", 0, at) + 1) + 1
    message, offending, hint = (
        _worded(error, text, at) if not ended else ("the query ends too early", "", _expected(error))
    )
    return InputError(message, file=file, line=line, column=column, offending=offending, hint=hint)


def _worded(error: UnexpectedInput, text: str, at: int) -> tuple[str, str, str]:
    rest = text[at : at + 200]
    known = UNSUPPORTED.match(rest)
    if known:
        clause = " ".join(known[0].split())
        return f"{clause.upper()} is not supported here", clause, HINTS.get(clause.upper(), "")
    if re.match(r"\w+\s*=", rest) and re.search(r"(MATCH|,)\s*$", text[:at], re.IGNORECASE):
        return "named paths are not supported", rest.split("=")[0].strip(), "leave out the name"
    if rest.startswith("$"):
        return "parameters are not supported", rest.split()[0], ""
    if rest[:1] in ("'", '"'):
        return "a string that does not end", rest.split("\n")[0], "close it with the same quote"
    before = re.search(r"(?<!\w)(CASE|EXISTS|COUNT)\s*$", text[:at], re.IGNORECASE)
    if before:  # these can be names too, so the lexer passes them and stumbles over what follows
        return f"{before[1].upper()} is not supported here", before[1], ""
    word = re.match(r"\w+|\S", rest)
    return "not understood", word[0] if word else rest[:1], _expected(error)


def _expected(error: UnexpectedInput) -> str:
    if isinstance(error, UnexpectedToken):
        names = set(error.expected)
    elif isinstance(error, UnexpectedCharacters):
        names = set(error.allowed or ())
    else:
        names = set()
    shown = sorted({SHOWN[name] for name in names if name in SHOWN})
    return "expected " + " or ".join(shown) if 0 < len(shown) <= 5 else ""


# How the terminals that a person can act on are called.
SHOWN: Final = {
    "_MATCH": "MATCH",
    "_RETURN": "RETURN",
    "_WHERE": "WHERE",
    "_WITH": "WITH",
    "_NULL": "NULL",
    "_IN": "IN",
    "_LPAR": "(",
    "_RPAR": ")",
    "_LSQUARE": "[",
    "_RSQUARE": "]",
    "NAME": "a name",
    "STRING": "a string",
    "INTEGER": "a number",
    "DASH": "-",
    "COLON": ":",
    "COMMA": ",",
    "LBRACE": "{",
    "RBRACE": "}",
}
