"""A snapshot: the whole of what the main loop carries in memory, as one file, so that a restart need not read it all.

Rules of this file
    - A file is `MAGIC, stamp, zstd of a pickle, digest`. The stamp is that of the program: code that has changed since
      cannot read its predecessor's memory. Anything that is not exactly right is a `SnapshotError`, before it is used.
    - Only our own files are read, and of what a pickle may name only classes that memory is made of: `STATE`.
    - What is not memory (a recorder, a connection to the engine) is `outside`: named in the file, put in again when it
      is read.
    - Nothing in memory is a chain: pickling goes a few levels deep, however many processes there are.

Invariant: at any byte of a log, saving, restoring and going on gives the same epochs as going on.
Complexity: O(objects); a process costs about 13 µs to save and to restore, and 40 bytes.
Source: pickle (restricting globals); issue "live agent" (kill -9 at any instant).
"""

from __future__ import annotations

import gc
import importlib
import io
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import FunctionType
from typing import Any, Final, TypeVar

import zstandard

from agent.private import make_folder, read_private, sync_folder, write_private
from agent.processes import Handle, Process
from agent.processes import Snapshot as ForkSnapshot
from agent.upg import Actor, Artifact, Vertex
from grammar import InputError
from grammar.lineformat import Reader

MAGIC: Final = b"winnower snapshot 1\n"
STAMP: Final = 16
PREFIX: Final = "snapshot-"
MAX_FILE: Final = 512 << 20
MAX_PLAIN: Final = 2 << 30
_AGENT: Final = (
    "abstraction addresses calls_files calls_processes calls_sockets cgroups container_files containers epochs events "
    "files kernel_loss kubernetes live_containers logbook logbook_bytes logfiles_finder logfiles_home "
    "logfiles_streams logfiles_track logfiles_value logmessages logmessages_units lognames logtime logtimes loss "
    "memory miner miner_outline node pipeline processes records resolver resolver_beam syscalls tag_record tagindex "
    "tagjoin tagjoin_alone tagjoin_fit tagjoin_places tags tags_marks upg"
)
_GRAMMAR: Final = "codec control envelope evidence history labels lexicon line lineformat pattern"
STATE: Final = (*(f"agent.{name}" for name in _AGENT.split()), *(f"grammar.{name}" for name in _GRAMMAR.split()))
"""Where the classes of memory are; functions are taken from the handlers' modules (`agent.calls_*`) only."""
PLAIN: Final = frozenset(
    {("builtins", "set"), ("builtins", "frozenset"), ("builtins", "bytearray"), ("collections", "Counter"),
     ("collections", "deque"), ("collections", "OrderedDict"), ("collections", "defaultdict")}
)  # fmt: skip
OUTSIDE: Final = (__name__, "outside")

SLOTTED: Final = (Process, Handle, ForkSnapshot, Actor, Artifact, Vertex)
"""What there may be thousands of."""

T = TypeVar("T")
Reduced = tuple[Any, ...]
"""What `pickle` takes for an object: how to make it, and with what."""


class SnapshotError(InputError):
    """A file that is no snapshot of this program's memory, or one that cannot be believed."""


def save(folder: Path, memory: object, outside: Mapping[str, object]) -> str:
    """Write a snapshot of `memory`; its name. No room is an `OSError`, what cannot be saved a `SnapshotError`."""
    make_folder(folder)
    data = pack(memory, outside)
    numbers = [number for path in folder.glob(f"{PREFIX}*") if (number := _number(path.name)) is not None]
    name = f"{PREFIX}{max(numbers, default=0) + 1}"
    write_private(folder / name, data)
    return name


def restore(folder: Path, name: str, kind: type[T], outside: Mapping[str, object]) -> T:
    """What the snapshot of that name holds; anything but a whole one of ours is a `SnapshotError`."""
    path = folder / name
    if _number(name) is None:
        raise SnapshotError("not a snapshot's name", file=str(folder), offending=name)
    try:
        data = read_private(path, MAX_FILE, secret=False)
    except InputError as error:
        raise SnapshotError(error.message, file=str(path), hint=error.hint) from None
    return unpack(data, str(path), kind, outside)


def tidy(folder: Path, keep: str) -> None:
    """Remove all snapshots but one, and what was left half-written."""
    for path in (*folder.glob(f"{PREFIX}*"), *folder.glob(f".{PREFIX}*")):
        if path.name != keep:
            with suppress(OSError):
                path.unlink()
    with suppress(OSError):
        sync_folder(folder)


def pack(memory: object, outside: Mapping[str, object]) -> bytes:
    """`memory` as bytes; objects of `outside` only by their name."""
    target = io.BytesIO()
    target.write(MAGIC + stamp())
    with zstandard.ZstdCompressor(level=1).stream_writer(target, closefd=False) as packer:
        pickler = pickle.Pickler(packer, protocol=5)
        pickler.dispatch_table = _reducers(outside)
        try:
            with _without_collection():
                pickler.dump(memory)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
            raise SnapshotError(f"memory cannot be saved: {error}") from None
    target.write(blake2b(target.getbuffer(), digest_size=STAMP).digest())
    return target.getvalue()


def unpack(data: bytes, file: str, kind: type[T], outside: Mapping[str, object]) -> T:
    """The memory that `pack` has written; `file` is for the error."""
    head = len(MAGIC) + STAMP
    if not data.startswith(MAGIC) or len(data) < head + STAMP:
        raise SnapshotError("not a snapshot", file=file, offending=data[:24])
    if blake2b(memoryview(data)[:-STAMP], digest_size=STAMP).digest() != data[-STAMP:]:
        raise SnapshotError("snapshot is damaged: its digest does not fit", file=file)
    if data[len(MAGIC) : head] != stamp():
        raise SnapshotError("snapshot of another version of the program", file=file)
    plain = zstandard.ZstdDecompressor().stream_reader(memoryview(data)[head:-STAMP])
    try:
        with _without_collection():
            found: object = _Unpickler(io.BufferedReader(_Limited(plain), 1 << 20), outside).load()
    except SnapshotError as error:
        raise SnapshotError(error.message, file=file, offending=error.offending) from None
    except Exception as error:
        raise SnapshotError(f"snapshot cannot be read: {type(error).__name__}: {error}", file=file) from None
    if not isinstance(found, kind):
        raise SnapshotError("a snapshot of something else", file=file, offending=type(found).__name__)
    return found


@cache
def stamp() -> bytes:
    """What identifies the code that memory is made by: its text, and the interpreter's version."""
    found = blake2b(repr(sys.version_info[:2]).encode(), digest_size=STAMP)
    for name in STATE:
        source = Path(importlib.import_module(name).__file__ or "")
        found.update(b"%s\0" % name.encode() + source.read_bytes())
    return found.digest()


def _reducers(known: Mapping[str, object]) -> dict[type, Callable[[Any], Reduced]]:
    """How to write down what a pickle does not, or not well."""
    outsiders = {type(one): _named(known) for one in known.values() if one is not None}
    return dict.fromkeys(SLOTTED, _slots) | {Reader: _read_state} | outsiders


def _read_state(one: Reader) -> Reduced:
    """A reader of lines says itself what it needs to go on: functions are no memory."""
    return reader, (one.state(),)


def reader(state: str) -> Reader:
    """Undo `_read_state`; what is no reader's state is an `InputError`."""
    return Reader.restore(state)


def _slots(one: object) -> Reduced:
    """An object with slots as a row of values: a pickle's own way makes a dictionary of each, and keeps it."""
    kind = type(one)
    values = tuple([getattr(one, name) for name in kind.__slots__])  # type: ignore[attr-defined]
    return blank, (kind,), values, None, None, fill


def blank(kind: type) -> object:
    """An object of a class in `SLOTTED`, still without values."""
    if kind not in SLOTTED:
        raise SnapshotError("memory does not hold such things", offending=kind.__name__)
    return object.__new__(kind)


def fill(one: object, values: tuple[object, ...]) -> None:
    """Undo `_slots`."""
    for name, value in zip(type(one).__slots__, values, strict=True):  # type: ignore[attr-defined]
        setattr(one, name, value)


def _named(known: Mapping[str, object]) -> Callable[[object], Reduced]:
    """Reduce an object of `outside` to its name."""

    def reduce(one: object) -> Reduced:
        for name, there in known.items():
            if there is one:
                return outside, (name,)
        raise SnapshotError("memory holds something from outside", offending=type(one).__name__)

    return reduce


def outside(name: str) -> object:
    """Stands in a file for what is not memory; reading puts in the object of that name (see `_Unpickler`)."""
    raise SnapshotError("nothing of that name here", offending=name)


class _Unpickler(pickle.Unpickler):
    """Makes objects of `STATE`'s classes and of plain ones, and nothing else."""

    def __init__(self, source: io.BufferedReader, outside: Mapping[str, object]) -> None:
        super().__init__(source)
        self._outside = outside

    def find_class(self, module: str, name: str) -> object:
        """The class or handler of that name, if memory may hold it."""
        if (module, name) == OUTSIDE:
            return self._outside.get
        if module == __name__ and name in MAKERS:
            return MAKERS[name]
        if (module, name) in PLAIN:
            return getattr(importlib.import_module(module), name)
        found = getattr(importlib.import_module(module), name, None) if module in STATE else None
        handler = isinstance(found, FunctionType) and module.startswith("agent.calls_")
        if getattr(found, "__module__", "") == module and (handler or isinstance(found, type)):
            return found
        raise SnapshotError("memory does not hold such things", offending=f"{module}.{name}")


MAKERS: Final[Mapping[str, object]] = {"blank": blank, "fill": fill, "reader": reader}
"""The functions of this file that a snapshot may name."""


class _Limited(io.RawIOBase):
    """The decompressed bytes, at most `MAX_PLAIN`."""

    def __init__(self, source: zstandard.ZstdDecompressionReader) -> None:
        self._source, self._left = source, MAX_PLAIN

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer`."""
        view = memoryview(buffer)  # type: ignore[arg-type]  # what io.BufferedReader hands over is a buffer
        data = self._source.read(len(view))
        self._left -= len(data)
        if self._left < 0:
            raise SnapshotError("snapshot is too large", hint=f"limit {MAX_PLAIN} bytes")
        view[: len(data)] = data
        return len(data)


@contextmanager
def _without_collection() -> Iterator[None]:
    """A million new objects of which none is garbage: the collector would look at them again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _number(name: str) -> int | None:
    rest = name.removeprefix(PREFIX)
    return int(rest) if name.startswith(PREFIX) and rest.isascii() and rest.isdecimal() and len(rest) < 16 else None
