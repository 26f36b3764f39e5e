"""The builds of the proof of concept: what compilers and linkers do to one and the same program.

Rules of this file
    - Compiled once per session, into a folder of the caller's; a missing compiler is said, and the caller skips.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).resolve().parent / "poc" / "poc.c"
STRIPPED: Final = "-s"

BUILDS: Final[dict[str, tuple[str, ...]]] = {
    "O0": ("-O0",),
    "O1": ("-O1",),
    "O2": ("-O2",),
    "Os": ("-Os",),
    "O3-lto": ("-O3", "-flto"),
    "O2-fortified": ("-O2", "-D_FORTIFY_SOURCE=2"),
    "O2-stripped": ("-O2", STRIPPED),
    "O0-stripped": ("-O0", STRIPPED),
    "O2-no-pie": ("-O2", "-no-pie", "-fno-pie"),
    "O2-cet": ("-O2", "-fcf-protection=full", "-Wl,-z,ibtplt,-z,shstk"),
    "O2-no-cet": ("-O2", "-fcf-protection=none"),
    "O2-no-plt": ("-O2", "-fno-plt"),
    "O2-static": ("-O2", "-static"),
    "O0-static": ("-O0", "-static"),
    "O2-lazy": ("-O2", "-Wl,-z,lazy"),
    "O2-frame-pointer": ("-O2", "-fno-omit-frame-pointer"),
    "debian": (
        *(
            "-O2",
            "-g",
            "-fstack-protector-strong",
            "-D_FORTIFY_SOURCE=2",
            "-fcf-protection",
            "-fstack-clash-protection",
        ),
        *("-Wl,-z,relro", "-Wl,-z,now", STRIPPED),
    ),
    "everything": (
        *("-O3", "-flto", "-D_FORTIFY_SOURCE=2", "-fcf-protection", "-fno-plt", "-fstack-protector-strong"),
        *("-Wl,-z,now", "-Wl,--gc-sections", STRIPPED),
    ),
    "Os-no-pie-fortified": ("-Os", "-no-pie", "-fno-pie", "-D_FORTIFY_SOURCE=2", STRIPPED),
    "few-frames-named": ("-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"),
    "O3-static-no-plt": ("-O3", "-static", "-fno-plt", "-D_FORTIFY_SOURCE=2"),
}
"""Name → what the compiler is told. Static builds keep their symbols: without, nothing says what `printf` is."""

ANGR_ONLY: Final[dict[str, tuple[str, ...]]] = {
    "no-unwind": (
        *("-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-Wl,--no-ld-generated-unwind-info"),
        *("-Wl,--no-eh-frame-hdr", STRIPPED),
    ),
    "few-frames": ("-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", STRIPPED),
}
"""Where the fast engine has nothing to find functions by: neither symbols nor unwind tables, but for those of crt."""

ARM: Final = "aarch64-linux-gnu-gcc"


def build(name: str, folder: Path, compiler: str = "gcc") -> Path:
    """The program as that build; `FileNotFoundError` without the compiler, `CalledProcessError` if it fails."""
    program = shutil.which(compiler)
    if program is None:
        raise FileNotFoundError(f"{compiler} is not installed")
    made = folder / f"poc-{compiler}-{name}"
    if not made.exists():
        flags = (BUILDS | ANGR_ONLY)[name]
        subprocess.run([program, "-w", *flags, "-o", str(made), str(SOURCE)], check=True, capture_output=True)
    return made
