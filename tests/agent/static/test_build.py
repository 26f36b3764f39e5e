"""A profile is what the program does: its strings in the order in which it can say them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest
from compiled import compiled

from agent.static import strings
from agent.static.build import DEPTH, profile_of
from grammar.errors import InputError
from grammar.follow import Follow
from grammar.pattern import Pattern
from grammar.profile import Profile, read_profile, write_profile

NOISE = '__attribute__((noinline)) void %s { __asm__ volatile(""); %s }'


def texts(profile: Profile, positions: frozenset[int]) -> set[str]:
    return {profile.strings[at].text.strip() for at in positions}


def after(profile: Profile, text: str) -> set[str]:
    follow = Follow(profile)
    at = next(number for number, one in enumerate(profile.strings) if one.text.strip() == text)
    return texts(profile, follow.successors(at))


def test_a_call_that_never_returns_ends_the_path(tmp_path: Path) -> None:
    source = (
        NOISE % ("die(void)", 'printf("dying\\n"); exit(1);')
        + """
    int main(void) { printf("first %d\\n", choice); if (choice) { die(); } printf("second %d\\n", choice); return 0; }
    """
    )
    made = profile_of([compiled(source, tmp_path)])
    assert after(made, "first %d") == {"dying", "second %d"}
    assert after(made, "dying") == set()


def test_a_callee_that_only_ends_the_program_ends_the_path_too(tmp_path: Path) -> None:
    source = (
        NOISE % ("quit(void)", "choice = 3; exit(1);")
        + """
    int main(void) { printf("first %d\\n", choice); if (choice) { quit(); puts("never"); } puts("second"); return 0; }
    """
    )
    assert after(profile_of([compiled(source, tmp_path, "-O0")]), "first %d") == {"second"}


def test_callees_are_gone_into_and_come_back_from(tmp_path: Path) -> None:
    source = (
        NOISE % ("inner(void)", 'if (choice) printf("inner %d\\n", choice);')
        + NOISE % ("outer(void)", "inner();")
        + """
    int main(void) { printf("a %d\\n", choice); outer(); printf("b %d\\n", choice); return 0; }
    """
    )
    made = profile_of([compiled(source, tmp_path)])
    assert after(made, "a %d") == {"inner %d", "b %d"}
    assert after(made, "inner %d") == {"b %d"}
    assert {"main", "outer", "inner"} <= {one.name for one in made.functions}


def test_a_switch_through_a_table_leads_to_each_case_and_each_case_on(tmp_path: Path) -> None:
    cases = "".join(f'case {n}: printf("case {n} %d\\n", choice * {n}); break;' for n in range(12))
    source = f'int main(void) {{ puts("begin"); switch (choice) {{ {cases} }} puts("end"); return 0; }}'
    made = profile_of([compiled(source, tmp_path, "-O2")])
    assert after(made, "begin") == {"end", *(f"case {n} %d" for n in range(12))}
    assert after(made, "case 7 %d") == {"end"}


TABLE = """
struct actions { void (*open)(void); void (*wait)(void); };
static struct { int index; struct actions actions; } module = { 1, { opens, waits } };
struct actions actions;
__attribute__((noinline)) void begin(void) { actions = module.actions; }
"""


@pytest.mark.parametrize("flags", [("-O2",), ("-O1",), ("-O2", "-no-pie", "-fno-pie")], ids=" ".join)
def test_a_call_through_a_variable_reaches_what_the_program_has_put_there(
    flags: tuple[str, ...], tmp_path: Path
) -> None:
    """As nginx does it: the actions of a module are copied, then called."""
    source = NOISE % ("opens(void)", 'printf("opens %d\\n", choice);') + NOISE % (
        "waits(void)", 'char c; recv(3, &c, 1, 0); printf("waits %d\\n", choice);') + TABLE + """
    int main(void) {
        puts("first"); begin(); actions.open(); puts("second");
        for (;;) { actions.wait(); puts("handled"); }
    }"""  # fmt: skip
    made = profile_of([compiled(source.replace("\\\\", "\\"), tmp_path, *flags)])
    assert after(made, "first") == {"opens %d"}
    assert after(made, "opens %d") == {"second"}
    assert after(made, "handled") == {"waits %d"}
    assert [one.waits for one in made.loops] == ["recv"]


def test_a_tail_call_returns_to_the_caller(tmp_path: Path) -> None:
    source = (
        NOISE % ("last(void)", 'printf("last %d\\n", choice);')
        + NOISE % ("middle(void)", "last();")
        + """
    int main(void) { puts("begin"); middle(); puts("end"); return choice; }
    """
    )
    made = profile_of([compiled(source, tmp_path, "-O2", "-foptimize-sibling-calls")])
    assert after(made, "last %d") == {"end"}


STRUCTURE = """
struct set { int size; void (*add)(void); void (*wait)(void); };
__attribute__((noinline)) void polled(struct set *made) { made->wait = polls; }
__attribute__((noinline)) void selected(struct set *made) { made->wait = selects; }
__attribute__((noinline)) void serve(struct set *set) { for (;;) { set->wait(); printf("handled %d\\n", choice); } }
int main(void) {
    struct set *set = malloc(sizeof *set);
    if (choice) polled(set); else selected(set);
    puts("begin"); serve(set); return 0;
}
"""


@pytest.mark.parametrize("flags", [("-O1",), ("-O2",), ("-Os", "-s")], ids=" ".join)
def test_a_server_that_waits_through_a_structure_has_a_loop(flags: tuple[str, ...], tmp_path: Path) -> None:
    """As openvpn does it: set->wait(set), stored when epoll or poll was chosen."""
    source = NOISE % ("polls(void)", "char c; recv(3, &c, 1, 0);") + NOISE % ("selects(void)", "accept(3, 0, 0);")
    made = profile_of([compiled(source + STRUCTURE.replace("\\\\", "\\"), tmp_path, *flags)])
    (loop,) = made.loops
    assert loop.waits in ("accept", "recv")
    assert loop.first == loop.last == tuple(one.id for one in made.strings if one.text.startswith("handled"))


def test_a_conditional_jump_to_a_function_may_be_passed_by(tmp_path: Path) -> None:
    ask = "ask: .cfi_startproc\\ncmpl $0, choice(%rip)\\njne last\\nret\\n.cfi_endproc"
    source = f"""
    __attribute__((noinline, used)) void last(void) {{ printf("last %d\\n", choice); }}
    void ask(void);
    __asm__(".text\\n.globl ask\\n.type ask, @function\\n{ask}\\n.size ask, .-ask");
    int main(void) {{ puts("begin"); ask(); puts("end"); return 0; }}
    """
    made = profile_of([compiled(source.replace("\\\\", "\\"), tmp_path, "-O2")])
    assert after(made, "begin") == {"last %d", "end"}
    assert after(made, "last %d") == {"end"}


def test_alternatives_at_one_call_are_two_strings_with_the_same_neighbours(tmp_path: Path) -> None:
    source = 'int main(void) { puts("begin"); printf(choice ? "yes %d\\n" : "no %d\\n", choice); puts("end"); }'
    made = profile_of([compiled(source, tmp_path, "-O1")])
    assert after(made, "begin") == {"yes %d", "no %d"}
    assert after(made, "yes %d") == {"end"}


def test_a_library_of_the_same_application_is_gone_into(tmp_path: Path) -> None:
    library = compiled('void shared(void) { printf("shared %d\\n", choice); }', tmp_path, "-O2", "-fPIC", "-shared",
                       name="libshared.so")  # fmt: skip
    source = 'void shared(void); int main(void) { puts("begin"); shared(); puts("end"); return 0; }'
    program = compiled(source, tmp_path, "-O2", str(library), name="program")
    made = profile_of([program, library])
    assert after(made, "begin") == {"shared %d"}
    assert after(made, "shared %d") == {"end"}
    assert [one.binary for one in made.strings] == [0, 0, 1]


def test_a_server_has_one_event_loop_with_its_first_and_last_strings(tmp_path: Path) -> None:
    source = """
    int main(void) {
        puts("started");
        for (;;) {
            int client = accept(3, 0, 0);
            if (client < 0) { if (errno == EINTR) continue; puts("failed"); return 1; }
            printf("accepted %d\\n", client);
            if (choice) puts("busy");
            close(client);
            puts("closed");
        }
    }"""
    made = profile_of([compiled(source, tmp_path)])
    (loop,) = made.loops
    names = {one.id: one.text.strip() for one in made.strings}
    assert (loop.waits, {names[one] for one in loop.first}) == ("accept", {"accepted %d"})
    assert {names[one] for one in loop.last} == {"closed"}


def test_a_loop_that_reads_a_file_is_no_event_loop_of_a_server(tmp_path: Path) -> None:
    source = """
    int main(void) {
        char line[80];
        while (fgets(line, 80, stdin)) printf("line %s\\n", line);
        for (;;) { int client = accept(3, 0, 0); printf("accepted %d\\n", client); close(client); }
    }"""
    assert [one.waits for one in profile_of([compiled(source, tmp_path)]).loops] == ["accept"]


def test_what_reads_only_lines_is_served_by_them(tmp_path: Path) -> None:
    source = 'int main(void) { char line[80]; while (fgets(line, 80, stdin)) printf("line %s\\n", line); return 0; }'
    (loop,) = profile_of([compiled(source, tmp_path)]).loops
    assert loop.waits in ("fgets", "__fgets_chk")


def test_a_pattern_is_what_the_function_prints_around_the_text(tmp_path: Path) -> None:
    made = profile_of([compiled('int main(void) { perror("bind"); puts("100%"); return 0; }', tmp_path)])
    assert {Pattern.parse(one.pattern).matches("bind: Address already in use") for one in made.strings} == {True, False}
    assert {one.pattern for one in made.strings} >= {"100%"}


def test_ids_outlive_a_rebuild_at_other_addresses(tmp_path: Path) -> None:
    source = 'int main(void) { puts("one"); printf("two %d\\n", choice); puts("one"); return 0; }'
    padding = NOISE % ("more(void)", 'printf("new %d\\n", choice);')
    folders = [tmp_path / "a", tmp_path / "b"]
    ids = []
    for folder, text in zip(folders, (source, padding + source), strict=True):
        folder.mkdir()
        made = profile_of([compiled(text, folder, name="program")])
        ids.append({one.id for one in made.strings if "new" not in one.text})
    assert ids[0] == ids[1]
    assert len(ids[0]) == 3, "equal texts have ids of their own"


def test_the_same_files_give_the_same_bytes_and_they_are_read_back(tmp_path: Path) -> None:
    program = compiled('int main(void) { puts("one"); printf("two %d\\n", choice); return 0; }', tmp_path)
    data = write_profile(profile_of([program]))
    assert data == write_profile(profile_of([program, program]))
    assert write_profile(read_profile(data, "profile.json")) == data
    assert msgspec.json.decode(data)["binaries"][0]["engine"] == "fast"


def test_a_script_gets_a_profile_that_says_what_it_runs_in(tmp_path: Path) -> None:
    for name, head, runs in (
        ("a.py", b"print(1)\n", "python"),
        ("tool", b"#!/usr/bin/env -S python3 -u\n", "python"),
        ("index.php", b"<?php echo 1;\n", "php"),
        ("server.jar", b"PK\3\4", "java"),
        ("run", b"#!/bin/sh\n", "shell"),
        ("odd", b"#!/opt/x/lang\n", "lang"),
    ):
        path = tmp_path / name
        path.write_bytes(head)
        made = profile_of([path])
        assert ([one.interpreted for one in made.binaries], made.strings) == ([runs], ())
        assert name in made.notes[0]


@pytest.mark.parametrize("data", [b"", b"hello", b"\x7fELF", b"\x7fELF" + bytes(60), b"\x7fELF\2\1\1" + b"\xff" * 400])
def test_what_is_no_program_is_a_located_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wrong"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        profile_of([path], engine="fast")
    assert caught.value.file == str(path)
    assert caught.value.hint


def test_what_would_be_waited_for_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match="not a regular file"):
            profile_of([path])


def test_every_truncation_of_a_program_is_an_error_or_a_profile(tmp_path: Path) -> None:
    data = compiled('int main(void) { puts("one"); return 0; }', tmp_path).read_bytes()
    path = tmp_path / "cut"
    for size in range(0, len(data), 997):
        path.write_bytes(data[:size])
        try:
            profile_of([path], engine="fast")
        except InputError as error:
            assert error.file == str(path)


def test_the_default_depth_is_that_of_the_fast_engine() -> None:
    assert DEPTH == strings.DEPTH


def test_no_files_is_an_error() -> None:
    with pytest.raises(InputError):
        profile_of([])


def test_a_stripped_program_says_the_same(tmp_path: Path) -> None:
    source = (
        NOISE % ("inner(void)", 'printf("inner %d\\n", choice);')
        + """
    int main(void) { puts("begin"); inner(); puts("end"); return 0; }"""
    )
    program = compiled(source, tmp_path)
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", str(stripped), str(program)], check=True)
    made = profile_of([stripped])
    assert after(made, "begin") == {"inner %d"}
    assert after(made, "inner %d") == {"end"}
    assert all(one.name.startswith("sub_") for one in made.functions if "inner" in one.name or one.points)
