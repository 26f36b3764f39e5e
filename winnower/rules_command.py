"""`winnower agent rules`: print the audit rules that the model needs; load, check or unload them when told to.

Rules of this file
    - To print needs no rights and changes nothing. Only `--load` and `--unload` change the kernel's rules, and only
      rules with our key; others' are never touched. The backlog limit is only ever raised.
    - What is loaded is compared with what is wanted as the kernel holds it, so that loading twice changes nothing.
    - Exit 0 done (or all loaded), 1 something is missing, 2 bad usage or not permitted.

Source: auditctl(8), augenrules(8); design section 5.
"""

from __future__ import annotations

import errno
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click

from agent.kernel import KernelAudit, KernelAuditError
from agent.kernel_wire import UNSET, KernelStatus, Rule
from agent.rules import BACKLOG, MACHINES, RuleSet, Scope, change, ours, wanted
from agent.rules_obstacles import Obstacle, obstacles
from agent.rules_text import FILE, Names, line, parse_names, text
from grammar.errors import InputError, escape

AGENT_USER: Final = "winnower-agent"
URING_SINCE: Final = (3, 1)
_PATH: Final = re.compile(r"/[!-~]{1,4000}")
_TYPE: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_VERSION: Final = re.compile(r"(\d{1,6})\.(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options ask for: the set, its rules, the backlog limit, and what this machine's tools know."""

    which: RuleSet
    rules: list[Rule]
    backlog: int
    names: Names


@click.command("rules", short_help="Print, load or check the audit rules.")
@click.option("--set", "which", type=click.Choice(["lean", "full"]), default="lean", show_default=True,
              help="lean: processes, names, opened files, connections. full: reads and writes too.")  # fmt: skip
@click.option("--arch", "arches", type=click.Choice(["b64", "b32"]), multiple=True,
              help="Which calls.  [default: all that this machine can make and that we have tables of]")  # fmt: skip
@click.option("--auid", metavar="N|unset", help="Only processes with this login uid; `unset` is what services have.")
@click.option("--exe", metavar="PATH", help="Only processes that run this program.")
@click.option("--subj-type", metavar="TYPE", help="Only processes of this SELinux type, such as container_t.")
@click.option("--agent-user", metavar="USER", help=f"Leave out this user's services: the agent.  [{AGENT_USER}]")
@click.option("--backlog", type=click.IntRange(64, 1 << 22), metavar="N",
              help=f"Records that may wait for auditd.  [lean {BACKLOG['lean']}, full {BACKLOG['full']}]")  # fmt: skip
@click.option("--load", "action", flag_value="load", help="Load them now, until the next boot (root).")
@click.option("--unload", "action", flag_value="unload", help="Delete those with our key, and no others (root).")
@click.option("--check", "action", flag_value="check", help="Say what is missing and what stands in the way (root).")
def rules(
    *,
    which: RuleSet,
    arches: Sequence[str],
    auid: str | None,
    exe: str | None,
    subj_type: str | None,
    agent_user: str | None,
    backlog: int | None,
    action: str | None,
) -> None:
    """Print the audit rules that give what the model needs, as augenrules(8) takes them.

    With --load, --unload or --check it speaks with the kernel instead. Rules of others are never changed.
    """
    architectures = _architectures(arches)
    scope = Scope(_login_uid(auid), _path(exe), _type(subj_type), _user(agent_user))
    names = {one: _names(one) for one in architectures}
    wish = Wish(which, wanted(which, architectures, scope), backlog or BACKLOG[which], names)
    if action is None:
        click.echo(text(which, wish.rules, names, backlog=_to_raise(wish.backlog), uring=_reads_uring()), nl=False)
        return
    with KernelAudit() as kernel:
        {"load": load, "unload": unload, "check": check}[action](kernel, wish)


def load(kernel: KernelAudit, wish: Wish) -> None:
    """Make the loaded rules of ours the wanted ones, raise the backlog limit, and look whether it worked."""
    status, before = kernel.status(), kernel.rules()
    if status.enabled == 2:
        raise InputError("the audit rules are locked until the next boot", hint=f"put them into {FILE} and reboot")
    difference = change(before, wish.rules)
    for rule in difference.delete:
        kernel.delete(rule)
    for rule in difference.add:
        _add(kernel, rule)
    if 0 < status.backlog_limit < wish.backlog:
        kernel.set_backlog(wish.backlog)
        click.echo(f"backlog limit raised from {status.backlog_limit} to {wish.backlog}")
    counts = f"{len(difference.add)} loaded, {len(difference.delete)} of ours deleted"
    click.echo(f"{counts}, {len(before) - len(ours(before))} of others left as they are")
    click.echo(f"until the next boot; to keep them: winnower agent rules --set {wish.which} > {FILE}")
    _report(kernel, wish)


def unload(kernel: KernelAudit, _wish: Wish) -> None:
    """Delete exactly the rules with our key."""
    before = kernel.rules()
    for rule in ours(before):
        kernel.delete(rule)
    click.echo(f"{len(ours(before))} deleted, {len(before) - len(ours(before))} of others left as they are")


def check(kernel: KernelAudit, wish: Wish) -> None:
    """Say which rules are missing, which are there that are not wanted, and what stands in the way."""
    loaded = ours(kernel.rules())
    there = sum(rule in loaded for rule in wish.rules)
    click.echo(f"{wish.which}: {there} of {len(wish.rules)} rules loaded")
    for rule in loaded:
        if rule not in wish.rules:
            click.echo(f"not of this set: {escape(line(rule, wish.names), 400)}")
    _report(kernel, wish)


def _report(kernel: KernelAudit, wish: Wish) -> None:
    """What is missing (exit 1) and what stands in the way."""
    loaded = kernel.rules()
    missing = [rule for rule in wish.rules if rule not in ours(loaded)]
    for rule in missing:
        click.echo(f"missing: {escape(line(rule, wish.names), 400)}", err=True)
    for one in obstacles(loaded, wish.rules, kernel.status(), wish.backlog):
        click.echo(f"warning: {shown(one)}", err=True)
    if any(rule.filter != "io_uring" for rule in missing):
        click.get_current_context().exit(1)


def shown(one: Obstacle) -> str:
    """An obstacle as one safe line."""
    return f"{escape(one.what, 400)} ({escape(one.todo, 200)})"


def _add(kernel: KernelAudit, rule: Rule) -> None:
    """Load one rule; kernels before 5.16 have no io_uring list, and nothing to audit there."""
    try:
        kernel.add(rule)
    except KernelAuditError as error:
        if rule.filter != "io_uring" or error.number != errno.EINVAL:
            raise


def _architectures(arches: Sequence[str]) -> list[str]:
    machine = os.uname().machine
    tables = MACHINES.get(machine)
    if tables is None:
        raise InputError("no table of system calls", offending=machine, hint=f"known: {', '.join(MACHINES)}")
    unknown = [arch for arch in arches if arch not in tables]
    if unknown:
        hint = f"known here: {', '.join(tables)}"
        raise InputError(f"no table of system calls for {machine}", offending=unknown[0], hint=hint)
    return [tables[arch] for arch in dict.fromkeys(arches or tables)]


def _login_uid(auid: str | None) -> int | None:
    if auid is None:
        return None
    if auid in ("unset", "-1"):
        return UNSET
    if auid.isascii() and auid.isdecimal() and len(auid) <= 10 and int(auid) <= UNSET:
        return int(auid)
    raise InputError("no login uid", offending=auid, hint="a number, or unset")


def _path(exe: str | None) -> str:
    """A program's path as audit.rules can hold it: what has spaces or newlines in it would be another rule."""
    if exe is None or _PATH.fullmatch(exe):
        return exe or ""
    raise InputError("no path that an audit rule can hold", offending=exe, hint="absolute, printable, without spaces")


def _type(subject: str | None) -> str:
    if subject is None or _TYPE.fullmatch(subject):
        return subject or ""
    raise InputError("no SELinux type", offending=subject, hint="such as container_t")


def _user(name: str | None) -> int | None:
    """The uid of the agent's user; the usual one need not exist. Root is never left out: it is everybody's."""
    try:
        number = pwd.getpwnam(name or AGENT_USER).pw_uid
    except KeyError as error:
        if name is None:
            return None
        raise InputError("no such user", offending=name, hint="the user that the agent runs as") from error
    if number == 0:
        raise InputError("root cannot be left out", offending=name or "", hint="run the agent as a user of its own")
    return number


def _to_raise(backlog: int) -> int:
    """The limit to print; 0 if the kernel says that it has room enough."""
    try:
        with KernelAudit() as kernel:
            status = kernel.status()
    except KernelAuditError:
        status = KernelStatus(backlog_limit=1)
    return backlog if 0 < status.backlog_limit < backlog else 0


def _names(architecture: str) -> dict[int, str]:
    return parse_names(_said("ausyscall", architecture, "--dump"))


def _reads_uring() -> bool:
    found = _VERSION.search(_said("auditctl", "-v"))
    return found is not None and (int(found[1]), int(found[2])) >= URING_SINCE


def _said(*command: str) -> str:
    """What one of the audit tools prints; nothing where it is not installed."""
    program = shutil.which(command[0], path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if program is None:
        return ""
    argv = [program, *command[1:]]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=5, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")
