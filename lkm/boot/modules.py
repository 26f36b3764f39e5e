"""In which order modules can be loaded: what each needs, read out of the files themselves.

Rules of this file
    - Debian's packages hold no modules.dep (it is made when they are installed): `depends=` of each file is the truth.
    - A name that is no file may be built into the kernel: it is passed over where it is only wished for, never where a
      module needs it.

Complexity: O(bytes of the modules).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from .tell import BootError

DEPENDS: Final = re.compile(rb"\0depends=([^\0]*)\0")


def needs(module: bytes) -> list[str]:
    """The names of the modules that this one calls."""
    found = DEPENDS.search(module)
    return [_plain(name) for name in found[1].decode().split(",") if name] if found else []


def order(folder: Path, wanted: Iterable[str]) -> list[Path]:
    """The files of the modules wanted, each after all that it needs."""
    files = {_plain(path.stem): path for path in sorted(folder.glob("*.ko"))}
    depends = {name: needs(path.read_bytes()) for name, path in files.items()}
    return [files[name] for name in _sorted([_plain(name) for name in wanted], depends)]


def _sorted(wanted: Iterable[str], depends: Mapping[str, list[str]]) -> list[str]:
    done = list[str]()

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise BootError(f"modules need each other: {' '.join(above)} {name}")
        if name in done:
            return
        for other in depends[name]:
            if other not in depends:
                raise BootError(f"module {name} needs {other}, which was not unpacked")
            add(other, (*above, name))
        done.append(name)

    for name in wanted:
        if name in depends:
            add(name, ())
    return done


def _plain(name: str) -> str:
    return name.replace("-", "_")
