"""The command `winnower`: sub-commands are imported when they are called, so that `--help` answers at once.

Rules of this file
    - Exit codes: 0 done, 1 "no" (a non-member, a policy that fails), 2 bad usage or bad input. Never a traceback: an
      `InputError` is printed as `file:line:column: message: 'offending' (hint)`.

Source: design section 5.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "demo": ("winnower.demo", "demo", "Replay the shipped recording: one model, an alert, its trace."),
    "replay": ("winnower.replay_command", "replay_command", "Replay a recording through agents and a monitor."),
    "agent": ("winnower.agent_command", "agent", "The live agent: run, enrol, rules."),
    "monitor": ("winnower.monitor_command", "monitor", "The live monitor: run, tokens, agents, control."),
    "units": ("winnower.units", "units", "Service files for systemd."),
    "nodes": ("winnower.query_command", "nodes", "Find nodes of an application's model."),
    "ancestors": ("winnower.query_command", "ancestors", "What a node may have come from."),
    "descendants": ("winnower.query_command", "descendants", "What may have come from a node."),
    "query": ("winnower.query_command", "query", "Ask in the policy language."),
    "trace-log": ("winnower.trace_log_command", "trace_log", "From a line of a log to its causes and effects."),
    "alerts": ("winnower.alerts_command", "alerts", "What fired; acknowledge, arm again, snooze."),
    "profile": ("winnower.profile_command", "profile", "Recover a binary's log strings and their order."),
    "policy": ("winnower.policy_command", "policy", "Check, test, run, explain policies; import Sigma rules."),
    "grammar": ("winnower.grammar_command", "grammar", "Learn, check, merge and draw grammars of graph files."),
    "doctor": ("winnower.doctor", "doctor", "What this machine can and cannot do."),
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
        module, name, _ = COMMANDS[cmd_name]
        found = getattr(import_module(module), name)
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without imports."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="winnower")
def cli() -> None:
    """Cluster-wide auditing that costs almost nothing: ship what the audit log means."""


def main() -> None:
    """Run the command line; every way out has its exit code."""
    try:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        code = cli(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("aborted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except SystemExit as stop:
        gone = "PacifyFlush" in type(sys.stdout).__name__  # how click says that the reader of a pipe went away
        sys.exit(0 if gone else stop.code)
    except OSError as error:
        where = f"{_escape(str(error.filename))}: " if error.filename else ""
        click.echo(f"{where}{error.strerror or error}", err=True)
        sys.exit(2)
    except _input_error() as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _input_error() -> type[Exception] | tuple[()]:
    """The class of bad input, if anything that can raise it has been imported by now."""
    room = sys.modules.get("grammar.errors")
    return room.InputError if room is not None else ()


def _escape(text: str) -> str:
    return str(import_module("grammar.errors").escape(text, 400))
