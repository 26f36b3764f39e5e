"""Settings: TOML text → one typed value, or all that is wrong with it, each with line and column.

Rules of this file
    - Pure: the text comes in. A settings type is a `msgspec.Struct`; types are strict, unknown keys are refused with
      the nearest known key, nothing is guessed.
    - All the errors of a text are reported, not the first (at most `MAX_ERRORS`); each names the key's place.
    - A field that is encoded as `*` takes the tables whose names are the user's own (`[actions.siem]`).
    - What fields mean together is checked by the type itself: a method `check()` that gives `Complaint`s.
    - Times are written `"10s"`, `"500ms"`, `"24h"`; sizes `"64MB"` (1 MB is 1,000,000 bytes, 1 MiB is 1,048,576).

Complexity: O(length).
Source: TOML 1.0; design section 7 (errors: whose fault, where, the offending text, a hint; all of them).
"""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated, Final, NamedTuple, TypeVar, Union, cast, get_args, get_origin

import msgspec

from grammar.errors import InputError, escape

MAX_TEXT: Final = 1 << 20
MAX_ERRORS: Final = 50
NAMED: Final = "*"

Path = tuple[str | int, ...]
T = TypeVar("T", bound=msgspec.Struct)

_TIME: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE: Final = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}  # fmt: skip
_AMOUNT: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?) ?([A-Za-z]{1,3})")
_AT: Final = re.compile(r"\(at line ([0-9]+), column ([0-9]+)\)|\(at end of document\)")


class Millis(int):
    """A time in milliseconds, written `"10s"`."""


class Size(int):
    """A number of bytes, written `"64MB"`."""


class Complaint(NamedTuple):
    """What is wrong with the value at `key` (dotted, seen from the table that complains)."""

    key: str
    message: str
    hint: str = ""


class SettingsErrors(InputError):  # noqa: N818 - it is several errors, and says so
    """All that is wrong with one settings file; `str()` is one located line for each."""

    def __init__(self, errors: Iterable[InputError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda one: (one.line, one.column)))
        first = self.errors[0]
        super().__init__(first.message, file=first.file, line=first.line, column=first.column, hint=first.hint)

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self.errors)


def millis(text: str) -> Millis:
    """Read a time; a `ValueError` says how one is written.

    >>> millis("10s"), millis("1.5h"), millis("500 ms")
    (10000, 5400000, 500)
    """
    return Millis(_amount(text, _TIME, 'a time is written "500ms", "10s", "5m", "24h" or "7d"'))


def size(text: str) -> Size:
    """Read a size; a `ValueError` says how one is written.

    >>> size("64MB"), size("1 KiB")
    (64000000, 1024)
    """
    return Size(_amount(text, _SIZE, 'a size is written "512KiB", "64MB" or "2GB"'))


def _amount(text: str, units: Mapping[str, int], hint: str) -> int:
    found = _AMOUNT.fullmatch(text)
    if found is None or found[2] not in units:
        raise ValueError(hint)
    whole, _, part = found[1].partition(".")
    return int(whole) * units[found[2]] + int(part.ljust(3, "0")) * units[found[2]] // 1_000


def read_settings(text: str, file: str, kind: type[T]) -> T:
    """The settings that `text` holds; all that is wrong with it is one `SettingsErrors`."""
    if len(text) > MAX_TEXT:
        raise SettingsErrors([InputError("settings file is too long", file=file, hint=f"limit {MAX_TEXT} characters")])
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise SettingsErrors([_not_toml(text, file, error)]) from None
    reading = _Reading(text, file, places(text))
    found = reading.table(kind, table, ())
    if reading.errors or found is None:
        raise SettingsErrors(reading.errors[:MAX_ERRORS])
    return cast(T, found)


def _not_toml(text: str, file: str, error: Exception) -> InputError:
    """Where TOML itself is broken: the parser says it in words."""
    found = _AT.search(str(error))
    line, column = (int(found[1]), int(found[2])) if found and found[1] else (text.count("\n") + 1, 0)
    lines = text.split("\n")
    shown = lines[line - 1][max(0, column - 1) :].strip() if line <= len(lines) else ""
    message = escape(_AT.sub("", str(error)).strip(), 200) or "tables too deep"
    return InputError(f"not TOML: {message}", file=file, line=line, column=column, offending=shown[:40])


@dataclass(slots=True)
class _Reading:
    """One file on its way to a value: gathers what is wrong."""

    text: str
    file: str
    at: Mapping[Path, int]
    errors: list[InputError] = field(default_factory=list)

    def table(self, kind: type[msgspec.Struct], table: Mapping[str, object], path: Path) -> msgspec.Struct | None:
        """One table as its type; None if something in it is wrong."""
        before = len(self.errors)
        fields = {one.encode_name: one for one in msgspec.structs.fields(kind)}
        named = fields.pop(NAMED, None)
        theirs = {key: value for key, value in table.items() if key not in fields and isinstance(value, dict)}
        for key in table:
            if key not in fields and not (named is not None and key in theirs):
                near = get_close_matches(key, fields, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else "known here: " + (", ".join(fields) or "nothing")
                self.wrong("unknown key", (*path, key), key, hint)
        values: dict[str, object] = {}
        if named is not None:
            values[named.name] = self.value(named.type, theirs, path)
        for key, one in fields.items():
            if key in table:
                values[one.name] = self.value(one.type, table[key], (*path, key))
            elif one.required:
                self.wrong(f"{'.'.join(map(str, (*path, key)))} is missing", path, "", f"write {key} = …")
        if len(self.errors) > before:
            return None
        made = kind(**values)
        check = getattr(made, "check", None)
        for complaint in cast(Iterable[Complaint], check()) if check is not None else ():
            self.wrong(
                complaint.message, (*path, *complaint.key.split(".")), self.shown(complaint, table), complaint.hint
            )
        return made

    def value(self, kind: object, value: object, path: Path) -> object:
        """One value as its type: tables, lists of tables and named tables one by one, anything else strictly."""
        struct = _struct_in(kind)
        if struct is not None and isinstance(value, dict):
            return self.table(struct, value, path)
        origin, arguments = get_origin(_bare(kind)), get_args(_bare(kind))
        if origin in (tuple, list) and isinstance(value, list) and _struct_in(arguments[0]) is not None:
            return cast(type[list[object]], origin)(
                [self.value(arguments[0], one, (*path, position)) for position, one in enumerate(value)]
            )
        if origin is dict and isinstance(value, dict):
            return {key: self.value(arguments[1], one, (*path, key)) for key, one in value.items()}
        try:
            return cast(object, msgspec.convert(value, cast(type, kind), strict=True, dec_hook=_read_text))
        except msgspec.ValidationError as error:
            message = str(error).partition(" - at `$")[0].replace("`", "")
            self.wrong(escape(message[:1].lower() + message[1:], 200), path, _written(value))
        return None

    def wrong(self, message: str, path: Path, offending: str, hint: str = "") -> None:
        """Note an error at a key; of a key that is not written down, at the table that it belongs to."""
        while path and path not in self.at:
            path = path[:-1]
        offset = self.at.get(path, 0)
        line = self.text.count("\n", 0, offset) + 1
        column = offset - (self.text.rfind("\n", 0, offset) + 1) + 1
        self.errors.append(
            InputError(message, file=self.file, line=line, column=column, offending=offending, hint=hint)
        )

    def shown(self, complaint: Complaint, table: Mapping[str, object]) -> str:
        """The text that a complaint is about, if it is in the file."""
        found: object = table
        for key in complaint.key.split("."):
            found = found.get(key, "") if isinstance(found, Mapping) else ""
        return "" if found == "" or isinstance(found, Mapping) else _written(found)


def _read_text(kind: type, value: object) -> object:
    """Times and sizes; msgspec asks here for types that it does not know."""
    reader = {Millis: millis, Size: size}.get(kind)
    if reader is None:
        raise NotImplementedError(kind)
    if not isinstance(value, str):
        raise ValueError('write it as a text with its unit, like "10s" or "64MB"')
    return reader(value)


def _bare(kind: object) -> object:
    """Without `Annotated` and without `| None`."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        rest = [one for one in get_args(kind) if one is not type(None)]
        return _bare(rest[0]) if len(rest) == 1 else kind
    return kind


def _struct_in(kind: object) -> type[msgspec.Struct] | None:
    bare = _bare(kind)
    return bare if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else None


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value)


_TOKEN: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}|\'\'\'(?:[^\']|\'(?!\'\'))*\'{3,5}'
    r'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\n\[\]{}=,.]|[^\s\[\]{}=,."\'#]+',
    re.DOTALL,
)
"""Of TOML that the parser has accepted: where keys, tables and items are is all that is asked of it."""


def places(text: str) -> dict[Path, int]:
    """The offset of every key, table and item of a TOML text.

    >>> places('[a]\\nb.c = 1\\n[[d]]\\n')
    {('a',): 1, ('a', 'b'): 4, ('a', 'b', 'c'): 6, ('d',): 14, ('d', 0): 14}
    """
    map_ = _Map([(one.group(), one.start()) for one in _TOKEN.finditer(text)])
    map_.lines()
    return map_.found


@dataclass(slots=True)
class _Map:
    """Walks the tokens: lines with a header or a key, then values, which may hold tables and arrays."""

    tokens: list[tuple[str, int]]
    at: int = 0
    found: dict[Path, int] = field(default_factory=dict)
    counts: dict[Path, int] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The token that is next."""
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def lines(self) -> None:
        """The whole text."""
        prefix: Path = ()
        while self.word:
            if self.word == "[":
                prefix = self.header()
            elif self.word == "\n" or self.word.startswith("#"):
                self.at += 1
            else:
                self.pair(prefix)
                while self.word not in ("", "\n"):
                    self.at += 1

    def header(self) -> Path:
        """`[a.b]` or `[[a.b]]`: the path of the keys below it; `a` may itself be a table of a list."""
        begun, many = self.at, 0
        while self.word == "[":
            self.at, many = self.at + 1, self.at - begun
        path: Path = ()
        while self.word not in ("]", ""):
            if self.word != ".":
                path = (*(self.inside(path) if path else ()), _plain(self.word))
                self.found.setdefault(path, self.tokens[self.at][1])
            self.at += 1
        self.at += 1 + many
        if not many:
            return path
        self.counts[path] = self.counts.get(path, 0) + 1
        self.found[self.inside(path)] = self.tokens[begun + 2][1]
        return self.inside(path)

    def inside(self, path: Path) -> Path:
        """The latest item, where the path is that of a list of tables."""
        return (*path, self.counts[path] - 1) if path in self.counts else path

    def pair(self, prefix: Path) -> None:
        """`a.b = value`."""
        path = prefix
        while self.word not in ("=", ""):
            if self.word != ".":
                path = (*path, _plain(self.word))
                self.found.setdefault(path, self.tokens[self.at][1])
            self.at += 1
        self.at += 1
        self.value(path)

    def value(self, path: Path) -> None:
        """What stands after `=` or in an array, to its end."""
        opened = self.word
        if opened not in ("[", "{"):
            while self.word not in ("", "\n", ",", "]", "}") and not self.word.startswith("#"):
                self.at += 1
            return
        self.at += 1
        item = 0
        while self.word not in ("", "]", "}"):
            if self.word in ("\n", ",") or self.word.startswith("#"):
                self.at += 1
            elif opened == "{":
                self.pair(path)
            else:
                self.found[*path, item] = self.tokens[self.at][1]
                self.value((*path, item))
                item += 1
        self.at += 1


def _plain(word: str) -> str:
    """A key as it is meant: quotes away, escapes read."""
    return next(iter(tomllib.loads(f"{word} = 0"))) if word[:1] in ("'", '"') else word
