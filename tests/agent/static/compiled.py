"""C sources compiled for a test, once per text; without a compiler the test skips and says so."""

from __future__ import annotations

import shutil
import subprocess
from hashlib import blake2b
from pathlib import Path

import pytest

HEAD = """
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
volatile int choice;
"""


def compiled(source: str, folder: Path, *flags: str, name: str = "") -> Path:
    """The program (or with -shared the library) that gcc makes of it."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    digest = blake2b((source + " ".join(flags)).encode(), digest_size=6).hexdigest()
    made = folder / (name or f"made-{digest}")
    text = folder / f"{digest}.c"
    text.write_text(HEAD + source)
    command = [gcc, "-w", "-o", str(made), str(text), *(flags or ("-O2",))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made
