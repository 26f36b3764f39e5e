"""Everything that the testbed keeps between runs, fetched or made now: packages, binaries, the image, Kafka.

    python bench/testbed/fetch.py        # or: make testbed (root; the binaries of static analysis come without)

Rules of this file
    - What cannot be had is said, and the rest is had all the same; exit code 1 if something is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from testbed import binaries, packages
from testbed.image import image_tar
from testbed.kafka_broker import jars
from testbed.tell import TestbedError


def main() -> int:
    """Try each; say what failed."""
    failed = 0
    parts: list[Callable[[], object]] = [
        binaries.fetch,
        lambda: packages.require("audit", "containers", "image", "load", "bpf"),
        image_tar,
        lambda: packages.require("kafka"),
        jars,
    ]
    for part in parts:
        try:
            part()
        except (TestbedError, OSError) as error:
            print(f"testbed: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
