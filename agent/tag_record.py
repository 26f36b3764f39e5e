"""The tag that stands in a write's own audit event: the module's companion record.

Rules of this file
    - It is believed only as a record of type KERNEL_OTHER. User space can put records into the audit log with
      CAP_AUDIT_WRITE, but only of its own types (USER_*, 1100 to 1199 and 2100 to 2999): 1316 is the kernel's. A name
      in another record of the event cannot look like one: audit writes what is not plain, a line's end above all, in
      hexadecimal digits.
    - Anything that is not exactly such a record, or says what no write can do, is none. An event with several is one of
      several writes: none of them is meant.

Complexity: O(bytes): definite fields, nothing tried twice.
Source: lkm/README.md (parameter `audit`); linux/audit.h (types by number); kernel/audit.c (audit_receive_msg).
"""

from __future__ import annotations

import re
from typing import Final

from agent.tags import HASHED, Tag

PRESENT: Final = b": winnower: load="
_RECORD: Final = re.compile(
    rb"type=(?:KERNEL_OTHER|UNKNOWN\[1316\]) msg=audit\([\d.:]{1,36}\): winnower: load=(\d{1,10}) cpu=(\d{1,10})"
    rb" seq=(\d{1,20}) dev=([0-9a-f]{1,8}):([0-9a-f]{1,8}) ino=(\d{1,20}) gen=(\d{1,10}) off=(\d{1,19}) len=(\d{1,10})"
    rb" crc=([0-9a-f]{1,8}) hashed=(\d{1,10}) tgid=(\d{1,10}) pid=(\d{1,10}) itgid=(\d{1,10}) ipid=(\d{1,10})"
    rb" ns=(\d{1,10}) cgroup=(\d{1,20}) nanos=(\d{1,20}) flags=(\d{1,10})"
)
_HEX: Final = frozenset({3, 4, 9})
_NOBODY: Final = 0xFFFFFFFF


def tag_of(records: bytes) -> Tag | None:
    """The tag among an event's other records; None if there is none, or not just one."""
    if PRESENT not in records:
        return None
    found = [match for line in records.split(b"\n") if (match := _RECORD.match(line)) is not None]
    if len(found) != 1:
        return None
    load, cpu, sequence, major, minor, inode, born, offset, length, crc, hashed, *who = (
        int(text, 16 if place in _HEX else 10) for place, text in enumerate(found[0].groups())
    )
    tgid, pid, inner_tgid, inner_pid, namespace, cgroup, nanos, flags = who
    tag = Tag(
        sequence, nanos, cgroup, inode, offset, major, minor, length, crc, tgid, pid, inner_tgid, inner_pid, namespace,
        _NOBODY, _NOBODY, cpu, flags, load, born, hashed, b"",
    )  # fmt: skip
    return tag if is_sound(tag) else None


def is_sound(tag: Tag) -> bool:
    """Whether a write can have these numbers.

    >>> is_sound(Tag(*[0] * 21, b""))
    False
    """
    wide = max(tag.sequence, tag.nanos, tag.cgroup, tag.inode) >> 64
    narrow = max(tag[5:21]) >> 32
    whole = tag.length > 0 and tag.offset + tag.length < 1 << 63 and tag.hashed in (0, min(tag.length, HASHED))
    device = tag.major < 1 << 12 and tag.minor < 1 << 20
    return whole and device and not wide and not narrow and tag.nanos > 0 and min(tag[:21]) >= 0
