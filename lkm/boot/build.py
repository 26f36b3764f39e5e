"""The module for each kernel, its eBPF twin for all of them, and the programs that run in the guest.

Rules of this file
    - Built in folders of their own from copies of the sources: two kernels do not fight, and the checkout stays clean.
    - A warning of the compiler is an error, in the guest's programs as in the module and its twin.
    - Sources that did not change are not built again: the folder's name is their hash.

Complexity: about 5 s for each kernel, 2 s for the guest's programs, 1 s for the twin.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from .kept import KEPT, ROOT
from .kernels import Kernel
from .tell import BootError, compiled, run, step

LKM: Final = ROOT / "lkm"
GUEST: Final = ROOT / "tests" / "lkm" / "guest"
CFLAGS: Final = ("-O1", "-g0", "-static", "-pthread", "-std=gnu11", "-D_GNU_SOURCE",
                 "-fno-toplevel-reorder", "-Wall", "-Wextra", "-Werror")  # fmt: skip
# A program without a C library: Debian's gcc makes 32-bit code, but the 32-bit library is another package.
CFLAGS32: Final = ("-m32", "-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie", "-Wall", "-Werror",
                   "-fno-stack-protector", "-fno-asynchronous-unwind-tables")  # fmt: skip
# BTF of a module wants pahole and the kernel's own vmlinux; nothing here reads it.
WITHOUT_BTF: Final = ("CONFIG_DEBUG_INFO_BTF_MODULES=",)
KEPT_BUILDS: Final = 12


def module(kernel: Kernel, first: str = "") -> Path:
    """winnower.ko for that kernel; `first`: the first sequence number, for the test of its wrap."""
    sources = sorted([*LKM.glob("*.c"), *LKM.glob("*.h"), LKM / "Kbuild"])
    if not (LKM / "Kbuild").exists():
        raise BootError("lkm/Kbuild is not there: nothing to build")

    def make(folder: Path) -> None:
        for source in sources:
            shutil.copy(source, folder)
        words = [f"M={folder}", *WITHOUT_BTF, *([f"KCFLAGS=-DWINNOWER_FIRST={first}"] if first else []), "modules"]
        with step(f"building the module for Linux {kernel.version}{' (wrap)' if first else ''}"):
            compiled(["make", "-C", str(kernel.headers), *words], seconds=300, env=_environment())

    name = f"module-{kernel.version}{'-wrap' if first else ''}"
    return _built(name, [*sources, kernel.headers / ".config"], make) / "winnower.ko"


def twin() -> Path:
    """winnower-tags with its program in it, without libraries: one for all kernels, which it meets at load."""
    parts = ("*.c", "*.h", "*.S", "Makefile")
    sources = [LKM / "winnower_tag.h", *sorted(path for part in parts for path in (LKM / "bpf").glob(part))]

    def make(folder: Path) -> None:
        with step("building the eBPF twin"):
            words = ["STATIC=1", f"BUILD={folder}", "CC=gcc", "CLANG=clang"]
            compiled(["make", "-C", str(LKM / "bpf"), *words], seconds=300, env=_environment())

    return _built("bpf", sources, make) / "winnower-tags"


def checks() -> Path:
    """The folder of the guest's programs: `checks`, `bench` and `compat32`."""
    sources = sorted([*GUEST.glob("*.c"), *GUEST.glob("*.h"), LKM / "winnower_tag.h"])
    native = [path for path in sources if path.suffix == ".c" and path.stem != "compat32"]
    shared = [path for path in native if path.with_suffix(".h").exists()]

    def make(folder: Path) -> None:
        with step("building the guest's programs"):
            include = ["-I", str(LKM)]
            for name, parts in (
                ("checks", [path for path in native if path.stem != "bench"]),
                ("bench", [*shared, GUEST / "bench.c"]),
            ):
                run(["gcc", *CFLAGS, *include, "-o", str(folder / name), *map(str, parts)], seconds=300)
            run(["gcc", *CFLAGS32, "-o", str(folder / "compat32"), str(GUEST / "compat32.c")], seconds=60)

    return _built("checks", sources, make)


def _built(name: str, sources: Iterable[Path], make: Callable[[Path], None]) -> Path:
    """The folder where `make` worked on exactly these sources."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.name}\0".encode() + source.read_bytes() + b"\0")
    digest.update(Path(__file__).read_bytes())
    builds = KEPT / "builds"
    builds.mkdir(parents=True, exist_ok=True)
    place = builds / f"{name}-{digest.hexdigest()[:16]}"
    if not place.exists():
        folder = Path(tempfile.mkdtemp(prefix="making-", dir=builds))
        try:
            make(folder)
            folder.chmod(0o755)
            folder.rename(place)
        except OSError:
            if not place.exists():
                raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _tidy(builds, name)
    os.utime(place)
    return place


def _tidy(builds: Path, name: str) -> None:
    """Only the latest builds stay."""
    old = sorted(builds.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
    for folder in old[:-KEPT_BUILDS]:
        shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Without what `make -C lkm` hands down: its variables would reach Kbuild."""
    gone = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "KDIR", "CFLAGS", "LDFLAGS")
    return {name: value for name, value in os.environ.items() if name not in gone}
