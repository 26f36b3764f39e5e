"""Abstraction: what differs becomes a field, by rule or by threshold; every label matches what it stands for."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.abstraction import Abstraction, abstract
from grammar import Pattern
from grammar.pattern import writable

PATHS = st.lists(
    st.text(st.characters(exclude_categories=()), max_size=12)
    | st.from_regex(r"[0-9]{1,8}|[0-9a-f]{6,70}|[A-Za-z0-9]{4,30}|[a-z]+[._-][A-Za-z0-9]{6}", fullmatch=True)
    | st.uuids().map(str)
    | st.dates().map(str),
    max_size=5,
).map(lambda parts: "/" + "/".join(parts))


@given(PATHS)
@example("a" * 999 + "1")
@example("deadbeef0" * 120)
@example("1/" * 600)
@example("/tmp/\udcff{x}\\")
@example("123\n")
def test_a_label_matches_the_path_that_it_stands_for(path: str) -> None:
    """The result is a pattern in written form, matches the very text, and can be encoded."""
    written = abstract(path)
    assert Pattern.parse(written).matches(path)
    assert writable(written) == written


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/proc/4711/stat", "/proc/{int}/stat"),
        ("/var/lib/docker/" + "0a" * 32 + "/x", "/var/lib/docker/{id}/x"),
        ("/run/123e4567-e89b-12d3-a456-426614174000", "/run/{uuid}"),
        ("/var/log/app-2026-01-31.log", "/var/log/app-{date}.log"),
        ("/usr/lib/libc.so.6", "/usr/lib/libc.so.6"),
        ("/tmp/{any}", "/tmp/\\{any\\}"),
        ("/tmp/\udcff", "/tmp/\\\\udcff"),
    ],
)
def test_rules(path: str, label: str) -> None:
    assert abstract(path) == label


def test_more_names_than_the_threshold_become_their_shape() -> None:
    abstraction = Abstraction(tau_file=3)
    labels = [abstraction.path(f"/srv/{name}", "Process a", "read") for name in ("pa", "pb", "pc", "pd", "pe")]
    assert labels == ["/srv/pa", "/srv/pb", "/srv/pc", "/srv/p{lower:1}", "/srv/p{lower:1}"]
    assert list(abstraction.learned) == ["File /srv/p{lower:1}"]


def test_names_with_braces_count_towards_the_threshold_like_others() -> None:
    abstraction = Abstraction(tau_file=2)
    labels = [abstraction.path(f"/srv/{{{name}}}", "Process a", "read") for name in "abc"]
    assert labels[-1] == "/srv/\\{{lower:1}\\}"


def test_names_that_are_no_text_are_generalised_like_others() -> None:
    abstraction = Abstraction(tau_file=1)
    labels = [abstraction.path(f"/srv/\udcff{name}", "Process a", "read") for name in "ab"]
    assert [writable(label) for label in labels] == labels


@given(st.lists(st.ip_addresses().map(str), min_size=1, max_size=12))
@example(["2001:db8::1", "2001:db8::2", "::1", "fe80::1", "::"])
def test_a_peer_s_label_matches_its_address_at_every_stage(addresses: list[str]) -> None:
    """Itself, then its network, then any: each matches the address."""
    abstraction = Abstraction(tau_sock=2)
    for address in addresses:
        assert Pattern.parse(abstraction.address(address, "Process a", "connect")).matches(address)


def test_more_peers_than_the_threshold_become_a_network_then_any() -> None:
    abstraction = Abstraction(tau_sock=1)
    labels = [abstraction.address(f"10.0.{n // 2}.{n}", "Process a", "connect") for n in range(4)]
    assert labels[0] == "10.0.0.0"
    assert labels[-1] == "{ip}"


def test_names_that_differ_in_numbers_only_are_one_shape_from_the_second_on() -> None:
    abstraction = Abstraction()
    labels = [abstraction.path(f"/data/temp-{n}.rdb", "Process redis", "write") for n in (77, 77, 78, 79, 77)]
    assert labels == ["/data/temp-77.rdb"] * 2 + ["/data/temp-{int}.rdb"] * 3
    assert list(abstraction.learned) == ["File /data/temp-{int}.rdb"]
    assert abstraction.path("/data/dump.rdb", "Process redis", "write") == "/data/dump.rdb"


def test_memory_is_bounded_whatever_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.abstraction.MAX_NAMES", 50)
    monkeypatch.setattr("agent.abstraction.MAX_NUMBERED", 50)
    abstraction = Abstraction(tau_file=20)
    for n in range(5000):
        word = "".join(chr(97 + n // 26**k % 26) for k in range(4))
        abstraction.path(f"/d{word}/{word}{n % 7}{word}", "Process a", "read")
    assert sum(len(group.names) for group in abstraction._groups.values()) == abstraction._names <= 51
    assert len(abstraction._numbers) <= 51


def test_what_the_cluster_has_learned_is_used_from_the_first_name_on() -> None:
    abstraction = Abstraction()
    abstraction.adopt(
        ["File /srv/up/{lower:5}.dat", "File no-slash", "Socket {ip}:80", "File /srv/up/{broken", "File /x/y"]
    )
    assert abstraction.path("/srv/up/abcde.dat", "Process p", "read") == "/srv/up/{lower:5}.dat"
    assert abstraction.path("/srv/up/abcdefg.dat", "Process p", "read") == "/srv/up/abcdefg.dat"
    assert abstraction.path("/srv/abcde.dat", "Process p", "read") == "/srv/abcde.dat"
    assert not abstraction.learned
    abstraction.adopt([])
    assert abstraction.path("/srv/up/abcde.dat", "Process p", "read") == "/srv/up/abcde.dat"
