"""Memory as the kernel counts it."""

from __future__ import annotations

from agent.resident import resident


def test_memory_that_is_used_is_counted() -> None:
    before = resident()
    held = b"x" * (32 << 20)
    assert resident() - before > 24 << 20
    assert len(held) == 32 << 20
