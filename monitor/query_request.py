"""What a request asks for, and what becomes an answer to it.

Rules of this file
    - Parameters are read strictly: what is no number is an error, not a default.
    - A long answer is written in the thread that found it, piece by piece: one call that writes forty megabytes would
      hold every other thread up.

Complexity: O(answer).
Source: `monitor.users_api`, `monitor.query_api`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from rich.console import Console, RenderableType
from starlette.requests import Request
from starlette.responses import Response

from monitor.render import safe, time_text, to_json
from monitor.schedule import Life
from monitor.web import HttpError

JSON = "application/json"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Written:
    """An answer that is written already."""

    text: str
    media: str = JSON


def response(value: object) -> Response:
    """A value as an answer: a text as it is, everything else as JSON."""
    if isinstance(value, Written):
        return Response(_line(value.text), media_type=value.media)
    if isinstance(value, str):
        return Response(_line(value), media_type=TEXT)
    return Response(to_json(value, None) + "\n", media_type=JSON)


def _line(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def refusal(status: int, text: str) -> Response:
    """An answer that is no success."""
    headers = {"retry-after": "1"} if status == 503 else {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(to_json({"error": text}, None) + "\n", status, headers, media_type=JSON)


def written(value: Mapping[str, object]) -> Written:
    """A value whose lists may be long, as JSON: an item of a list a line.

    >>> written({"a": [1, 2], "b": 3}).text
    '{"a": [\\n1,\\n2], "b": 3}'
    """
    parts = []
    for name, one in value.items():
        told = "[" + ",".join("\n" + to_json(item, None) for item in one) + "]" if isinstance(one, list) else ""
        parts.append(f"{to_json(name, None)}: {told or to_json(one, None)}")
    return Written("{" + ", ".join(parts) + "}")


def formatted(request: Request, shown: RenderableType, notes: Sequence[str] = ()) -> Written:
    """The text that the command line prints; with `notes=1`, JSON of that text and of what it says beside it."""
    text = text_of(shown, width(request))
    if request.query_params.get("notes", "0") in ("", "0"):
        return Written(text, TEXT)
    return Written(to_json({"text": text, "notes": list(notes)}, None))


def text_of(shown: RenderableType, columns: int) -> str:
    """As on a terminal of that width, without colours."""
    if isinstance(shown, str):
        return shown
    page = Console(file=StringIO(), width=columns, markup=False, highlight=False, emoji=False, no_color=True)
    page.print(shown)
    assert isinstance(page.file, StringIO)
    return page.file.getvalue()


def runs_text(runs: Sequence[Life]) -> str:
    """Which container ran where when, one line each."""
    lines = []
    for one in runs:
        end = time_text(one.end) if one.end else "now"
        lines.append(f"{safe(one.container, 100)} ran on {safe(one.worker, 100)}: {time_text(one.start)} to {end}")
    return "".join(f"{line}\n" for line in lines)


def width(request: Request) -> int:
    """How wide a table may be."""
    return min(1_000, max(40, number(request, "width", 100)))


def number(request: Request, name: str, default: int) -> int:
    """A parameter that is a whole number."""
    found = request.query_params.get(name)
    if found is None:
        return default
    if not found.isascii() or not found.isdigit() or len(found) > 15:
        raise HttpError(400, f"{name} is a number")
    return int(found)


def number_or_none(request: Request, name: str) -> int | None:
    """A whole number, if one is given."""
    return number(request, name, 0) if request.query_params.get(name) else None


def seconds(found: str, name: str = "at") -> float:
    """A time or a span in seconds."""
    try:
        value = float(found)
    except ValueError:
        raise HttpError(400, f"{name} is a time in seconds") from None
    if not 0 <= value < 1 << 42:
        raise HttpError(400, f"{name} is a time in seconds")
    return value
