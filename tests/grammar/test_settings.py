"""Settings: every mistake of a file is named with its place, the text that offends, and what to write instead."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.errors import InputError
from grammar.settings import Complaint, Millis, Path, SettingsErrors, Size, millis, places, read_settings, size


class Peer(msgspec.Struct, frozen=True):
    url: str
    weight: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1


class Limits(msgspec.Struct, frozen=True):
    spool: Size = Size(1_000)
    low: Millis = Millis(1)
    high: Millis = Millis(10)

    def check(self) -> Iterator[Complaint]:
        if self.low > self.high:
            yield Complaint("low", "low is above high", "swap them")


class Program(msgspec.Struct, frozen=True):
    name: str
    epoch: Millis = Millis(10_000)
    mode: Literal["raw", "plain"] = "raw"
    limits: Limits = Limits()
    peers: tuple[Peer, ...] = ()
    apps: dict[str, Peer] = {}
    tls: Peer | None = None
    folders: tuple[str, ...] = ()


def errors(text: str) -> list[str]:
    with pytest.raises(SettingsErrors) as caught:
        read_settings(text, "agent.toml", Program)
    return str(caught.value).splitlines()


def test_what_is_written_is_read_and_the_rest_is_as_declared() -> None:
    text = (
        'name = "w1"\nepoch = "2s"\nfolders = ["a"]\n[limits]\nspool = "64MB"\n[[peers]]\nurl = "u"\n'
        '[tls]\nurl = "t"\n[apps.web]\nurl = "x"\nweight = 2\n'
    )
    found = read_settings(text, "agent.toml", Program)
    limits = Limits(spool=Size(64_000_000))
    assert found == Program("w1", Millis(2_000), "raw", limits, (Peer("u"),), {"web": Peer("x", 2)}, Peer("t"), ("a",))


def test_all_the_errors_of_a_file_are_told_with_line_column_text_and_hint() -> None:
    text = 'epok = "2s"\nepoch = 5\nmode = "row"\n\n[limits]\nspool = "64XB"\nsize = 1\n\n[[peers]]\nweight = 10\n'
    assert errors(text) == [
        "agent.toml:1:1: unknown key: 'epok' (did you mean epoch?)",
        "agent.toml:1:1: name is missing (write name = …)",
        'agent.toml:2:1: write it as a text with its unit, like "10s" or "64MB": \'5\'',
        "agent.toml:3:1: invalid enum value 'row': 'row'",
        'agent.toml:6:1: a size is written "512KiB", "64MB" or "2GB": \'64XB\'',
        "agent.toml:7:1: unknown key: 'size' (known here: spool, low, high)",
        "agent.toml:9:3: peers.0.url is missing (write url = …)",
        "agent.toml:10:1: expected int <= 9: '10'",
    ]


def test_what_values_mean_together_is_told_where_they_stand() -> None:
    text = 'name = "a"\n[limits]\nhigh = "1s"\n  low = "2s"\n'
    assert errors(text) == ["agent.toml:4:3: low is above high: '2s' (swap them)"]


def test_inline_tables_and_arrays_have_places_too() -> None:
    text = 'name = "a"\npeers = [ {url = "u"},\n  {url = 3} ]\nfolders = ["a", 7]\nlimits = { spool = 1.5 }\n'
    assert errors(text) == [
        "agent.toml:3:4: expected str, got int: '3'",
        "agent.toml:4:1: expected str, got int: '['a', 7]'",
        'agent.toml:5:12: write it as a text with its unit, like "10s" or "64MB": \'1.5\'',
    ]


@pytest.mark.parametrize(
    "text", ["name = ", "name = 'a'\n[limits\n", "name = 'a\nb'", "a = 1\na = 2\n", "[" * 5_000, "\0"]
)
def test_what_is_not_toml_is_told_with_its_line(text: str) -> None:
    (told,) = errors(text)
    assert told.startswith("agent.toml:") and "not TOML" in told
    assert told.isascii()


def test_hostile_keys_and_values_are_escaped() -> None:
    (told,) = errors('name = "a"\n"\\u001b[31mred" = 1\n')
    assert "\x1b" not in told and "\\x1b[31mred" in told
    (told,) = errors('name = "a"\nmode = "\\u001b[31m"\n')
    assert "\x1b" not in told


def test_a_file_that_is_too_long_is_not_read() -> None:
    assert errors("#" * (1 << 21)) == ["agent.toml: settings file is too long (limit 1048576 characters)"]


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "10 parsecs", "1e3s", "10s ", "٣s", "9" * 40 + "s"])
def test_a_time_or_size_without_a_unit_of_ours_is_an_error(text: str) -> None:
    for read in (millis, size):
        with pytest.raises(ValueError, match="is written"):
            read(text)


@given(st.integers(0, 10**9), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_whole_times_are_exact(number: int, unit: str) -> None:
    assert (
        millis(f"{number}{unit}") == number * {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[unit]
    )


_KEYS = st.sampled_from(["a", "b", "c-d", "9", "e f", 'q"', "#", "[x]", "=", "é"])
_LEAF = st.one_of(
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.booleans(),
    st.sampled_from(["", "x # y", 'a"b', "[", "}", "l1\nl2", "''", "\\", 'end"""']),
)
_VALUE = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=8
)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(c if c.isalnum() else f"\\u{ord(c):04x}" for c in value) + '"'
    if isinstance(value, list):
        return "[\n" + ",  # ] }\n".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    return repr(value)


def _paths(value: object, path: Path) -> Iterator[Path]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        yield (*path, key)
        yield from _paths(one, (*path, key))


@given(st.dictionaries(_KEYS, _VALUE, max_size=4), st.dictionaries(_KEYS, st.dictionaries(_KEYS, _VALUE), max_size=2))
def test_every_key_and_item_has_its_place(top: dict[str, object], tables: dict[str, dict[str, object]]) -> None:
    """However values nest, each path of the parsed text has one offset, where its key or item is written."""
    text = "".join(f"{_toml(key)} = {_toml(value)}\n" for key, value in top.items())
    for name, table in tables.items():
        if name not in top:
            text += f"[ {_toml(name)} ] # {{\n"
            text += "".join(f"  {_toml(key)} = {_toml(value)}\n" for key, value in table.items())
    found = places(text)
    assert set(found) == set(_paths(tomllib.loads(text), ()))
    for path, offset in found.items():
        if isinstance(path[-1], str):
            assert text.startswith(_toml(path[-1]), offset)


@given(st.text(alphabet="abx=\"'\n[]{}.,#1 \\", max_size=60))
def test_any_text_gives_a_value_or_errors_with_a_place(text: str) -> None:
    """Whatever the text, reading ends with a value or an `InputError` that shows printable text only."""
    try:
        read_settings(text, "f", Program)
    except InputError as error:
        assert all(" " <= c <= "~" or c in "\n…" for c in str(error))
