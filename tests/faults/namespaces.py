"""Two hosts on one machine: a network name space with a cable to this one, which can be pulled.

Rules of this file
    - Needs root and `ip`; who cannot have it skips. Names carry our pid; the name space and the cable go at the end.
    - `pull` makes a black hole: packets are dropped without a word, connections stay open.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import count

import pytest

_numbers = count()


class Host:
    """A host of its own; `before` is what a program there is run under, `address` how this machine reaches it."""

    def __init__(self) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            pytest.skip("network name spaces need root and iproute2")
        number = next(_numbers)
        self.name = f"wf{os.getpid()}-{number}"
        self.cable = f"wf{os.getpid() % 100_000}{'abcdefgh'[number % 8]}"
        net = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
        self.here, self.address = f"{net}.{4 * number + 1}", f"{net}.{4 * number + 2}"
        self.before = ("ip", "netns", "exec", self.name)

    def __enter__(self) -> Host:
        try:
            ip("netns", "add", self.name)
            ip("link", "add", f"{self.cable}0", "type", "veth", "peer", "name", f"{self.cable}1", "netns", self.name)
        except subprocess.CalledProcessError as error:
            self.__exit__()
            pytest.skip(f"no network name spaces here: {error.stderr.decode(errors='replace').strip()}")
        ip("address", "add", f"{self.here}/30", "dev", f"{self.cable}0")
        ip("link", "set", f"{self.cable}0", "up")
        ip("-n", self.name, "address", "add", f"{self.address}/30", "dev", f"{self.cable}1")
        ip("-n", self.name, "link", "set", f"{self.cable}1", "up")
        ip("-n", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for words in (("link", "delete", f"{self.cable}0"), ("netns", "delete", self.name)):
            subprocess.run(["ip", *words], check=False, capture_output=True)

    def pull(self) -> None:
        """Nothing comes through any more."""
        ip("-n", self.name, "link", "set", f"{self.cable}1", "down")

    def plug(self) -> None:
        """It does again."""
        ip("-n", self.name, "link", "set", f"{self.cable}1", "up")


def ip(*words: str) -> None:
    """iproute2."""
    subprocess.run(["ip", *words], check=True, capture_output=True)
