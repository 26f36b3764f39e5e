"""What a run says while it works, and the one error that a person can act on.

Rules of this file
    - Progress is one line to standard error for each thing that takes long; results alone go to standard output.
    - What a guest or a tool printed is escaped before a terminal sees it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LAST_WORDS: Final = 2_000
# Of a place in a source; Kbuild warns of other things too, such as another compiler than the kernel's.
WARNING: Final = re.compile(r"^\S+:\d+(:\d+)?: warning:", re.M)


class BootError(Exception):
    """Why a run cannot go on, and what to do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what}\n  hint: {hint}" if hint else what)


def say(words: str) -> None:
    """One line of progress."""
    print(f"boot: {words}", file=sys.stderr, flush=True)


@contextmanager
def step(words: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    begin = time.monotonic()
    say(words)
    yield
    if (took := time.monotonic() - begin) > 5:
        say(f"  … {took:.0f} s")


def escaped(text: str) -> str:
    """As text that a terminal can only show."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def run(argv: Sequence[str], *, seconds: float, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a program prints; `BootError` with its last words if it fails or takes too long."""
    return _done(argv, seconds, cwd, env).stdout.decode("utf-8", "replace")


def compiled(argv: Sequence[str], *, seconds: float, env: Mapping[str, str] | None = None) -> None:
    """The same for what compiles; `BootError` also if a compiler warned, which it does on standard error."""
    words = _done(argv, seconds, None, env).stderr.decode("utf-8", "replace")
    if WARNING.search(words):
        raise BootError(f"the compiler warns:\n{escaped(_cut(words))}")


def _done(
    argv: Sequence[str], seconds: float, cwd: Path | None, env: Mapping[str, str] | None
) -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False, cwd=cwd, env=env
        )
    except subprocess.TimeoutExpired:
        raise BootError(f"{argv[0]} took longer than {seconds:.0f} s: {' '.join(argv)}") from None
    except OSError as error:
        raise BootError(f"{argv[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        words = _cut((done.stdout + done.stderr).decode("utf-8", "replace").strip())
        raise BootError(f"exit code {done.returncode} of {' '.join(argv)}\n{escaped(words)}")
    return done


def _cut(words: str) -> str:
    """A long text's beginning and end."""
    return words if len(words) <= 2 * LAST_WORDS else f"{words[:LAST_WORDS]}\n[…]\n{words[-LAST_WORDS:]}"
