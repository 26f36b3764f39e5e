"""`winnower policy lint | test | run | list | explain | import-sigma`: policies as files.

Rules of this file
    - A table: each sub-command is imported when it is called, so that checking a file needs no monitor.
    - Exit 0 yes, 1 no (a policy fails its test, or matches with --fail), 2 bad input: all errors of all files, each
      located, on stderr.

Source: design section 5 (commands, errors); issue "policies and questions", items 4 and 7.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from winnower.policy_files import load_policies, shipped_policies

__all__ = ["load_policies", "policy", "shipped_policies"]

COMMANDS: Final = {
    "lint": ("winnower.policy_lint", "Check policy files, and report all their errors."),
    "test": ("winnower.policy_trial", "Try policies on the graphs beside them."),
    "run": ("winnower.policy_run", "What policies match in what has been seen."),
    "list": ("winnower.policy_list", "List policies: shipped, in files, or in force."),
    "explain": ("winnower.policy_explain", "A policy in words, or the whole query language."),
    "import-sigma": ("winnower.policy_sigma", "Turn Sigma rules into policies."),
}


class Lazy(click.Group):
    """A group that imports a command when it is needed; its help needs none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import it."""
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(COMMANDS[cmd_name][0]), "command")  # noqa: B009 - a module's type does not say it
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without imports."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group("policy", cls=Lazy)
def policy() -> None:
    """Policies: what must not happen."""
