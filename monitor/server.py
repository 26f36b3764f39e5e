"""The live monitor as a process: state, writer, API, signals.

Rules of this file
    - SIGTERM and SIGINT: nothing new is taken, everything received is committed or refused, then the state is closed.
    - SIGHUP: settings and policies are read again; errors are logged with file and line, and change nothing.
    - Policies are files, and files of policies are read by the caller's `load`: this package knows none.

Source: issue "live monitor" (operations).
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, TextIO

from uvicorn import Config as WebConfig
from uvicorn import Server

from grammar import InputError
from monitor.actions import Actions
from monitor.agents_api import AgentsApi
from monitor.alerts import Alert
from monitor.api import Api
from monitor.config import Placed
from monitor.logs import log, start_log
from monitor.metrics import Metrics
from monitor.monitor import Monitor
from monitor.register import monitor_key
from monitor.render import to_json
from monitor.secret import check_secret, private_file, read_secret
from monitor.service import BusyError, Service
from monitor.settling import settle_for_ever
from monitor.store import Store
from monitor.users_api import UsersApi
from monitor.web import Budget, Patient
from policies.evaluate import compiled
from policies.policy import Policy
from policies.reach import shape_of

if TYPE_CHECKING:
    from monitor.brokers import Brokers


class Laws(NamedTuple):
    """The policies in force, their files as agents get them: (file name, text), and how many files are bad.

    `value` says it for JSON.
    """

    policies: tuple[Policy, ...]
    texts: tuple[tuple[str, str], ...]
    bad: int = 0
    value: Mapping[str, object] = {}


class Sources(NamedTuple):
    """Where settings and policies come from: both may raise `InputError`."""

    config: Callable[[], Placed]
    laws: Callable[[Placed], Laws]


class Live:
    """Everything of a live monitor but the sockets."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.config = config = sources.config()
        self.laws = sources.laws(config)
        _prepare(self.laws)
        folder = config.path(config.state)
        store = Store(folder, create=True, live=True)
        monitor = Monitor(
            store,
            self.laws.policies,
            config.novelty.settings,
            self._alerted,
            int(config.forget_after),
            limits=config.limits.limits,
        )
        self.service = Service(monitor, hold=config.novelty.hold / 1000)
        self.metrics = Metrics(self.service)
        listen = config.listen
        self.metrics.laws = lambda: (len(self.laws.policies), self.laws.bad)
        self.agents = AgentsApi(
            self.service,
            monitor_key(folder, secrets.token_bytes),
            self.metrics,
            Budget(int(listen.bodies), int(listen.body)),
            slow=listen.slow / 1000,
            wait=listen.wait / 1000,
        )
        self.actions = Actions(folder / "actions", lambda: Store(folder), self._wake)
        self.agents.responses = self.actions.orders
        self.metrics.actions = self.actions.figures
        self.users = UsersApi(self.agents, users_token(config), self.actions)
        self.users.laws = lambda: self.laws.value
        self.api = Api(self.agents, self.users)
        self._file: TextIO | None = None
        self._apply_control()
        self._open_alerts()
        self.brokers = self._connect(folder) if config.kafka is not None else None

    def _connect(self, folder: Path) -> Brokers:
        from monitor.brokers import Brokers  # noqa: PLC0415 - its client is an extra

        assert self.config.kafka is not None
        found = Brokers(self.config.kafka, folder, self.agents.signer, self.service, self.agents)
        self.agents.brokers, self.service.owns = found, found.owns
        return found

    def begin(self) -> None:
        """Start the writer."""
        self.service.start()
        self.actions.change(self.config.actions, self.config.folder)
        self.actions.start()
        if self.brokers is not None:
            self.brokers.start()

    def end(self) -> None:
        """Stop the writer; everything that it was given is done."""
        if self.brokers is not None:
            self.brokers.stop()
        self.service.stop()
        self.actions.stop()
        if self._file is not None:
            self._file.close()

    def reload(self) -> None:
        """Read settings and policies again (in any thread); what is wrong with them is logged, and changes nothing."""
        try:
            config = self.sources.config()
            laws = self.sources.laws(config)
            _prepare(laws)
            token = users_token(config)
            self.actions.change(config.actions, config.folder)
        except InputError as error:
            for line in str(error).splitlines():
                log("settings not reloaded", "error", error=line)
            return
        try:
            self.service.call(lambda: self._change(config, laws, token)).result()
        except (BusyError, InputError) as error:
            log("settings not reloaded", "error", error=str(error))
            return
        log("settings reloaded")

    def _change(self, config: Placed, laws: Laws, token: bytes) -> None:
        """In the writer's thread."""
        self.config, self.laws = config, laws
        self.service.monitor.change(laws.policies, config.novelty.settings)
        self.service.hold = config.novelty.hold / 1000
        self.users.change_token(token)
        self._apply_control()
        self._open_alerts()
        start_log(config.log.level)
        self.service.on_orders()

    def _apply_control(self) -> None:
        controls = self.service.controls
        with self.service.store.transaction():
            epoch = controls.chosen_epoch or int(self.config.epoch)
            controls.change(epoch_millis=epoch, policies=self.laws.texts)

    def _open_alerts(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.config.alerts.file:
            path = self.config.path(self.config.alerts.file)
            try:
                self._file = path.open("a", encoding="ascii", buffering=1)
            except OSError as error:
                raise InputError(f"cannot write alerts: {error.strerror}", file=str(path)) from None

    def _wake(self, worker: str) -> None:
        """From any thread: there is an order for a worker."""
        self.agents.soon(lambda: self.agents.ring(worker))

    def _alerted(self, alert: Alert) -> None:
        """In the writer's thread, after the commit."""
        self.actions.wake()
        self.agents.soon(self.users.alerted)
        if alert.quiet:
            return
        value = alert.value()
        log("alert", "warning", **{key: value[key] for key in ("policy", "severity", "app", "worker", "container")})
        if self._file is not None:
            try:
                self._file.write(to_json(value, None) + "\n")
            except OSError as error:
                log("an alert could not be written to its file", "error", error=str(error))


def _prepare(laws: Laws) -> None:
    """Plans are made here, not when the first news comes."""
    for policy in laws.policies:
        compiled(shape_of(policy.query).query, traced=True)


def users_token(config: Placed) -> bytes:
    """The users' bearer token; made at the first start."""
    path = config.users_file
    if not config.users and not path.exists() and path.parent.is_dir():
        private_file(path, secrets.token_urlsafe(32).encode() + b"\n")
    token = read_secret(path).strip()
    if len(token) < 16 or not token.isascii() or any(byte <= 32 for byte in token):
        raise InputError("not a bearer token", file=str(path), hint="one word of at least 16 characters")
    return token


class _Server(Server):
    """uvicorn's server, with a word to those that wait before it stops."""

    def __init__(self, config: WebConfig, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_exit = on_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: stop, once."""
        self.should_exit = True
        self.on_exit()


def run(sources: Sources, on_ready: Callable[[Live, Sequence[str]], None] = lambda live, addresses: None) -> None:
    """Run until a signal; `on_ready` hears the addresses."""
    start_log()
    live = Live(sources)
    start_log(live.config.log.level)
    asyncio.run(_serve(live, on_ready))


async def _serve(live: Live, on_ready: Callable[[Live, Sequence[str]], None]) -> None:
    server = _Server(_web_config(live), live.agents.stop)
    live.begin()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, live.reload))
    try:
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            addresses = [
                _address(live.config, *one.getsockname()[:2]) for all_ in server.servers for one in all_.sockets
            ]
            log("ready", addresses=addresses, agents=len(live.service.register.by_name))
            on_ready(live, addresses)
        settling = asyncio.create_task(settle_for_ever(live.agents))
        try:
            await serving
        finally:
            settling.cancel()
    finally:
        await asyncio.to_thread(live.end)
        log("stopped")


def _address(config: Placed, host: str, port: int) -> str:
    return f"{'https' if config.tls.certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _web_config(live: Live) -> WebConfig:
    listen, tls = live.config.listen, live.config.tls
    protocol = type("Protocol", (Patient,), {"slow": listen.slow / 1000})
    for path in filter(None, (tls.certificate, tls.key, tls.clients)):
        if not live.config.path(path).is_file():
            raise InputError("no such file", file=str(live.config.path(path)), hint="see [tls] in the settings")
    if tls.key:
        check_secret(live.config.path(tls.key))
    return WebConfig(
        live.api,
        host=listen.host,
        port=listen.port,
        http=protocol,
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=listen.connections,
        backlog=1024,
        timeout_keep_alive=max(1, listen.idle // 1000),
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=int(listen.header),
        ssl_certfile=str(live.config.path(tls.certificate)) if tls.certificate else None,
        ssl_keyfile=str(live.config.path(tls.key)) if tls.key else None,
        ssl_ca_certs=str(live.config.path(tls.clients)) if tls.clients else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls.clients else ssl.CERT_NONE,
    )
