"""How small general compressors make the raw logs of a recording: the yardstick for the bytes that we send up.

    python bench/compression.py RECORDING [--json]

Rules of this file
    - Each worker's log is compressed whole and alone: the best case for a compressor, and no sender of epochs has it.
    - The libraries behind the tools do the work, with the tools' settings: zstd -19 (zstandard), xz -9e (lzma).

Complexity: xz -9e reads about 1 MB/s; a recording of 76 MB takes two to three minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import zstandard
from logs import plain_log, worker_logs
from rich.console import Console
from rich.table import Table


def zstd_19(raw: bytes) -> int:
    return len(zstandard.ZstdCompressor(level=19).compress(raw))


def xz_9e(raw: bytes) -> int:
    return len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))


COMPRESSORS: Final[dict[str, Callable[[bytes], int]]] = {"zstd -19": zstd_19, "xz -9e": xz_9e}


def sizes(recording: Path) -> dict[str, dict[str, float]]:
    """Bytes by worker, and in `total`: `raw`, one per compressor, and its CPU seconds as `NAME cpu`."""
    rows: dict[str, dict[str, float]] = {}
    for worker, packed in worker_logs(recording).items():
        with tempfile.TemporaryDirectory(prefix="compression-") as folder:
            raw = plain_log(packed, Path(folder)).read_bytes()
        row: dict[str, float] = {"raw": len(raw)}
        for name, compress in COMPRESSORS.items():
            before = time.process_time()
            row[name] = compress(raw)
            row[f"{name} cpu"] = round(time.process_time() - before, 2)
        rows[worker] = row
    rows["total"] = {key: sum(row[key] for row in rows.values()) for key in next(iter(rows.values()))}
    return rows


def table(rows: dict[str, dict[str, float]], title: str) -> Table:
    shown = Table("log", title=title, title_justify="left")
    for column in ("raw bytes", *(c for name in COMPRESSORS for c in (name, "ratio", "CPU s"))):
        shown.add_column(column, justify="right")
    for name, row in rows.items():
        packed = [
            cell
            for tool in COMPRESSORS
            for cell in (f"{row[tool]:,.0f}", f"{row['raw'] / row[tool]:.0f}x", f"{row[f'{tool} cpu']:.1f}")
        ]
        shown.add_row(name, f"{row['raw']:,.0f}", *packed, end_section=name == list(rows)[-2])
    return shown


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="sizes of a recording's raw logs under zstd -19 and xz -9e")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    rows = sizes(options.recording)
    if options.json:
        print(json.dumps(rows))
    else:
        Console(width=None if sys.stdout.isatty() else 100).print(table(rows, str(options.recording.name)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
