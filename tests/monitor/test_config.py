"""The shipped settings file says the defaults; all that is wrong with a file is told at once, with line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from grammar import InputError
from grammar.settings import read_settings
from monitor.config import Config, example, read_config
from monitor.limits import Limits
from monitor.novelty import Settings


def test_the_shipped_file_is_the_defaults_and_names_every_setting() -> None:
    assert read_settings(example(), "monitor.toml", Config) == Config()
    bare = "\n".join(line for line in example().splitlines() if not line.startswith("#"))
    for section in (Config(), Config().listen, Config().tls, Config().policies, Config().novelty, Config().limits):
        for name in section.__struct_fields__:
            assert name in ("kafka", "actions") or f"{name} =" in bare or f"[{name}]" in bare, name


def test_the_actions_that_the_shipped_file_shows_can_be_read() -> None:
    shown = example().partition("# [actions]\n")[2].partition("\n\n")[0]
    text = "[actions]\n" + "\n".join(line.removeprefix("# ") for line in shown.splitlines())
    acting = read_settings(text.replace("allow_exec = false", "allow_exec = true"), "monitor.toml", Config).actions
    assert {one.kind for one in acting.actions.values()} == {"webhook", "jsonl", "syslog", "exec", "pause"}


def test_defaults_are_those_of_the_parts() -> None:
    assert Config().limits.limits == Limits()
    assert Config().novelty.settings == Settings()


def test_all_errors_are_told(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    wrong = ("stat = 1", "[listen]", "port = 70000", "[tls]", 'key = "k"', "[log]", 'level = "x"')
    path.write_text("\n".join(wrong))
    with pytest.raises(InputError) as error:
        read_config(path)
    lines = str(error.value).splitlines()
    assert [int(line.split(":")[1]) for line in lines] == [1, 3, 4, 7]
    assert "did you mean state" in str(error.value)
    for text, message in (
        ("folder = 'x'", "unknown key"),
        ("state = ", "not TOML"),
        ("epoch = 5", "unit"),
        ('state = ""', "needs a folder"),
        ('epoch = "10ms"', "whole seconds"),
        ('[listen]\nbody = "1GB"', "at most 16MiB"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_config(path)
    path.write_bytes(b"state = '\xff'")
    with pytest.raises(InputError, match="UTF-8"):
        read_config(path)
    with pytest.raises(InputError, match="check-config --example"):
        read_config(tmp_path / "none")


def test_paths_are_seen_from_the_files_folder(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text('state = "state"\n')
    found = read_config(path)
    assert found.path(found.state) == tmp_path / "state"
    assert found.users_file == tmp_path / "state" / "users.token"
    path.write_text('users = "/etc/token"\n')
    assert read_config(path).users_file == Path("/etc/token")
