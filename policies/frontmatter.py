"""The YAML head of a policy file: a flat mapping whose every value keeps its place.

Rules of this file
    - Text comes in, `Entry` values come out: a string or a list of strings, each with its line and column in the
      whole file.
    - YAML is more than is needed, and dangerous: aliases, tags of one's own, nesting and duplicate keys are refused.
    - Values are read as they are written (`id: 12` is the text "12"): no YAML typing, no surprise with `no` or `1e3`.

Invariant: nothing but an `InputError` is raised, whatever the text.
Complexity: linear in the text, which is at most `MAX_HEAD` characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from grammar.errors import InputError
from policies.errors import raise_all
from policies.syntax import Place

FENCE: Final = "---"
MAX_HEAD: Final = 1 << 16
MAX_NESTING: Final = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands behind one key; a single value is a tuple of one with `many` false. `places` are the texts' own."""

    key: str
    texts: tuple[str, ...]
    many: bool
    key_at: Place
    at: Place
    places: tuple[Place, ...] = ()


def split(text: str, file: str) -> tuple[str, str, int]:
    """The head, the query, and how many lines of the file stand above the query."""
    lines = text.removeprefix("\ufeff").split("\n")
    if lines[0].rstrip() != FENCE:
        raise InputError(
            "a policy begins with its front matter", file=file, line=1, column=1, offending=lines[0], hint="a line ---"
        )
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == FENCE:
            head = "\n".join(lines[1:number])
            if len(head) > MAX_HEAD:
                raise InputError(f"front matter of more than {MAX_HEAD} characters", file=file, line=1, column=1)
            return head, "\n".join(lines[number + 1 :]), number + 1
    raise InputError("the front matter does not end", file=file, line=1, column=1, hint="close it with a line ---")


def entries(head: str, file: str) -> dict[str, Entry]:
    """The keys of the head, in order. Line numbers count the fence above it."""
    try:
        _refuse_the_exotic(head, file)
        root = yaml.compose(head, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        at = _place(getattr(error, "problem_mark", None))
        problem = getattr(error, "problem", None) or "characters that YAML does not allow"
        raise InputError(f"not YAML: {problem}", file=file, line=at.line, column=at.column) from None
    if not isinstance(root, yaml.MappingNode):
        raise InputError("front matter is lines of 'key: value'", file=file, line=2, column=1)
    found: dict[str, Entry] = {}
    errors: list[InputError] = []
    for key, value in root.value:
        entry = _entry(key, value)
        if entry is None or entry.key in found:
            at, problem = (
                _place(key.start_mark),
                "a key stands twice" if entry else "neither a text nor a list of texts",
            )
            errors.append(
                InputError(problem, file=file, line=at.line, column=at.column, offending=str(key.value)[:200])
            )
        else:
            found[entry.key] = entry
    raise_all(errors)
    return found


def _entry(key: yaml.Node, value: yaml.Node) -> Entry | None:
    many = isinstance(value, yaml.SequenceNode)
    parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
    if not isinstance(key, yaml.ScalarNode) or not all(isinstance(part, yaml.ScalarNode) for part in parts):
        return None
    return Entry(
        key=str(key.value),
        texts=tuple(str(part.value) for part in parts),
        many=many,
        key_at=_place(key.start_mark),
        at=_place(value.start_mark),
        places=tuple(_place(part.start_mark) for part in parts),
    )


def _refuse_the_exotic(head: str, file: str) -> None:
    """Walk the flat stream of events first: composing nested nodes recurses, and aliases multiply."""
    depth = 0
    events: Iterator[yaml.Event] = yaml.parse(head, Loader=yaml.SafeLoader)
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        tagged = isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) is not None
        if isinstance(event, yaml.AliasEvent) or tagged or depth > MAX_NESTING:
            at = _place(event.start_mark)
            raise InputError(
                "aliases, tags and deep nesting have no place here", file=file, line=at.line, column=at.column
            )


def _place(mark: object) -> Place:
    """PyYAML has two classes of marks, one of them in C; both count from 0, and the fence is one line."""
    line, column = getattr(mark, "line", 0), getattr(mark, "column", 0)
    return Place(int(line) + 2, int(column) + 1)
