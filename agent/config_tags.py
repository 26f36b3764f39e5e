"""The settings of tags: which of the kernel's sides is read, and what it is told to tag.

Rules of this file
    - What a setting means and its default is said in `agent.toml`, which is shipped and equals the defaults.

Source: issue "lkm" (the agent chooses module, eBPF or none); lkm/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from grammar.settings import Complaint, Size, size

MAX_PATHS: Final = 16
LEAST, MOST = 1 << 16, 1 << 30
"""Bytes of a ring."""


class Tags(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tags of log writes; `paths` and `cgroups` are folders. A `helper` without a slash is looked for."""

    source: Literal["auto", "module", "ebpf", "none"] = "auto"
    device: str = "/dev/winnower"
    helper: str = "winnower-tags"
    mode: Literal["auto", "fexit", "sys_exit"] = "auto"
    buffer: Size = size("8MiB")
    spool: Size = size("64MB")
    paths: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()

    def check(self) -> Iterator[Complaint]:
        """What would not work."""
        if not self.device.startswith("/"):
            yield Complaint("device", "the device is named in full", 'like "/dev/winnower"')
        if not self.helper or ("/" in self.helper and not self.helper.startswith("/")):
            yield Complaint("helper", "a program's name, or its path in full", 'like "/usr/sbin/winnower-tags"')
        if not LEAST <= self.buffer <= MOST or self.buffer & (self.buffer - 1):
            yield Complaint("buffer", "a power of two from 64KiB to 1GiB", 'for example "8MiB"')
        if self.spool < 1_000_000:
            yield Complaint("spool", "less than 1MB does not hold the tags of one burst", 'for example "64MB"')
        if len(self.paths) > MAX_PATHS:
            yield Complaint("paths", f"the kernel's side takes {MAX_PATHS} folders at most")
        for key, folders in (("paths", self.paths), ("cgroups", self.cgroups)):
            if any(not one.startswith("/") or "," in one or "\n" in one or "\0" in one for one in folders):
                yield Complaint(key, "folders are named in full, and have no comma in their names", "like /srv/log")
