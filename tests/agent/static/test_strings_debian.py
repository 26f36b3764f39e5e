"""Debian's own servers: recall against tags that Apache gave its messages, within the promised time and memory."""

from __future__ import annotations

import time

import pytest
from recall import LEAST, rows_of, total
from testbed.binaries import application, why_no_binaries

from agent.static.elf import read_image
from agent.static.strings import Found, find

WHY = why_no_binaries()
pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY)


def found_of(name: str, only: int = 0) -> Found:
    """An application's strings, or those of its first files."""
    return find([read_image(path) for path in application(name)[: only or None]])


def test_nearly_all_tags_of_apache_and_its_modules() -> None:
    row = total("all", list(rows_of(found_of("apache2"))))
    assert len(row.truth) > 2_600
    assert len(row.tags) >= LEAST * len(row.truth)


def test_all_tags_of_its_core_with_their_levels_and_soon() -> None:
    begin = time.process_time()
    found = found_of("apache2", 1)
    assert time.process_time() - begin < 5
    row = total("core", list(rows_of(found)))
    assert row.tags == row.truth
    tagged = [site for site in found.sites if site.raw.startswith(b"AH0")]
    assert {site.sink for site in tagged} == {"emits"}
    assert sum(1 for site in tagged if site.level) > 0.7 * len(tagged)
    (one,) = [site for site in found.sites if site.text.startswith("AH00094:")]
    assert (one.level, one.callee) == ("notice", "ap_log_error_")


@pytest.mark.parametrize(
    ("name", "least", "covered"),
    [
        ("nginx", 2_100, 0.99),
        ("wget", 780, 0.95),
        ("openvpn", 2_390, 0.97),
        ("sshd", 1_950, 0.97),
        ("redis", 1_400, 0.97),
    ],
)
def test_strings_of_other_servers(name: str, least: int, covered: float) -> None:
    (row,) = rows_of(found_of(name))
    assert row.texts >= least
    assert row.covered >= covered * row.referred
