"""A worker: a tree of processes with a login uid of its own, so that its audit records can be told from all others.

Rules of this file
    - The login uid is set by the shell that then becomes the command: everything below it inherits it (podman, conmon,
      the containers). It can be set again by root, unless the kernel was told otherwise (`loginuid_immutable`).
    - Only processes that start while audit is on, or has been on since boot, are audited: start auditd first.

Source: audit_set_loginuid in the kernel; testbed notes on several workers on one kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

# The shell's own /proc/self: `echo` and the redirection happen in the process that `exec` replaces.
BECOME: Final = 'echo "$0" > /proc/self/loginuid && exec "$@"'


def in_worker(auid: int | None, command: Sequence[str]) -> list[str]:
    """`command` to be run with login uid `auid`; as it is for `None`.

    >>> in_worker(5001, ["id", "-u"])[-3:]
    ['5001', 'id', '-u']
    """
    return list(command) if auid is None else ["sh", "-c", BECOME, str(auid), *command]


def login_uid(pid: int) -> int:
    """The login uid of a process; 4294967295 if it was never set."""
    return int(Path(f"/proc/{pid}/loginuid").read_text("utf-8"))
