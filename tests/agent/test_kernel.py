"""The conversation with the kernel: a made-up one that stalls and refuses; as root, the real one.

The tests that change rules of the real kernel (narrow ones, of a login uid that nobody has) run only when asked for:
`WINNOWER_TEST_AUDIT=1`, as root, with no other user of the audit system about.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import kernel as room
from agent import kernel_wire as wire
from agent.kernel import KernelAudit, KernelAuditError, boot_id, read_status
from agent.kernel_wire import Condition, KernelStatus, Rule
from agent.rules import Scope, ours, wanted, which_loaded
from agent.rules_text import Names, parse_names, text

RULE = Rule("exit", "always", frozenset({59}), (Condition("arch", "=", 0xC000003E), Condition("key", "=", "k")))
NOBODY = 4_000_006_102
Answer = Callable[[wire.Message], list[tuple[bytes, int]]]


class Line:
    """A socket whose other end is a function: request in, datagrams with their senders out."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.waiting, self.timeout = answer, [], 0.0

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def sendto(self, data: bytes, _address: tuple[int, int]) -> None:
        (request,) = wire.messages(data)
        self.waiting += self.answer(request)

    def recvfrom(self, _size: int) -> tuple[bytes, tuple[int, int]]:
        if not self.waiting:
            raise TimeoutError("timed out")
        data, sender = self.waiting.pop(0)
        return data, (sender, 0)

    def close(self) -> None:
        pass


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], KernelAudit]:
    def connect(answer: Answer) -> KernelAudit:
        monkeypatch.setattr(room.socket, "socket", lambda *_: Line(answer))
        return KernelAudit()

    return connect


def status_of(lost: int, sequence: int) -> bytes:
    return wire.message(wire.GET, sequence, struct.pack("=11I", 0, 1, 1, 700, 0, 64, lost, 0, 0, 0, 0))


def error(number: int, sequence: int) -> bytes:
    return wire.message(wire.ERROR, sequence, struct.pack("=i", -number) + bytes(16))


def test_only_the_kernels_answer_to_this_request_counts(connected: Callable[[Answer], KernelAudit]) -> None:
    def answer(request: wire.Message) -> list[tuple[bytes, int]]:
        late, forged = status_of(1, request.sequence - 1), status_of(2, request.sequence)
        return [(late, 0), (forged, 4_711), (status_of(3, request.sequence), 0)]

    assert connected(answer).status().lost == 3


def test_a_list_ends_with_its_mark(connected: Callable[[Answer], KernelAudit]) -> None:
    def answer(request: wire.Message) -> list[tuple[bytes, int]]:
        rule = wire.message(wire.LIST_RULES, request.sequence, wire.encode_rule(RULE))
        return [(rule, 0), (rule + bytes(-len(rule) % 4) + wire.message(wire.DONE, request.sequence), 0)]

    assert connected(answer).rules() == [RULE, RULE]


def test_a_kernel_that_does_not_answer_is_not_waited_for(connected: Callable[[Answer], KernelAudit]) -> None:
    with pytest.raises(KernelAuditError) as caught:
        connected(lambda _: []).status(deadline=0.01)
    assert caught.value.reason == "no answer"


@pytest.mark.parametrize(
    ("number", "root", "reason"),
    [
        (errno.EPERM, False, "not permitted"),
        (errno.EPERM, True, "in a container"),
        (errno.ECONNREFUSED, False, "in a container"),
        (errno.EINVAL, True, "refused"),
    ],
)
def test_a_refusal_says_why(
    connected: Callable[[Answer], KernelAudit], monkeypatch: pytest.MonkeyPatch, number: int, root: bool, reason: str
) -> None:
    monkeypatch.setattr(room.os, "geteuid", lambda: 0 if root else 1_000)
    with pytest.raises(KernelAuditError) as caught:
        connected(lambda request: [(error(number, request.sequence), 0)]).status()
    assert (caught.value.reason, caught.value.number) == (reason, number)
    assert caught.value.hint


def test_a_kernel_without_audit_is_told_from_one_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr(room.socket, "socket", none)
    with pytest.raises(KernelAuditError) as caught:
        read_status()
    assert caught.value.reason == "no audit"


def test_what_is_already_so_is_fine(connected: Callable[[Answer], KernelAudit]) -> None:
    numbers = {wire.ADD_RULE: errno.EEXIST, wire.DEL_RULE: errno.ENOENT, wire.SET: 0}
    kernel = connected(lambda request: [(error(numbers[request.kind], request.sequence), 0)])
    kernel.add(RULE)
    kernel.delete(RULE)
    kernel.set_backlog(8_192)


def test_a_boot_has_a_name() -> None:
    assert len(boot_id()) == 36


def printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def permitted() -> bool:
    try:
        read_status()
    except KernelAuditError:
        return False
    return True


as_root = pytest.mark.skipif(
    not permitted(), reason="the kernel's audit may not be asked here: root on a host is needed"
)
auditctl = pytest.mark.skipif(shutil.which("auditctl") is None, reason="auditctl is not installed")
changing = pytest.mark.skipif(
    os.environ.get("WINNOWER_TEST_AUDIT") != "1" or os.geteuid() != 0,
    reason="changes the kernel's audit rules: WINNOWER_TEST_AUDIT=1 as root, with nobody else using them",
)


@as_root
@auditctl
def test_the_status_is_what_auditctl_says() -> None:
    numbers = {line.split()[0]: line.split()[1] for line in printed("auditctl", "-s").splitlines()}
    status = read_status()
    for name in ("enabled", "failure", "pid", "rate_limit", "backlog_limit", "backlog_wait_time"):
        assert str(getattr(status, name)) == numbers[name], name


@as_root
def test_an_answer_takes_less_than_a_tenth_of_a_second() -> None:
    with KernelAudit() as kernel:
        start = time.monotonic()
        assert isinstance(kernel.status(), KernelStatus)
        assert time.monotonic() - start < 0.1


@as_root
def test_without_the_capability_the_kernel_refuses() -> None:
    child = os.fork()
    if child == 0:
        os.setresuid(65_534, 65_534, 65_534)
        try:
            read_status()
        except KernelAuditError as refused:
            os._exit(0 if refused.reason == "not permitted" else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@changing
@auditctl
@pytest.mark.parametrize("which", ["lean", "full"])
def test_what_we_load_is_what_auditctl_loads_from_our_text(which: str, tmp_path: Path) -> None:
    arches = ["x86_64", "i386"]
    names: Names = {arch: parse_names(printed("ausyscall", arch, "--dump")) for arch in arches}
    rules = wanted(which, arches, Scope(auid=NOBODY, exe="/usr/bin/true", agent=4_000_000_990))  # type: ignore[arg-type]
    with KernelAudit() as kernel:
        others = kernel.rules()
        assert ours(others) == []
        try:
            for table in (names, {}):
                (tmp_path / "rules").write_text(text(which, rules, table))  # type: ignore[arg-type]
                subprocess.run(["auditctl", "-R", str(tmp_path / "rules")], check=True, capture_output=True)
                assert ours(kernel.rules()) == [rule for rule in rules if rule.filter == "exit"]
                for rule in rules * 2:
                    kernel.add(rule)
                assert ours(kernel.rules()) == rules
                assert which_loaded(kernel.rules(), arches) == which
                for rule in ours(kernel.rules()):
                    kernel.delete(rule)
                assert kernel.rules() == others
        finally:
            for rule in ours(kernel.rules()):
                kernel.delete(rule)


def test_the_family_of_sockets_is_linuxs() -> None:
    assert (socket.AF_NETLINK, room.NETLINK_AUDIT) == (16, 9)
