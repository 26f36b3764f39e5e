"""The monitor's settings file: TOML, typed, all of its errors at once.

Rules of this file
    - What a setting means and its default is said in `monitor.toml`, which is shipped and equals the defaults.
    - Paths are as written, relative to the settings file's folder. Nothing is opened here but the file itself.

Source: issue "live monitor" (one TOML file with comments, check-config).
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from grammar import InputError
from grammar.settings import MAX_TEXT, Complaint, Millis, Size, millis, read_settings, size
from grammar.topics import CLIENT
from monitor.config_actions import Acting
from monitor.limits import Limits
from monitor.novelty import Settings as Judging

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Listening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where agents and users reach the monitor."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 7717
    connections: Count = 4_096
    body: Size = size("8MB")
    bodies: Size = size("128MB")
    header: Size = size("16KiB")
    slow: Millis = millis("20s")
    idle: Millis = millis("120s")
    wait: Millis = millis("60s")

    def check(self) -> Iterator[Complaint]:
        """What the numbers mean together."""
        if not 1 <= self.body <= 16 << 20:
            yield Complaint("body", "more than a message can be, or nothing", "at most 16MiB")
        if self.bodies < self.body:
            yield Complaint("bodies", "less than one body", "at least `body`")


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Certificates; with `clients` only clients whose certificate that authority has signed get in."""

    certificate: str = ""
    key: str = ""
    clients: str = ""

    def check(self) -> Iterator[Complaint]:
        """Certificate and key come together."""
        if bool(self.certificate) != bool(self.key):
            yield Complaint("key" if self.certificate else "certificate", "certificate and key come together")
        if self.clients and not self.certificate:
            yield Complaint("clients", "there is no TLS without a certificate of the monitor's own", "certificate, key")


class Policing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which policies."""

    shipped: bool = True
    files: tuple[str, ...] = ()


class Novel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When an application counts as settled, and how few replicas are few."""

    hold: Millis = millis("700ms")
    settle_active: Millis = millis("40s")
    settle_quiet: Millis = millis("20s")
    settle_rate: Share = 0.02
    few: Share = 0.25

    @property
    def settings(self) -> Judging:
        """As the judge takes them."""
        return Judging(int(self.settle_active), int(self.settle_quiet), self.settle_rate, self.few)


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one agent may add (`monitor.limits`)."""

    replica_items: Count = 50_000
    app_items: Count = 500_000
    minute_items: Count = 50_000
    apps: Count = 2_000
    lanes: Count = 2_000
    containers: Count = 5_000

    @property
    def limits(self) -> Limits:
        """As the monitor takes them."""
        return Limits(**msgspec.structs.asdict(self))


class Telling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where alerts go besides the log and the API."""

    file: str = ""


class Logging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Kafka(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The brokers; `name` is this monitor's, unlike every other's (empty: the host's)."""

    servers: tuple[str, ...]
    name: str = ""
    prefix: str = "winnower"
    partitions: Count = 8
    replication: Count = 1
    min_insync: Count = 1
    keep: Millis = millis("720h")
    models: Millis = millis("2s")
    counts: Millis = millis("60s")
    timeout: Millis = millis("10s")
    client: dict[str, str | int | bool] = {}

    def check(self) -> Iterator[Complaint]:
        """What a client would not take."""
        if not self.servers:
            yield Complaint("servers", "no broker", 'write ["HOST:9092"]')
        for key in self.client:
            if key not in CLIENT:
                known = ", ".join(sorted(CLIENT))
                yield Complaint(f"client.{key}", "not a setting of the connection", f"known: {known}")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `forget_after` 0: never."""

    state: str = "/var/lib/winnower-monitor"
    epoch: Millis = millis("10s")
    forget_after: Millis = Millis(0)
    users: str = ""
    listen: Listening = Listening()
    tls: Tls = Tls()
    policies: Policing = Policing()
    novelty: Novel = Novel()
    limits: Bounds = Bounds()
    alerts: Telling = Telling()
    actions: Acting = Acting()
    log: Logging = Logging()
    kafka: Kafka | None = None

    def check(self) -> Iterator[Complaint]:
        """What makes no sense."""
        if not 1_000 <= self.epoch <= 3_600_000 or self.epoch % 1_000:
            yield Complaint("epoch", "an epoch is whole seconds, at least one, at most an hour", 'for example "10s"')
        if not self.state:
            yield Complaint("state", "the monitor needs a folder for its state")


class Placed(Config, frozen=True):
    """The settings of a file in `folder`."""

    folder: Path = Path()

    def path(self, written: str) -> Path:
        """A path of the file."""
        return self.folder / written

    @property
    def users_file(self) -> Path:
        """The file with the users' token."""
        return self.path(self.users) if self.users else self.path(self.state) / "users.token"


def read_config(path: Path) -> Placed:
    """Read a settings file; all that is wrong with it is one `InputError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT + 1)
        text = data.decode()
    except OSError as error:
        hint = "winnower monitor check-config --example shows one"
        raise InputError(f"cannot read the settings: {error.strerror}", file=str(path), hint=hint) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError("settings are UTF-8 text", file=str(path), line=line) from None
    found = read_settings(text, str(path), Config)
    return Placed(**msgspec.structs.asdict(found), folder=path.absolute().parent)


def example() -> str:
    """The shipped file, with comments."""
    return resources.files("monitor").joinpath("monitor.toml").read_text(encoding="utf-8")
