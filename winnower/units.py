"""`winnower units`: the systemd unit of the agent or the monitor, printed; installed only when told to.

Rules of this file
    - The units are files of the package (`units/`); the only thing filled in is where `winnower` is.
    - To install writes two files and starts nothing. A file that is there and says something else is not replaced
      without --force: changes belong into drop-ins, which stay.
    - What systemd would not find or could not read (a path with blanks, a checkout in a home) is said beforehand.

Source: systemd.unit(5), systemd.exec(5), sysusers.d(5).
"""

from __future__ import annotations

import os
import re
import sys
from importlib import resources
from pathlib import Path
from typing import Final

import click

from grammar.errors import InputError, escape

SERVICES: Final = ("agent", "monitor")
UNIT_FOLDER: Final = "etc/systemd/system"
USERS_FILE: Final = "etc/sysusers.d/winnower.conf"
HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""What the units hide from the service (ProtectHome, PrivateTmp)."""
_PLACE: Final = "@WINNOWER@"
_PROGRAM: Final = re.compile(r"/[A-Za-z0-9_./@+-]{1,1000}")

NEXT: Final = """next:
  systemd-sysusers
  {settings}
  systemctl daemon-reload
  systemctl enable --now winnower-{which}
  systemctl status winnower-{which}"""


@click.command("units", short_help="Print or install the systemd unit of the agent or monitor.")
@click.argument("which", type=click.Choice(SERVICES))
@click.option("--install", is_flag=True, help="Write it and its user to /etc (root); start nothing.")
@click.option("--force", is_flag=True, help="With --install: replace files that say something else.")
@click.option("--program", type=click.Path(path_type=Path), help="Where `winnower` is.  [default: the one that runs]")
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), help="Install below this folder.")
def units(*, which: str, install: bool, force: bool, program: Path | None, root: Path) -> None:
    """Print the sandboxed systemd unit of the agent or the monitor; --install writes it."""
    path = program or running()
    text = unit(which, path)
    for remark in remarks(path):
        click.echo(f"warning: {remark}", err=True)
    if not install:
        click.echo(text, nl=False)
        return
    files = {root / UNIT_FOLDER / f"winnower-{which}.service": text, root / USERS_FILE: packaged("winnower.sysusers")}
    _refuse_changed(files, force)
    for target, content in files.items():
        _write(target, content)
        click.echo(f"wrote {escape(str(target), 400)}")
    settings = f"write /etc/winnower/{which}.toml, then: winnower {which} check-config --config it"
    click.echo(NEXT.format(which=which, settings=settings))


def packaged(name: str) -> str:
    """A file of the package's `units` folder."""
    return resources.files("winnower").joinpath("units", name).read_text("utf-8")


def unit(which: str, program: Path) -> str:
    """The unit of a service that runs `program`."""
    if _PROGRAM.fullmatch(str(program)) is None:
        hint = "an absolute path of letters, digits and _./@+-"
        raise InputError("systemd cannot run a program there", offending=str(program), hint=hint)
    return packaged(f"winnower-{which}.service").replace(_PLACE, str(program))


def running() -> Path:
    """The `winnower` that belongs to the running Python."""
    return Path(sys.executable).absolute().parent / "winnower"


def remarks(program: Path) -> list[str]:
    """Why the service would not start from there."""
    shown, found = escape(str(program), 400), []
    if any(program.is_relative_to(folder) for folder in HIDDEN):
        found.append(f"{shown} is in a folder that the service cannot see: install it in /opt or /usr/local")
    elif not os.access(program, os.X_OK):
        found.append(f"{shown} is not there or not executable: name the right one with --program")
    return found


def _refuse_changed(files: dict[Path, str], force: bool) -> None:
    for target, content in files.items():
        if not force and target.exists() and target.read_text("utf-8", "replace") != content:
            hint = "--force replaces it; what is yours belongs into a drop-in: systemctl edit"
            raise InputError("this file is there and says something else", file=str(target), hint=hint)


def _write(target: Path, content: str) -> None:
    """Whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.new")
    aside.write_text(content, "utf-8")
    aside.chmod(0o644)
    aside.replace(target)
