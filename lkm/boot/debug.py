"""A kernel that finds what Debian's cannot: KASAN, lockdep, sleeping in atomic context; built from Debian's own source.

    python3 -m boot debug        # or: make -C lkm test-debug: half an hour or more, by command only

Rules of this file
    - The smallest configuration (tinyconfig) with debug.config over it: a distribution's would take hours.
    - Once built it is kept like the others. `--tree` takes one that was built elsewhere.
    - Started as a bzImage: with KASAN the kernel's direct entry (PVH) runs before its shadow memory is there.

Source: Documentation/dev-tools/kasan.rst, Documentation/locking/lockdep-design.rst.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final

from . import kept
from .archive import Archive
from .kernels import SUITES, Kernel
from .packages import require
from .tell import BootError, run, step

SOURCE: Final = "linux-source-6.1"
CONFIG: Final = Path(__file__).resolve().parent / "debug.config"
TOOLS: Final[dict[str, str]] = {
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "xz": "xz-utils",
    "/usr/include/libelf.h": "libelf-dev",
}
IMAGE: Final = Path("arch/x86/boot/bzImage")


def debug_kernel(given: Path | None) -> Kernel:
    """It, with its own folder as KDIR and no modules but ours."""
    tree = given or kept.have("debug", _build) / "tree" / SOURCE
    if not (tree / IMAGE).exists():
        raise BootError(f"{tree} holds no {IMAGE}", "make bzImage there first")
    release = (tree / "include" / "config" / "kernel.release").read_text("utf-8").strip()
    none = tree / "no-modules"
    none.mkdir(exist_ok=True)
    return Kernel("debug", f"{release}-debug", tree / IMAGE, none, tree)


def _build(into: Path) -> dict[str, str]:
    require(TOOLS)
    archive = Archive(into / "apt", SUITES["bookworm"])
    (deb,) = archive.download([SOURCE], into / "debs")
    (into / "tree").mkdir()
    with step(f"unpacking {deb.name}"):
        run(["dpkg-deb", "-x", str(deb), str(into / "deb")], seconds=300)
        packed = into / "deb" / "usr" / "src" / f"{SOURCE}.tar.xz"
        run(["tar", "-xJf", str(packed), "-C", str(into / "tree")], seconds=900)
    for part in ("apt", "debs", "deb"):
        shutil.rmtree(into / part)
    tree = into / "tree" / SOURCE
    with step("configuring it"):
        run(["make", "-C", str(tree), "tinyconfig"], seconds=300)
        run(["scripts/kconfig/merge_config.sh", "-m", ".config", str(CONFIG)], seconds=60, cwd=tree)
        run(["make", "-C", str(tree), "olddefconfig"], seconds=300)
    _configured((tree / ".config").read_text("utf-8"))
    with step("building it (long)"):
        run(
            ["nice", "-n", "19", "make", "-C", str(tree), f"-j{os.cpu_count()}", "bzImage", "modules"], seconds=4 * 3600
        )
    for path in tree.rglob("*.o"):
        if not {"scripts", "tools"} & set(path.relative_to(tree).parts):
            path.unlink()
    return {"deb": deb.name}


def _configured(config: str) -> None:
    """A fragment's line that Kconfig dropped for want of another is a check that would not be made."""
    wanted = re.findall(
        r"^(CONFIG_(?:KASAN|PROVE_\w+|DEBUG_ATOMIC_SLEEP|DEBUG_LIST|MODULES|KPROBES)=y)$", CONFIG.read_text(), re.M
    )
    if lacking := [line for line in wanted if f"\n{line}\n" not in config]:
        raise BootError(f"the configuration lacks {' '.join(lacking)}")
