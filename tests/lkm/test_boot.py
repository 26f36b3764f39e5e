"""The module in real kernels: the short form of `make -C lkm test`, which boots them in QEMU.

Rules of this file
    - It runs where everything is there already: it neither installs nor downloads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from boot import kept, packages
from boot.kernels import SUITES

ROOT = Path(__file__).resolve().parents[2]


def lacking() -> str:
    """Why it cannot run here."""
    if not (ROOT / "lkm" / "Kbuild").exists():
        return "lkm/Kbuild is not there"
    if shutil.which("make") is None or packages.missing():
        return f"needs {' '.join(packages.missing()) or 'make'} (make -C lkm test-fetch, as root)"
    missing = [name for name in (*SUITES, "busybox") if not kept.whole(kept.KEPT / name)]
    if os.geteuid() == 0 and not kept.whole(kept.KEPT / "servers"):
        missing.append("servers")
    return f"no {', '.join(missing)} in .testbed/kernels (make -C lkm test-fetch)" if missing else ""


@pytest.mark.timeout(400)
def test_the_short_form_passes() -> None:
    why = lacking()
    if why:
        pytest.skip(why)
    command = ["make", "-C", str(ROOT / "lkm"), "--no-print-directory", "test-short", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=380, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all passed" in done.stdout
