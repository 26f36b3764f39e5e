"""The settings `[actions]` and `[actions.NAME]`: where alerts go, and what may be done about them.

Rules of this file
    - One table an action; what it means and its default is said in `monitor.toml`. What belongs to another kind of
      action is an error, not ignored. Nothing is opened here.
    - Secrets are files, never settings. Programs run only with `allow_exec`, and never through a shell.

Source: issue "policies and questions" (actions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from grammar.settings import Complaint, Millis, Size, millis, size
from monitor.action_exec_fields import FIELDS, field_of
from monitor.action_filter import Filter

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Kind = Literal["jsonl", "webhook", "syslog", "exec", "pause", "stop"]
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
RESPONSES: Final = ("exec", "pause", "stop")
"""What acts on more than a reader's attention: only policies that name it cause it."""
ORDERS: Final = ("pause", "stop")
FACILITIES: Final = ("user", "daemon", "auth", "authpriv", *(f"local{n}" for n in range(8)))
OF_KIND: Final[Mapping[str, tuple[str, ...]]] = {
    "format": ("jsonl", "webhook"),
    "file": ("jsonl",),
    "rotate": ("jsonl",),
    "keep": ("jsonl",),
    "url": ("webhook",),
    "secret_file": ("webhook",),
    "authority": ("webhook", "syslog"),
    "address": ("syslog",),
    "facility": ("syslog",),
    "command": ("exec",),
    "tries": ("exec",),
    "timeout": ("webhook", "syslog", "exec"),
    "within": ORDERS,
}
"""Which settings belong to which kinds; the others belong to all."""


class Address(NamedTuple):
    """Where syslog listens; for `unix` the host is the socket's path."""

    transport: str
    host: str
    port: int


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One action. `certain` and `named` default to what is prudent for the kind: yes for responses."""

    kind: Kind
    min_severity: Literal["low", "medium", "high", "critical"] = "low"
    policies: tuple[str, ...] = ("*",)
    apps: tuple[str, ...] = ("*",)
    certain: bool | None = None
    named: bool | None = None
    queue: Count = 10_000
    format: Literal["winnower", "ocsf"] = "winnower"
    file: str = ""
    rotate: Size = size("100MB")
    keep: Count = 5
    url: str = ""
    secret_file: str = ""
    authority: str = ""
    address: str = ""
    facility: str = "daemon"
    command: tuple[str, ...] = ()
    tries: Count = 3
    timeout: Millis = millis("10s")
    within: Millis = millis("5m")

    def check(self) -> Iterator[Complaint]:
        """What is missing, what belongs elsewhere, what makes no sense."""
        for one in msgspec.structs.fields(Action):
            kinds = OF_KIND.get(one.name, (self.kind,))
            if self.kind not in kinds and getattr(self, one.name) != one.default:
                yield Complaint(one.name, f"not a setting of the kind {self.kind}", f"of: {', '.join(kinds)}")
        if not 100 <= self.timeout <= 600_000:
            yield Complaint("timeout", "a time between 100ms and 10m")
        checks = {"jsonl": self._file, "webhook": self._webhook, "syslog": self._syslog, "exec": self._exec}
        if self.kind in checks:
            yield from checks[self.kind]()

    def _file(self) -> Iterator[Complaint]:
        if not self.file:
            yield Complaint("file", "to which file?", 'file = "alerts.jsonl", or "-" for standard output')
        if self.rotate < 10_000:
            yield Complaint("rotate", "a file that is so small is rotated with every alert", 'for example "100MB"')
        if self.keep > 1_000:
            yield Complaint("keep", "more files than anybody reads", "at most 1000")

    def _webhook(self) -> Iterator[Complaint]:
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known or not self.url.isascii() or any(c <= " " for c in self.url):
            yield Complaint("url", "not an address", "https://HOST/PATH")
        elif parts.username is not None or parts.fragment:
            yield Complaint("url", "no place for a name, a password or a fragment", "sign with secret_file")
        elif self.authority and parts.scheme != "https":
            yield Complaint("authority", "there is no TLS over http", "write https://…")

    def _syslog(self) -> Iterator[Complaint]:
        try:
            transport = self.syslog.transport
        except ValueError as error:
            yield Complaint("address", str(error), "udp://HOST:514, tcp://HOST:601, tls://HOST:6514, unix:///dev/log")
        else:
            if self.authority and transport != "tls":
                yield Complaint("authority", "there is TLS over tls:// only")
        if self.facility not in FACILITIES:
            yield Complaint("facility", "not a facility", ", ".join(FACILITIES))

    def _exec(self) -> Iterator[Complaint]:
        if not self.command or not self.command[0].startswith("/"):
            yield Complaint("command", "a program is named in full", 'command = ["/usr/local/bin/page", "{policy}"]')
        for argument in self.command:
            if "\0" in argument:
                yield Complaint("command", "no argument holds a NUL")
            if field_of(argument) is not None and field_of(argument) not in FIELDS:
                yield Complaint("command", f"no field of an alert: {argument[:40]}", f"known: {', '.join(FIELDS)}")

    @property
    def syslog(self) -> Address:
        """The address in its parts; a `ValueError` says what is wrong with it."""
        parts = urlsplit(self.address)
        if parts.scheme == "unix":
            if not parts.path.startswith("/") or parts.netloc or len(parts.path) > 107:
                raise ValueError("not the path of a socket")
            return Address("unix", parts.path, 0)
        if parts.scheme not in ("udp", "tcp", "tls") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("not an address of syslog")
        return Address(parts.scheme, parts.hostname, parts.port or {"udp": 514, "tcp": 601, "tls": 6514}[parts.scheme])

    def filter(self, name: str) -> Filter:
        """Which alerts it takes: a policy names an action by its name or by its kind."""
        prudent = self.kind in RESPONSES
        certain = self.kind in ORDERS if self.certain is None else self.certain
        named = (name, self.kind) if (prudent if self.named is None else self.named) else ()
        return Filter(self.min_severity, self.policies, self.apps, certain, named)


class Acting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `[actions]`: tables with names of the user's own, and whether programs may be run."""

    allow_exec: bool = False
    actions: dict[str, Action] = msgspec.field(default_factory=dict, name="*")

    def check(self) -> Iterator[Complaint]:
        """What they mean together."""
        for name, action in self.actions.items():
            if NAME.fullmatch(name) is None:
                yield Complaint(name, "not a name for an action", "small letters, digits, - and _")
            if action is not None and action.kind == "exec" and not self.allow_exec:
                yield Complaint(f"{name}.kind", "programs are not allowed", "allow_exec = true in [actions]")
