"""The kernel's side of auditing, asked over netlink: its status and its rules. All I/O with it is here.

Rules of this file
    - Needs CAP_AUDIT_CONTROL in the first user and pid namespaces, nothing else: no daemon, no program, no library.
      Asking changes nothing; only `add`, `delete` and `set_backlog` do.
    - Every answer is waited for until a deadline. (The request itself goes through a lock of the kernel's: a caller
      that must not stall asks from a thread of its own.)
    - What cannot be asked here is a `KernelAuditError` with its reason and what to do; answers to earlier requests,
      and from anyone but the kernel, are passed over.

Complexity: O(1) for a status, O(rules) to list.
Source: netlink(7); kernel/audit.c audit_netlink_ok (who may ask), audit_receive_msg.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

from agent import kernel_wire as wire
from agent.kernel_wire import KernelStatus, Rule
from grammar.errors import InputError

NETLINK_AUDIT: Final = 9
DEADLINE: Final = 2.0
"""Seconds; an answer takes well under a millisecond unless the machine is starved."""
BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_BUFFER: Final = 1 << 16

Reason = Literal["not permitted", "in a container", "no audit", "no answer", "refused"]


class KernelAuditError(InputError):
    """The kernel's auditing cannot be asked, or did not do what it was asked; `reason` says why, `number` is errno."""

    def __init__(self, reason: Reason, message: str, hint: str, number: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.reason, self.number = reason, number


class KernelAudit:
    """A connection to the kernel's auditing; use it in a `with` statement or close it."""

    def __init__(self) -> None:
        try:
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_AUDIT)
        except OSError as error:
            raise _why(error.errno or 0, os.geteuid() == 0) from error
        self._sequence = 0

    def __enter__(self) -> KernelAudit:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def status(self, deadline: float = DEADLINE) -> KernelStatus:
        """What the kernel says of itself; waits at most `deadline` seconds."""
        return wire.decode_status(self._ask(wire.GET, deadline)[0])

    def rules(self, deadline: float = DEADLINE) -> list[Rule]:
        """The rules that are loaded, list by list, in the order in which the kernel tries them."""
        return [wire.decode_rule(body) for body in self._ask(wire.LIST_RULES, deadline)]

    def add(self, rule: Rule) -> None:
        """Load a rule after the others; one that is there already is fine."""
        self._do(wire.ADD_RULE, wire.encode_rule(rule), fine=errno.EEXIST)

    def delete(self, rule: Rule) -> None:
        """Delete exactly this rule; one that is gone already is fine."""
        self._do(wire.DEL_RULE, wire.encode_rule(rule), fine=errno.ENOENT)

    def set_backlog(self, limit: int) -> None:
        """How many records may wait for the daemon."""
        self._do(wire.SET, wire.backlog_request(limit))

    def _do(self, kind: int, body: bytes, fine: int = 0) -> None:
        try:
            self._ask(kind, DEADLINE, body)
        except KernelAuditError as error:
            if not fine or error.number != fine:
                raise

    def _ask(self, kind: int, deadline: float, body: bytes = b"") -> list[bytes]:
        """Send one request and collect what answers it; requests that change something are acknowledged."""
        changes = kind in (wire.SET, wire.ADD_RULE, wire.DEL_RULE)
        self._sequence += 1
        flags = wire.REQUEST | (wire.ACK if changes else 0)
        end = time.monotonic() + deadline
        try:
            self._socket.settimeout(deadline)
            self._socket.sendto(wire.message(kind, self._sequence, body, flags=flags), (0, 0))
            found: list[bytes] = []
            while True:
                self._socket.settimeout(max(end - time.monotonic(), 0.001))
                data, sender = self._socket.recvfrom(_BUFFER)
                if sender[0] == 0 and self._take(data, kind, found):
                    return found
        except OSError as error:
            number = errno.ETIMEDOUT if isinstance(error, TimeoutError) else error.errno or 0
            raise _why(number, os.geteuid() == 0) from error

    def _take(self, data: bytes, kind: int, found: list[bytes]) -> bool:
        """Take one datagram; whether the answer is complete."""
        for one in wire.messages(data):
            if one.sequence != self._sequence:
                continue
            if one.kind == wire.ERROR:
                number = wire.error_of(one.body)
                if number:
                    raise _why(number, os.geteuid() == 0)
                return True
            if one.kind == wire.DONE:
                return True
            if one.kind == kind:
                found.append(one.body)
                if kind == wire.GET:
                    return True
        return False


def read_status(deadline: float = DEADLINE) -> KernelStatus:
    """The status, once."""
    with KernelAudit() as kernel:
        return kernel.status(deadline)


def boot_id() -> str:
    """What changes with every boot; nothing where /proc does not say."""
    try:
        return Path(BOOT_ID).read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _why(number: int, root: bool) -> KernelAuditError:
    """The error of an error number: EPERM for root means a pid namespace, a refused connection a user namespace."""
    said = os.strerror(number)
    if number == errno.ECONNREFUSED or (number == errno.EPERM and root):
        hint = "on the host: only the first user and pid namespaces are answered (or CAP_AUDIT_CONTROL is missing)"
        return KernelAuditError("in a container", f"the kernel's audit refuses to answer here: {said}", hint, number)
    if number in (errno.EPERM, errno.EACCES):
        hint = "as root, or AmbientCapabilities=CAP_AUDIT_CONTROL"
        return KernelAuditError("not permitted", "the kernel's audit may not be asked", hint, number)
    if number in (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
        hint = "a kernel with CONFIG_AUDIT; not switched off by audit=0"
        return KernelAuditError("no audit", f"this kernel has no audit: {said}", hint, number)
    if number == errno.ETIMEDOUT:
        return KernelAuditError("no answer", "the kernel's audit does not answer in time", "try again", number)
    return KernelAuditError("refused", f"the kernel's audit refuses: {said}", "see auditctl(8)", number)
