"""An ELF file read: what is where, what is imported, and what is refused with a reason."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from pitfalls import image, program

from agent.static.code import Code
from agent.static.elf import NeedsAngrError, parse_image, read_image
from grammar.errors import InputError

SOURCE = """
static const char *const words[] = {"alpha", "beta"};
__attribute__((visibility("default"))) FAR int shown(int n) { return puts(words[n & 1]); }
int main(int c, char **v) { return shown(c); }
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return program(tmp_path_factory.mktemp("elf"), SOURCE, "-O2", "-rdynamic").read_bytes()


def test_it_says_who_it_is(built: bytes) -> None:
    read = parse_image(built, "a")
    assert (len(read.sha256), len(read.build_id), read.machine, read.notes) == (64, 40, "x86-64", ())


def test_symbols_imports_and_strings(built: bytes) -> None:
    read = parse_image(built, "a")
    assert "puts" in read.imports.values()
    shown = read.exports["shown"]
    assert read.symbols[shown] == "shown"
    assert shown in read.starts.tolist()
    assert read.is_code(shown)
    assert read.text(shown) is None
    words = [read.text(read.pointer(slot) or 0) for slot in read.tables.slots.tolist()]
    assert words.count(b"alpha") == words.count(b"beta") == 1


@pytest.mark.parametrize("flags", [("-O2", "-Wl,-z,pack-relative-relocs"), ("-O2", "-no-pie"), ("-O2", "-static-pie")])
def test_words_that_hold_addresses_in_other_kinds_of_files(tmp_path: Path, flags: tuple[str, ...]) -> None:
    read = image(tmp_path, SOURCE, *flags)
    at = read.data.find(b"alpha\0")
    address = next(one.address + at - one.offset for one in read.segments if one.offset <= at < one.offset + one.size)
    slots = [at for at in range(0, len(read.data) - 8, 8) if read.data[at : at + 8] == address.to_bytes(8, "little")]
    known = read.tables.slots[read.tables.values == address].tolist() + [
        one.address + slot - one.offset
        for slot in slots
        for one in read.segments
        if one.offset <= slot < one.offset + one.size
    ]
    assert known
    assert address in {read.pointer(slot) for slot in known}


def test_reading_outside_the_file_gives_nothing(built: bytes) -> None:
    read = parse_image(built, "a")
    for address in (-1, 0x7FFFFFFF, 1 << 62, (1 << 64) - 1):
        assert read.at(address, 8) == b""
        assert read.text(address) is None
        assert read.pointer(address) is None
        assert not read.is_code(address)


def test_functions_are_those_of_the_unwind_table(built: bytes) -> None:
    read = parse_image(built, "a")
    assert (read.starts[:-1] < read.starts[1:]).all()
    assert (read.ends[:-1] <= read.starts[1:]).all()
    code = Code(read)
    index = code.index_at(read.exports["shown"])
    assert [code.name_of(one.target) for one in code.body(index).calls] == ["puts"]
    assert code.callers(code.names["puts"][0]).tolist() == [index]
    assert code.function_of(code.functions[index].end - 1) == index
    assert code.function_of(0) == code.function_of(1 << 63) == -1


def test_without_an_unwind_table_the_symbols_say_it(tmp_path: Path) -> None:
    flags = ("-O2", "-fno-asynchronous-unwind-tables", "-Wl,--no-eh-frame-hdr")
    named = image(tmp_path, SOURCE, *flags, "-g")
    assert Code(named).index_at(named.exports.get("shown") or _address(named.symbols, "shown")) >= 0
    with pytest.raises(NeedsAngrError, match="nothing marks"):
        Code(image(tmp_path, "int main(void) { return 0; }", *flags, "-nostartfiles", "-Wl,-e,main"))


def _address(symbols: dict[int, str], name: str) -> int:
    return next(address for address, known in symbols.items() if known == name)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not an ELF file"),
        (b"#!/bin/sh\n\x1b[31m", "not an ELF file"),
        (b"\x7fELF" + bytes(20), "truncated"),
        (b"\x7fELF\1\1\1" + bytes(60), "32-bit"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\xb7\0" + bytes(50), "aarch64"),
        (b"\x7fELF\2\2\1" + bytes(9) + b"\0\3\0\x15" + bytes(50), "ppc64"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\1\0\x3e\0" + bytes(50), "neither a program"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\x3e\0" + bytes(50), "no program headers"),
    ],
)
def test_what_is_not_for_us_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_image(data, "some file")
    assert "some file" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert isinstance(caught.value, NeedsAngrError) == (says in ("32-bit", "aarch64", "ppc64"))


def test_a_truncated_file_is_refused_wherever_it_ends(built: bytes) -> None:
    for end in range(0, len(built), 97):
        with pytest.raises(InputError):
            parse_image(built[:end], "a")


def test_a_packed_file_is_refused(built: bytes) -> None:
    packed = bytearray(built)
    packed[0x1C0:0x1C4] = b"UPX!"
    with pytest.raises(InputError, match="packed"):
        parse_image(bytes(packed), "a")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path, "nul\0name"):
        with pytest.raises(InputError, match="cannot read"):
            read_image(path)


def test_hostile_counts_cost_nothing(built: bytes) -> None:
    """Counts of 65,535 headers and tables of 2^63 bytes: refused, or cut at the file's end."""
    for offset, value in ((56, b"\xff\xff"), (60, b"\xff\xff"), (40, struct.pack("<Q", 1 << 63)), (32, b"\xff" * 8)):
        bad = bytearray(built)
        bad[offset : offset + len(value)] = value
        with pytest.raises(InputError, match="truncated"):
            parse_image(bytes(bad), "a")


def test_a_file_without_section_headers_reads_as_with_them(built: bytes) -> None:
    bare = bytearray(built)
    bare[40:48] = bytes(8)
    bare[60:64] = bytes(4)
    one, two = parse_image(built, "a"), parse_image(bytes(bare), "a")
    assert (one.imports, one.exports, one.starts.tolist()) == (two.imports, two.exports, two.starts.tolist())


def test_go_and_rust_say_so(built: bytes) -> None:
    assert "Go" in parse_image(built + b"\xff Go buildinf:", "a").notes[0]
    assert "Rust" in parse_image(built + b"/rustc/ and panicked at", "a").notes[0]


def test_an_arm_program_wants_the_other_engine(tmp_path: Path) -> None:
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("no compiler for aarch64")
    (tmp_path / "a.c").write_text("int main(void) { return 0; }")
    made = tmp_path / "a"
    subprocess.run(["aarch64-linux-gnu-gcc", "-o", str(made), str(tmp_path / "a.c")], check=True)
    with pytest.raises(NeedsAngrError, match="aarch64"):
        read_image(made)
