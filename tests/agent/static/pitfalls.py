"""Small C programs compiled for a test, stripped as Debian's are: what the fast engine finds in them.

Rules of this file
    - A missing compiler skips the test, with the reason; a program that does not compile fails it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from agent.static.elf import Image, read_image
from agent.static.strings import DEPTH, Found, Site, find

HEAD = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <syslog.h>
#include <libintl.h>
#define COLD __attribute__((cold))
#define FAR __attribute__((noinline, noclone))
"""


def program(folder: Path, source: str, *flags: str, name: str = "a.out", compiler: str = "gcc") -> Path:
    """The program that `source` becomes, stripped unless the flags say `-g`; C++ if its compiler is."""
    found = shutil.which(compiler)
    if found is None:
        pytest.skip(f"{compiler} is not installed")
    file = folder / f"{name}.{'cc' if compiler.endswith('++') else 'c'}"
    file.write_text(HEAD + source)
    strip = () if "-g" in flags else ("-s",)
    subprocess.run([found, "-w", *(flags or ("-O2",)), *strip, "-o", str(folder / name), str(file)], check=True)
    return folder / name


def image(folder: Path, source: str, *flags: str) -> Image:
    """The same, read."""
    return read_image(program(folder, source, *flags))


def found_in(folder: Path, source: str, *flags: str, depth: int = DEPTH) -> Found:
    """What is found in it."""
    return find([image(folder, source, *flags)], depth)


def texts(sites: Iterable[Site] | Found) -> set[str]:
    """The texts of sites."""
    return {one.text for one in (sites.sites if isinstance(sites, Found) else sites)}


def at(found: Found, text: str) -> Site:
    """The one site with this text."""
    (one,) = [site for site in found.sites if site.text == text]
    return one
