"""The report has the contract's fields, and its numbers are those of the replay."""

from typing import Any

import pytest
from scribe import Scribe, ordinary
from stage import Played, Stage

EPOCH = {
    "start", "events", "vertices", "edges", "states", "transitions", "delta_states", "delta_transitions",
    "uplink_bytes", "downlink_bytes", "induction_seconds", "lost",
}  # fmt: skip


@pytest.fixture
def played(scribe: Scribe, stage: Stage) -> Played:
    ordinary(scribe)
    scribe.writes(101, "/usr/bin/implant")
    return stage.play(scribe.save(), 1_000)


@pytest.fixture
def report(played: Played) -> Any:
    return played.report


def test_it_has_the_fields_of_the_contract(report: Any) -> None:
    assert {"recording", "epoch_seconds", "workers", "apps", "alerts", "totals"} <= set(report)
    worker = report["workers"]["worker1"]
    assert {"records", "events", "raw_bytes", "cpu_seconds", "epochs"} <= set(worker)
    assert all(set(epoch) >= EPOCH for epoch in worker["epochs"])
    assert {"states", "transitions", "model_bytes", "replicas"} <= set(report["apps"]["web"])
    alert = {"policy", "severity", "app", "worker", "container", "time", "nodes"}
    assert all(set(one) >= alert for one in report["alerts"])
    totals = {"raw_bytes", "uplink_bytes", "downlink_bytes", "cpu_seconds", "wall_seconds", "peak_rss_bytes"}
    assert totals <= set(report["totals"])


def test_its_numbers_agree_with_each_other_and_with_the_log(report: Any, scribe: Scribe, played: Played) -> None:
    worker, totals = report["workers"]["worker1"], report["totals"]
    assert worker["records"] == len(scribe.lines)
    assert worker["events"] == scribe.serial == sum(epoch["events"] for epoch in worker["epochs"])
    assert worker["raw_bytes"] == sum(len(line) + 1 for line in scribe.lines) == totals["raw_bytes"]
    for name in ("uplink_bytes", "downlink_bytes", "delta_bytes"):
        assert totals[name] == sum(epoch[name] for epoch in worker["epochs"])
    assert report["apps"]["web"]["model_bytes"] == len(played.models["web"])
    assert report["apps"]["web"]["replicas"] == 2


def test_the_bytes_of_an_epoch_include_heads_and_framing(report: Any) -> None:
    for epoch in report["workers"]["worker1"]["epochs"]:
        assert epoch["uplink_bytes"] > epoch["delta_bytes"] + len("POST /v1/epochs HTTP/1.1\r\nHost: monitor\r\n")
        assert epoch["downlink_bytes"] > len("HTTP/1.1 200 OK\r\n")


def test_an_alert_says_where_when_and_which_nodes(report: Any, played: Played) -> None:
    (alert,) = report["alerts"]
    assert (alert["policy"], alert["app"], alert["worker"], alert["container"]) == (
        "write-below-binary-directory",
        "web",
        "worker1",
        "web1",
    )
    assert set(alert["nodes"]) <= set(played.model("web").by_id)
    assert alert["replicas"] == {"k": 1, "of": 2}
