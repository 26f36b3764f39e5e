"""angr in its child process: the same result type, its limits, its errors; what it adds (indirect calls)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import pytest
from builds import build

from agent.static import angr_wire as wire
from agent.static.angr_engine import Limits, angr_missing, angr_profile, resolve_calls
from agent.static.build import profile_of
from grammar.errors import InputError

needs_angr = pytest.mark.skipif(bool(angr_missing()), reason=angr_missing() or "-")
ENGINES: tuple[Literal["angr", "fast"], ...] = ("angr", "fast")
STOPPING = Limits(seconds=1)
TABLE = """\
#include <stdio.h>
static int add(int a, int b) { return printf("adding %d\\n", a) + b; }
static int sub(int a, int b) { return printf("subtracting %d\\n", a) - b; }
static int mul(int a, int b) { return printf("multiplying %d\\n", a) * b; }
int (*const table[])(int, int) = { add, sub, mul };
static int (*hook)(int, int) = mul;
__attribute__((noinline)) int use(int (*given)(int, int)) { return given(1, 2) + 1; }
int main(int argc, char **argv)
{
    if (argc > 5)
        hook = add;
    return table[argc](1, 2) + hook(argc, 1) + use(hook);
}
"""


def compiled(folder: Path, name: str, source: str, *flags: str) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    made = folder / name
    (folder / f"{name}.c").write_text(source, "utf-8")
    subprocess.run(["gcc", "-w", "-o", str(made), str(folder / f"{name}.c"), *flags], check=True, capture_output=True)
    return made


@pytest.fixture(scope="session")
def poc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return build("O2", tmp_path_factory.mktemp("angr"))
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("data", "said"), [(b"#!/bin/sh\n", "not an ELF file"), (b"", "not an ELF file"), (b"\x7fEL", "not an ELF file")]
)
def test_what_is_no_elf_file_is_refused_before_angr_is_asked(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "odd"
    path.write_bytes(data)
    with pytest.raises(InputError, match=said) as caught:
        angr_profile([path], 6)
    assert caught.value.file == str(path)


def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        angr_profile([tmp_path / "absent"], 6)


def test_without_angr_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "elf"
    path.write_bytes(b"\x7fELF" + bytes(100))
    monkeypatch.setattr("agent.static.angr_engine.angr_missing", lambda: "angr is not installed")
    with pytest.raises(InputError, match="angr is not installed") as caught:
        angr_profile([path], 6)
    assert "winnower[static]" in caught.value.hint


@needs_angr
def test_what_cannot_be_read_or_says_nothing_is_in_the_notes_and_the_rest_is_read(poc: Path, tmp_path: Path) -> None:
    """Cut at any place, of nothing but a magic number, or mute: a note with the file's name, never an exception."""
    cut = [tmp_path / f"cut{size}" for size in (4, 64, 600, 5_000, 15_000)]
    for path in cut:
        path.write_bytes(poc.read_bytes()[: int(path.name[3:])])
    mute = compiled(tmp_path, "mute", "int main(void) { return 0; }")
    found = angr_profile([*cut, poc, mute], 6)
    assert {one.binary for one in found.traced} >= {len(cut)}
    for path in cut[:3]:
        assert any(note.startswith(f"{path.name}: angr failed") for note in found.notes)
    assert any(note.startswith("mute: no call of a function that is known to log") for note in found.notes)


@needs_angr
def test_it_is_stopped_at_its_deadline_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = shutil.which("gcc")  # a megabyte: minutes of angr on any machine
    if large is None:
        pytest.skip("gcc is not installed")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(InputError, match="did not finish in 1 s"):
        angr_profile([Path(large)], 6, limits=STOPPING)
    assert time.monotonic() - start < 10
    assert not list(tmp_path.iterdir()), "temporary files"


@needs_angr
def test_it_is_stopped_by_its_memory_limit(poc: Path) -> None:
    with pytest.raises(InputError) as caught:
        angr_profile([poc], 6, limits=Limits(memory=150 << 20))
    assert re.search("needs more than 150 MB|ended with status|libz3", caught.value.offending)


@needs_angr
def test_indirect_calls_of_a_named_function_are_resolved(tmp_path: Path) -> None:
    """Through a table of pointers, and through a slot that holds one; what comes as an argument is unknown."""
    program = compiled(tmp_path, "table", TABLE, "-O2")
    names = {name: int(address, 16) for address, _, name in symbols(program)}
    add, sub, mul = (names[name] for name in ("add", "sub", "mul"))
    found = resolve_calls(program, ["main", hex(names["use"])])
    assert sorted(found.values()) == sorted([(), tuple(sorted((add, sub, mul))), (mul,)])


def symbols(program: Path) -> list[list[str]]:
    listed = subprocess.run(["nm", str(program)], check=True, capture_output=True, text=True).stdout
    return [line.split() for line in listed.splitlines() if len(line.split()) == 3]


SAY = """\
#include <stdarg.h>
#include <stdio.h>
void say(const char *file, int line, int module, int level, int status, void *s, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
}
"""
USE = """\
#include <libintl.h>
#include <stdlib.h>
void say(const char *file, int line, int module, int level, int status, void *s, const char *format, ...);
int main(int c, char **v)
{
    const char *kept = "kept %d\\n";
    c += rand();
    say(__FILE__, __LINE__, 1, 2, 0, v, kept, c);
    say(__FILE__, __LINE__, 1, 2, 0, v, "used by %s\\n", v[0]);
    say(__FILE__, __LINE__, 1, 2, 0, v, c > 1 ? "many %d\\n" : "few %d\\n", c);
    say(__FILE__, __LINE__, 1, 2, 0, v, gettext("told %d\\n"), c);
    return 0;
}
"""


@needs_angr
@pytest.mark.parametrize(("alone", "flags"), [(False, ["-O2"]), (True, ["-O0", "-fomit-frame-pointer"])])
def test_a_wrapper_of_another_binary_is_followed_or_voted_for(tmp_path: Path, alone: bool, flags: list[str]) -> None:
    """The format is its seventh argument, on the stack; one call keeps it there, one picks, one translates."""
    library = compiled(tmp_path, "libsay.so", SAY, "-O2", "-shared", "-fPIC")
    program = compiled(tmp_path, "use", USE, *flags, str(library))
    profile = profile_of([program] if alone else [program, library], engine="angr")
    texts = {one.text for one in profile.strings if (one.binary, one.callee) == (0, "say")}
    assert texts == {"kept %d\n", "used by %s\n", "many %d\n", "few %d\n", "told %d\n"}
    assert {one.pattern for one in profile.strings} >= {"used by {text}", "many {int}"}


@needs_angr
def test_both_engines_agree_on_a_program_of_debian() -> None:
    """On a small program that every Debian has: what angr finds, call sites and texts, the fast engine finds too."""
    path = Path("/usr/bin/env")
    if not path.is_file():
        pytest.skip("no /usr/bin/env")
    theirs, ours = (
        {
            (one.address, one.text, one.pattern, one.callee, one.sink, one.level)
            for one in profile_of([path], engine=engine).strings
        }
        for engine in ENGINES
    )
    assert len(theirs) >= 0.7 * len(ours), sorted(ours - theirs)
    assert len(theirs - ours) <= len(theirs) // 50, sorted(theirs - ours)


def test_the_child_is_no_part_of_this_process() -> None:
    """Importing the engine loads neither angr nor what only the child needs."""
    code = (
        "import sys, agent.static.angr_engine; print(sorted({'angr', 'agent.static.angr_binary'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ)
    assert done.stdout == "[]\n"


def test_jobs_and_answers_survive_the_pipe() -> None:
    import msgspec  # noqa: PLC0415

    string = wire.String(b"\xff%s\n", 1, True, False, "emits", "info")
    call = wire.Call(4096, "printf", strings=(string,))
    function = wire.Function(4000, "main", (call,), ((0,), ()), ((1,), ()), (1,))
    answer = wire.Answer("/x", (function,), {"main": 4000}, {4096: (1, 2)})
    assert msgspec.json.decode(msgspec.json.encode(answer), type=wire.Answer) == answer


WAITING = """\
import sys
from agent.static import angr_child
angr_child._end_with(int(sys.argv[1]), sys.argv[2])
print("waiting", flush=True)
sys.stdin.read()
import time
time.sleep(60)
"""


def test_the_child_ends_with_its_parent_and_removes_its_folder(tmp_path: Path) -> None:
    """A parent that is killed cannot clean up: the shell here stands for it."""
    folder = tmp_path / "left"
    folder.mkdir()
    (folder / "file").touch()
    command = [shutil.which("sh") or "sh", "-c", '"$0" -c "$1" $$ "$2"; :', sys.executable, WAITING, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"waiting\n"
        assert folder.exists()
        parent.kill()
        assert parent.stdout.read() == b"", "the child has closed it: it is gone"
    assert not folder.exists()


def test_a_child_whose_parent_is_gone_already_ends_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "left"
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", WAITING, "1", str(folder)], input=b"", timeout=30, check=False)
    assert done.returncode == 1
    assert not folder.exists()
