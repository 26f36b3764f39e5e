"""The harness of the boot tests: kernels unpacked, modules in order, a cache that is whole, ratios."""

from __future__ import annotations

import gzip
import json
import lzma
import struct
from pathlib import Path

import pytest
from boot import kept
from boot.measured import ratios, rows
from boot.modules import needs, order
from boot.programs import merge
from boot.qemu import Machine, command
from boot.tell import BootError, escaped, run
from boot.vmlinux import unpack

KERNEL = b"\x7fELF" + bytes(range(256)) * 40


def image(payload: bytes) -> bytes:
    """A bzImage of one setup sector with that payload at its beginning."""
    head = bytearray(1024)
    head[0x1F1] = 1
    head[0x202:0x208] = b"HdrS" + struct.pack("<H", 0x20F)
    head[0x248:0x250] = struct.pack("<II", 64, len(payload))
    return bytes(head) + bytes(64) + payload + b"what follows"


@pytest.mark.parametrize("squeeze", [lzma.compress, gzip.compress])
def test_a_kernel_is_unpacked(squeeze: object) -> None:
    assert callable(squeeze)
    assert unpack(image(squeeze(KERNEL) + struct.pack("<I", len(KERNEL)))) == KERNEL


@pytest.mark.parametrize("data", [b"", b"x" * 2000, image(b"unknown"), image(lzma.compress(b"no ELF file"))])
def test_what_is_no_kernel_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(BootError):
        unpack(data)


def module(depends: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"


def test_a_module_says_what_it_needs() -> None:
    assert needs(module("virtio,virtio-ring")) == ["virtio", "virtio_ring"]
    assert needs(module("")) == []
    assert needs(b"") == []


def test_each_module_comes_after_all_that_it_needs(tmp_path: Path) -> None:
    for name, depends in (("a", "b,c-d"), ("b", "e"), ("c-d", "e"), ("e", ""), ("other", "nowhere")):
        (tmp_path / f"{name}.ko").write_bytes(module(depends))
    assert [path.stem for path in order(tmp_path, ["a", "built-in"])] == ["e", "b", "c-d", "a"]
    with pytest.raises(BootError, match="nowhere"):
        order(tmp_path, ["other"])


def test_modules_that_need_each_other_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.ko").write_bytes(module("b"))
    (tmp_path / "b.ko").write_bytes(module("a"))
    with pytest.raises(BootError, match="each other"):
        order(tmp_path, ["a"])


def test_a_folder_is_whole_only_as_it_was_sealed(tmp_path: Path) -> None:
    assert not kept.whole(tmp_path)
    (tmp_path / "kernel").write_bytes(b"1234")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "header").write_bytes(b"12")
    kept.seal(tmp_path, {"version": "6"})
    assert kept.whole(tmp_path)
    assert kept.facts(tmp_path) == {"version": "6"}
    (tmp_path / "kernel").write_bytes(b"1235")
    assert not kept.whole(tmp_path)
    (tmp_path / "kernel").write_bytes(b"1234")
    (tmp_path / "tree" / "header").unlink()
    assert not kept.whole(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"facts": {}, "files": {}}), json.dumps({"files": 1})])
def test_a_damaged_manifest_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / kept.MANIFEST).write_text(text)
    assert not kept.whole(tmp_path)


def test_making_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT", tmp_path)
    made = list[Path]()

    def broken(folder: Path) -> dict[str, str]:
        (folder / "half").write_bytes(b"")
        raise BootError("no more")

    def good(folder: Path) -> dict[str, str]:
        made.append(folder)
        (folder / "all").write_bytes(b"1")
        return {}

    with pytest.raises(BootError):
        kept.have("thing", broken)
    assert [path.name for path in tmp_path.iterdir()] == ["thing.lock"]
    assert kept.have("thing", good) == kept.have("thing", good) == tmp_path / "thing"
    assert len(made) == 1
    (tmp_path / "thing" / "all").write_bytes(b"2")
    kept.have("thing", good)
    assert len(made) == 2


def test_no_folder_of_the_programs_hides_a_link_of_the_host(tmp_path: Path) -> None:
    for name in ("sbin/auditd", "usr/sbin/nginx", "lib/x/y", "etc/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    merge(tmp_path)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["etc/z", "usr/lib/x/y", "usr/sbin/auditd", "usr/sbin/nginx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etc", "usr"]


def test_the_guest_gets_no_network_and_nothing_to_write() -> None:
    place = Path("/place")
    machine = Machine(place / "k", place / "i", place, 5, words="audit=1", shares={"host": Path("/")})
    words = command(machine, place / "log", place / "results")
    assert words[words.index("-accel") + 1].startswith("tcg")
    assert words[words.index("-nic") + 1] == "none"
    (share,) = [word for word in words if word.startswith("local,")]
    assert "readonly=on" in share
    assert words[-1].endswith(" audit=1")


def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(BootError, match=r"exit code 3 of sh[^\x1b]*\\x1b\[2J"):
        run(["sh", "-c", "printf '\\033[2Jgone'; exit 3"], seconds=10)
    with pytest.raises(BootError, match="longer than"):
        run(["sleep", "5"], seconds=0.2)
    with pytest.raises(BootError, match="cannot be run"):
        run(["/nowhere/to/be/found"], seconds=1)
    assert escaped("a\x1b\n\x07b") == "a\\x1b\n\\x07b"


def test_ratios_are_to_the_baseline_of_the_same_round() -> None:
    said = "MEASURE 0 log:base 100\nMEASURE 0 log:full 200\r\nMEASURE 1 log:base 1000\nMEASURE 1 log:full 3000\nnoise\n"
    assert ratios(said) == {("log", "full"): [2.0, 3.0]}
    assert "| a log line, the buffer full: counted, dropped | 2.50 (" in rows({"Linux": said})
