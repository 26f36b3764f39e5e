"""Profiles of Debian's servers for the benches of matching: given as files, or made from the testbed's binaries.

Rules of this file
    - `--profile NAME=FILE` is read; what is not given is made with `profile_of`, which takes seconds of CPU.

Source: `winnower profile`; `bench/testbed/binaries.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from testbed.binaries import application
from testbed.tell import TestbedError

from agent.static.build import profile_of
from grammar.errors import InputError
from grammar.profile import Profile, read_profile


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--profile`, any number of times."""
    parser.add_argument("--profile", action="append", default=[], metavar="NAME=FILE", help="a profile made before")


def profiles(names: Sequence[str], given: Sequence[str]) -> dict[str, Profile]:
    """The profiles of these applications; ends the program with a sentence where one cannot be had."""
    files = dict(one.split("=", 1) for one in given if "=" in one)
    found = {}
    try:
        for name in names:
            if name in files:
                found[name] = read_profile(Path(files[name]).read_bytes(), files[name])
            else:
                print(f"profile of {name} …", file=sys.stderr, flush=True)
                found[name] = profile_of(application(name))
    except (TestbedError, InputError, OSError) as error:
        print(f"no profile of {name}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    return found
