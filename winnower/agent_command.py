"""`winnower agent run | enrol | check-config | rules`: the live agent.

Rules of this file
    - A token is read from a file or from standard input, never from the command line, where others could see it.
    - Exit 0 done, 1 no (rules are missing), 2 bad usage or bad input.

Source: design section 5; issue "live agent" (enrolment, operations).
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from winnower.rules_command import rules

_FILE = click.Path(path_type=Path)
MAX_TOKEN = 4_096


@click.group("agent")
def agent() -> None:
    """The live agent: run it, enrol it, see to the audit rules."""


agent.add_command(rules)


@agent.command("run")
@click.option("--config", type=_FILE, required=True, help="The settings file.")
def run(config: Path) -> None:
    """Run the agent until it is told to stop (SIGTERM); SIGHUP reads settings again."""
    from agent.config import read_config  # noqa: PLC0415 - `winnower agent --help` answers at once
    from agent.daemon import Daemon, Hooks  # noqa: PLC0415
    from winnower import notify  # noqa: PLC0415

    hooks = Hooks(notify.ready, notify.reloading, notify.stopping)
    Daemon(lambda: read_config(config), hooks).run()


@agent.command("check-config")
@click.option("--config", type=_FILE, help="The settings file.")
@click.option("--example", "shown", is_flag=True, help="Print a commented file with all settings and their defaults.")
def check_config(config: Path | None, shown: bool) -> None:
    """Check a settings file, and report all its errors."""
    from agent.config import example, read_config  # noqa: PLC0415

    if shown:
        click.echo(example(), nl=False)
        return
    if config is None:
        raise click.UsageError("--config FILE, or --example")
    read_config(config)
    click.echo("no errors")


@agent.command("enrol")
@click.option("--config", type=_FILE, required=True, help="The settings file.")
@click.option("--token-file", type=click.File("r"), default="-", help="Where the token is; standard input by default.")
@click.option("--again", is_flag=True, help="Forget the present key and begin a new chain.")
def enrol(config: Path, token_file: TextIO, again: bool) -> None:
    """Be taken in by the monitor, with a token that `winnower monitor token NAME` has printed there."""
    from agent import http_link, identity  # noqa: PLC0415
    from agent.config import read_config  # noqa: PLC0415
    from agent.daemon import connection, hostname  # noqa: PLC0415
    from agent.link import LinkError  # noqa: PLC0415
    from grammar import InputError  # noqa: PLC0415
    from grammar.signing import Token  # noqa: PLC0415

    settings = read_config(config)
    token = Token.parse(token_file.read(MAX_TOKEN))
    folder, name = Path(settings.state), settings.name or hostname()
    if again:
        identity.forget(folder)
    wire = connection(settings)
    try:
        done = identity.enrol(folder, name, token, lambda asked: http_link.enrol(wire, asked))
    except LinkError as error:
        hint = "does the monitor run, and was the token printed for this name, less than a day ago, and not used yet?"
        raise InputError(f"not enrolled: {error}", offending=settings.monitor.url, hint=hint) from None
    finally:
        wire.close()
    click.echo(f"{done.name} is enrolled; its key is {done.signer.key_id.hex()}")
