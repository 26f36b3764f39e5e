"""The commands: `python3 -m boot test|short|bench|run|fetch`, in the folder lkm.

Rules of this file
    - Exit code 0: all that was asked for passed; 1: a check failed or a kernel complained; 2: it could not be tried.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import packages, suites
from .guest import Job, do
from .kernels import SUITES, kernel
from .table import ends, table
from .tell import BootError


def main() -> int:
    """Do what the command line says."""
    arguments = _parser().parse_args()
    try:
        packages.require()
        return int(arguments.does(arguments))
    except BootError as error:
        print(f"boot: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m boot", description="Boot tests of the kernel module.")
    commands = parser.add_subparsers(required=True)
    for name, does, says in (
        ("test", suites.test, "every check, on both kernels, the test from end to end, and the eBPF twin"),
        ("short", suites.short, "the checks that take a minute"),
        ("bench", suites.bench, "what a write costs, as ratios"),
        ("only", suites.only, "some checks, by their names"),
        ("fetch", suites.fetch, "only fetch and build what the others need"),
    ):
        command = commands.add_parser(name, help=says)
        command.add_argument("--kernel", choices=tuple(SUITES), action="append", help="only this one")
        command.set_defaults(does=does)
        if name == "only":
            command.add_argument("only", metavar="NAME,NAME", help="names of checks, with commas")
    command = commands.add_parser("debug", help="the checks on a kernel with KASAN and lockdep, built here: long")
    command.add_argument("--tree", type=Path, help="one that was built elsewhere")
    command.set_defaults(does=suites.debug)
    command = commands.add_parser("run", help="a script of yours in a guest")
    command.add_argument("script", type=Path)
    command.add_argument("files", nargs="*", type=Path)
    command.add_argument("--kernel", choices=tuple(SUITES), default="bookworm")
    command.add_argument("--module", default="", help="another winnower.ko, or `none`")
    command.add_argument("--words", default="", help="more of the kernel's command line")
    command.add_argument("--seconds", type=float, default=120)
    command.add_argument("--one-thread", action="store_true", help="no two CPUs at once: where kernel text is patched")
    command.add_argument("--host", action="store_true", help="share the host's files, read-only")
    command.set_defaults(does=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """A script of the user's."""
    chosen = kernel(arguments.kernel)
    files = {path.name: path for path in arguments.files}
    files |= suites.programs(chosen, arguments.module)
    job = Job(
        chosen,
        arguments.script.read_text("utf-8"),
        files,
        arguments.seconds,
        words=arguments.words,
        host=arguments.host,
        parallel=not arguments.one_thread,
    )
    said = do(job)
    print(ends(said.log))
    print(table({arguments.kernel: said.report}))
    return 0 if said.report.good else 1


if __name__ == "__main__":
    sys.exit(main())
