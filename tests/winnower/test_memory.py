"""The peak is this program's own, whatever started it."""

from __future__ import annotations

import subprocess
import sys

from winnower.memory import peak_rss


def test_the_peak_grows_with_what_is_held() -> None:
    before = peak_rss()
    held = bytearray(64 << 20)
    held[::4096] = b"x" * len(held[::4096])
    assert peak_rss() >= min(before, 64 << 20) + (32 << 20) or peak_rss() > before


def test_a_child_does_not_inherit_its_parents_peak() -> None:
    held = bytearray(256 << 20)
    held[::4096] = b"x" * len(held[::4096])
    code = "from winnower.memory import peak_rss; print(peak_rss())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(child.stdout) < 128 << 20
