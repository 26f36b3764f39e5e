"""What every route takes and gives: the tables that the API is served and described from.

Rules of this file
    - A route that is not here is not served (`monitor.users_api` takes its methods from here), but for those of
      `actions_api`, `policies_api`, `api` and `agents_api`, which a test compares.

Source: issue "policies and questions", item 8 (OpenAPI served); design section 5.
"""

from __future__ import annotations

from typing import Final

from monitor.actions_listing import STATUSES
from monitor.alerts import SEVERITIES
from monitor.exports import FORMATS
from monitor.openapi import (
    FLAG,
    INTEGER,
    JSON,
    NUMBER,
    OBJECT,
    SIGNED,
    STRING,
    TEXT,
    Operation,
    Parameter,
    Routes,
    Schema,
    listed,
    made_of,
    named,
    one_of,
)

FORMAT: Final = Parameter("format", "as text: what `winnower` prints in this format", one_of(*FORMATS))
SHORT: Final = Parameter("format", "as text: what `winnower` prints in this format", one_of("table", "json"))
WIDTH: Final = Parameter("width", "columns of a table", INTEGER)
PRINTED: Final = (SHORT, WIDTH)
NOTES: Final = Parameter("notes", "with `format`: JSON of the text and of what is said beside it", FLAG)
LIMIT: Final = Parameter("limit", "at most so many", INTEGER)
SKIP: Final = Parameter("skip", "after so many", INTEGER)
SHOWN: Final = (FORMAT, WIDTH, NOTES, LIMIT, SKIP)
APP: Final = Parameter("app", "only this application")
SINCE: Final = Parameter("since", "from this time on, in milliseconds", INTEGER)
UNTIL: Final = Parameter("until", "up to this time, in milliseconds", INTEGER)
INSTANCES: Final = Parameter("instances", "ask the workers for what really happened", FLAG)
DEADLINE: Final = Parameter("deadline", "seconds that the workers have", NUMBER)
WHO: Final = (Parameter("by", "who says it"), Parameter("comment", "why"))
NUMBERS: Final = Parameter("numbers", "numbers of alerts, with commas between", place="path")
SAID: Final[Schema] = made_of(alerts=listed(OBJECT))
SNOOZES: Final[Schema] = made_of(snoozes=listed(OBJECT))
RUN: Final[Schema] = {
    "type": "object",
    "properties": {
        "ids": listed(STRING),
        "files": listed({"type": "array", "items": STRING, "minItems": 2, "maxItems": 2}),
    },
    "additionalProperties": False,
}
CONTROL: Final[Schema] = made_of(revision=INTEGER, epoch=NUMBER, patterns=OBJECT, policies=listed(STRING))
ASKED: Final[Schema] = {
    "type": "object",
    "properties": {
        "query": STRING,
        "parameters": OBJECT,
        "app": STRING,
        "limit": INTEGER,
        "skip": INTEGER,
        "seconds": NUMBER,
        "rows": INTEGER,
        "format": one_of(*FORMATS),
    },
    "required": ["query"],
    "additionalProperties": False,
}
PAGED: Final = "A monitor that learns something between two pages may shift them."


def _trace(text: str) -> Operation:
    node = Parameter("node", "an id, or the start of one", place="path")
    depth = Parameter("depth", "at most so many steps", INTEGER)
    asked = (node, depth, INSTANCES, DEADLINE, SINCE, UNTIL, *SHOWN)
    return Operation(text, asked, None, {JSON: named("Trace"), TEXT: STRING}, longer=PAGED)


def _signed(text: str) -> Operation:
    """Between agents and monitor: signed messages, described in the code (`grammar.envelope`)."""
    return Operation(text, (), {SIGNED: {}}, {SIGNED: {}}, open=True, longer="For agents: signed, not by token.")


ROUTES: Final[Routes] = {
    "/v1/apps": {
        "get": Operation("Applications: how large, how many replicas", answer={JSON: listed(made_of(app=STRING))})
    },
    "/v1/nodes": {
        "get": Operation(
            "getNodes: states whose properties match",
            (
                Parameter("app", "the application", required=True),
                Parameter(
                    "properties",
                    "path, name, exe, command, peer, address, port, kind, label, id; * fits any text",
                    {"type": "object", "additionalProperties": STRING},
                    spread=True,
                ),
                *SHOWN,
            ),
            None,
            {JSON: named("Nodes"), TEXT: STRING},
            longer=PAGED,
        )
    },
    "/v1/ancestors/{node}": {"get": _trace("getAncestors: what a state may have come from, nearest first")},
    "/v1/descendants/{node}": {"get": _trace("getDescendants: what may have come from a state, nearest first")},
    "/v1/query": {
        "post": Operation(
            "A query in the policy language, in every application or in one",
            (
                APP,
                Parameter("parameters", "a JSON object of $parameters"),
                Parameter("seconds", "stop after so long (5)", NUMBER),
                Parameter("rows", "stop after so many rows (1,000,000)", INTEGER),
                *SHOWN,
            ),
            {TEXT: STRING, JSON: ASKED},
            {JSON: named("Rows"), TEXT: STRING},
            longer="Beyond a limit the answer is what was found, and `cut` says so. `match` is a column if some row is"
            f" only possible. {PAGED}",
        )
    },
    "/v1/trace-log": {
        "post": Operation(
            "What a line of a log stands for",
            (APP, SINCE, UNTIL, INSTANCES, DEADLINE, *PRINTED),
            {TEXT: STRING},
            {JSON: OBJECT},
        )
    },
    "/v1/alerts": {
        "get": Operation(
            "Alerts after a number; waits for one if there is none",
            (
                Parameter("after", "alerts with a higher number", INTEGER),
                Parameter("wait", "seconds to wait for one", INTEGER),
                APP,
                Parameter("policy", "policies whose id fits; * fits any text (with `format`)"),
                Parameter("severity", "this one and worse (with `format`)", one_of(*SEVERITIES)),
                Parameter("status", "only those with it (with `format`)", one_of(*STATUSES)),
                Parameter("all", "also what is acknowledged or snoozed (with `format`)", FLAG),
                SINCE,
                *PRINTED,
            ),
            None,
            {JSON: made_of(alerts=listed(OBJECT), last=INTEGER), TEXT: STRING},
        )
    },
    "/v1/alerts/{numbers}/ack": {"post": Operation("Take note of alerts", (NUMBERS, *WHO), None, {JSON: SAID})},
    "/v1/alerts/{numbers}/rearm": {"post": Operation("Arm alerts again", (NUMBERS, *WHO), None, {JSON: SAID})},
    "/v1/snoozes": {
        "get": Operation("Snoozes in force", answer={JSON: SNOOZES}),
        "post": Operation(
            "Do not tell alerts of a policy for a while",
            (
                Parameter("policy", "its id; * for all"),
                APP,
                Parameter("for", "milliseconds; 0 ends it", INTEGER, required=True),
                *WHO,
            ),
            None,
            {JSON: SNOOZES},
        ),
    },
    "/v1/actions": {"get": Operation("Actions: how each does, how far behind it is", answer={JSON: OBJECT})},
    "/v1/policies": {"get": Operation("Policies in force, and files that are bad", answer={JSON: OBJECT})},
    "/v1/policies/in-force": {
        "get": Operation(
            "Policies by which the monitor and its agents go", answer={JSON: made_of(policies=listed(OBJECT))}
        )
    },
    "/v1/policies/run": {
        "post": Operation(
            "What policies match in what has been seen: those that are sent, or those in force",
            (
                APP,
                SINCE,
                UNTIL,
                Parameter("confirm", "ask the workers about possible matches", FLAG),
                DEADLINE,
                *PRINTED,
            ),
            {JSON: RUN},
            {JSON: OBJECT},
        )
    },
    "/v1/agents": {
        "get": Operation(
            "Agents: seen, lagging, what was lost",
            answer={JSON: made_of(control=INTEGER, agents=listed(OBJECT), strangers=OBJECT)},
        )
    },
    "/v1/schedule": {
        "get": Operation(
            "Which container ran on which worker when",
            (
                Parameter("container", "only this one"),
                APP,
                Parameter("worker", "only on this one"),
                Parameter("at", "only then, in seconds", NUMBER),
            ),
            None,
            {JSON: made_of(runs=listed(OBJECT))},
        )
    },
    "/v1/control": {
        "get": Operation("What agents are told", answer={JSON: CONTROL}),
        "post": Operation(
            "Set the epoch length",
            (Parameter("epoch", "`10s`; `default` for that of the settings", required=True),),
            None,
            {JSON: CONTROL},
        ),
    },
    "/v1/openapi.json": {"get": Operation("This description", answer={JSON: OBJECT})},
    "/healthz": {"get": Operation("Whether the process works", answer={TEXT: STRING}, open=True)},
    "/readyz": {"get": Operation("Whether it takes envelopes", answer={TEXT: STRING}, open=True)},
    "/metrics": {"get": Operation("Figures for Prometheus", answer={TEXT: STRING}, open=True)},
    "/v1/epochs": {"post": _signed("An agent's epoch; the answer acknowledges it")},
    "/v1/words": {"post": _signed("An agent asks for the words of applications")},
    "/v1/listen": {"post": _signed("An agent waits for orders")},
    "/v1/replies": {"post": _signed("An agent's answer to a question")},
    "/v1/enrol": {"post": _signed("An agent shows its token")},
}
