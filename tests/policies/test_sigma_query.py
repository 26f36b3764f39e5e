"""Conditions become expressions that say the same; `tests/winnower/test_sigma_read.py` tries whole rules."""

import re
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import parse_query
from policies.patterns import compile_regex
from policies.sigma import All, Any, Field, Like, Network, Not, Number, Other, Present, Regex, Test, Wild
from policies.sigma_query import SHAPES, condition, literal, network, query_of, quoted, sought, why_not
from policies.syntax import Literal, Return

STAR, ONE = Wild("*"), Wild("?")


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (Like(("/bin/sh",)), "toLower(x) = '/bin/sh'"),
        (Like(("/Bin",), cased=True), "x = '/Bin'"),
        (Like(("/1",)), "x = '/1'"),
        (Like((STAR, "/SH")), "toLower(x) ENDS WITH '/sh'"),
        (Like(("/t", STAR)), "toLower(x) STARTS WITH '/t'"),
        (Like((STAR, "é", STAR)), "toLower(x) CONTAINS 'é'"),
        (Like((STAR,)), "x IS NOT NULL"),
        (Like(()), "x = ''"),
        (Like(("a", STAR, "b.", ONE)), r"toLower(x) =~ '(?s)a.*b\\..'"),
        (Regex("^/tmp/"), "x =~ '/tmp/(?s:.*)'".replace("/tmp/(", "(?:/tmp/)(")),
        (Network("10.0.0.0/8"), r"x =~ '10\\.[0-9.]+'"),
        (Number("=", 443), "x = '443'"),
        (Number(">", 1024), "toFloat(x) > 1024"),
        (Present(there=False), "x IS NULL"),
    ],
)
def test_one_condition(test: Test, expected: str) -> None:
    assert condition("x", test) == expected
    assert parse_query(f"WITH 'a' AS x WITH x WHERE {expected} RETURN x")


@given(st.text(max_size=30).filter(lambda text: not re.search("[\ud800-\udfff]", text)))
def test_a_string_is_read_back_as_it_was(text: str) -> None:
    clause = parse_query(f"RETURN {quoted(text)} AS x").parts[0].clauses[0]
    assert isinstance(clause, Return)
    assert clause.projection.items[0].expression == Literal(text)
    assert quoted(text).isprintable()


@given(st.text(max_size=10), st.text(max_size=10))
def test_a_literal_fits_itself_only(text: str, other: str) -> None:
    fits = compile_regex(f"(?s){literal(text)}")
    assert fits(text)
    assert fits(other) is (text == other)


@given(
    st.sampled_from(["^a", "a$", "^a$", "a|^b", "a.b", "b+$", r"a\$", "^a|b$", "[^a]$", ""]),
    st.text("ab$.", max_size=5),
)
def test_a_regular_expression_is_found_anywhere(regex: str, text: str) -> None:
    assert compile_regex(sought(Regex(regex)))(text) is (re.search(regex, text) is not None)


@given(st.ip_addresses(), st.integers(0, 128), st.data())
def test_a_network_has_its_addresses_and_no_others(base: object, length: int, data: st.DataObject) -> None:
    version = ip_address(str(base)).version
    net = ip_network(f"{base}/{min(length, 32 if version == 4 else 128)}", strict=False)
    regex = network(str(net))
    if not regex:
        assert version == 6
        return
    inside = data.draw(st.integers(int(net[0]), int(net[-1])))
    other = str(data.draw(st.ip_addresses(v=version)))
    fits = compile_regex(regex)
    assert fits(str(type(net[0])(inside)))
    assert fits(other) is (ip_address(other) in net)


def test_many_of_one_kind_are_a_list() -> None:
    tree = Any(tuple(Field("Image", Like((STAR, name))) for name in ("/A", "/b", "/c", "/d")))
    assert "any(text IN ['/a', '/b', '/c', '/d'] WHERE toLower(process.exe) ENDS WITH text)" in query_of(
        "process_creation", tree
    )
    tree = Any((Field("DestinationPort", Number("=", 1)), Field("DestinationPort", Number("=", 2))))
    assert "socket.port IN ['1', '2']" in query_of("network_connection", tree)


def test_what_a_not_denies_is_not_null() -> None:
    tree = All((Field("Image", Like(("/a",))), Not(Field("CommandLine", Like(("x",))))))
    assert "NOT (coalesce(toLower(process.command) = 'x', false))" in query_of("process_creation", tree)


@pytest.mark.parametrize("category", SHAPES)
def test_every_category_is_a_query(category: str) -> None:
    assert parse_query(query_of(category, Field("Image", Like(("/a",)))))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (Field("User", Like(("root",))), "users are not in the graph"),
        (Field("", Like(("word",))), "keyword"),
        (Field("Whatever", Like(("x",))), "no field of network_connection"),
        (Field("Image", Regex("(?=a)b")), "RE2"),
        (Field("Image", Network("10.0.0.0/8")), "network"),
        (Field("Image", Number(">", 5)), "ports"),
        (Field("Image", Other("why")), "why"),
        (Field("Initiated", Regex("x")), "true or false"),
        (Field("DestinationIp", Network("2001::/20")), "network"),
        (Field("DestinationIp", Network("10.0.0.0/8")), ""),
        (Field("Initiated", Like(("TRUE",))), ""),
    ],
)
def test_what_cannot_be_carried_over_says_why(field: Field, words: str) -> None:
    found = why_not("network_connection", field)
    assert (words in found) if words else not found
