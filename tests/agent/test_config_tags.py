"""The settings of tags: what is said wrong is told with its place; what is shipped is the default.

Source: agent/config_tags.py.
"""

from __future__ import annotations

import pytest

from agent.config_tags import Tags
from grammar import InputError
from grammar.settings import read_settings


def test_without_settings_the_best_there_is_is_read() -> None:
    found = read_settings("", "a.toml", Tags)
    assert (found.source, found.device, found.helper, found.paths) == ("auto", "/dev/winnower", "winnower-tags", ())


def test_all_is_taken_as_it_is_written() -> None:
    text = 'source = "ebpf"\nmode = "sys_exit"\nbuffer = "1MiB"\nspool = "1MB"\npaths = ["/srv/log"]\n'
    found = read_settings(text, "a.toml", Tags)
    assert (found.source, found.mode, found.buffer, found.spool) == ("ebpf", "sys_exit", 1 << 20, 10**6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('source = "both"', "invalid enum value"),
        ('device = "winnower"', "named in full"),
        ('helper = "./winnower-tags"', "path in full"),
        ('helper = ""', "path in full"),
        ('buffer = "3MiB"', "power of two"),
        ('buffer = "2GiB"', "power of two"),
        ('buffer = "32KiB"', "power of two"),
        ('spool = "10kB"', "1MB"),
        ('paths = ["log"]', "in full"),
        ('paths = ["/a,b"]', "no comma"),
        ('cgroups = ["/a\\n"]', "in full"),
        (f"paths = {['/a'] * 17}", "16 folders at most"),
        ("sauce = 1", "did you mean source"),
    ],
)
def test_what_would_not_work_is_told_with_its_line(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_settings(f"\n{text}\n", "a.toml", Tags)
    assert words in str(caught.value)
    assert caught.value.line == 2
