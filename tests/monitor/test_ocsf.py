"""Events are Detection Findings of OCSF 1.3.0: valid against its schema, whatever the alert holds."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from told import HOSTILE, alert, alerts, hostile

from monitor.alerts import Alert, Step
from monitor.ocsf import finding
from monitor.render import to_json

REQUIRED = {
    "activity_id": int,
    "category_uid": int,
    "class_uid": int,
    "type_uid": int,
    "time": int,
    "severity_id": int,
    "metadata": dict,
    "finding_info": dict,
}
AT_LEAST_ONE = {
    "evidences": ("data", "process", "file", "dst_endpoint"),
    "resources": ("name", "uid"),
}


def event(one: Alert) -> Any:
    return json.loads(to_json(finding(one), None))


@given(alerts)
def test_every_required_attribute_is_there(one: Alert) -> None:
    told = event(one)
    assert {name: type(told[name]) for name in REQUIRED} == REQUIRED
    assert told["type_uid"] == told["class_uid"] * 100 + told["activity_id"] == 200401
    assert told["finding_info"]["uid"] == one.key
    assert "title" in told["finding_info"]
    assert told["metadata"]["version"] == "1.3.0"
    assert told["metadata"]["product"]["vendor_name"]
    for name, some in AT_LEAST_ONE.items():
        assert all(any(key in each for key in some) for each in told.get(name, []))


def test_what_an_analyst_looks_for_is_where_the_schema_has_it() -> None:
    told = event(alert(7))
    process, file, socket, line = told["evidences"]
    assert (process["process"]["name"], process["process"]["cmd_line"]) == ("sh", "sh -c id")
    assert process["process"]["file"]["path"] == "/bin/sh"
    assert process["process"]["container"] == {"name": "web-1"}
    assert file["file"] == {"name": "shadow", "path": "/etc/shadow", "type_id": 0}
    assert socket["dst_endpoint"] == {"uid": "cc", "ip": "10.0.0.9", "port": 4444}
    assert line["data"]["label"] == "LogMessage GET /x 200"
    attacks = told["finding_info"]["attacks"]
    assert attacks[0] == {"technique": {"uid": "T1059"}, "sub_technique": {"uid": "T1059.004"}}
    assert attacks[1] == {"technique": {"uid": "T1003"}}
    assert {"name": "web-1", "type": "container"} in told["resources"]
    assert told["unmapped"]["row"] == {"path": "/etc/shadow", "by": None}
    assert (told["severity_id"], told["time"], told["unmapped"]["number"]) == (4, alert(7).time, 7)


@pytest.mark.parametrize(("severity", "ident"), [("low", 2), ("medium", 3), ("high", 4), ("critical", 5), ("odd", 99)])
def test_severities(severity: str, ident: int) -> None:
    assert event(alert(severity=severity))["severity_id"] == ident


def test_what_is_only_possible_has_less_confidence() -> None:
    assert event(alert())["confidence_id"] == 3
    assert event(alert(certainty="possible", confirmed="unanswered"))["confidence_id"] == 2
    assert event(alert(certainty="possible", confirmed="worker"))["confidence_id"] == 3


@cache
def validator() -> Any:
    schemas = pytest.importorskip("ocsf_json_schema", reason="the schema comes with ocsf-json-schema (an extra)")
    jsonschema = pytest.importorskip("jsonschema", reason="validation needs jsonschema (an extra)")
    embedded = schemas.OcsfJsonSchemaEmbedded(schemas.get_ocsf_schema("1.3.0"))
    return jsonschema.Draft202012Validator(embedded.get_class_schema("detection_finding", ["container"]))


@pytest.mark.parametrize(
    "one",
    [
        alert(7),
        alert(severity="odd"),
        alert(trace=(), summary=(), techniques=(), maturity="", container="", app=""),
        alert(trace=(Step("a", ""), Step("b", "Socket @abstract"), Step("c", "Pipe"), Step("d", "Memory x"))),
        *map(hostile, HOSTILE),
    ],
)
def test_it_is_valid_against_the_schema(one: Alert) -> None:
    assert [f"{error.json_path}: {error.message[:200]}" for error in validator().iter_errors(event(one))] == []


@settings(max_examples=20)
@given(alerts)
def test_whatever_it_holds_it_is_valid_against_the_schema(one: Alert) -> None:
    assert [error.json_path for error in validator().iter_errors(event(one))] == []


def test_the_schema_refuses_what_is_wrong() -> None:
    wrong = event(alert()) | {"severity_id": "high"}
    del wrong["finding_info"]
    assert {error.json_path for error in validator().iter_errors(wrong)} >= {"$", "$.severity_id"}
