"""The reference of the query language, made from the tables that the language runs on.

Rules of this file
    - Functions, fields and relations are listed from their tables; clauses and operators stand here, each with an
      example that parses, and a test finds every word of the grammar among them.
    - Pure: `winnower policy explain --language` prints it, the docs hold what it prints.

Invariant: what is in the reference can be written, and what can be written is in the reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from policies.check import MAX_CLAUSES
from policies.check_expressions import MAX_REGEXES
from policies.check_patterns import MAX_NODES
from policies.functions import FUNCTIONS
from policies.lalr import MAX_TREE
from policies.lexer import MAX_DEPTH, MAX_TEXT, MAX_TOKENS
from policies.vocabulary import EDGE_FIELDS, EVERY_NODE, FIELDS, MEANINGS


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what is described, what it does, and for clauses and operators an example in a whole query."""

    name: str
    doc: str
    example: str = ""


CLAUSES: Final = (
    Entry("MATCH", "Every way in which the patterns fit the graph; a relationship is used once.", "MATCH (a) RETURN a"),
    Entry(
        "OPTIONAL MATCH",
        "The same; where nothing fits, its new variables are null.",
        "OPTIONAL MATCH (a) RETURN a",
    ),
    Entry("WHERE", "Keeps the rows for which the condition is true.", "MATCH (a) WHERE a.name = 'sh' RETURN a"),
    Entry("WITH … AS", "Makes new rows: columns, aggregates; what is not named is gone.", "WITH 1 AS x RETURN x"),
    Entry("UNWIND … AS", "One row for each element of a list.", "UNWIND [1, 2] AS x RETURN x"),
    Entry("RETURN", "The columns of the answer; `*` is all that is known.", "MATCH (a) RETURN *"),
    Entry("DISTINCT", "Equal rows, or equal values of an aggregate, count once.", "RETURN DISTINCT count(DISTINCT 1)"),
    Entry(
        "ORDER BY",
        "Sorts the rows: ASC (ASCENDING) or DESC (DESCENDING); null is the greatest.",
        "UNWIND [1, 2] AS x RETURN x ORDER BY x ASC, -x DESC, 1 ASCENDING, 2 DESCENDING",
    ),
    Entry("SKIP", "Leaves out the first rows.", "UNWIND [1, 2] AS x RETURN x SKIP 1"),
    Entry("LIMIT", "Keeps the first rows.", "UNWIND [1, 2] AS x RETURN x LIMIT 1"),
    Entry(
        "UNION",
        "The rows of several queries with the same columns, equal ones once.",
        "RETURN 1 AS x UNION RETURN 2 AS x",
    ),
    Entry(
        "UNION ALL",
        "The rows of several queries, equal ones as often as they come.",
        "RETURN 1 AS x UNION ALL RETURN 1 AS x",
    ),
)

PATTERNS: Final = (
    Entry(
        "(a:File|Pipe {name: 'x'})",
        "A node of one of the kinds, with these properties.",
        "MATCH (a:File|Pipe {name: 'x'}) RETURN a",
    ),
    Entry(
        "-[r:USED|WAS_GENERATED_BY {operation: 'read'}]->",
        "A relationship; also `<-[…]-` and `-[…]-`.",
        "MATCH ()-[r:USED|WAS_GENERATED_BY {operation: 'read'}]->() RETURN r",
    ),
    Entry(
        "-[r:USED*1..3]->",
        "Several relationships in a row: `*`, `*2`, `*1..`, `*..3`; r is their list.",
        "MATCH ()-[r:USED*1..3]->() RETURN r",
    ),
    Entry("p = (a)-->(b)", "A path with a name.", "MATCH p = (a)-->(b) RETURN p"),
    Entry("shortestPath((a)-[*]->(b))", "One shortest way.", "MATCH p = shortestPath((a)-[*]->(b)) RETURN p"),
    Entry("allShortestPaths((a)-[*]->(b))", "All shortest ways.", "MATCH p = allShortestPaths((a)-[*]->(b)) RETURN p"),
    Entry(
        "(a) used (b {operation: 'write'})",
        "Winnower's published form: `used`, `wasGeneratedBy`, `wasTriggeredBy`, `wasDerivedFrom`; `*` in a string is"
        " any text, `operation` is the relationship's.",
        "MATCH (a:Process {name: '*'}) used (b:File {path: '/usr/bin/*', operation: 'write'}) RETURN a.id",
    ),
)

OPERATORS: Final = (
    Entry("OR", "Either is true.", "RETURN true OR false"),
    Entry("XOR", "One of them is true, not both.", "RETURN true XOR false"),
    Entry("AND", "Both are true.", "RETURN true AND false"),
    Entry("NOT", "It is false; of null, null.", "RETURN NOT null"),
    Entry(
        "= <> < <= > >=",
        "Comparisons; a chain `1 < x <= 3` means both. Of null, null.",
        "RETURN 1 < 2 <= 3 = 3 <> 4 > 3 >= 1",
    ),
    Entry("IN", "The list holds the value.", "RETURN 1 IN [1, 2]"),
    Entry("STARTS WITH", "The string begins so.", "RETURN 'abc' STARTS WITH 'a'"),
    Entry("ENDS WITH", "The string ends so.", "RETURN 'abc' ENDS WITH 'c'"),
    Entry("CONTAINS", "The string holds the other.", "RETURN 'abc' CONTAINS 'b'"),
    Entry("=~", "The whole string fits the regular expression (RE2).", "RETURN 'abc' =~ 'a.*'"),
    Entry("IS NULL", "There is no value.", "RETURN null IS NULL"),
    Entry("IS NOT NULL", "There is a value.", "RETURN null IS NOT NULL"),
    Entry("+", "Adds numbers, joins strings and lists.", "RETURN 'a' + 'b'"),
    Entry("- * / %", "Calculates; integers stay integers.", "RETURN -1 - 2 * 3 / 4 % 5"),
    Entry("^", "To the power of; a float.", "RETURN 2 ^ 3"),
    Entry("a.name", "A property; null if it is not there.", "MATCH (a) RETURN a.name"),
    Entry("a:File", "The node is of this kind, the relationship of this type.", "MATCH (a) RETURN a:File"),
    Entry(
        "x[0], x['key']",
        "An element of a list (from the end if negative), a value of a map.",
        "RETURN [1, 2][-1], {a: 1}['a']",
    ),
    Entry(
        "x[1..3]",
        "A part of a list; either end may be left out.",
        "RETURN [1, 2, 3][1..3], [1][1..], [1][..1], [1][..]",
    ),
)

EXPRESSIONS: Final = (
    Entry(
        "1, 0xff, 0o17, 1.5e3, 'text', true, false, null",
        "Literals.",
        "RETURN 1, 0xff, 0o17, 1.5e3, 'text', true, false, null",
    ),
    Entry("[1, 2], {key: 'value'}", "A list, a map.", "RETURN [1, 2], {key: 'value'}"),
    Entry("$name", "A parameter.", "RETURN $name"),
    Entry(
        "CASE x WHEN 1 THEN 'a' ELSE 'b' END",
        "The value of the first branch that fits.",
        "WITH 1 AS x RETURN CASE x WHEN 1 THEN 'a' ELSE 'b' END",
    ),
    Entry(
        "CASE WHEN x > 1 THEN 'a' END",
        "The value of the first branch whose condition is true, else null.",
        "WITH 1 AS x RETURN CASE WHEN x > 1 THEN 'a' END",
    ),
    Entry(
        "[x IN list WHERE x > 1 | x * 2]",
        "The list of what is kept, as the result says.",
        "WITH [1] AS list RETURN [x IN list WHERE x > 1 | x * 2]",
    ),
    Entry(
        "[(a)-->(b) WHERE b:File | b.path]",
        "The list of a result for every way in which the pattern fits.",
        "MATCH (a) RETURN [(a)-->(b) WHERE b:File | b.path]",
    ),
    Entry(
        "all(x IN list WHERE x > 1)",
        "The condition is true of all; also `any`, `none`, `single`.",
        "UNWIND [[2]] AS l RETURN all(x IN l WHERE x > 1), any(x IN l WHERE x > 1), none(x IN l WHERE x > 1)",
    ),
    Entry(
        "reduce(sum = 0, x IN list | sum + x)",
        "One value, made step by step.",
        "WITH [1] AS list RETURN reduce(sum = 0, x IN list | sum + x)",
    ),
    Entry(
        "(a)-->(:File)", "As a condition: the pattern fits. It binds nothing.", "MATCH (a) WHERE (a)-->(:File) RETURN a"
    ),
    Entry(
        "EXISTS { (a)-->(b) WHERE b.path = a.path }",
        "The pattern, or a whole query, has a row.",
        "MATCH (a) WHERE EXISTS { (a)-->(b) WHERE b.path = a.path } RETURN a",
    ),
    Entry("count(*)", "The number of rows of the group.", "RETURN count(*)"),
)

LIMITS: Final = (
    Entry(f"{MAX_TEXT:,}", "characters of a query"),
    Entry(f"{MAX_TOKENS:,}", "words and signs"),
    Entry(f"{MAX_CLAUSES:,}", "clauses"),
    Entry(f"{MAX_NODES:,}", "nodes in one MATCH"),
    Entry(f"{MAX_REGEXES:,}", "regular expressions"),
    Entry(f"{MAX_DEPTH:,}", "open brackets"),
    Entry(f"{MAX_TREE:,}", "operators, properties and brackets within each other"),
)


def functions() -> dict[str, tuple[Entry, ...]]:
    """All functions by their group, in alphabetical order."""
    groups: dict[str, list[Entry]] = {}
    for function in FUNCTIONS.values():
        groups.setdefault(function.group, []).append(Entry(function.signature, function.doc))
    return {group: tuple(sorted(groups[group], key=lambda entry: entry.name.lower())) for group in sorted(groups)}


def fields() -> dict[str, tuple[Entry, ...]]:
    """The properties by the kind of node that has them, and those of relationships."""
    found = {kind: _entries(table.items()) for kind, table in FIELDS.items()}
    return found | {"every node": _entries(EVERY_NODE.items()), "a relationship": _entries(EDGE_FIELDS.items())}


def reference() -> str:
    """The whole reference, in Markdown."""
    parts = [
        _table("Clauses", CLAUSES),
        _table("Patterns", PATTERNS),
        _table("Operators, the loosest first", OPERATORS),
        _table("Expressions", EXPRESSIONS),
        *(_table(f"Functions: {group}", entries) for group, entries in functions().items()),
        *(_table(f"Fields of {kind}", entries) for kind, entries in fields().items()),
        _table("Relations", _entries(MEANINGS.items())),
        _table("Limits", LIMITS),
    ]
    return "\n".join(parts)


def _entries(pairs: Iterable[tuple[str, str]]) -> tuple[Entry, ...]:
    return tuple(Entry(name, doc) for name, doc in pairs)


def _table(title: str, entries: Iterable[Entry]) -> str:
    rows = "".join(f"| `{_cell(entry.name)}` | {_cell(entry.doc)} |\n" for entry in entries)
    return f"### {title}\n\n| | |\n|---|---|\n{rows}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
