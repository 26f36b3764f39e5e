"""The agent's settings file: TOML, typed, all of its errors at once.

Rules of this file
    - What a setting means and its default is said in `agent.toml`, which is shipped and equals the defaults.
    - Paths are as written. Nothing is opened here but the file itself; secrets are files, never settings.

Source: issue "live agent" (one TOML file with comments, check-config).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from agent.config_tags import Tags
from agent.http_connection import Place, Tls
from agent.identity import NAME
from agent.logfiles_value import Rule
from agent.respond import Respond
from grammar import InputError
from grammar.settings import MAX_TEXT, Complaint, Millis, Size, millis, read_settings, size
from grammar.topics import CLIENT

EXAMPLE: Final = "agent.toml"
FORMAT: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
ZONE: Final = re.compile(r"(?:UTC|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?")

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class Capture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the audit log comes from; `kernel`: ask for its counters; `rules` is what is expected to be loaded."""

    source: Literal["log", "dispatcher", "stdin"] = "log"
    log: str = "/var/log/audit/audit.log"
    socket: str = "/var/run/audispd_events"
    start: Literal["end", "beginning"] = "end"
    kernel: bool = True
    rules: Literal["lean", "full", "any"] = "lean"


class Epochs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How time is cut."""

    length: Millis = millis("10s")
    early: Millis = millis("100ms")
    idle: Millis = millis("300ms")
    gather: Millis = millis("100ms")

    def check(self) -> Iterator[Complaint]:
        """What makes no sense."""
        if not 500 <= self.length <= 3_600_000:
            yield Complaint("length", "an epoch is half a second at least, an hour at most", 'for example "10s"')
        if not 10 <= self.early <= 5_000:
            yield Complaint("early", "news cannot wait so short or so long", 'for example "100ms"')
        if self.gather > 1_000:
            yield Complaint("gather", "records cannot wait so long to be read", 'for example "100ms"')
        if not 50 <= self.idle <= 5_000:
            yield Complaint("idle", "a quiet log is noticed too soon or too late", 'for example "300ms"')


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent may use; `cpu_percent` of one core, 0: no limit."""

    cpu_percent: Annotated[float, msgspec.Meta(ge=0, le=6_400)] = 0.0
    most_behind: Size = size("64MB")
    memory: Size = size("120MB")
    spool: Size = size("256MB")
    instances: Size = size("512MB")
    instances_age: Millis = millis("24h")
    snapshot: Millis = millis("5m")
    snapshot_log: Size = size("16MiB")

    def check(self) -> Iterator[Complaint]:
        """What would not work."""
        if 0 < self.cpu_percent < 1:
            yield Complaint("cpu_percent", "less than one percent of a core is too little to read a log", "0: no limit")
        if self.spool < 1_000_000:
            yield Complaint("spool", "a spool of less than 1MB loses what a monitor that restarts would have taken")
        if self.memory < 50_000_000:
            yield Complaint("memory", "the agent itself needs 50MB")
        if self.snapshot < 1_000:
            yield Complaint("snapshot", "a snapshot a second at most", 'for example "5m"')


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The monitor over HTTP."""

    url: str = "http://127.0.0.1:7717"
    timeout: Millis = millis("30s")
    connect: Millis = millis("5s")
    wait: Millis = millis("55s")

    def check(self) -> Iterator[Complaint]:
        """What is no address, or no time."""
        try:
            Place.parse(self.url)
        except InputError as error:
            yield Complaint("url", error.message, error.hint)
        for key in ("timeout", "connect"):
            if not 100 <= getattr(self, key) <= 600_000:
                yield Complaint(key, "a time between 100ms and 10m")
        if self.wait > 120_000:
            yield Complaint("wait", "the monitor holds a question for orders two minutes at most")


class Certificates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files for TLS."""

    authority: str = ""
    certificate: str = ""
    key: str = ""

    def check(self) -> Iterator[Complaint]:
        """Certificate and key come together."""
        if bool(self.certificate) != bool(self.key):
            yield Complaint("key" if self.certificate else "certificate", "certificate and key come together")

    @property
    def files(self) -> Tls:
        """As a connection takes them."""
        return Tls(self.authority, self.certificate, self.key)


class Kafka(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The brokers, instead of the monitor's URL; `client` are settings of the connection."""

    servers: tuple[str, ...]
    prefix: str = "winnower"
    partitions: Count = 8
    replication: Count = 1
    min_insync: Count = 1
    timeout: Millis = millis("10s")
    client: dict[str, str | int | bool] = {}

    def check(self) -> Iterator[Complaint]:
        """What a client would not take."""
        if not self.servers:
            yield Complaint("servers", "no broker", 'write ["HOST:9092"]')
        for key in self.client:
            if key not in CLIENT:
                yield Complaint(
                    f"client.{key}", "not a setting of the connection", "known: " + ", ".join(sorted(CLIENT))
                )


class Engines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sockets of container engines, and where Kubernetes is asked."""

    sockets: tuple[str, ...] = ("unix:///var/run/docker.sock", "unix:///run/podman/podman.sock")
    kubernetes: str = ""
    node: str = ""

    def check(self) -> Iterator[Complaint]:
        """What cannot be asked."""
        for one in self.sockets:
            if not one.startswith("unix:///"):
                yield Complaint("sockets", "not the socket of an engine on this machine", "unix:///var/run/docker.sock")
        if self.kubernetes and not self.node:
            yield Complaint("kubernetes", "Kubernetes is asked about one node: whose?", "write node = …")


class Abstracting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many names in one directory, and how many peers, are told apart."""

    files: Count = 400
    peers: Count = 400


class LogFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Log files by globs over containers' names and paths in them; their format and time zone, where lines do not say.

    `*` in a path stays inside one folder; the container `host` is this machine itself.
    """

    path: str
    container: str = "*"
    format: str = ""
    zone: str = ""

    def check(self) -> Iterator[Complaint]:
        """What names nothing."""
        if not self.path.startswith("/"):
            yield Complaint("path", "a path is written in full, as the container sees it", "like /srv/*/log/app.log")
        if "**" in self.path:
            yield Complaint("path", "** is not known: * stays inside one folder")
        if self.format and FORMAT.fullmatch(self.format) is None:
            yield Complaint("format", "not the name of a format", "small letters, digits and _")
        if ZONE.fullmatch(self.zone) is None:
            yield Complaint("zone", "not a time zone's distance from UTC", 'like "+02:00" or "UTC"')

    @property
    def rule(self) -> Rule:
        """As the accumulator takes it."""
        return Rule(self.container, self.path, self.format, self.zone)


class Logs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Applications' logs: whether they are read, how many, which ones besides those that are found."""

    enabled: bool = True
    journal: bool = True
    most: Count = 256
    of_one: Count = 64
    behind: Size = size("64MB")
    files: tuple[LogFile, ...] = ()
    profiles: tuple[Path, ...] = ()

    def check(self) -> Iterator[Complaint]:
        """What would not work."""
        if self.behind < 1_000_000:
            yield Complaint("behind", "a log that may be less than 1MB behind loses what one burst writes")
        if self.most > 4_096:
            yield Complaint("most", "so many files are more than a process may hold open", "at most 4096")


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where /healthz, /readyz and /metrics are; port 0: nowhere."""

    host: str = "127.0.0.1"
    port: Port = 7718


class Logging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    form: Literal["auto", "json", "text"] = "auto"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `name` empty: the host's."""

    name: str = ""
    state: str = "/var/lib/winnower-agent"
    keep_sent: bool = False
    capture: Capture = Capture()
    epochs: Epochs = Epochs()
    limits: Bounds = Bounds()
    monitor: Upstream = Upstream()
    tls: Certificates = Certificates()
    kafka: Kafka | None = None
    engines: Engines = Engines()
    respond: Respond = Respond()
    abstraction: Abstracting = Abstracting()
    logs: Logs = Logs()
    tags: Tags = Tags()
    health: Health = Health()
    log: Logging = Logging()

    def check(self) -> Iterator[Complaint]:
        """What makes no sense."""
        if self.name and NAME.fullmatch(self.name) is None:
            hint = "letters, digits, dots, dashes, underscores; at most 63"
            yield Complaint("name", "not an agent's name", hint)
        if not self.state.startswith("/"):
            yield Complaint("state", "the folder of the state is named in full", 'like "/var/lib/winnower-agent"')
        if self.tls.authority and self.kafka is None and not self.monitor.url.startswith("https:"):
            yield Complaint("monitor.url", "there is no TLS over http", "write https://…")


def read_config(path: Path) -> Config:
    """The settings of a file; all that is wrong with it is one error."""
    try:
        with path.open("rb") as file:
            data = file.read(4 * MAX_TEXT + 1)
        text = data.decode()
    except OSError as error:
        hint = "winnower agent check-config --example prints one"
        raise InputError(f"cannot be read: {error.strerror}", file=str(path), hint=hint) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("not UTF-8", file=str(path), line=line, offending=data[error.start : error.end]) from None
    return read_settings(text, str(path), Config)


def example() -> str:
    """A settings file with comments that says what is so anyway."""
    return (resources.files("agent") / EXAMPLE).read_text("utf-8")
