"""Every system call that has a meaning does what it should, on every architecture that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from lines import AT_CWD, CREAT, RDWR, REGULAR, WRONLY, World, gone, inet, made, path

from agent.node import entry_of
from agent.syscalls import ARCHITECTURES, MEANING, NUMBERS, OPERATIONS, SOCKETCALLS, URING

P: Final = "Process p100 /bin/p100"
OTHER: Final = "Process p200 /bin/p200"
NEW, IN, OUT, UNKNOWN = "File /f/new", "File /f/in", "File /f/out", "File unknown"
Edge = tuple[str, str, str]
Check = Callable[[World], bool]
Expected = tuple[dict[str, Any], Edge | Check]

GET: Final[dict[str, Any]] = {"a0": 9, "exit": 8}
NAMED: Final[dict[str, Any]] = {"paths": [path("/f/new")]}
AT: Final = {**NAMED, "a0": AT_CWD}


def _fds(*expected: int) -> Check:
    return lambda world: {int(fd, 16) for fd in world.process(100).fds} == {3, 4, *expected}


def _same(names: str, expected: Expected) -> Iterator[tuple[str, Expected]]:
    return ((name, expected) for name in names.split())


RENAMED: Final = {"paths": [gone("/f/in"), made("/f/new")]}
LINKED: Final = {"paths": [path("/f/in"), made("/f/new")]}

TABLE: Final[dict[str, Expected]] = dict([
    *_same("read readv pread64 preadv preadv2 getdents getdents64", (GET, (P, "read", UNKNOWN))),
    *_same("write writev pwrite64 pwritev pwritev2 vmsplice", (GET, (UNKNOWN, "write", P))),
    *_same("recvfrom recvmsg recvmmsg", (GET, (P, "recv", UNKNOWN))),
    *_same("sendto sendmsg sendmmsg", (GET, (UNKNOWN, "send", P))),
    *_same("ftruncate ftruncate64 fallocate", ({"a0": 4}, (OUT, "truncate", P))),
    ("fchmod", ({"a0": 3}, (IN, "chmod", P))),
    *_same("fchown fchown32", ({"a0": 3}, (IN, "chown", P))),
    *_same("fsetxattr fremovexattr", ({"a0": 3}, (IN, "setxattr", P))),
    *_same("sendfile sendfile64", ({"a0": 4, "a1": 3, "exit": 9}, (OUT, "copy", P))),
    *_same("copy_file_range splice", ({"a0": 3, "a2": 4, "exit": 9}, (P, "copy", IN))),
    ("tee", ({"a0": 3, "a1": 4, "exit": 9}, (OUT, "copy", P))),
    *_same("open", ({**NAMED, "exit": 5}, (P, "read", NEW))),
    ("openat", ({**AT, "exit": 5, "a2": WRONLY}, (NEW, "write", P))),
    ("openat2", ({**AT, "exit": 5, "oflag": WRONLY}, (NEW, "write", P))),
    ("creat", ({"paths": [made("/f/new")], "exit": 5}, (NEW, "create", P))),
    ("open_by_handle_at", ({"exit": 3}, lambda world: b"3" not in world.process(100).fds)),
    ("memfd_create", ({"exit": 5}, ("Memory memfd", "write", P))),
    ("pidfd_getfd", ({"exit": 3}, lambda world: b"3" not in world.process(100).fds)),
    *_same("pipe pipe2 socketpair", ({"fd_pair": (5, 6)}, _fds(5, 6))),
    ("socket", ({"a0": 2, "a1": 1, "exit": 5}, _fds(5))),
    ("socketcall", ({"a0": 1, "socketcall": [2, 1, 0], "exit": 5}, _fds(5))),
    *_same("dup dup2 dup3 fcntl fcntl64", ({"a0": 3, "a1": 0, "exit": 5}, _fds(5))),
    ("close", ({"a0": 3}, lambda world: set(world.process(100).fds) == {b"4"})),
    ("close_range", ({"a0": 3, "a1": 0xFFFFFFFF}, lambda world: not world.process(100).fds)),
    ("bind", ({"a0": 3, "saddr": inet("0.0.0.0", 80)}, ("Socket >*:80", "bind", P))),
    ("listen", ({"a0": 4}, (OUT, "listen", P))),
    ("connect", ({"a0": 9, "saddr": inet("10.0.0.1", 80)}, ("Socket 10.0.0.1:80", "connect", P))),
    *_same("accept accept4", ({"exit": 5, "saddr": inet("10.0.0.2", 999)}, (P, "accept", "Socket 10.0.0.2:{port}>"))),
    *_same("unlink unlinkat", ({"a0": AT_CWD, "paths": [gone("/f/in")]}, (IN, "unlink", P))),
    ("rmdir", ({"paths": [gone("/f/d", 0o040755)]}, ("File /f/d", "rmdir", P))),
    *_same("rename renameat renameat2", ({"a0": AT_CWD, "a2": AT_CWD, **RENAMED}, (NEW, "rename", IN))),
    *_same("link linkat", ({"a0": AT_CWD, "a2": AT_CWD, **LINKED}, (NEW, "link", IN))),
    *_same("symlink symlinkat", ({"a1": AT_CWD, "paths": [made("/f/new", 0o120777)]}, (NEW, "symlink", P))),
    *_same("mkdir mkdirat", ({"a0": AT_CWD, "paths": [made("/f/d", 0o040755)]}, ("File /f/d", "mkdir", P))),
    *_same("mknod mknodat", ({"a0": AT_CWD, "paths": [made("/f/new")]}, (NEW, "create", P))),
    *_same("chmod fchmodat fchmodat2", (AT, (NEW, "chmod", P))),
    *_same("chown lchown chown32 lchown32 fchownat", (AT, (NEW, "chown", P))),
    *_same("setxattr lsetxattr removexattr lremovexattr", (AT, (NEW, "setxattr", P))),
    *_same("truncate truncate64", (NAMED, (NEW, "truncate", P))),
    *_same("mount umount2", (NAMED, (NEW, "mount", P))),
    *_same("fork vfork clone clone3", ({"exit": 101}, lambda world: b"101" in world.process(100).pending)),
    *_same("execve execveat", ({**AT, "argv": ["new"]}, (P, "execve", NEW))),
    ("exit_group", ({"exit": None}, lambda world: b"100" not in world.node.processes)),
    *_same("kill tkill rt_sigqueueinfo pidfd_send_signal", ({"a1": 15, "opids": [200]}, (OTHER, "kill", P))),
    ("tgkill", ({"a2": 9, "opids": [200]}, (OTHER, "kill", P))),
    ("ptrace", ({"a0": 16, "opids": [200]}, (OTHER, "ptrace", P))),
    ("process_vm_writev", ({"a0": 200, "exit": 8}, (OTHER, "vm_write", P))),
    ("process_vm_readv", ({"a0": 200, "exit": 8}, (P, "vm_read", OTHER))),
    *_same("setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid capset", ({}, (P, "setuid", P))),
    *_same("setuid32 setgid32 setreuid32 setregid32 setresuid32 setresgid32", ({}, (P, "setuid", P))),
    *_same("setfsuid32 setfsgid32", ({}, (P, "setuid", P))),
    *_same("setns unshare", ({}, (P, "setns", P))),
    *_same("chroot pivot_root", ({}, (P, "chroot", P))),
    *_same("init_module delete_module finit_module", ({"a0": 3}, ("Memory kernel", "module", P))),
    *_same("mmap mmap2", ({"mmap": (3, 2), "a2": 1, "exit": 1 << 40}, (P, "mmap", IN))),
])  # fmt: skip

CASES: Final = [(arch, name) for arch in NUMBERS for name in TABLE if name in NUMBERS[arch].values()]


def _world(**fields: Any) -> World:
    world = World().close(9, pid=200, **fields)
    return world.open("/f/in", 3, **fields).open("/f/out", 4, WRONLY, **fields)


def test_no_call_with_a_meaning_is_left_out() -> None:
    assert set(TABLE) == set(MEANING)
    assert {name for numbers in NUMBERS.values() for name in numbers.values()} >= set(MEANING)


@pytest.mark.parametrize(("arch", "name"), CASES)
def test_every_call_does_what_it_means(arch: str, name: str) -> None:
    fields, expected = TABLE[name]
    world = _world(arch=arch)
    before = world.edges()
    world.call(name, arch=arch, **fields)
    if callable(expected):
        assert expected(world)
    else:
        assert expected in world.edges() - before


@pytest.mark.parametrize("name", [name for name in TABLE if name not in ("exit_group", "connect")])
def test_a_failed_call_does_nothing(name: str) -> None:
    fields, _ = TABLE[name]
    arch = next(arch for arch in NUMBERS if name in NUMBERS[arch].values())
    world = _world(arch=arch)
    before, fds = world.edges(), set(world.process(100).fds)
    world.call(name, arch=arch, **{**fields, "exit": -1})
    assert world.edges() == before
    assert set(world.process(100).fds) == fds


@pytest.mark.parametrize(("number", "name"), SOCKETCALLS.items())
def test_socketcall_is_the_call_that_its_number_names(number: int, name: str) -> None:
    """i386: arguments are in a record of their own, a0 of the call is the number."""
    direct, through = _world(arch="i386"), _world(arch="i386")
    fields = {key: value for key, value in TABLE[name][0].items() if key not in ("a0", "a1", "a2", "a3")}
    words = [TABLE[name][0].get(key, 0) for key in ("a0", "a1", "a2", "a3")]
    through.call("socketcall", arch="i386", a0=number, a1=0xFFF0, socketcall=words, **fields)
    if name in NUMBERS["i386"].values():
        direct.call(name, arch="i386", **TABLE[name][0])
    else:
        direct.call(name, arch="x86_64", **TABLE[name][0])
    assert direct.edges() == through.edges()
    assert set(direct.process(100).fds) == set(through.process(100).fds)


def test_the_same_number_means_different_calls_on_different_machines() -> None:
    assert (NUMBERS["x86_64"][3], NUMBERS["i386"][3], NUMBERS["aarch64"].get(3)) == ("close", "read", None)


def test_an_unknown_architecture_is_counted_and_passed_over() -> None:
    world = World().feed(
        b"type=SYSCALL msg=audit(1.000:1): arch=14 syscall=3 success=yes exit=0 a0=1 a1=0 a2=0 a3=0 items=0 ppid=1 "
        b'pid=100 auid=0 comm="x" exe="/bin/x" key=(null)\ntype=PROCTITLE msg=audit(1.000:1): proctitle="x"\n'
    )
    assert world.node.loss == {"unknown_arch": 1}


def test_every_handler_exists_and_every_operation_is_one_of_the_graphs() -> None:
    assert all(entry_of(name, failed=False) is not None for name in MEANING)
    assert {meaning[1] for meaning in MEANING.values()} - {""} <= set(OPERATIONS)
    assert set(URING.values()) <= set(MEANING)
    assert set(ARCHITECTURES.values()) == set(NUMBERS)


def _uring(world: World, op: int, records: str) -> World:
    mark = f"msg=audit({world.millis // 1000}.{world.millis % 1000:03}:{world.serial + 1}):"
    head = f"type=URINGOP {mark} uring_op={op} success=yes exit=0 items=1 ppid=1 pid=100 uid=0 gid=0 euid=0\n"
    world.feed((head + records.replace("@", mark)).encode())
    return world.feed(f"type=EOE {mark} \n".encode())


@pytest.mark.parametrize(
    ("op", "records", "edge"),
    [
        (18, 'type=PATH @ item=0 name="/f/new" nametype=NORMAL\n', (P, "read", NEW)),
        (28, 'type=OPENAT2 @ oflag=01 mode=00 resolve=0x0\ntype=PATH @ item=0 name="/f/new" nametype=NORMAL\n',
         (NEW, "write", P)),
        (35, 'type=PATH @ item=0 name="/f/in" nametype=DELETE\ntype=PATH @ item=1 name="/f/new" nametype=CREATE\n',
         (NEW, "rename", IN)),
        (36, 'type=PATH @ item=0 name="/f/in" nametype=DELETE\n', (IN, "unlink", P)),
        (37, 'type=PATH @ item=0 name="/f/d" nametype=CREATE\n', ("File /f/d", "mkdir", P)),
        (38, 'type=PATH @ item=0 name="/f/new" nametype=CREATE\n', (NEW, "symlink", P)),
        (39, 'type=PATH @ item=0 name="/f/in" nametype=NORMAL\ntype=PATH @ item=1 name="/f/new" nametype=CREATE\n',
         (NEW, "link", IN)),
    ],
)  # fmt: skip
def test_io_uring_as_far_as_audit_shows_it(op: int, records: str, edge: Edge) -> None:
    assert edge in _uring(_world(), op, records).edges()


def test_io_uring_never_guesses_a_directory() -> None:
    world = _uring(_world(), 36, 'type=CWD @ cwd="/srv"\ntype=PATH @ item=0 name="x" nametype=DELETE\n')
    assert ("File {any}/x", "unlink", P) in world.edges()


def test_a_file_made_on_one_machine_word_size_is_read_on_another() -> None:
    """One process may call as i386 and as x86_64: both tables lead to one graph."""
    world = World().open("/f/new", 5, RDWR | CREAT, arch="i386").write(5, arch="i386").close(5)
    world.open("/f/new", 5, pid=200, paths=[path("/f/new", REGULAR)])
    assert P in world.causes(OTHER)
