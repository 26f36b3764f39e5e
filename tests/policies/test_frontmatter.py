"""The head of a policy: texts with their places, and nothing of YAML that a policy does not need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.errors import InputError
from policies.frontmatter import MAX_HEAD, Entry, entries, split
from policies.syntax import Place


def refusal(head: str) -> str:
    with pytest.raises(InputError) as caught:
        entries(head, "f")
    return str(caught.value)


def test_each_text_knows_its_place_in_the_whole_file() -> None:
    found = entries("id: x\ntags: [a, 'b c']\nmore:\n  - one\n  - two\n", "f")
    assert found == {
        "id": Entry("id", ("x",), False, Place(2, 1), Place(2, 5), (Place(2, 5),)),
        "tags": Entry("tags", ("a", "b c"), True, Place(3, 1), Place(3, 7), (Place(3, 8), Place(3, 11))),
        "more": Entry("more", ("one", "two"), True, Place(4, 1), Place(5, 3), (Place(5, 5), Place(6, 5))),
    }


def test_values_are_read_as_they_are_written() -> None:
    found = entries("a: 012\nb: no\nc: 1e3\nd: null\ne: ''\nf: 2024-01-01", "f")
    assert [entry.texts[0] for entry in found.values()] == ["012", "no", "1e3", "null", "", "2024-01-01"]


def test_the_head_and_the_query_are_told_apart() -> None:
    assert split("---\nid: x\n---\nRETURN 1\n---\n", "f") == ("id: x", "RETURN 1\n---\n", 3)
    assert split("\ufeff---  \r\n---\r\nq", "f") == ("", "q", 2)


def test_a_head_has_a_limit() -> None:
    with pytest.raises(InputError, match="more than 65536 characters"):
        split(f"---\n{'x' * (MAX_HEAD + 1)}\n---\n", "f")


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("a: b\na: c", "f:3:1: a key stands twice: 'a'"),
        ("a: {b: c}", "f:2:1: neither a text nor a list of texts: 'a'"),
        ("a: [[b]]", "f:2:1: neither a text nor a list of texts: 'a'"),
        ("? [a]\n: b", "f:2:3: neither a text nor a list of texts"),
        ("a: *x", "aliases, tags and deep nesting have no place here"),
        ("a: !t b", "f:2:4: aliases, tags and deep nesting have no place here"),
        ("- a", "f:2:1: front matter is lines of 'key: value'"),
        ("", "f:2:1: front matter is lines of 'key: value'"),
        ("a: 'b", "not YAML: "),
        ("a: b\n c: d", "f:3:3: not YAML: "),
        ("a: b\n--- \nc: d", "f:3:1: not YAML: "),
    ],
)
def test_what_is_refused_is_located(head: str, problem: str) -> None:
    assert problem in refusal(head)


@given(st.text() | st.text("a:[]{}!&*|>-'\"\n #,?%@`\\", max_size=60))
def test_any_head_is_entries_or_an_input_error(head: str) -> None:
    """Whatever the head, the outcome is entries of which every text has a place, or an `InputError` in the file."""
    try:
        found = entries(head, "f")
    except InputError as error:
        assert str(error).startswith("f:")
    else:
        assert all(len(entry.texts) == len(entry.places) for entry in found.values())
        assert all(place.line >= 2 and place.column >= 1 for entry in found.values() for place in entry.places)
