"""A recording on disk: a folder that replays without root.

Rules of this file
    - The one place of the agent that reads files. Everything is checked where it is read: an `InputError` says which file,
      where, and what to do. Output of decompression is bounded per read; the log is never held whole.

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
MAX_JSON: Final = 16 << 20


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
    about = _object(folder / "recording.json", dict)
    inspected = _object(folder / "containers.json", list)
    containers: dict[str, list[Container]] = {}
    for position, one in enumerate(inspected):
        worker, container = _container(one, folder / "containers.json", position)
        containers.setdefault(worker, []).append(container)
    named = about.get("workers")
    found = sorted(path.parent.name for path in folder.glob("*/audit.log*"))
    workers = named if isinstance(named, list) and all(isinstance(w, str) for w in named) else found
    if not workers:
        raise InputError("no worker's audit.log", file=str(folder), hint="WORKER/audit.log or WORKER/audit.log.zst")
    logs = {worker: _log(folder, worker) for worker in workers}
    return Recording(str(about.get("name") or folder.name), logs, containers)


def _log(folder: Path, worker: str) -> Path:
    if Path(worker).name != worker or worker in ("", ".", ".."):
        raise InputError("a worker's name is not a folder's name", file=str(folder / "recording.json"), offending=worker)
    for name in ("audit.log.zst", "audit.log"):
        path = folder / worker / name
        if path.is_file():
            return path
    raise InputError("missing log", file=str(folder / worker / "audit.log.zst"), hint="every worker named needs one")


def _object(path: Path, kind: type) -> dict[str, object] | list[object] | object:
    try:
        if path.stat().st_size > MAX_JSON:
            raise InputError("file too large", file=str(path), hint=f"limit {MAX_JSON} bytes")
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError("missing file", file=str(path), hint="a recording has recording.json and containers.json") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", file=str(path), line=error.lineno, column=error.colno) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", file=str(path), line=1, column=1) from None
    if not isinstance(value, kind):
        raise InputError(f"should hold a JSON {'object' if kind is dict else 'array'}", file=str(path), line=1, column=1)
    return value


def _container(one: object, path: Path, position: int) -> tuple[str, Container]:
    def text(value: object) -> str:
        return value if isinstance(value, str) else ""

    if not isinstance(one, dict) or not text(one.get("Id")):
        raise InputError(f"entry {position} is not a container with an Id", file=str(path), offending=str(one))
    state, config = one.get("State"), one.get("Config")
    pid = state.get("Pid") if isinstance(state, dict) else 0
    labels = config.get("Labels") if isinstance(config, dict) else {}
    known = {text(k): text(v) for k, v in labels.items()} if isinstance(labels, dict) else {}
    image = text(one.get("ImageName")) or (text(config.get("Image")) if isinstance(config, dict) else "")
    name = text(one.get("Name")).lstrip("/") or text(one["Id"])[:12]
    app = application(known, image, text(one.get("Image")))
    return text(one.get("Worker")), Container(text(one["Id"]), name, app, pid if isinstance(pid, int) else 0)


def read_log(path: Path) -> Iterator[bytes]:
    """The bytes of a log in chunks, decompressed if its name ends in .zst; a damaged file is an `InputError`."""
    try:
        with path.open("rb") as file:
            if path.suffix != ".zst":
                while chunk := file.read(CHUNK):
                    yield chunk
                return
            yield from _decompressed(path, file)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None


def _decompressed(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Frames one after another; a frame that does not end is a truncated file, not the end of the log."""
    given = 0
    unit = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    started = False
    try:
        while chunk := file.read(CHUNK):
            while chunk:
                started = True
                plain = unit.decompress(chunk)
                given += len(plain)
                for at in range(0, len(plain), CHUNK):
                    yield plain[at : at + CHUNK]
                chunk = unit.unused_data
                if unit.eof:
                    unit = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
                    started = False
    except zstandard.ZstdError as error:
        hint = f"{given} bytes of log came before it; record or copy the file again"
        raise InputError(f"damaged zstd data near byte {file.tell()}: {error}", file=str(path), hint=hint) from None
    if started or not given:
        hint = f"{given} bytes of log came before the end; record or copy the file again"
        raise InputError("truncated: the zstd data ends early", file=str(path), hint=hint)
