"""What the README shows is what the program prints: its demo block is compared with a real run.

Only figures that depend on the machine (records per CPU second) are masked.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def block_after(text: str, marker: str) -> str:
    """The first fenced block after `marker`."""
    return text.partition(marker)[2].partition("```\n")[2].partition("\n```")[0]


def masked(text: str) -> list[str]:
    return [re.sub(r"[\d,]+ per CPU second", "N per CPU second", line.rstrip()) for line in text.strip().splitlines()]


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, cwd=ROOT, timeout=120)
    return done.stdout


def test_the_demo_block_is_what_the_demo_prints() -> None:
    shown = block_after((ROOT / "README.md").read_text(encoding="utf-8"), "This is what `make demo` prints")
    assert masked(shown) == masked(run("-c", "from winnower.cli import main; main()", "demo"))


def test_the_stages_block_is_what_the_bench_prints() -> None:
    shown = block_after((ROOT / "README.md").read_text(encoding="utf-8"), "`python bench/stages.py` follows")
    assert masked(shown) == masked(run("bench/stages.py"))
