"""An ad hoc query as it comes over HTTP: text or JSON, with parameters, limits, paging.

Rules of this file
    - A body that begins with `{` is JSON (no query does); what it does not say, the address says.
    - Limits can be lowered, and raised as far as `MAX_SECONDS` and `MAX_ROWS`.

Complexity: O(body).
Source: issue "policies and questions", item 8; its bad input (1 MB queries, 5 s, 10^6 rows).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import Request

from grammar import InputError
from monitor.query_request import number_or_none, seconds
from monitor.query_rows import LIMITS
from monitor.query_values import parameter
from monitor.web import HttpError
from policies import Limits, Value

MAX_BODY: Final = (1 << 20) + (1 << 18)
"""A query of a million characters, and what JSON puts around it."""
MAX_ROWS: Final = 1_000_000
MAX_SECONDS: Final = 60.0


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON form."""

    query: str
    parameters: dict[str, msgspec.Raw] = {}
    app: str | None = None
    limit: int | None = None
    skip: int | None = None
    seconds: float | None = None
    rows: int | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with all that was said about it; `limit` None: as many rows as the format takes."""

    query: str
    parameters: Mapping[str, Value]
    app: str = ""
    limit: int | None = None
    skip: int = 0
    limits: Limits = LIMITS
    format: str = ""

    @staticmethod
    def of(request: Request, raw: bytes) -> Asked:
        """From a request and its body."""
        told = _body(request, raw)
        if min(told.limit or 0, told.skip or 0, told.rows or 0) < 0:
            raise HttpError(400, "limit, skip and rows are not negative")
        span = LIMITS.seconds if told.seconds is None else told.seconds
        rows = LIMITS.rows if told.rows is None else told.rows
        limits = Limits(min(rows, MAX_ROWS), LIMITS.steps, min(max(span, 0.0), MAX_SECONDS))
        given = {name: _parameter(name, one) for name, one in told.parameters.items()}
        return Asked(told.query, given, told.app or "", told.limit, told.skip or 0, limits, told.format or "")


def _body(request: Request, raw: bytes) -> Body:
    """What the body and the address say together."""
    asked = request.query_params
    base = Body(
        "",
        _parameters(asked.get("parameters", "")),
        asked.get("app"),
        number_or_none(request, "limit"),
        number_or_none(request, "skip"),
        seconds(asked["seconds"], "seconds") if asked.get("seconds") else None,
        number_or_none(request, "rows"),
        asked.get("format"),
    )
    if not raw.lstrip().startswith(b"{"):
        try:
            return msgspec.structs.replace(base, query=raw.decode())
        except UnicodeDecodeError:
            raise HttpError(400, "a query is UTF-8 text") from None
    try:
        told = msgspec.json.decode(raw, type=Body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise HttpError(400, f"not a query in JSON: {error}") from None
    fields = {name: one for name, one in msgspec.structs.asdict(base).items() if getattr(told, name) in (None, {})}
    return msgspec.structs.replace(told, **fields)


def _parameters(text: str) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise HttpError(400, f"parameters are a JSON object: {error}") from None


def _parameter(name: str, raw: msgspec.Raw) -> Value:
    return parameter_of(name, bytes(raw).decode("utf-8", "replace"))


def parameter_of(name: str, text: str) -> Value:
    """The value of a parameter that is written in JSON."""
    try:
        return parameter(json.loads(text))
    except (ValueError, RecursionError):
        hint = f"""a text stands in quotes: {name}='"/etc/shadow"'"""
        raise InputError("a parameter that is not JSON", offending=f"{name}={text}", hint=hint) from None
