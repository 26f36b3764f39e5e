"""What `/v1/openapi.json` says is what is served: every route, every method, every parameter; and it is valid."""

from __future__ import annotations

import ast
import inspect
import json
import re

import pytest
from starlette.routing import Route

from monitor import actions_api, actions_listing, policies_api, query_api, query_asked, query_request, users_api
from monitor.actions_api import ActionsApi
from monitor.agents_api import AgentsApi
from monitor.api import Api
from monitor.openapi import document
from monitor.openapi_routes import ROUTES
from monitor.policies_api import PoliciesApi
from monitor.render import to_json
from monitor.users_api import UsersApi

READ = {"get", "number", "number_or_none", "_number", "_word", "pop"}


def served() -> dict[str, set[str]]:
    """Paths and methods of the real routes, without a monitor behind them."""
    users = UsersApi.__new__(UsersApi)
    users.told = ActionsApi.__new__(ActionsApi)
    users.trials = PoliciesApi.__new__(PoliciesApi)
    users.questions = query_api.QueryApi.__new__(query_api.QueryApi)
    found: dict[str, set[str]] = {}
    for route in users.routes():
        assert isinstance(route, Route)
        found.setdefault(route.path, set()).update(m.lower() for m in route.methods or () if m != "HEAD")
    health = re.findall(r'Route\("([^"]+)"', inspect.getsource(Api))
    agents = re.findall(r'^ +"(/v1/[a-z]+)": Post', inspect.getsource(AgentsApi), re.MULTILINE)
    assert len(health) >= 3
    assert len(agents) >= 5
    return found | {path: {"get"} for path in health} | {path: {"post"} for path in agents}


def test_every_route_is_described_and_nothing_else() -> None:
    assert served() == {path: set(operations) for path, operations in ROUTES.items()}


def test_every_parameter_in_a_path_is_described() -> None:
    for path, operations in ROUTES.items():
        for operation in operations.values():
            told = {one.name for one in operation.parameters if one.place == "path"}
            assert told == set(re.findall(r"{(\w+)}", path))


def test_every_parameter_that_is_read_is_described() -> None:
    """Names that the modules read from the address, against those of the tables."""
    read: set[str] = set()
    for module in (users_api, query_api, query_request, query_asked, actions_api, actions_listing, policies_api):
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in READ:
                read |= {a.value for a in call.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    described = {one.name for operations in ROUTES.values() for op in operations.values() for one in op.parameters}
    other = {"", "0", "5", "default", "properties", "authorization", "a number", "0.0", "*"}
    assert read - described - other == set()
    assert described - read - {"node", "numbers", "properties"} == {"container", "worker"}  # read in a loop


def test_it_is_valid_openapi() -> None:
    value = json.loads(to_json(document(ROUTES)))
    idents = [one["operationId"] for operations in value["paths"].values() for one in operations.values()]
    assert len(set(idents)) == len(idents)
    assert value["openapi"].startswith("3.1")
    references = set(re.findall(r'"#/components/(\w+)/(\w+)"', json.dumps(value)))
    assert references
    assert all(name in value["components"][kind] for kind, name in references)
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(value)
    broken = json.loads(json.dumps(value))
    broken["paths"]["/v1/apps"]["get"]["parameters"] = [{"name": 1}]
    with pytest.raises(Exception, match="not of type"):
        validator.validate(broken)
