"""Audit rules for one worker, in the words of auditctl: enough for the testbed to see what its containers do.

Rules of this file
    - Every rule filters on one login uid: nothing else on the machine is audited.
    - The agent's own rules (`winnower agent rules`) are what is measured; these are for checking the testbed alone.

Source: auditctl(8); pread64 and pwrite64 are called `pread` and `pwrite` there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LEAN: Final = (
    "execve,execveat,clone,clone3,fork,vfork,exit,exit_group",
    "open,openat,openat2,creat,close,dup,dup2,dup3,pipe,pipe2,fcntl",
    "socket,socketpair,connect,accept,accept4,bind,listen,sendto,recvfrom,sendmsg,recvmsg",
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,truncate,ftruncate",
    "chmod,fchmod,fchmodat,chown,fchown,fchownat,setuid,setgid,setresuid,setresgid,chdir,fchdir,kill,ptrace",
)
TRANSFERS: Final = "read,readv,pread,preadv,write,writev,pwrite,pwritev,sendfile,splice,copy_file_range,mmap"


def rules(auid: int, *, transfers: bool = False) -> list[str]:
    """One line for auditctl per family of system calls; `transfers` adds reads and writes."""
    families: Sequence[str] = (*LEAN, TRANSFERS) if transfers else LEAN
    return [f"-a always,exit -F arch=b64 -F auid={auid} -S {calls}" for calls in families]
