"""What is kept between runs, in `.testbed/kernels` of the checkout: made once, whole or not at all, checked each time.

Rules of this file
    - Made in a folder beside it, under a lock, then renamed; what a killed run left half-made goes first.
    - A manifest in the folder holds the size and hash of each file; a folder that does not fit it is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = ROOT / ".testbed" / "kernels"
MANIFEST: Final = "manifest.json"
PREFIX: Final = "making-"


def have(name: str, make: Callable[[Path], dict[str, str]]) -> Path:
    """The folder of that name; if it is not there or damaged, `make` fills an empty one and tells facts to keep."""
    place = KEPT / name
    if whole(place):
        return place
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if whole(place):
            return place
        for stale in KEPT.glob(f"{PREFIX}{name}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-", dir=KEPT))
        try:
            facts = make(folder)
            seal(folder, facts)
            shutil.rmtree(place, ignore_errors=True)
            folder.chmod(0o755)
            folder.rename(place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return place


def seal(folder: Path, facts: dict[str, str]) -> None:
    """Write down what is there; folders named `tree` hold thousands of files, of which size alone is kept."""
    files = {str(path.relative_to(folder)): _sum(path, folder) for path in _files(folder)}
    (folder / MANIFEST).write_text(json.dumps({"facts": facts, "files": files}), "utf-8")


def whole(folder: Path) -> bool:
    """Whether all that the manifest names is there as it says."""
    try:
        files: dict[str, str] = json.loads((folder / MANIFEST).read_bytes())["files"]
        return bool(files) and all(_sum(folder / name, folder) == said for name, said in files.items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def facts(folder: Path) -> dict[str, str]:
    """What was told when it was made."""
    kept: dict[str, str] = json.loads((folder / MANIFEST).read_bytes())["facts"]
    return kept


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _sum(path: Path, folder: Path) -> str:
    size = path.stat().st_size
    if "tree" in path.relative_to(folder).parts:
        return str(size)
    with path.open("rb") as file:
        return f"{size} {hashlib.file_digest(file, 'sha256').hexdigest()}"
