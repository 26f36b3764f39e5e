"""The monitor's HTTP API as one ASGI application: agents, people, health, figures.

Rules of this file
    - Paths only; what they do is in `monitor.agents_api` and `monitor.users_api`.
    - `/healthz` says that the process works, `/readyz` that it takes envelopes (the state can be written).

Source: design section 6; issue "live monitor" (operations).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.agents_api import AgentsApi, Post
from monitor.users_api import UsersApi


class Api:
    """The application. What agents send goes by a table, the rest by routes."""

    def __init__(self, agents: AgentsApi, users: UsersApi) -> None:
        self.agents, self.users = agents, users
        self._posts: dict[str, Post] = agents.targets()
        routes = [
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
            *users.routes(),
        ]
        self._rest: ASGIApp = Starlette(routes=routes, lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's message."""
        post = self._posts.get(scope["path"]) if scope["type"] == "http" else None
        await (post or self._rest)(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.agents.begin()
        yield

    async def _health(self, request: Request) -> Response:
        alive = self.agents.service.alive
        return PlainTextResponse("ok\n" if alive else "the writer is dead\n", 200 if alive else 500)

    async def _ready(self, request: Request) -> Response:
        ill = self.agents.service.figures.ill or ("stopping" if self.agents.stopping else "")
        if self.agents.brokers is not None:
            ill = ill or self.agents.brokers.trouble
        return PlainTextResponse(f"{ill}\n" if ill else "ok\n", 503 if ill else 200)

    async def _metrics(self, request: Request) -> Response:
        return Response(self.agents.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
