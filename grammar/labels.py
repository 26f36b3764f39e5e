"""Labels as people and policies see them: a kind and properties.

Rules of this file
    - A label is text, `KIND rest`; what the rest means depends on the kind only. Reading never fails.
    - Generalising is idempotent: a name with a field in it is left as it is.

Complexity: reading O(length); generalising a label O(patterns of its directory), once per label.

Source: design section 2 (label) and section 5 (a node in JSON).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from grammar.errors import InputError
from grammar.pattern import Pattern, Slot


def kind_of(label: str) -> str:
    """`File` of `File /etc/shadow`."""
    return label.partition(" ")[0]


def properties_of(label: str) -> dict[str, str]:
    """The properties that a label stands for.

    >>> properties_of("Process cp /usr/bin/cp"), properties_of("Socket 10.0.0.1:{port}>*:80")["local"]
    ({'name': 'cp', 'exe': '/usr/bin/cp'}, '*:80')
    >>> properties_of("LogMessage GET /x 200")
    {'message': 'GET /x 200'}
    """
    kind, _, rest = label.partition(" ")
    if kind == "Process":
        name, _, exe = rest.partition(" ")
        return {"name": name, "exe": exe}
    if kind == "File":
        return {"path": rest, "name": rest.rpartition("/")[2]}
    if kind == "Socket":
        return _socket(rest)
    if kind == "LogMessage":
        return {"message": rest}
    return {"name": rest} if rest else {}


def _socket(rest: str) -> dict[str, str]:
    peer, _, local = rest.partition(">")
    found = {"peer": peer} if peer else {}
    family = _family(peer or local)
    found |= {"family": family} if family else {}
    host, colon, port = peer.rpartition(":")
    if colon and "/" not in peer:
        found |= {"address": host.strip("[]"), "port": port}
    elif peer:
        found |= {"address": peer}
    return found | ({"local": local} if local else {})


def _family(address: str) -> str:
    if address == "netlink":
        return "netlink"
    if address.startswith(("/", "@")):
        return "unix"
    return ("inet6" if address.startswith("[") else "inet") if ":" in address else ""


_NUMBER: Final = re.compile(r"[0-9]+")
_MADE_UP: Final = re.compile(r"\{(?:token|hex):[0-9]+\}")
MIN_LITERAL: Final = 3
MAX_CACHED: Final = 1 << 17


class Relabel:
    """Applies learned patterns: a literal name that one covers becomes that pattern; of several, the first in order.

    Patterns come from thresholds (`learned`), and from the labels themselves: where names like `sess_{token:26}` are
    known in a directory, a name that chance has made look like a word (`sess_abc…`) is one of them. A name needs at
    least `MIN_LITERAL` literal characters for that, so that `/tmp/{token:6}` does not swallow every six letters. A
    pattern that cannot be read or is too large to match covers nothing.

    Patterns of names that differ in their numbers only come before all others, and no name has two of them: once one
    has been learned, what it makes of a name depends on no other evidence.

    >>> Relabel(["File /tmp/up_{int}"])("File /tmp/up_7")
    'File /tmp/up_{int}'
    """

    def __init__(self, learned: Iterable[str], labels: Iterable[str] = ()) -> None:
        self._in: dict[str, list[tuple[Pattern, str]]] = {}
        self._numbered: dict[tuple[str, str], str] = {}
        self._cache: dict[str, str] = {}
        self._contexts: dict[tuple[str, ...], tuple[str, ...]] = {}
        for label in sorted({*learned, *(one for one in labels if _made_up(one))}):
            directory, _, name = label.rpartition("/")
            pattern = _usable(name)
            if pattern is not None and is_numbered(pattern):
                self._numbered[directory, name] = label
            elif pattern is not None:
                self._in.setdefault(directory, []).append((pattern, label))

    def __bool__(self) -> bool:
        return bool(self._in or self._numbered)

    def __call__(self, label: str) -> str:
        """The label after generalisation."""
        if not self:
            return label
        found = self._cache.get(label)
        if found is None:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            found = self._cache[label] = self._find(label)
        return found

    def _find(self, label: str) -> str:
        directory, _, name = label.rpartition("/")
        if "{" in name:
            return label
        numbered = self._numbered.get((directory, _NUMBER.sub("{int}", name)))
        if numbered is not None:
            return numbered
        patterns = self._in.get(directory, ())
        return next((one for pattern, one in patterns if pattern.matches(name)), label)

    def context(self, context: tuple[str, ...]) -> tuple[str, ...]:
        """A whole context after generalisation; the same tuple if it stays what it is."""
        found = self._contexts.get(context)
        if found is None:
            moved = tuple(self.entry(entry) for entry in context)
            found = self._contexts[context] = context if moved == context else moved
        return found

    def entry(self, entry: str) -> str:
        """One entry of a context (`operation label`) after generalisation."""
        operation, _, label = entry.partition(" ")
        return f"{operation} {self(label)}" if self and label else entry


def is_numbered(pattern: Pattern) -> bool:
    """Whether it stands for names that differ in their numbers only: every number a `{int}`, no digit beside."""
    fields = [part for part in pattern.parts if isinstance(part, Slot)]
    texts = [part for part in pattern.parts if isinstance(part, str)]
    return bool(fields) and all(one == Slot("int") for one in fields) and not any(map(_NUMBER.search, texts))


def _usable(name: str) -> Pattern | None:
    """The pattern, if it generalises anything: what comes from other agents need not."""
    try:
        pattern = Pattern.parse(name)
        pattern.matches("")
    except InputError:
        return None
    return None if pattern.is_literal else pattern


def _made_up(label: str) -> bool:
    """Whether a file's label ends in a name with a made-up part and enough literal text."""
    name = label.rpartition("/")[2]
    return label.startswith("File /") and bool(_MADE_UP.search(name)) and len(_MADE_UP.sub("", name)) >= MIN_LITERAL
