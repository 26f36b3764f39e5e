"""Labels are read without failing; generalising is idempotent, deterministic, and never raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ENTRIES, LABELS, LEARNED, TEXTS

from grammar import Pattern, Relabel, is_numbered, kind_of, properties_of


@pytest.mark.parametrize(
    ("label", "kind", "properties"),
    [
        ("Process cp /usr/bin/cp", "Process", {"name": "cp", "exe": "/usr/bin/cp"}),
        ("File /etc/shadow", "File", {"path": "/etc/shadow", "name": "shadow"}),
        ("File", "File", {"path": "", "name": ""}),
        (
            "Socket 10.0.0.1:{port}>*:80",
            "Socket",
            {"peer": "10.0.0.1:{port}", "family": "inet", "address": "10.0.0.1", "port": "{port}", "local": "*:80"},
        ),
        ("Socket [::1]:443", "Socket", {"peer": "[::1]:443", "family": "inet6", "address": "::1", "port": "443"}),
        ("Socket /run/d", "Socket", {"peer": "/run/d", "family": "unix", "address": "/run/d"}),
        ("Socket netlink", "Socket", {"peer": "netlink", "family": "netlink", "address": "netlink"}),
        ("Socket >*:80", "Socket", {"family": "inet", "local": "*:80"}),
        ("Pipe", "Pipe", {}),
        ("Memory heap", "Memory", {"name": "heap"}),
        ("", "", {}),
    ],
)
def test_a_label_says_its_kind_and_properties(label: str, kind: str, properties: dict[str, str]) -> None:
    assert (kind_of(label), properties_of(label)) == (kind, properties)


def test_a_name_that_a_threshold_covers_becomes_its_pattern() -> None:
    relabel = Relabel(["File /tmp/up_{token:3}"])
    assert relabel("File /tmp/up_abc") == "File /tmp/up_{token:3}"
    assert relabel("File /tmp/up_abcd") == "File /tmp/up_abcd"
    assert relabel("File /var/up_abc") == "File /var/up_abc"
    assert relabel.entry("read File /tmp/up_abc") == "read File /tmp/up_{token:3}"


def test_a_made_up_name_covers_its_like_if_enough_of_it_is_literal() -> None:
    relabel = Relabel((), ["File /tmp/sess_{token:3}", "File /run/{token:6}", "Process a_b_{token:3} /bin/sh"])
    assert relabel("File /tmp/sess_abc") == "File /tmp/sess_{token:3}"
    assert relabel("File /run/system") == "File /run/system"


def test_of_several_patterns_the_first_in_order_wins_however_they_arrive() -> None:
    patterns = ["File /tmp/{any}", "File /tmp/a{token:2}"]
    assert Relabel(patterns)("File /tmp/abc") == Relabel(patterns[::-1])("File /tmp/abc") == "File /tmp/a{token:2}"


@pytest.mark.parametrize(
    "pattern", ["File /tmp/{", "File /tmp/{nope}", "File /tmp/a" + "{token:999}x" * 600, "File /tmp/" + "x" * 9000]
)
def test_a_pattern_that_cannot_be_used_covers_nothing(pattern: str) -> None:
    relabel = Relabel([pattern])
    assert not relabel
    assert relabel("File /tmp/abc") == "File /tmp/abc"


def test_undecodable_names_are_covered_like_others() -> None:
    assert Relabel(["File /tmp/sess_{any}"])("File /tmp/sess_\udcff") == "File /tmp/sess_{any}"


@given(st.lists(LEARNED, max_size=3), st.lists(LABELS, max_size=4), st.one_of(LABELS, TEXTS), ENTRIES)
def test_generalising_twice_is_generalising_once(learned: list[str], labels: list[str], label: str, entry: str) -> None:
    """A label that has been generalised is left as it is, and so are the labels that the patterns come from."""
    relabel = Relabel(learned, labels)
    assert relabel(relabel(label)) == relabel(label)
    assert relabel.entry(relabel.entry(entry)) == relabel.entry(entry)
    again = Relabel(learned, [relabel(one) for one in labels])
    assert [again(one) for one in labels] == [relabel(one) for one in labels]


@given(TEXTS)
def test_reading_any_text_gives_properties(text: str) -> None:
    """Whatever a label holds, it has a kind and properties made of text."""
    for label in (text, f"Process {text}", f"File {text}", f"Socket {text}"):
        assert label.startswith(kind_of(label))
        assert all(isinstance(value, str) for value in properties_of(label).values())


def test_names_that_differ_in_numbers_only_have_one_pattern_and_it_comes_first() -> None:
    relabel = Relabel(["File /srv/p{int}.html", "File /srv/{any}", "File /srv/p{token:1}.html"])
    assert relabel("File /srv/p7.html") == relabel("File /srv/p123.html") == "File /srv/p{int}.html"
    assert relabel("File /srv/p-7.html") == "File /srv/{any}"
    assert relabel("File /srv/x") == "File /srv/{any}"


@pytest.mark.parametrize(
    ("name", "numbered"),
    [("p{int}", True), ("a{int}-{int}", True), ("p{int}-2", False), ("{any}", False), ("p", False)],
)
def test_a_pattern_of_numbers_leaves_no_digit_beside_its_fields(name: str, numbered: bool) -> None:
    assert is_numbered(Pattern.parse(name)) is numbered
