"""What people say about alerts is on the disk when the answer comes; what makes no sense changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient
from told import HOSTILE, State, alert

from grammar import InputError
from monitor.actions import Actions
from monitor.actions_api import ActionsApi
from monitor.actions_state import load_lifecycle
from monitor.agents_api import AgentsApi
from monitor.store import Store
from monitor.web import HttpError

T = TypeVar("T")


def guarded(handler: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    async def run(request: Request) -> Response:
        try:
            return JSONResponse(await handler(request))
        except HttpError as error:
            return JSONResponse({"error": error.text}, error.status)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)

    return run


class Alarms:
    """As `monitor.alarms` has it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.load()

    def load(self) -> None:
        self.lifecycle = load_lifecycle(self.store)


@pytest.fixture
def state(tmp_path: Path) -> State:
    found = State(tmp_path / "state")
    found.add(*map(alert, range(3)))
    return found


@pytest.fixture
def client(state: State) -> Iterator[TestClient]:
    async def errand(action: Callable[[], T]) -> T:
        return action()

    state.folder.chmod(0o700)
    for file in state.folder.iterdir():
        file.chmod(0o600)
    with closing(Store(state.folder, create=True, live=True)) as store:
        monitor = SimpleNamespace(alarms=Alarms(store), latest=77)
        agents = SimpleNamespace(errand=errand, service=SimpleNamespace(store=store, monitor=monitor))
        actions = Actions(state.folder / "actions", state.open)
        api = ActionsApi(cast(AgentsApi, agents), actions, lambda: 5_000)
        yield TestClient(Starlette(routes=api.routes(guarded)))


def standings(state: State) -> dict[int, tuple[str, str, str, int]]:
    with closing(state.open()) as store:
        life = load_lifecycle(store)
    told = {number: life.standing(number) for number in range(1, 4)}
    return {number: (one.state, one.by, one.comment, one.time) for number, one in told.items() if one.by}


def test_alerts_are_acknowledged_and_armed_again(client: TestClient, state: State) -> None:
    answer = client.post("/v1/alerts/1,3/ack?by=me&comment=known")
    assert [one["number"] for one in answer.json()["alerts"]] == [1, 3]
    assert standings(state) == {1: ("acknowledged", "me", "known", 77), 3: ("acknowledged", "me", "known", 77)}
    assert client.post("/v1/alerts/3/rearm?by=you").json()["alerts"][0]["status"] == "rearmed"
    assert standings(state)[3][:2] == ("rearmed", "you")


@pytest.mark.parametrize("numbers", ["4", "1,99", "0", "-1", "x", "1,,2", "²", "1" * 30, ",".join(["1"] * 1_001)])
def test_numbers_that_make_no_sense_change_nothing(client: TestClient, state: State, numbers: str) -> None:
    answer = client.post(f"/v1/alerts/{numbers}/ack?by=me")
    assert answer.status_code == 400
    assert standings(state) == {}


def test_what_changes_something_is_posted(client: TestClient) -> None:
    assert client.get("/v1/alerts/1/ack").status_code == 405


def test_snoozes(client: TestClient) -> None:
    made = client.post("/v1/snoozes?policy=p&app=web&for=1000&by=me&comment=c").json()
    assert made == client.get("/v1/snoozes").json()
    assert made["snoozes"] == [{"policy": "p", "app": "web", "until": 6.0, "by": "me", "at": 5.0, "comment": "c"}]
    assert client.post("/v1/snoozes?policy=p&app=web&for=0").json() == {"snoozes": []}
    for wrong in ("", "for=", "for=-1", "for=x", f"for={10**14}", f"for=1&by={'x' * 3_000}"):
        assert client.post(f"/v1/snoozes?{wrong}").status_code == 400


@pytest.mark.parametrize("text", [text for text in HOSTILE if len(text) < 2_000 and text.isprintable()])
def test_hostile_words_are_kept_as_they_are(client: TestClient, state: State, text: str) -> None:
    client.post("/v1/alerts/1/ack", params={"by": text, "comment": text})
    assert standings(state)[1][1:3] == (text, text)


def test_a_disk_that_refuses_leaves_memory_as_the_disk_is(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise InputError("cannot write this state")

    with monkeypatch.context() as full:
        full.setattr("monitor.actions_api.save_lifecycle", refuse)
        assert client.post("/v1/snoozes?policy=p&for=1000").status_code == 400
    assert client.get("/v1/snoozes").json() == {"snoozes": []}


def test_status(client: TestClient) -> None:
    assert client.get("/v1/actions").json() == {"actions": [], "orders": []}
