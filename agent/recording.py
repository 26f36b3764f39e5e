"""A recording on disk: a folder that replays without root.

Rules of this file
    - The one place of the agent that reads files. Everything is checked where it is read: an `InputError` says which
      file, where, and what to do. Output of decompression is bounded per read; the log is never held whole.

Source: design section 2 (recording).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from agent.containers import Container, application
from grammar import InputError

CHUNK: Final = 1 << 16
BITE: Final = 256
"""What is decompressed at once: a hostile block of four bytes can hold 128 kB, so a bite gives 8 MB at most."""
MAX_WINDOW: Final = 1 << 27
MAX_JSON: Final = 16 << 20
_JSON: Final = {str: "string", dict: "object", int: "number"}


@dataclass(frozen=True, slots=True)
class Recording:
    """Its name, its workers in order with their logs, the containers of each worker."""

    name: str
    logs: dict[str, Path]
    containers: dict[str, list[Container]]


def open_recording(folder: Path) -> Recording:
    """Read what a recording says of itself; its logs are only located."""
    if not folder.is_dir():
        raise InputError("no such recording", file=str(folder), hint="give a folder with recording.json in it")
    about = _value(folder / "recording.json")
    if not isinstance(about, dict):
        raise _wrong(folder / "recording.json", "should hold a JSON object")
    logs = {worker: _log(folder, worker) for worker in _workers(folder, about)}
    place = folder / "containers.json"
    inspected = _value(place)
    if not isinstance(inspected, list):
        raise _wrong(place, "should hold a JSON array")
    containers: dict[str, list[Container]] = {}
    for position, one in enumerate(inspected):
        if not isinstance(one, dict):
            raise _wrong(place, f"entry {position} should be a JSON object", one)
        worker = one.get("Worker", next(iter(logs)) if len(logs) == 1 else None)
        if not isinstance(worker, str) or worker not in logs:
            raise _wrong(place, f"entry {position}: Worker names no worker of this recording", worker)
        containers.setdefault(worker, []).append(_container(one, place, position))
    name = about.get("name")
    return Recording(name if isinstance(name, str) and name else folder.name, logs, containers)


def _workers(folder: Path, about: dict[str, object]) -> list[str]:
    """The workers that recording.json names, else all folders with a log."""
    place, named = folder / "recording.json", about.get("workers")
    if named is None:
        named = sorted({path.parent.name for path in folder.glob("*/audit.log*")})
    if not isinstance(named, list) or not all(isinstance(worker, str) for worker in named):
        raise _wrong(place, "`workers` should be an array of folder names", named)
    if len(set(named)) != len(named):
        raise _wrong(place, "`workers` names a worker twice", named)
    if not named:
        raise InputError("no worker's audit.log", file=str(folder), hint="WORKER/audit.log or WORKER/audit.log.zst")
    return named


def _log(folder: Path, worker: str) -> Path:
    if Path(worker).name != worker or worker in ("", ".", "..") or "\0" in worker:
        raise _wrong(folder / "recording.json", "a worker's name is not the name of a folder", worker)
    for name in ("audit.log.zst", "audit.log"):
        path = folder / worker / name
        if path.is_file():
            return path
    raise InputError("missing log", file=str(folder / worker / "audit.log.zst"), hint="every worker named needs one")


def _value(path: Path) -> object:
    try:
        if path.stat().st_size > MAX_JSON:
            raise InputError("file too large", file=str(path), hint=f"limit {MAX_JSON} bytes")
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        hint = "a recording has recording.json and containers.json"
        raise InputError("missing file", file=str(path), hint=hint) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", file=str(path), line=error.lineno, column=error.colno) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", file=str(path), line=1, column=1) from None


def _wrong(path: Path, message: str, offending: object = "") -> InputError:
    hint = "see recordings/README.md for the format"
    text = offending if isinstance(offending, str) else repr(offending)
    return InputError(message, file=str(path), line=1, column=1, offending=text, hint=hint)


def _container(one: dict[str, object], path: Path, position: int) -> Container:
    """One entry of containers.json: `Id`, and as far as the engine said them name, image, labels, first process."""

    def part(value: object, kind: type, name: str) -> object:
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise _wrong(path, f"entry {position}: {name} should be a JSON {_JSON[kind]}", value)
        return value

    def text(value: object, name: str) -> str:
        return str(part(value, str, name) or "")

    def members(name: str, of: dict[str, object]) -> dict[str, object]:
        found = part(of.get(name), dict, name)
        return found if isinstance(found, dict) else {}

    ident = text(one.get("Id"), "Id")
    if not ident:
        raise _wrong(path, f"entry {position} has no Id", one)
    config = members("Config", one)
    labels = {str(key): text(value, "a label") for key, value in members("Labels", config).items()}
    images = text(one.get("ImageName"), "ImageName"), text(config.get("Image"), "Config.Image")
    image = images[0] or images[1]
    pid = part(members("State", one).get("Pid"), int, "State.Pid")
    name = text(one.get("Name"), "Name").lstrip("/") or ident[:12]
    app = application(labels, image, text(one.get("Image"), "Image"))
    return Container(ident, name, app, pid if isinstance(pid, int) and pid > 0 else 0)


def read_log(path: Path) -> Iterator[bytes]:
    """The bytes of a log in chunks, decompressed if its name ends in .zst; a damaged file is an `InputError`."""
    try:
        with path.open("rb") as file:
            if path.suffix != ".zst":
                if not (chunk := file.read(CHUNK)):
                    raise _empty(path)
                while chunk:
                    yield chunk
                    chunk = file.read(CHUNK)
                return
            yield from _decompressed(path, file)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None


def _decompressed(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Frames one after another; a frame that does not end is a truncated file, not the end of the log."""
    given, done, started = 0, 0, False
    unit = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
    try:
        while part := file.read(BITE):
            done += len(part)
            while part:
                started = True
                plain = unit.decompress(part)
                given += len(plain)
                for at in range(0, len(plain), CHUNK):
                    yield plain[at : at + CHUNK]
                part = unit.unused_data
                if unit.eof:
                    unit = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
                    started = False
    except zstandard.ZstdError as error:
        hint = f"{given} bytes of log came before it; record or copy the file again"
        raise InputError(f"damaged zstd data near byte {done}: {error}", file=str(path), hint=hint) from None
    if started:
        hint = f"{given} bytes of log came before the end; record or copy the file again"
        raise InputError("truncated: the zstd data ends early", file=str(path), hint=hint)
    if not given:
        raise _empty(path)


def _empty(path: Path) -> InputError:
    return InputError("empty log", file=str(path), hint="record or copy the file again, or leave the worker out")
