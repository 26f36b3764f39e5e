"""Functions decoded: blocks, jumps through tables, calls; and the same from every scan in pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
from pitfalls import image, program

from agent.static import code_bytes
from agent.static.body import Body
from agent.static.code import Code
from agent.static.elf import parse_image, read_image
from agent.static.loggers import search
from grammar.errors import InputError

CASES = "".join(f'case {n}: puts("{n}"); break; ' for n in range(12))
SOURCE = f"""
FAR int chosen(int n) {{ switch (n) {{ {CASES} default: exit(n); }} return n * getpid(); }}
FAR int twice(int n) {{ for (int i = 0; i < n; i++) printf("%d\\n", i); return getpid(); }}
int main(int c, char **v) {{ return chosen(c) + twice(c); }}
"""


def body_calling(code: Code, name: str) -> Body:
    """The one function that calls `name`."""
    (index,) = code.callers(code.names[name][0]).tolist()
    return code.body(index)


@pytest.mark.parametrize("flags", [("-O2",), ("-O0",), ("-O2", "-no-pie", "-fno-pie"), ("-O2", "-fcf-protection=full")])
def test_a_switch_reaches_all_its_cases(tmp_path: Path, flags: tuple[str, ...]) -> None:
    code = Code(image(tmp_path, SOURCE, *flags))
    body = body_calling(code, "exit")
    assert not body.unresolved
    assert max(len(ways) for ways in body.successors) >= 12
    reached, todo = {0}, [0]
    while todo:
        fresh = [one for one in body.successors[todo.pop()] if one not in reached]
        reached.update(fresh)
        todo += fresh
    puts = [call for call in body.calls if call.name == "puts"]
    assert {body.block_of(call.position) for call in puts} <= reached
    assert len(puts) in (1, 12)


def test_blocks_and_their_ways_agree(tmp_path: Path) -> None:
    code = Code(image(tmp_path, SOURCE, "-O2"))
    for function in code.functions:
        body = code.body(function.index)
        for block, ways in enumerate(body.successors):
            assert all(block in body.predecessors[one] for one in ways)
            assert (block in body.exits) == (not ways)
            assert body.block_of(body.leaders[block]) == block


def test_what_never_returns_ends_its_block(tmp_path: Path) -> None:
    code = Code(image(tmp_path, SOURCE, "-O2"))
    body = body_calling(code, "exit")
    (call,) = [call for call in body.calls if call.name == "exit"]
    assert body.successors[body.block_of(call.position)] == ()


def test_pieces_of_any_size_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scan in pieces of 16 bytes and in one: the same calls, references and functions."""
    read = image(tmp_path, SOURCE, "-O2")
    whole = Code(read).scan
    for size in (16, 64, 1000):
        monkeypatch.setattr(code_bytes, "PIECE", size)
        parts = Code(read).scan
        assert sorted(zip(whole.sites, whole.targets, strict=True)) == sorted(
            zip(parts.sites, parts.targets, strict=True)
        )
        assert sorted(whole.data) == sorted(parts.data)
        assert whole.variadic.tolist() == parts.variadic.tolist()


def test_more_calls_than_any_program_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = image(tmp_path, SOURCE, "-O2")
    monkeypatch.setattr("agent.static.code_scan.MAX_ROWS", 3)
    with pytest.raises(InputError, match="more calls"):
        Code(read)


def test_work_has_an_end_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = Code(image(tmp_path, SOURCE, "-O2"))
    monkeypatch.setattr("agent.static.loggers.MAX_WORK", 1)
    found = search([code], 8, lambda _: None)
    assert "too much code" in found.notes[0]


def test_a_large_file_of_nothing_but_calls_is_bounded(tmp_path: Path) -> None:
    """8 MB of bytes that all look like calls, put into a program's code segment: refused or empty, soon."""
    data = bytearray(program(tmp_path, SOURCE, "-O2").read_bytes())
    read = parse_image(bytes(data), "a")
    segment = next(one for one in read.segments if one.executable)
    at = data.find(segment.offset.to_bytes(8, "little"), 64)
    size = 8 << 20
    grown = bytes(data[: segment.offset]) + b"\xe8\xe9\xff\x25" * (size // 4)
    table = bytearray(grown)
    table[at + 24 : at + 40] = size.to_bytes(8, "little") * 2
    table[40:48] = table[60:64] + bytes(4)
    table[60:64] = bytes(4)
    bad = tmp_path / "bad"
    bad.write_bytes(bytes(table) + bytes(data[segment.offset :]))
    try:
        search([Code(read_image(bad))], 8, lambda _: None)
    except InputError as error:
        assert str(error).startswith(str(bad))
