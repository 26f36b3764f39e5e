"""Audit logs as the benches need them: plain, counted, by worker.

Rules of this file
    - A compressed log is unpacked into a folder of the caller's, never beside the original.
    - A record is a line; what a parser makes of it is the parser's business.

Complexity: one pass in blocks; memory does not depend on the length of the log.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import zstandard

BLOCK: Final = 1 << 20


def plain_log(path: Path, folder: Path) -> Path:
    """The log itself, or its decompressed copy in `folder` if it is `*.zst`; a worker's folder stands for its log."""
    if path.is_dir():
        path = next((p for p in (path / "audit.log", path / "audit.log.zst") if p.is_file()), path / "audit.log.zst")
    if path.suffix != ".zst":
        return path
    target = folder / f"{path.parent.name}-{path.stem}"
    with path.open("rb") as packed, target.open("wb") as out:
        zstandard.ZstdDecompressor().copy_stream(packed, out, read_size=BLOCK, write_size=BLOCK)
    return target


def worker_logs(recording: Path) -> dict[str, Path]:
    """The log of each worker of a recording, by worker, in order; one log alone is a recording of one worker."""
    if recording.is_file():
        return {recording.parent.name or recording.name: recording}
    logs = {p.parent.name: p for name in ("audit.log", "audit.log.zst") for p in recording.glob(f"*/{name}")}
    own = next((p for p in (recording / "audit.log", recording / "audit.log.zst") if p.is_file()), None)
    if own:
        logs[recording.name] = own
    if not logs:
        raise SystemExit(f"{recording}: no WORKER/audit.log or WORKER/audit.log.zst below it")
    return dict(sorted(logs.items()))


def count_records(path: Path) -> int:
    """Lines of an uncompressed log, a last one without its newline included."""
    records, last = 0, b"\n"
    with path.open("rb") as log:
        while block := log.read(BLOCK):
            records, last = records + block.count(b"\n"), block[-1:]
    return records + (last != b"\n")
