"""The API described in OpenAPI 3.1, from tables.

Rules of this file
    - What a route takes and gives is said once, in `monitor.openapi_routes`; this writes it out.
    - Answers are described as far as scripts depend on them; what is only for people is an object.

Complexity: O(routes).
Source: OpenAPI Specification 3.1.0 (spec.openapis.org); JSON Schema 2020-12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Schema = Mapping[str, object]
VERSION: Final = "3.1.0"
JSON: Final = "application/json"
TEXT: Final = "text/plain"
SIGNED: Final = "application/octet-stream"
STRING: Final[Schema] = {"type": "string"}
INTEGER: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBER: Final[Schema] = {"type": "number", "minimum": 0}
FLAG: Final[Schema] = {"type": "string", "enum": ["0", "1"]}
OBJECT: Final[Schema] = {"type": "object"}


def listed(schema: Schema) -> Schema:
    """A list of what a schema describes."""
    return {"type": "array", "items": schema}


def made_of(**fields: Schema) -> Schema:
    """An object that has these fields."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def one_of(*words: str) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": list(words)}


def named(name: str) -> Schema:
    """A schema of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


EDGE: Final = made_of(effect=STRING, relation=STRING, operation=STRING, cause=STRING)
NODE: Final = made_of(
    id=STRING,
    app=STRING,
    kind=STRING,
    label=STRING,
    properties=OBJECT,
    context=listed(STRING),
    support=made_of(workers=listed(STRING), containers=INTEGER, of=INTEGER),
    first_seen={"type": "number"},
    last_seen={"type": "number"},
)
SCHEMAS: Final[Mapping[str, Schema]] = {
    "Error": made_of(error=STRING),
    "Edge": EDGE,
    "Node": NODE,
    "Nodes": made_of(nodes=listed(named("Node")), total=INTEGER),
    "Trace": made_of(start=STRING, nodes=listed(named("Node")), edges=listed(named("Edge")), total=INTEGER),
    "Rows": made_of(columns=listed(STRING), rows=listed(OBJECT), total=INTEGER, cut=STRING),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something in the address; `place` is `query` or `path`."""

    name: str
    text: str
    schema: Schema = field(default_factory=lambda: STRING)
    place: str = "query"
    required: bool = False
    spread: bool = False
    """Any names besides the others: an object of them."""

    def value(self) -> dict[str, object]:
        """As OpenAPI has it."""
        told: dict[str, object] = {"name": self.name, "in": self.place, "description": self.text}
        told |= {"required": True} if self.required or self.place == "path" else {}
        return told | ({"style": "form", "explode": True} if self.spread else {}) | {"schema": dict(self.schema)}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a route; `body` and `answer` are schemas by media type."""

    text: str
    parameters: Sequence[Parameter] = ()
    body: Mapping[str, Schema] | None = None
    answer: Mapping[str, Schema] | None = None
    open: bool = False
    """Needs no token."""
    longer: str = ""

    def value(self, ident: str) -> dict[str, object]:
        """As OpenAPI has it."""
        told: dict[str, object] = {"operationId": ident, "summary": self.text}
        told |= {"description": self.longer} if self.longer else {}
        told |= {"parameters": [one.value() for one in self.parameters]} if self.parameters else {}
        if self.body is not None:
            told["requestBody"] = {"required": True, "content": _content(self.body)}
        told |= {"security": []} if self.open else {}
        responses: dict[str, object] = {"200": {"description": "The answer", "content": _content(self.answer or {})}}
        wrong = {"$ref": "#/components/responses/Error"}
        return told | {"responses": responses | ({} if self.open else {"default": wrong})}


def _content(schemas: Mapping[str, Schema]) -> dict[str, object]:
    return {media: {"schema": dict(schema)} for media, schema in schemas.items()}


Routes = Mapping[str, Mapping[str, Operation]]


def document(routes: Routes) -> dict[str, object]:
    """The whole description; routes are operations by method (`get`, `post`) by path."""
    error = {"description": "What is wrong, and where", "content": _content({JSON: named("Error")})}
    return {
        "openapi": VERSION,
        "info": {
            "title": "Winnower monitor",
            "version": "1",
            "description": "Provenance models of a cluster's applications: questions, alerts, agents.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": {
            path: {method: one.value(_ident(method, path)) for method, one in operations.items()}
            for path, operations in routes.items()
        },
        "components": {
            "schemas": {name: dict(schema) for name, schema in SCHEMAS.items()},
            "responses": {"Error": error},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "users.token of the monitor's state"}
            },
        },
    }


def _ident(method: str, path: str) -> str:
    """A name for generated clients.

    >>> _ident("get", "/v1/ancestors/{node}"), _ident("post", "/v1/trace-log")
    ('get_ancestors_node', 'post_trace_log')
    """
    words = path.removeprefix("/v1").replace("-", "_").replace(".", "_").replace("{", "").replace("}", "")
    return f"{method}{words.replace('/', '_')}"
