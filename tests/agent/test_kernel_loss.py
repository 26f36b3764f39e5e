"""Two readings of the kernel's counters are what was lost in between: nothing twice, nothing forgiven."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.kernel_loss import LossMeter, Reading
from agent.kernel_wire import KernelStatus
from agent.loss import CAUSES


def lost(number: int, **more: int) -> KernelStatus:
    return KernelStatus(**{"enabled": 1, "pid": 700, "lost": number, **more})


def test_the_first_reading_is_the_baseline() -> None:
    meter = LossMeter()
    assert meter.see("a", lost(1_000)) == {}
    assert meter.see("a", lost(1_003)) == {"kernel_lost": 3}
    assert meter.see("a", lost(1_003)) == {}


def test_a_restarted_agent_counts_what_was_lost_while_it_was_away() -> None:
    before = LossMeter()
    before.see("a", lost(5))
    assert LossMeter(before.last).see("a", lost(12)) == {"kernel_lost": 7}


def test_after_a_boot_the_counter_began_at_zero() -> None:
    assert LossMeter(Reading("a", 50)).see("b", lost(3)) == {"kernel_lost": 3}
    assert LossMeter(Reading("a", 50)).see("b", lost(80)) == {"kernel_lost": 80}
    assert LossMeter(Reading("a", 50)).see("b", lost(0)) == {}


def test_a_counter_that_was_set_back_is_a_loss_of_its_own() -> None:
    assert LossMeter(Reading("a", 50)).see("a", lost(3)) == {"kernel_lost": 3, "kernel_reset": 1}
    assert LossMeter(Reading("a", 50)).see("a", lost(0)) == {"kernel_reset": 1}


def test_a_counter_that_runs_over_goes_on() -> None:
    assert LossMeter(Reading("a", 2**32 - 2)).see("a", lost(3)) == {"kernel_lost": 5}


def test_a_change_of_the_rate_limit_loses_nothing() -> None:
    meter = LossMeter(Reading("a", 5))
    assert meter.see("a", lost(5, rate_limit=100)) == {}
    assert meter.see("a", lost(9, rate_limit=0)) == {"kernel_lost": 4}


def test_silence_is_not_peace() -> None:
    meter = LossMeter(Reading("a", 5))
    assert meter.see("a", lost(5, enabled=0)) == {"kernel_off": 1}
    assert meter.see("a", lost(6, pid=0)) == {"kernel_lost": 1, "kernel_off": 1}
    assert meter.unread() == {"kernel_unread": 1}
    assert meter.see("a", lost(6, enabled=2)) == {}


def test_the_fullest_backlog_is_remembered_until_it_is_asked_for() -> None:
    meter = LossMeter()
    for backlog in (10, 48, 3):
        meter.see("a", lost(0, backlog=backlog, backlog_limit=64))
    assert (meter.rest(), meter.rest()) == (0.75, 0.0)


def test_every_cause_is_one_of_the_closed_list() -> None:
    meter = LossMeter(Reading("a", 9))
    causes = {**meter.see("a", lost(3, enabled=0)), **meter.unread()}
    assert set(causes) <= set(CAUSES)
    assert set(causes) == {"kernel_lost", "kernel_reset", "kernel_off", "kernel_unread"}


@given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(["on", "restart", "reset", "boot"]))))
def test_what_is_told_is_never_more_than_what_was_lost_and_all_of_it_unless_somebody_interferes(
    steps: list[tuple[int, str]],
) -> None:
    """Gains, agent restarts, resets and boots in any order: resets and boots may hide losses, nothing else may."""
    meter, counter, boot, truth, told = LossMeter(Reading("0", 0)), 0, 0, 0, 0
    for gain, event in steps:
        counter, truth = counter + gain, truth + gain
        if event == "restart":
            meter = LossMeter(meter.last)
        elif event == "reset":
            counter = 0
        elif event == "boot":
            counter, boot = 0, boot + 1
        told += meter.see(str(boot), lost(counter)).get("kernel_lost", 0)
    assert told <= truth
    if all(event in ("on", "restart") for _, event in steps):
        assert told == truth
