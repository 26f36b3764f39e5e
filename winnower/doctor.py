"""`winnower doctor`: what this machine can and cannot do, and what to do about it.

Rules of this file
    - A check is a pure function from a `Probe` to a `Finding` (`doctor_checks`, `doctor_audit`); here they are listed,
      run and shown.
    - `fail` is for what every command needs (Python, the libraries); all else is `ok` or `warn`, with what to do.
    - Never a traceback: a check that breaks is a finding that says so. Text from the machine is escaped.

Exit code: 0, or 1 if something required fails.
Source: design section 5.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

import click

from grammar.errors import escape
from winnower import doctor_audit as audit
from winnower import doctor_checks as checks
from winnower import doctor_logs as logs
from winnower import doctor_tags as tags
from winnower.doctor_probe import Finding, Machine, Probe

Check = Callable[[Probe], Finding]

# Distribution, the name it is imported by.
REQUIRED: Final = (
    ("click", "click"),
    ("google-re2", "re2"),
    ("lark", "lark"),
    ("msgspec", "msgspec"),
    ("networkx", "networkx"),
    ("pyyaml", "yaml"),
    ("rich", "rich"),
    ("zstandard", "zstandard"),
)
# Extra, distribution, what it is for.
EXTRAS: Final = (
    ("static", "angr", "static analysis (winnower profile)"),
    ("kafka", "kafka-python", "Kafka transport"),
    ("algebra", "automata-lib", "pattern algebra"),
)
# Name to show (docker is an engine, too), distribution, what it is for.
SERVICES: Final = (
    ("cryptography", "cryptography", "signed envelopes"),
    ("docker-py", "docker", "container names from an engine's API"),
    ("prometheus-client", "prometheus-client", "/metrics"),
    ("starlette", "starlette", "monitor over HTTP"),
    ("uvicorn", "uvicorn", "monitor over HTTP"),
)
ENGINES: Final = (
    ("docker", "/var/run/docker.sock"),
    ("podman", "/run/podman/podman.sock"),
)

CHECKS: Final[tuple[Check, ...]] = (
    checks.python,
    *(checks.library(*row) for row in REQUIRED),
    *(checks.service_library(*row) for row in SERVICES),
    *(checks.extra(*row) for row in EXTRAS),
    checks.user,
    audit.auditd,
    audit.auditd_conf,
    audit.audit_log,
    audit.audit_disk,
    audit.audit_kernel,
    audit.audit_loss,
    audit.audit_rules,
    checks.kernel,
    checks.btf,
    checks.headers,
    checks.qemu,
    *(checks.engine(*row) for row in ENGINES),
    logs.journal,
    logs.containers,
    logs.read,
    tags.module,
    tags.ebpf,
    tags.choice,
    checks.cgroups,
    checks.clock,
    checks.state("agent", "/var/lib/winnower-agent"),
    checks.state("monitor", "/var/lib/winnower-monitor"),
    checks.secrets,
    checks.spool,
    checks.disk,
    checks.memory,
    checks.cores,
)


def examine(probe: Probe, checks: Sequence[Callable[[Probe], Finding]] = CHECKS) -> list[Finding]:
    """Run every check; one that breaks is a warning, not an end."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.append(check(probe))
        except Exception as error:
            name = getattr(check, "__name__", "check").replace("_", " ")
            findings.append(Finding(name, "warn", f"could not tell: {error!r}", "report this as a fault of doctor"))
    return findings


def show(findings: Sequence[Finding]) -> None:
    """Print the findings as a table of 80 columns or the terminal's; as lines where rich is missing."""
    try:
        from rich.console import Console  # noqa: PLC0415 - doctor must speak where rich is missing
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        for one in findings:
            click.echo(f"{one.result:4} {one.what}: {escape(one.found, 200)}; {escape(one.todo, 200)}".rstrip("; "))
        return
    table = Table(title="what this machine can do", title_justify="left", pad_edge=False)
    table.add_column("what", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold", ratio=1)
    table.add_column("what to do", overflow="fold", ratio=1)
    style = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    for one in findings:
        cells = (Text(escape(text, 200)) for text in (one.found, one.todo))
        table.add_row(Text(escape(one.what)), Text(one.result, style[one.result]), *cells)
    Console(width=None if sys.stdout.isatty() else 80).print(table)


@click.command("doctor")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def doctor(form: str) -> None:
    """Say what this machine can and cannot do, and what to do about it."""
    findings = examine(Machine())
    if form == "json":
        click.echo(json.dumps([asdict(one) for one in findings], indent=1))
    else:
        show(findings)
    failed = [one.what for one in findings if one.result == "fail"]
    if failed and form == "table":
        click.echo(f"required and missing: {', '.join(failed)}", err=True)
    click.get_current_context().exit(1 if failed else 0)
