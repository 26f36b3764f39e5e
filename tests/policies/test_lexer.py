"""A token knows all that it could be; what is too large or does not end is refused before anything recurses."""

import pytest

from policies.errors import QueryError
from policies.lalr import tables
from policies.lexer import MAX_DEPTH, MAX_TOKENS, Source, Token, tokens


def lexed(text: str) -> list[Token]:
    return tokens(Source(text), tables().words)[:-1]


def first_types(text: str) -> list[str]:
    return [token.types[0] for token in lexed(text)]


def bracket(text: str, sign: str) -> str:
    return next(token.types[0] for token in lexed(text) if token.text == sign)


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("1 0x1F 0o17 1.5 .5 1e3 2E-3", ["INTEGER"] * 3 + ["FLOAT"] * 4),
        ("1..2", ["INTEGER", "__ANON_0", "INTEGER"]),
        ("0x 1a 0o8 9_h", ["BADNUMBER"] * 4),
        ("$a $1 $`a b`", ["PARAMETER"] * 3),
        ("'a\\'b' \"c'd\"", ["STRING"] * 2),
        ("`a``b` ab_1 é", ["NAME"] * 3),
        ("/* a * / b */ x // y", ["NAME"]),
        ("\u2003x\ufeff\u180ey\r\n", ["NAME", "NAME"]),
    ],
)
def test_literals_names_and_what_stands_between_them(text: str, types: list[str]) -> None:
    assert first_types(text) == types


def test_a_word_is_a_keyword_first_and_a_name_last() -> None:
    assert lexed("mAtCh")[0].types == ("MATCH", "NAME")
    assert lexed("size(")[0].types == ("FUNCTION", "NAME")
    assert lexed("any(")[0].types == ("QUANTITY", "FUNCTION", "NAME")
    assert lexed("`any`(")[0].types == ("FUNCTION", "NAME")
    assert lexed("exists {")[0].types == ("EXISTS", "NAME")
    assert lexed(") used (")[1].types == ("RELATION", "FUNCTION", "NAME")
    joined = lexed("duration . between(")[0]
    assert (joined.text, joined.types[0], joined.end) == ("duration.between", "FUNCTION", 18)


@pytest.mark.parametrize(
    "text",
    ["(a)-->()", "(a)--(b)", "()<-[r]-(b)", "(:A:B|C {x: (1)})-[*]->(b)", "(a $p)<-->(b)", "(a)-[:X {y: [1]}]-(b)"],
)
def test_a_bracket_that_opens_a_path(text: str) -> None:
    assert bracket(text, "(") == "PATTERN"


@pytest.mark.parametrize(
    "text", ["(a)", "(a)-(b)", "(1)--(b)", "(a.b)--(c)", "(a)-[1]", "(a)<-1", "(a)-[", "(a)-->b", "(a + -[1]-(b))"]
)
def test_a_bracket_that_opens_a_value(text: str) -> None:
    assert bracket(text, "(") == "LPAR"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[x IN xs]", "LISTING"),
        ("[x in xs WHERE x | [1, 2]]", "LISTING"),
        ("[x IN [1, 2] | x]", "LISTING"),
        ("[x IN xs, y IN ys]", "LSQB"),
        ("[x, y]", "LSQB"),
        ("[(a)-->(b) | b]", "PATHS"),
        ("[p = (a)-[:X|Y]-() WHERE x | p]", "PATHS"),
        ("[(a)-->(b), true]", "LSQB"),
        ("[x IN xs", "LSQB"),
    ],
)
def test_a_bracket_that_opens_a_list_or_a_comprehension(text: str, kind: str) -> None:
    assert bracket(text, "[") == kind


@pytest.mark.parametrize(
    ("text", "column", "detail"),
    [
        ("a 'b", 3, "UnexpectedSyntax"),
        ("a /* b", 3, "UnexpectedSyntax"),
        ("a `b", 3, "UnexpectedSyntax"),
        ("é“", 2, "InvalidUnicodeCharacter"),
        ("(" * (MAX_DEPTH + 1), MAX_DEPTH + 1, "NestedTooDeep"),
        ("a " * (MAX_TOKENS + 1), 2 * MAX_TOKENS + 1, "QueryTooLarge"),
    ],
)
def test_what_is_refused_says_where(text: str, column: int, detail: str) -> None:
    with pytest.raises(QueryError) as caught:
        lexed(text)
    assert (caught.value.line, caught.value.column, caught.value.detail) == (1, column, detail)


def test_places_count_characters_in_the_whole_file() -> None:
    source = Source("é\n ü𝄞x", "f", lines=10)
    place = source.place(source.text.index("x"))
    assert (place.line, place.column) == (12, 4)
