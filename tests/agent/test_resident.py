"""Memory as the kernel counts it."""

from __future__ import annotations

import mmap

from agent.resident import resident


def test_memory_that_is_used_is_counted() -> None:
    before = resident()
    with mmap.mmap(-1, 32 << 20) as held:  # a heap may have that much to spare
        held.write(b"x" * (32 << 20))
        assert resident() - before > 24 << 20
