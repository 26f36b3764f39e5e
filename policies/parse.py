"""From the text of a query to its checked syntax tree, or to all that is wrong with it.

Rules of this file
    - The grammar is data (`policy.lark`); `lexer`, `lalr` and `build` make the tree, `check` judges it.
    - Whatever the text, the outcome is a `Query` or an `InputError`: sizes and depth are limited before they can hurt.

Invariant: `parse_query` never raises anything but `InputError`; its result is nested at most `lalr.MAX_TREE` deep.
Complexity: linear in the text; see `check_projections` for ORDER BY and grouping.
Source: openCypher 9, design section 7 (errors).
"""

from __future__ import annotations

from policies.build import QueryBuilder
from policies.check import check_query
from policies.check_scope import Report
from policies.errors import QueryError, raise_all
from policies.errors_syntax import unexpected
from policies.lalr import MAX_TREE, TooDeepError, UnexpectedTokenError, run, tables
from policies.lexer import MAX_DEPTH, MAX_TEXT, MAX_TOKENS, Source, tokens
from policies.syntax import Query

__all__ = ["MAX_DEPTH", "MAX_TEXT", "MAX_TOKENS", "MAX_TREE", "parse_query"]


def parse_query(text: str, file: str = "", lines: int = 0) -> Query:
    """Parse and check one query; `lines` is how many lines of `file` stand above it.

    Raises `InputError` (for several errors `PolicyErrors`), located in the whole file.

    >>> parse_query("MATCH (a:File) RETURN a.path").parts[0].clauses[1].projection.items[0].name
    'a.path'
    """
    if len(text) > MAX_TEXT:
        message = f"a query of more than {MAX_TEXT} characters"
        raise QueryError(message, detail="QueryTooLarge", file=file, line=lines + 1, column=1)
    source, table = Source(text, file, lines), tables()
    found = tokens(source, table.words)
    builder = QueryBuilder(source, found)
    try:
        query = run(table, found, builder)
    except UnexpectedTokenError as error:
        raise_all([*builder.errors, unexpected(source, found, error.index, error.expected)])
        raise  # cannot be: there was an error
    except TooDeepError as error:
        token = found[error.index]
        message = f"nested more than {MAX_TREE} deep"
        raise source.error(message, token.start, token.text, detail="NestedTooDeep") from None
    if not isinstance(query, Query):
        raise TypeError("the grammar's start gives a query")
    builder.overflowed()
    report = Report(source, found, builder.begins)
    check_query(query, report, builder.excused)
    raise_all([*builder.errors, *report.errors])
    return query
