"""Messages between audit and its kernel as bytes: status, rules, errors. No I/O.

Rules of this file
    - Layouts are those of linux/audit.h and linux/netlink.h, in the machine's byte order; a shorter answer (an older
      kernel) reads as zeros, a longer one (a newer kernel) as far as we know it.
    - A rule is compared as the kernel holds it: list, action, set of calls, conditions in order.
    - What cannot be an answer of the kernel is a `CodecError`, never a traceback.

Invariant: `decode_rule(encode_rule(rule)) == rule`.
Complexity: O(bytes); a rule has at most 64 conditions and 2,048 calls.
Source: linux/audit.h (audit_status, audit_rule_data, AUDIT_*); linux/netlink.h; kernel/auditfilter.c.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

from grammar.errors import CodecError

GET, SET, ADD_RULE, DEL_RULE, LIST_RULES = 1000, 1001, 1011, 1012, 1013
ERROR, DONE = 2, 3
REQUEST, ACK = 1, 4
STATUS_BACKLOG_LIMIT: Final = 0x10

LISTS: Final = {"user": 0, "task": 1, "exit": 4, "exclude": 5, "filesystem": 6, "io_uring": 7}
ACTIONS: Final = {"never": 0, "possible": 1, "always": 2}
FIELDS: Final = {
    "pid": 0, "uid": 1, "euid": 2, "suid": 3, "fsuid": 4, "gid": 5, "egid": 6, "sgid": 7, "fsgid": 8, "auid": 9,
    "pers": 10, "arch": 11, "msgtype": 12, "subj_user": 13, "subj_role": 14, "subj_type": 15, "subj_sen": 16,
    "subj_clr": 17, "ppid": 18, "obj_user": 19, "obj_role": 20, "obj_type": 21, "obj_lev_low": 22, "obj_lev_high": 23,
    "auid_set": 24, "sessionid": 25, "fstype": 26, "devmajor": 100, "devminor": 101, "inode": 102, "exit": 103,
    "success": 104, "path": 105, "perm": 106, "dir": 107, "filetype": 108, "obj_uid": 109, "obj_gid": 110,
    "field_compare": 111, "exe": 112, "saddr_fam": 113, "a0": 200, "a1": 201, "a2": 202, "a3": 203, "key": 210,
}  # fmt: skip
OPERATORS: Final = {
    "&": 0x08000000, "<": 0x10000000, ">": 0x20000000, "!=": 0x30000000, "=": 0x40000000, "&=": 0x48000000,
    "<=": 0x50000000, ">=": 0x60000000,
}  # fmt: skip
TEXTS: Final = frozenset({*range(13, 18), *range(19, 24), 105, 107, 112, 210})
"""Fields whose value is text in the rule's buffer."""
UNSET: Final = 0xFFFFFFFF

_HEADER: Final = struct.Struct("=IHHII")
_STATUS: Final = struct.Struct("=11I")
_RULE: Final = struct.Struct("=3I64I64I64I64II")
_WORDS: Final = 64
_LIST_NAMES: Final = {number: name for name, number in LISTS.items()}
_ACTION_NAMES: Final = {number: name for name, number in ACTIONS.items()}
_FIELD_NAMES: Final = {number: name for name, number in FIELDS.items()}
_OPERATOR_NAMES: Final = {number: name for name, number in OPERATORS.items()}


class Condition(NamedTuple):
    """One condition of a rule, as in `-F success=1`. Numbers are unsigned, as the kernel keeps them."""

    field: str
    operator: str
    value: int | str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the kernel. No calls mean that it has no use for them (lists other than exit and io_uring)."""

    filter: str
    action: str
    calls: frozenset[int]
    conditions: tuple[Condition, ...]

    @property
    def key(self) -> str:
        """Its key (`-k`), or nothing."""
        return next((str(one.value) for one in self.conditions if one.field == "key"), "")


class Message(NamedTuple):
    """One netlink message: its type, the number of the request that it answers, its body."""

    kind: int
    sequence: int
    body: bytes


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """What the kernel says of auditing. `lost` counts records since boot or since somebody set it back to zero.

    `enabled` is 0 (off), 1 (on), 2 (on, and the rules locked until boot); `pid` is the daemon's, 0 for none; `failure`
    is what happens on trouble (0 nothing, 1 a kernel message, 2 panic); limits of 0 are none; times are in jiffies.
    """

    enabled: int = 0
    failure: int = 0
    pid: int = 0
    rate_limit: int = 0
    backlog_limit: int = 0
    lost: int = 0
    backlog: int = 0
    features: int = 0
    backlog_wait_time: int = 0
    backlog_wait_time_actual: int = 0


def message(kind: int, sequence: int, body: bytes = b"", *, flags: int = REQUEST) -> bytes:
    """A request to the kernel."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body


def messages(data: bytes) -> list[Message]:
    """The messages of one datagram."""
    found: list[Message] = []
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            raise CodecError("the kernel's answer is cut short", offending=f"{length} bytes at {at} of {len(data)}")
        found.append(Message(kind, sequence, data[at + _HEADER.size : at + length]))
        at += (length + 3) & ~3
    return found


def error_of(body: bytes) -> int:
    """The error number of an answer of type ERROR; 0 acknowledges."""
    if len(body) < 4:
        raise CodecError("the kernel's answer is cut short", offending=f"{len(body)} bytes")
    return -int(struct.unpack_from("=i", body)[0])


def decode_status(body: bytes) -> KernelStatus:
    """The answer to GET."""
    return KernelStatus(*_STATUS.unpack(body[: _STATUS.size].ljust(_STATUS.size, b"\0"))[1:])


def backlog_request(limit: int) -> bytes:
    """The body of a SET that changes the backlog limit and nothing else."""
    return _STATUS.pack(STATUS_BACKLOG_LIMIT, 0, 0, 0, 0, limit, 0, 0, 0, 0, 0)


def encode_rule(rule: Rule) -> bytes:
    """struct audit_rule_data: what ADD_RULE and DEL_RULE take and LIST_RULES gives."""
    if len(rule.conditions) > _WORDS or any(not 0 <= call < 32 * _WORDS for call in rule.calls):
        raise CodecError("no such audit rule", offending=repr(rule), hint="64 conditions, calls below 2048")
    mask, texts = [0] * _WORDS, b""
    for call in rule.calls:
        mask[call >> 5] |= 1 << (call & 31)
    fields, values, operators = [0] * _WORDS, [0] * _WORDS, [0] * _WORDS
    for place, (field, operator, value) in enumerate(rule.conditions):
        fields[place], operators[place] = _field_number(field), OPERATORS[operator]
        text = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else b""
        values[place] = len(text) if isinstance(value, str) else value
        texts += text
    head = (LISTS[rule.filter], ACTIONS[rule.action], len(rule.conditions))
    return _RULE.pack(*head, *mask, *fields, *values, *operators, len(texts)) + texts


def decode_rule(body: bytes) -> Rule:
    """The rule in an answer to LIST_RULES; names that we do not know are kept by number."""
    if len(body) < _RULE.size:
        raise CodecError("the kernel's rule is cut short", offending=f"{len(body)} bytes")
    whole = _RULE.unpack_from(body)
    count, texts = min(whole[2], _WORDS), body[_RULE.size : _RULE.size + whole[-1]]
    mask = whole[3 : 3 + _WORDS]
    fields, values, operators = (whole[3 + _WORDS * part :][:count] for part in (1, 2, 3))
    conditions = []
    for number, value, operator in zip(fields, values, operators, strict=True):
        shown: int | str = value
        if number in TEXTS:
            shown, texts = texts[:value].decode("utf-8", "surrogateescape"), texts[value:]
        name = _FIELD_NAMES.get(number, f"field{number}")
        conditions.append(Condition(name, _OPERATOR_NAMES.get(operator, f"operator{operator}"), shown))
    calls = frozenset(32 * word + bit for word, bits in enumerate(mask) if bits for bit in range(32) if bits >> bit & 1)
    filtered, action = _LIST_NAMES.get(whole[0], f"list{whole[0]}"), _ACTION_NAMES.get(whole[1], f"action{whole[1]}")
    return Rule(filtered, action, calls, tuple(conditions))


def _field_number(name: str) -> int:
    if name in FIELDS:
        return FIELDS[name]
    raise CodecError("no such field of an audit rule", offending=name)
