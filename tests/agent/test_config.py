"""The agent's settings: the example says the defaults, and every mistake is told where it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from agent.config import Config, Kafka, example, read_config
from agent.http_connection import Tls
from agent.logfiles_value import Rule
from grammar import InputError
from grammar.settings import SettingsErrors, read_settings


def config(text: str) -> Config:
    return read_settings(text, "agent.toml", Config)


def errors(text: str) -> list[str]:
    with pytest.raises(SettingsErrors) as caught:
        config(text)
    return [str(one).removeprefix("agent.toml:") for one in caught.value.errors]


def test_the_example_says_every_default() -> None:
    assert config(example()) == Config() == config("")


def test_the_example_names_every_setting() -> None:
    def names(kind: type[msgspec.Struct]) -> set[str]:
        return {one.name for one in msgspec.structs.fields(kind)}

    table = tomllib.loads(example())
    assert set(table) == names(Config) - {"kafka"}
    for section, found in table.items():
        if isinstance(found, dict):
            assert set(found) == names(type(getattr(Config(), section))), section


def test_the_example_with_kafka_can_be_used_as_it_is() -> None:
    text = re.sub(r"(?m)^# (\[kafka|[a-z_]+ = )", r"\1", example())
    kafka = config(text).kafka
    assert kafka is not None
    defaults = msgspec.structs.asdict(Kafka(("x",)))
    assert {name: value for name, value in msgspec.structs.asdict(kafka).items() if name in ("prefix", "timeout")} == {
        name: defaults[name] for name in ("prefix", "timeout")
    }


def test_all_mistakes_are_told() -> None:
    text = """name = "a b"
[epochs]
length = "10ms"
lenght = "1s"
[limits]
cpu_percent = 0.5
spool = "1kB"
[monitor]
url = "monitor:7717"
[tls]
certificate = "/c"
[kafka]
servers = []
[kafka.client]
acks = "0"
[engines]
sockets = ["tcp://host:2375"]
"""
    assert [one.split(" (")[0].split(": '")[0] for one in errors(text)] == [
        "4:1: unknown key",
        "6:1: less than one percent of a core is too little to read a log",
        "7:1: a spool of less than 1MB loses what a monitor that restarts would have taken",
        "9:1: not a monitor's URL",
        "10:2: certificate and key come together",
        "13:1: no broker",
        "15:1: not a setting of the connection",
        "17:1: not the socket of an engine on this machine",
    ]


def test_a_length_that_makes_no_sense_is_told() -> None:
    (told,) = errors('[epochs]\nlength = "10ms"\n')
    assert told == "2:1: an epoch is half a second at least, an hour at most: '10ms' (for example \"10s\")"


def test_logs_are_named_by_globs_and_mistakes_in_them_are_told() -> None:
    text = """[logs]
files = [
  {container = "shop-*", path = "/srv/*/app.out", format = "json", zone = "+02:00"},
  {path = "/srv/x.log"},
]
"""
    found = config(text).logs
    assert [one.rule for one in found.files] == [
        Rule("shop-*", "/srv/*/app.out", "json", "+02:00"),
        Rule("*", "/srv/x.log"),
    ]
    assert found.enabled
    tables = '[[logs.files]]\npath = "/a"\n[[logs.files]]\npath = "b/**"\nzone = "Mars"\nformat = "A b"\n'
    assert [one.split(": '")[0].split(" (")[0] for one in errors(tables)] == [
        "4:1: a path is written in full, as the container sees it",
        "4:1: ** is not known: * stays inside one folder",
        "5:1: not a time zone's distance from UTC",
        "6:1: not the name of a format",
    ]
    assert [one.split(" (")[0].split(": '")[0] for one in errors('[logs]\nmost = 5000\nbehind = "1kB"\n')] == [
        "2:1: so many files are more than a process may hold open",
        "3:1: a log that may be less than 1MB behind loses what one burst writes",
    ]


def test_settings_that_contradict_each_other_are_told() -> None:
    assert errors('[tls]\nauthority = "/ca.pem"\n')[0].startswith("1:1: there is no TLS over http")
    found = config('[monitor]\nurl = "https://m"\n[tls]\nauthority = "/ca.pem"\n')
    assert found.tls.files == Tls("/ca.pem")
    assert errors('name = "-x"\n')[0].startswith("1:1: not an agent's name")
    assert errors('state = "here"\n')[0].startswith("1:1: the folder of the state is named in full")


def test_a_file_that_is_not_there_or_no_text_is_an_error_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--example"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b'name = "a"\n\xff\n')
    with pytest.raises(InputError, match=r"bad.toml:2: not UTF-8"):
        read_config(tmp_path / "bad.toml")
    (tmp_path / "agent.toml").write_text(example())
    assert read_config(tmp_path / "agent.toml") == Config()
