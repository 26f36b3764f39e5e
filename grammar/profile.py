"""The LMS-CFG of one application: its log strings and which may follow which, factored by function.

Rules of this file
    - A profile is a value; JSON is its written form (`winnower profile -o FILE`). Reading checks every index.
    - Edges are kept by function. A function's *points* are its log strings and its calls of functions that may log. An
      edge a → b says: from a, b can be reached without another point of this function between. ENTRY and EXIT are
      points of every function; a call that may return without having logged is passed through (ENTRY → EXIT in the
      callee says so).

Complexity: reading and writing O(size).
Source: DisProTrack section IV (LMS-CFG); design section 5 (a profile is JSON).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from grammar.errors import InputError

ENTRY: Final = -1
EXIT: Final = -2
MAX_PROFILE: Final = 256 << 20

Sink = Literal["emits", "formats", "unknown"]


class Binary(msgspec.Struct, frozen=True):
    """One ELF file; `engine` is what has read it (`fast`, `angr`), `interpreted` what it runs instead of logging."""

    path: str
    sha256: str
    build_id: str
    engine: str = "fast"
    interpreted: str = ""


class LogString(msgspec.Struct, frozen=True):
    """One log string at one call site.

    `text` is the string as in the binary, `pattern` its written form (`grammar.Pattern`), `function` and `binary` are
    positions in the profile's lists, `address` is the call site, `callee` the function that it is passed to, `level`
    the level's name where it is known.
    """

    id: str
    text: str
    pattern: str
    function: int
    address: int
    sink: Sink
    level: str = ""
    callee: str = ""
    binary: int = 0


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A point of a function: a log string (`string` is its position), or a call (`calls`: positions of functions).

    One with neither is passed through: it stands where many edges meet.
    """

    string: int = -1
    calls: tuple[int, ...] = ()


class Function(msgspec.Struct, frozen=True):
    """A function that may log; `edges` are pairs of positions in `points`, or ENTRY, EXIT."""

    name: str
    address: int
    binary: int
    points: tuple[Point, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()


class EventLoop(msgspec.Struct, frozen=True):
    """An event-handling loop: ids of the strings that may be first and last in an iteration, and what it waits in."""

    function: int
    first: tuple[str, ...]
    last: tuple[str, ...]
    waits: str = ""


class Profile(msgspec.Struct, frozen=True):
    """The LMS-CFG of an application; `depth` is the back-trace depth that it was made with."""

    binaries: tuple[Binary, ...]
    strings: tuple[LogString, ...] = ()
    functions: tuple[Function, ...] = ()
    loops: tuple[EventLoop, ...] = ()
    depth: int = 0
    notes: tuple[str, ...] = ()


def read_profile(data: bytes, name: str) -> Profile:
    """Read the written form; what is wrong is an `InputError` naming the file."""
    if len(data) > MAX_PROFILE:
        raise InputError("profile too large", file=name, hint=f"at most {MAX_PROFILE} bytes")
    try:
        found = msgspec.json.decode(data, type=Profile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = "winnower profile BINARY -o FILE makes one"
        raise InputError(f"not a profile: {error}", file=name, line=1, column=1, hint=hint) from None
    _check(found, name)
    return found


def write_profile(profile: Profile) -> bytes:
    r"""The written form: UTF-8 JSON, one line for each entry, so that two profiles can be compared.

    >>> write_profile(Profile((), depth=3))
    b'{"binaries": [],\n"strings": [],\n"functions": [],\n"loops": [],\n"depth": 3,\n"notes": []}\n'
    """
    return b"{" + b",\n".join(_fields(profile)) + b"}\n"


def _fields(profile: Profile) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    for name in profile.__struct_fields__:
        value = getattr(profile, name)
        if isinstance(value, tuple) and value:
            text = b"[\n" + b",\n".join(encoder.encode(one) for one in value) + b"\n]"
        else:
            text = encoder.encode(value)
        yield encoder.encode(name) + b": " + text


def _check(profile: Profile, name: str) -> None:
    strings, functions, binaries = len(profile.strings), len(profile.functions), len(profile.binaries)
    ids = {one.id for one in profile.strings}

    def wrong(what: str, offending: object) -> InputError:
        return InputError(f"not a profile: {what}", file=name, line=1, column=1, offending=str(offending))

    for one in profile.strings:
        if not (0 <= one.function < functions and 0 <= one.binary < binaries):
            raise wrong("a string's function or binary is not in the profile", one.id)
    for function in profile.functions:
        for point in function.points:
            if not -1 <= point.string < strings or any(not 0 <= call < functions for call in point.calls):
                raise wrong("a point's string or call is not in the profile", function.name)
        if any(not EXIT <= end < len(function.points) for edge in function.edges for end in edge):
            raise wrong("an edge's end is no point of its function", function.name)
    for loop in profile.loops:
        if not 0 <= loop.function < functions or not ids.issuperset((*loop.first, *loop.last)):
            raise wrong("a loop's function or string is not in the profile", loop.function)
