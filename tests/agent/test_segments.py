"""A segment is what went into it; its head never says no to what it holds; damaged bytes are an error, not a crash."""

from __future__ import annotations

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from agent.segment_rows import UNSEALED, Rows
from agent.segments import MAX_RAW, Body, Head, Packer, Stamp, Unpacker, differences, filter_hash, key_of, sums
from agent.upg import EDGE, Clock, Scope, States
from grammar import CodecError

READ = EDGE["USED", "read"]


def scope(app: str = "web", container: str = "web1") -> Scope:
    return Scope(app, container, States(), Clock(1_000))


def rows(*idents: str, first: int = 1, of: Scope | None = None) -> Rows:
    """A sealed vertex for each identity, labelled with it, each with an edge to the one before."""
    held = Rows(of or scope(), first)
    for n, ident in enumerate(idents):
        held.idents.append(ident)
        held.times.append(1_000 + n)
        held.states.append(held.scope.states.number(f"File {ident}", ("#1",)))
        if first + n > 1:
            held.edges += (first + n, READ, first + n - 1, 1_000 + n)
    return held


@given(st.lists(st.integers(-(1 << 62), 1 << 62), max_size=50), st.integers(0, 1 << 41))
def test_differences_add_up_to_the_numbers(values: list[int], base: int) -> None:
    """Whatever the numbers are, what each adds to the one before sums up to them again."""
    assert sums(differences(values, base), base) == values


@given(st.lists(st.text(st.characters(max_codepoint=0xDFFF), max_size=9), min_size=1, max_size=9, unique=True))
def test_any_name_goes_in_and_comes_out_as_one(idents: list[str]) -> None:
    """Names are any text, bytes that are no UTF-8 included: a segment of them can be written and read back."""
    packer = Packer()
    segment = packer.pack(Stamp(0, 1), [(7, rows(*idents))], {})
    head, body = (
        Unpacker().decode(data, sort) for data, sort in zip(packer.encode(segment), (Head, Body), strict=True)
    )
    assert isinstance(body, Body)
    assert isinstance(head, Head)
    assert [body.names[n] for n in sums(body.columns[0].names)] == [
        one.encode("utf-8", "backslashreplace").decode() for one in idents
    ]
    assert body.columns == segment[1].columns
    assert (head.start, head.end) == (1_000, 999 + len(idents))


def test_a_head_says_where_edges_lead_out_of_the_segment() -> None:
    held = rows("/b", "/c", first=2)
    held.edges += (1, READ, 3, 1_005)
    section = Packer().pack(Stamp(0, 1), [(1, held)], {})[0].sections[0]
    assert section.outside("ancestors") == [1]
    assert section.outside("descendants") == [1]
    assert (section.first, section.count) == (2, 2)


@given(st.text(max_size=20), st.lists(st.text(max_size=8), max_size=3))
def test_a_head_never_denies_a_state_that_it_holds(label: str, context: list[str]) -> None:
    """Every state in a segment, and every pattern of its last component, is one that its head may hold."""
    one = scope()
    held = rows("/x", of=one)
    held.states[0] = one.states.number(f"File {label}/a1.html", tuple(context))
    head = Packer().pack(Stamp(0, 1), [(1, held)], {})[0]
    assert head.may_hold({filter_hash("web", (f"File {label}/a1.html", tuple(context)))})
    assert head.may_hold({filter_hash("web", (f"File {label}/a{{int}}.html", tuple(context)))})


def test_a_head_knows_commands_of_its_own_vertices_only() -> None:
    known = {"7@1/1": "sh -c x", "8@2": "other"}
    assert Packer().pack(Stamp(0, 1), [(1, rows("7@1/1"))], known)[0].commands == {"7@1/1": "sh -c x"}


def test_vertices_of_different_scopes_are_different_numbers() -> None:
    assert len({key_of(scope, number) for scope in range(1, 9) for number in (0, 1, (1 << 40) - 1)}) == 24


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 9, zstandard.compress(b"\xc1"), zstandard.compress(msgspec.msgpack.encode([1, 2]))],
    ids=["empty", "no zstd", "no msgpack", "another type"],
)
def test_what_is_no_segment_is_an_error_with_a_name(data: bytes) -> None:
    for sort in (Head, Body):
        with pytest.raises(CodecError):
            Unpacker().decode(data, sort)


def test_a_segment_that_claims_to_be_huge_is_not_unpacked() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(MAX_RAW + 1))
    with pytest.raises(CodecError, match="too large"):
        Unpacker().decode(bomb, Body)


def test_what_is_not_sealed_waits_with_its_edges() -> None:
    held = rows("/a", "/b", "/c")
    held.states[1] = UNSEALED
    ready, rest = held.split()
    assert rest is not None
    assert (ready.idents, ready.first, ready.edges) == (["/a"], 1, [])
    assert (rest.idents, rest.first, rest.edges) == (["/b", "/c"], 2, held.edges)


def test_what_is_half_written_is_not_in_a_copy() -> None:
    held = rows("/a", "/b")
    held.idents.append("/c")
    held.edges += (3, READ)
    copy = held.frozen()
    assert (copy.idents, copy.edges, copy.held) == (["/a", "/b"], held.edges[:4], 3)
