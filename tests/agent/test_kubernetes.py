"""Pods: workloads by name, by owner, and from an API server that may lie, fail or be slow."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kubernetes import SUFFIX, Pods, application_of, owners_in, workload

LABELS = {
    "io.kubernetes.pod.name": "web-6d4b75cb6d-hx7mk",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.container.name": "app",
}


@pytest.mark.parametrize(
    ("pod", "name"),
    [
        ("web-6d4b75cb6d-hx7mk", "web"),
        ("my-web-app-75675f5897-7ci7o", "my-web-app-75675f5897-7ci7o"),
        ("my-web-app-75675f5897-7cx7d", "my-web-app"),
        ("kube-proxy-x7k2p", "kube-proxy"),
        ("backup-28475860-q8zwl", "backup"),
        ("db-0", "db"),
        ("db-12", "db"),
        ("etcd-control-plane", "etcd-control-plane"),
        ("single", "single"),
        ("-0", "-0"),
        ("", ""),
    ],
)
def test_a_workload_is_the_pods_name_without_what_controllers_add(pod: str, name: str) -> None:
    assert workload(pod) == name


def test_the_application_is_a_container_of_a_workload() -> None:
    assert application_of(LABELS) == "shop/web/app"
    assert application_of(LABELS, "front") == "shop/front/app"
    assert application_of({key: text for key, text in LABELS.items() if "container" not in key}) == ""


SAFE = st.text(sorted(SUFFIX), min_size=5, max_size=5)


@given(st.from_regex(r"[a-z]([a-z0-9]{0,8}-)?[a-z]{1,6}o", fullmatch=True), st.lists(SAFE, min_size=2, max_size=5))
def test_replicas_share_their_workload(name: str, suffixes: list[str]) -> None:
    """However the pods of a deployment are called, they are one workload, and it is the deployment's name."""
    assert {workload(f"{name}-6d4b75cb6d-{suffix}") for suffix in suffixes} == {name}


def pod(name: str, kind: str = "", owner: str = "", **labels: str) -> dict[str, Any]:
    owners = [{"kind": kind, "name": owner, "controller": True}] if kind else []
    about = {"name": name, "namespace": "shop", "labels": labels, "ownerReferences": owners}
    return {"metadata": about, "spec": {"nodeName": "node1"}, "status": {"phase": "Running"}}


def test_owners_are_followed_to_the_workload() -> None:
    hashed = {"pod-template-hash": "6d4b75cb6d"}
    pods = [
        pod("web-6d4b75cb6d-hx7mk", "ReplicaSet", "web-6d4b75cb6d", **hashed),
        pod("run-x7k2p", "ReplicaSet", "run"),
        pod("backup-28475860-q8zwl", "Job", "backup-28475860"),
        pod("import-q8zwl", "Job", "import"),
        pod("db-0-0", "StatefulSet", "db-0"),
        pod("etcd-node1", "Node", "node1"),
        pod("alone"),
    ]
    owners = owners_in(json.dumps({"kind": "PodList", "items": pods}).encode())
    assert sorted(owner for _, owner in owners) == sorted(one["metadata"]["name"] for one in pods[:-1])
    assert list(owners.values()) == ["web", "run", "backup", "import", "db-0", "etcd"]


@given(st.one_of(st.binary(max_size=60), st.sampled_from([b'{"items":[{}]}', b'{"items":[{"metadata":{"name":3}}]}'])))
def test_any_answer_is_owners_or_an_error_of_its_format(answer: bytes) -> None:
    with contextlib.suppress(msgspec.MsgspecError, ValueError):
        owners_in(answer)


class Server(ThreadingHTTPServer):
    """An API server whose answer is `pods`, after `delay`; it says what it was asked."""

    pods: list[dict[str, Any]]
    delay, status = 0.0, 200
    asked: list[tuple[str, str]]


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append((self.path, self.headers.get("Authorization", "")))
        time.sleep(server.delay)
        body = json.dumps({"items": server.pods}).encode()
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server(("127.0.0.1", 0), Answer)
    one.pods, one.asked = [], []
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()


def pods_of(server: Server, account: Path) -> Pods:
    return Pods(f"http://127.0.0.1:{server.server_address[1]}", "node1", account, interval=30.0)


def until(condition: Any, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in time"
        time.sleep(0.01)


def test_a_new_pod_is_asked_for_at_once_and_the_token_is_not_sent_in_the_clear(server: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    pods = pods_of(server, tmp_path)
    pods.start()
    until(lambda: not pods.error)
    assert pods.owner("shop", "db-0-0") == ""
    server.pods = [pod("db-0-0", "StatefulSet", "db-0")]
    assert pods.owner("shop", "db-0-0", 5.0) == "db-0"
    pods.stop()
    assert set(server.asked) == {("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode1", "")}


def test_a_server_that_is_slow_or_refuses_holds_nobody_up(server: Server, tmp_path: Path) -> None:
    pods = pods_of(server, tmp_path)
    server.status = 403
    pods.start()
    until(lambda: "403" in pods.error)
    begun = time.monotonic()
    assert pods.owner("shop", "web-1", 5.0) == ""
    assert time.monotonic() - begun < 1.0
    pods.stop()
    slow = pods_of(server, tmp_path)
    server.status = 200
    slow.start()
    until(lambda: not slow.error)
    server.delay = 2.0
    begun = time.monotonic()
    assert slow.owner("shop", "web-1", 0.1) == ""
    assert time.monotonic() - begun < 1.0
    slow.stop()
