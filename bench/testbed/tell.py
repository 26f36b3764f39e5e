"""What the testbed says while it works, and how it says that something cannot be done.

Rules of this file
    - One line when a step begins; another with its seconds if it took more than one. Standard error only.
    - Nothing that a program printed reaches the terminal unescaped.

Invariant: a `TestbedError` names what was tried and, where there is one, what the user can do about it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

LONG: Final = 1.0
LAST_WORDS: Final = 500


class TestbedError(Exception):
    """What the testbed could not do; `hint` is what to do about it."""

    __test__ = False  # pytest takes a name like this for a test otherwise

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text + (f"; {hint}" if hint else ""))
        self.hint = hint


def say(line: str) -> None:
    """One line of progress."""
    print(f"testbed: {escaped(line)}", file=sys.stderr, flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """A part of the work: its name now, its seconds at the end if it was long."""
    say(name)
    began = time.monotonic()
    yield
    if (seconds := time.monotonic() - began) >= LONG:
        say(f"{name}: {seconds:.1f} s")


def escaped(text: str) -> str:
    """Printable as it is; control characters and undecodable bytes as Python writes them.

    >>> escaped("a\\x1b[2J")
    'a\\\\x1b[2J'
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def run(
    argv: Sequence[str], *, timeout: float = 120.0, env: Mapping[str, str] | None = None, fails: bool = False
) -> str:
    """What a command prints. `TestbedError` if it is missing, hangs, or fails; `fails` lets it fail.

    The child has a session of its own, so that ^C reaches us and not the command half-way.
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **env} if env else None,
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError:
        raise TestbedError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise TestbedError(f"{argv[0]} did not end within {timeout:.0f} s") from None
    if done.returncode and not fails:
        words = (done.stderr or done.stdout).decode("utf-8", "replace").strip()[-LAST_WORDS:]
        raise TestbedError(f"{argv[0]} failed with exit code {done.returncode}: {escaped(words)}")
    return done.stdout.decode("utf-8", "surrogateescape")
