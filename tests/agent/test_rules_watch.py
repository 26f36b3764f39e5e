"""Whether the kernel still has the rules: looked at now and then, said once, never changed."""

from __future__ import annotations

import logging

import pytest

from agent.rules_watch import EVERY, RulesWatch
from grammar import InputError


def watch(expected: str, answers: list[str]) -> tuple[RulesWatch, list[float]]:
    now = [1000.0]
    return RulesWatch(expected, lambda: answers.pop(0), lambda: now[0]), now  # type: ignore[arg-type]


@pytest.mark.parametrize(("found", "fine"), [("full", True), ("lean", True), ("partly", False), ("none", False)])
def test_lean_is_satisfied_by_either_set(found: str, fine: bool) -> None:
    one, _ = watch("lean", [found])
    one.look()
    assert (one.trouble == "") is fine


def test_it_looks_now_and_then_and_trouble_ends(caplog: pytest.LogCaptureFixture) -> None:
    one, now = watch("full", ["lean", "lean", "full"])
    with caplog.at_level(logging.WARNING, "agent.rules"):
        for _ in range(3):
            one.look()
        assert "--set full --load" in one.trouble
        now[0] += EVERY
        one.look()
        assert len(caplog.records) == 1
    now[0] += EVERY
    one.look()
    assert one.trouble == ""


def test_who_may_not_look_says_nothing() -> None:
    def denied() -> str:
        raise InputError("not permitted")

    one = RulesWatch("lean", denied)
    one.look()
    assert one.trouble == ""
    nobody = RulesWatch("any", denied)
    nobody.look()
