"""What goes to the child process that runs angr, and what comes back: a job, then a line of JSON for each binary.

Rules of this file
    - Values only; addresses are those of the file as linked.

Complexity: O(what is said).
Source: design section 7 (a pure core; the process is a thing outside).
"""

from __future__ import annotations

import msgspec


class Job(msgspec.Struct, frozen=True):
    """What the child is to do, and what it may take: bytes of memory, seconds of CPU.

    `functions`: resolve the indirect calls of these functions (names, or addresses in hexadecimal) instead.
    """

    paths: tuple[str, ...]
    depth: int
    tuned: bool
    memory: int
    seconds: int
    functions: tuple[str, ...] = ()


class String(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One log string at a call: its bytes, and as what it is passed to whom (`agent.static.strings.Site`)."""

    raw: bytes
    argument: int
    format: bool
    newline: bool
    sink: str
    level: str


class Call(msgspec.Struct, frozen=True):
    """A call that is a point: `name` where the callee has one, `target` if it is in this binary (0 if not)."""

    address: int
    name: str
    target: int = 0
    strings: tuple[String, ...] = ()
    waits: str = ""


class Function(msgspec.Struct, frozen=True):
    """A function that may log or wait, block by block (`agent.static.flow.Shape`); block 0 is the entry.

    `callers` are the calls of it that are known, `pointed` says that its address is taken.
    """

    address: int
    name: str
    calls: tuple[Call, ...]
    marks: tuple[tuple[int, ...], ...]
    successors: tuple[tuple[int, ...], ...]
    returns: tuple[int, ...]
    errors: tuple[int, ...] = ()
    callers: int = 0
    pointed: bool = False


class Answer(msgspec.Struct, frozen=True):
    """One binary: its functions, callees first; `exports` names those that other binaries may call.

    `indirect`: where indirect calls go, by the call's address. `cfg_seconds` of the `seconds` (CPU) went into the graph
    of blocks. `failed` says why there is nothing.
    """

    path: str
    functions: tuple[Function, ...] = ()
    exports: dict[str, int] = {}
    indirect: dict[int, tuple[int, ...]] = {}
    cfg_seconds: float = 0.0
    seconds: float = 0.0
    failed: str = ""
