"""What files and descriptors connect, and what they must not."""

from __future__ import annotations

import pytest
from lines import (
    AT_CWD,
    CLOEXEC,
    CREAT,
    DEVICE,
    DIRECTORY,
    FIFO,
    RDWR,
    TRUNC,
    WRONLY,
    World,
    gone,
    made,
    path,
)

from agent import calls_files

P, Q = "Process p100 /bin/p100", "Process p200 /bin/p200"
Q_READS = {"pid": 200}


def fds(world: World, pid: int = 100) -> set[int]:
    return {int(fd, 16) for fd in world.process(pid).fds}


# Opening


def test_to_open_for_reading_is_to_read_and_to_open_for_writing_is_to_write() -> None:
    world = World().open("/a", 3).open("/b", 4, WRONLY)
    assert world.edges() == {(P, "read", "File /a"), ("File /b", "write", P)}


def test_read_write_is_reading_until_something_is_written() -> None:
    world = World().open("/lock", 3, RDWR)
    assert world.edges() == {(P, "read", "File /lock")}
    world.write(3)
    assert ("File /lock", "write", P) in world.edges()


def test_to_empty_a_file_is_to_write_it() -> None:
    assert ("File /a", "write", P) in World().open("/a", 3, RDWR | TRUNC).edges()


def test_a_file_that_the_open_has_made_holds_nothing_to_read() -> None:
    assert World().open("/a", 3, RDWR | CREAT).edges() == {("File /a", "create", P)}


def test_o_path_only_names_the_file() -> None:
    world = World().open("/a", 3, 0x200000)
    assert world.edges() == set()
    assert fds(world) == {3}


def test_a_write_only_file_that_is_closed_without_a_visible_write_counts_as_written_by_what_the_process_is_then() -> (
    None
):
    world = World().open("/out", 3, WRONLY).open("/secret", 4).close(3).open("/out", 3, pid=200)
    assert "File /secret" in world.causes(Q)


def test_after_a_visible_write_the_close_says_nothing_more() -> None:
    world = World().open("/out", 3, WRONLY).write(3).open("/secret", 4).close(3).open("/out", 3, pid=200)
    assert "File /secret" not in world.causes(Q)


def test_closing_what_was_only_inherited_is_no_write() -> None:
    world = World().open("/log", 3, WRONLY).call("clone", exit=101, a0=0x11).open("/x", 9, pid=101, ppid=100)
    world.close(3, pid=101, ppid=100)
    assert ("File /log", "write", "Process p101 /bin/p101") not in world.edges()


def test_closing_what_an_exec_was_given_counts_as_a_write() -> None:
    """cat copies inside the kernel, which may not be audited, and closes its standard output."""
    world = World().open("/out", 3, WRONLY).call("dup2", a0=3, a1=1, exit=1).close(3).execve("/bin/cat")
    world.open("/secret", 3, comm="cat", exe="/bin/cat").close(1, comm="cat", exe="/bin/cat").open("/out", 3, pid=200)
    assert "File /secret" in world.causes(Q)


def test_standard_output_at_exit_counts_as_written() -> None:
    world = World().open("/out", 3, WRONLY).call("dup2", a0=3, a1=1, exit=1).close(3).execve("/bin/date")
    world.call("exit_group", exit=None, comm="date", exe="/bin/date")
    assert ("File /out", "write", "Process date /bin/date") in world.edges()


def test_a_descriptor_opened_over_another_closes_it() -> None:
    world = World().open("/out", 3, WRONLY).open("/secret", 4).open("/b", 3)
    assert world.process(100).fds[b"3"].source is not None
    assert "File /secret" in world.open("/out", 5, pid=200).causes(Q)


def test_what_an_exec_left_and_nobody_saw_closed_is_not_made_up_to_be_written() -> None:
    """Lean rules leave out close: the shell may have closed its log before it ran the program."""
    world = World().open("/log", 3, WRONLY).execve("/bin/sleep").open("/lib", 3, comm="sleep", exe="/bin/sleep")
    assert ("File /log", "write", "Process sleep /bin/sleep") not in world.edges()


# Names


def test_relative_names_start_from_the_working_directory_or_the_directory_descriptor() -> None:
    world = World().open("a", 3, cwd="/one").open("/two", 4, paths=[path("/two", DIRECTORY)])
    world.call("openat", exit=5, a0=4, paths=[path("b")], cwd="/one")
    world.call("renameat", a0=4, a2=AT_CWD, paths=[gone("b"), made("c")], cwd="/one")
    assert {
        (P, "read", "File /one/a"),
        (P, "read", "File /two/b"),
        ("File /one/c", "rename", "File /two/b"),
    } <= world.edges()


@pytest.mark.parametrize("name", ["openat", "unlinkat", "mkdirat", "fchmodat"])
def test_an_unknown_directory_descriptor_is_never_guessed(name: str) -> None:
    world = World().call(name, exit=5, a0=44, paths=[gone("x") if name == "unlinkat" else path("x")], cwd="/one")
    assert all("/one" not in end for edge in world.edges() for end in edge)
    assert any("File {any}/x" in edge for edge in world.edges())


def test_files_of_unknown_directories_connect_nothing() -> None:
    world = World().call("openat", exit=3, a0=44, a2=WRONLY, paths=[path("x")]).write(3)
    world.call("openat", exit=3, a0=44, paths=[path("x")], pid=200).read(3, pid=200)
    assert P not in world.causes(Q)


def test_an_inherited_directory_of_the_host_is_unknown_inside_a_container() -> None:
    moved = calls_files.rescoped(World().open("/d", 3, paths=[path("/d", DIRECTORY)]).process(100).fds, "9@9")
    assert calls_files.path_of(moved[b"3"].source) is None


def test_the_names_of_own_descriptors_lead_to_what_they_hold() -> None:
    world = World().call("pipe2", fd_pair=(3, 4)).call("clone", exit=200, a0=0x11).write(4)
    world.call("openat", exit=9, a0=AT_CWD, paths=[path("/dev/fd/3", FIFO)], pid=200, ppid=100)
    assert "File" not in str(world.edges())
    assert (Q, "read", "Pipe") in world.edges()
    for name in ("/proc/self/fd/77", "/proc/100/fd/77", "/dev/stdout"):
        assert ("File unknown", "write", P) in World().open(name, 8, WRONLY).edges()
    assert (P, "read", "File /proc/{int}/fd/{int}") in World().open("/proc/200/fd/77", 8).edges()


def test_an_unnamed_temporary_file_is_an_object_of_its_own() -> None:
    world = World().open("/tmp", 3, RDWR | 0x410000, paths=[path("/tmp")]).write(3)
    world.open("/tmp", 3, RDWR | 0x410000, paths=[path("/tmp")], pid=200).read(3, pid=200)
    assert ("File /tmp/#{int}", "write", P) in world.edges()
    assert P not in world.causes(Q)


# Descriptors


def test_dup_dup2_dup3_and_fcntl_double_a_descriptor() -> None:
    world = World().open("/a", 3).call("dup", a0=3, exit=4).call("dup2", a0=3, a1=5, exit=5)
    world.call("dup3", a0=3, a1=6, a2=CLOEXEC, exit=6).call("fcntl", a0=3, a1=0, a2=0, exit=7)
    world.call("fcntl", a0=3, a1=1030, a2=0, exit=8).call("fcntl", a0=4, a1=2, a2=1)
    sources = {id(handle.source) for handle in world.process(100).fds.values()}
    assert (fds(world), len(sources)) == ({3, 4, 5, 6, 7, 8}, 1)
    world.execve("/bin/x")
    assert fds(world) == {3, 5, 7}


@pytest.mark.parametrize("arch", ["x86_64", "i386", "aarch64"])
def test_dup3_and_pipe2_close_on_exec_on_every_machine(arch: str) -> None:
    world = World().open("/a", 3, arch=arch).call("dup3", a0=3, a1=6, a2=CLOEXEC, exit=6, arch=arch)
    world.call("pipe2", a1=CLOEXEC, fd_pair=(7, 8), arch=arch).execve("/bin/x", arch=arch)
    assert fds(world) == {3}


def test_registers_that_a_call_does_not_use_mean_nothing() -> None:
    world = World().call("pipe", a1=CLOEXEC, fd_pair=(3, 4)).call("dup2", a0=3, a1=5, a2=CLOEXEC, exit=5)
    world.call("accept", a0=9, a3=CLOEXEC, exit=6).execve("/bin/x")
    assert {3, 4, 5, 6} <= fds(world)


def test_dup_onto_itself_changes_nothing() -> None:
    world = World().open("/a", 3, CLOEXEC).call("dup2", a0=3, a1=3, exit=3)
    assert world.process(100).cloexec == {b"3"}


def test_close_range_closes_or_marks() -> None:
    world = World().open("/a", 3).open("/b", 4).open("/c", 5)
    world.call("close_range", a0=5, a1=0xFFFFFFFF).call("close_range", a0=4, a1=0xFFFFFFFFFFFFFFFF, a2=4)
    assert (fds(world), world.process(100).cloexec) == ({3, 4}, {b"4"})


def test_what_goes_into_a_pipe_comes_out_of_it() -> None:
    world = World().call("pipe2", fd_pair=(3, 4)).call("clone", exit=200, a0=0x11).write(4).read(3, pid=200, ppid=100)
    assert (Q, "read", "Pipe") in world.edges()
    assert P in world.causes(Q)


def test_socketpair_has_a_channel_each_way_even_over_old_descriptors() -> None:
    world = World().open("/a", 3).open("/b", 4).call("socketpair", fd_pair=(3, 4)).call("clone", exit=200, a0=0x11)
    world.write(3).read(4, pid=200, ppid=100)
    assert P in world.causes(Q)
    assert not world.ancestors(("host", 1)) & {key for key, label in world.graph.labels.items() if label == Q}


# Unknown descriptors


def test_an_unknown_descriptor_is_explicit_and_connects_nothing() -> None:
    world = World().write(7).read(7).call("clone", exit=200, a0=0x11).read(7, pid=200, ppid=100)
    assert {("File unknown", "write", P), (P, "read", "File unknown")} <= world.edges()
    readers = [cause for effect, op, _, cause, _ in world.graph.edges if world.graph.labels[cause] == "File unknown"]
    assert all(not world.ancestors(cause) for cause in readers)


def test_a_descriptor_that_cannot_do_what_was_done_is_unknown() -> None:
    """Reading from a file that was opened to be written means that a close and an open were not seen."""
    world = World().open("/out", 3, WRONLY).read(3)
    assert (P, "read", "File unknown") in world.edges()
    world = World().open("/in", 3).write(3)
    assert ("File /in", "write", P) not in world.edges()


def test_mmap_of_an_unknown_descriptor_is_unknown_and_of_none_is_nothing() -> None:
    assert (P, "mmap", "File unknown") in World().call("mmap", mmap=(7, 2), a2=5).edges()
    assert World().call("mmap", mmap=(-1, 0x22), a2=3).edges() == set()


def test_a_shared_writable_mapping_is_a_write() -> None:
    world = World().open("/a", 3, RDWR).call("mmap", mmap=(3, 1), a2=3)
    assert ("File /a", "write", P) in world.edges()
    world = World().open("/a", 3, RDWR).call("mmap", mmap=(3, 2), a2=3)
    assert ("File /a", "write", P) not in world.edges()


def test_the_end_of_a_file_teaches_nothing() -> None:
    world = World().call("read", a0=7, exit=0).call("sendfile", a0=8, a1=7, exit=0).call("splice", a0=8, a2=7, exit=0)
    assert world.edges() == set()


def test_vmsplice_goes_the_way_that_its_end_of_the_pipe_goes() -> None:
    world = World().call("pipe2", fd_pair=(3, 4)).call("vmsplice", a0=3, exit=4)
    assert world.edges() == {(P, "read", "Pipe")}


def test_memory_files_connect_who_writes_with_what_is_run() -> None:
    world = World().open("/payload", 9).call("memfd_create", a1=1, exit=3).write(3)
    world.call("execveat", a0=3, paths=[path("")], argv=["x"], comm="x", exe="/memfd:x (deleted)")
    label = "Process x /memfd:x"
    assert (label, "execve", "Memory memfd") in world.edges()
    assert "File /payload" in world.causes(label)
    assert fds(world) == {9}


# What connects nothing


@pytest.mark.parametrize(
    ("name", "mode"), [("/dev/null", DEVICE), ("/srv", DIRECTORY), ("/proc/1/comm", 0o100644), ("/sys/x", 0o100644)]
)
def test_what_carries_nothing_connects_nothing(name: str, mode: int) -> None:
    one = [path(name, mode)]
    world = World().open(name, 3, RDWR, paths=one).write(3).open(name, 3, RDWR, paths=one, pid=200).read(3, pid=200)
    assert P not in world.causes(Q)
    assert any(edge[0] != P and edge[1] == "write" for edge in world.edges())


def test_shared_memory_files_do_carry() -> None:
    world = World().open("/dev/shm/x", 3, RDWR | CREAT).write(3).open("/dev/shm/x", 3, pid=200)
    assert P in world.causes(Q)


# Rename, link, unlink


def test_rename_moves_content_also_for_who_holds_the_file_open() -> None:
    world = World().open("/tmp/a", 3, WRONLY | CREAT).write(3)
    world.call("rename", paths=[gone("/tmp/a"), made("/b")], pid=300, comm="mv").open("/late", 9).write(3)
    world.open("/b", 3, pid=200)
    assert {P, "Process mv /bin/mv", "File /tmp/a", "File /late"} <= world.causes(Q)
    world = world.open("/tmp/a", 3, pid=400, comm="d")
    assert world.causes("Process d /bin/d") == {"File /tmp/a"}


def test_rename_replaces_what_was_there() -> None:
    world = World().open("/old", 3, WRONLY | CREAT, pid=300).open("/new", 3, WRONLY | CREAT)
    world.call("rename", paths=[gone("/new"), gone("/old"), made("/old")]).open("/old", 3, pid=200)
    assert "Process p300 /bin/p300" not in world.causes(Q)
    assert P in world.causes(Q)


def test_renameat2_exchange_swaps_both_contents() -> None:
    world = World().open("/a", 3, WRONLY | CREAT).open("/b", 3, WRONLY | CREAT, pid=300)
    both = [gone("/a"), gone("/b"), made("/b"), made("/a")]
    world.call("renameat2", a0=AT_CWD, a2=AT_CWD, paths=both, pid=400, comm="swap")
    world.open("/a", 3, pid=200).open("/b", 3, pid=500)
    assert P not in world.causes(Q)
    assert "Process p300 /bin/p300" in world.causes(Q)
    assert P in world.causes("Process p500 /bin/p500")


def test_a_renamed_directory_takes_along_what_is_below_it() -> None:
    world = (
        World()
        .open("/new/f", 3, WRONLY | CREAT)
        .call("rename", paths=[gone("/new", DIRECTORY), made("/live", DIRECTORY)])
    )
    world.open("/live/f", 3, pid=200)
    assert {P, "File /new/f"} <= world.causes(Q)


def test_unlink_forgets_the_name_and_a_new_file_is_another_object() -> None:
    world = World().open("/a", 3, RDWR | CREAT).call("unlink", paths=[gone("/a")])
    world.open("/a", 3, WRONLY | CREAT, pid=300).open("/a", 3, pid=200)
    assert P not in world.causes(Q)
    idents = {world.graph.idents[key] for key, label in world.graph.labels.items() if label == "File /a"}
    assert len(idents) == 2


def test_a_file_that_is_unlinked_while_open_still_carries() -> None:
    world = World().open("/a", 3, RDWR | CREAT).call("clone", exit=200, a0=0x11).call("unlink", paths=[gone("/a")])
    world.write(3).read(3, pid=200, ppid=100)
    assert P in world.causes(Q)


def test_a_link_is_a_second_name_for_the_content() -> None:
    world = World().open("/a", 3, WRONLY | CREAT).call("link", paths=[path("/a"), made("/b")]).open("/b", 3, pid=200)
    assert {P, "File /a"} <= world.causes(Q)
    world = World().open("/tmp", 3, RDWR | 0x410000, paths=[path("/tmp")]).write(3)
    world.call("linkat", a0=AT_CWD, a2=AT_CWD, paths=[path("/proc/self/fd/3"), made("/b")]).open("/b", 3, pid=200)
    assert {P, "File /tmp/#{int}"} <= world.causes(Q)


# One's own words, versions


def test_reading_back_ones_own_words_is_nothing_new() -> None:
    world = World().open("/a", 3, RDWR | CREAT).write(3).read(3).open("/b", 4).write(3).read(3)
    assert (P, "read", "File /a") not in world.edges()
    assert world.count(P) == 2


def test_reading_back_what_others_have_added_is_new() -> None:
    world = World().open("/a", 3, RDWR | CREAT).write(3).read(3).open("/a", 3, RDWR, pid=200).write(3, pid=200).read(3)
    assert Q in world.causes(P)
    world = (
        World().open("/a", 3, RDWR | CREAT).write(3).read(3).open("/a", 3, WRONLY, pid=200).write(3, pid=200).read(3)
    )
    assert Q in world.causes(P)


def test_what_was_there_before_ones_own_words_is_not_ones_own() -> None:
    world = World().open("/a", 3, pid=200).open("/a", 3, WRONLY).write(3).close(3).open("/a", 3).read(3)
    assert (P, "read", "File /a") in world.edges()


@pytest.mark.parametrize("name", ["0" * 300, "f" * 300, "?", "-1", "zz"])
def test_absurd_numbers_are_no_error(name: str) -> None:
    """Whatever stands in the fields, the event is applied or passed over; what follows is as if it had not been."""
    world = World().open("/a", 3)
    for call in ("read", "write", "openat", "dup3", "fcntl", "close", "close_range", "clone", "kill", "memfd_create"):
        fields = {f"a{n}": name for n in range(4)}
        world.call(call, **fields, exit=name if name != "?" else 5, paths=[path("/x")])
        world.call(call, **fields, exit="9" * 5_000, paths=[path("/x")])
    assert (P, "read", "File /a") in world.open("/b", 9).edges()


@pytest.mark.parametrize(
    ("mode", "operation"),
    [(0o4755, "chmod_setuid"), (0o2755, "chmod_setuid"), (0o2644, "chmod"), (0o755, "chmod")],
)
def test_a_mode_that_lends_rights_is_told_from_the_others(mode: int, operation: str) -> None:
    world = World().call("fchmodat", a0=AT_CWD, a2=mode, paths=[path("/tmp/x")])
    world.call("chmod", a1=mode, paths=[path("/tmp/y")]).open("/tmp/z", 3, WRONLY).call("fchmod", a0=3, a1=mode)
    told = {edge for edge in world.edges() if "chmod" in edge[1]}
    assert told == {(f"File /tmp/{name}", operation, P) for name in "xyz"}


def test_a_directory_with_a_group_bit_lends_nothing() -> None:
    world = World().call("chmod", a1=0o2775, paths=[path("/var/log/journal", DIRECTORY)])
    assert ("File /var/log/journal", "chmod", P) in world.edges()
