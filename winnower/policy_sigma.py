"""`winnower policy import-sigma`: Sigma rules for Linux as policies.

Rules of this file
    - What could not be carried over is said for each rule on stderr, and stands in the file. A policy that would match
      more than its rule is not written without --lossy.
    - Without -o one policy is printed; with it, each becomes ID.cypher in that folder. A file that is there is left
      alone without --force.
    - Exit 0 all rules are carried over, 1 some are not, 2 a file is bad (the others are done all the same).

Source: issue "policies and questions", item 7.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from grammar.errors import InputError, escape
from policies import PolicyErrors, parse_policy
from policies.sigma import Loss
from policies.sigma_policy import Rule, Translation, translated
from winnower.policy_files import MAX_POLICY, read_text
from winnower.sigma_read import read_rules

SUFFIXES = (".yml", ".yaml")


@click.command("import-sigma")
@click.argument("rules", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RULE.yml|DIR...")
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), help="Write ID.cypher into this folder.")
@click.option("--lossy", is_flag=True, help="Also take rules that would match more than they should.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
def command(rules: tuple[Path, ...], folder: Path | None, *, lossy: bool, force: bool) -> None:
    """Turn Sigma rules for Linux (processes, files, connections) into policies."""
    counts = dict.fromkeys((*Loss, "not"), 0)
    bad = False
    for path in _paths(rules):
        try:
            found = read_rules(read_text(path, MAX_POLICY), str(path))
        except InputError as error:
            click.echo(str(error), err=True)
            bad = True
            continue
        for rule in found:
            made = _checked(rule, lossy=lossy)
            counts["not" if not made.text else made.loss] += 1
            _tell(rule, made, lossy=lossy)
            try:
                _write(made, folder, force=force)
            except InputError as error:
                click.echo(str(error), err=True)
                bad = True
    told = ", ".join(
        f"{number} {'not' if key == 'not' else Loss(key).value}" for key, number in counts.items() if number
    )
    total = sum(counts.values())
    click.echo(f"{total} {'rule' if total == 1 else 'rules'}: {told or 'none'}", err=True)
    if bad or counts["not"]:
        sys.exit(2 if bad else 1)


def _paths(paths: tuple[Path, ...]) -> list[Path]:
    """Files, and the rules below folders."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise InputError("a folder without rules", file=str(path), hint="rules are files named *.yml")
        found += inside
    return found


def _checked(rule: Rule, *, lossy: bool) -> Translation:
    """The translation, if it may be had and is a policy that passes all checks."""
    made = translated(rule)
    if made.loss is Loss.WIDER and not lossy:
        return Translation(made.id, "", made.loss, made.notes, made.dropped)
    if made.text:
        try:
            parse_policy(made.text, rule.file)
        except (PolicyErrors, InputError) as error:
            return Translation(made.id, "", made.loss, (f"the query is refused: {error}",), made.dropped)
    return made


def _tell(rule: Rule, made: Translation, *, lossy: bool) -> None:
    where = escape(rule.file, 400)
    for one in made.dropped:
        at = one.field.at
        place = f"{where}:{at.line}:{at.column}" if at.line else where
        click.echo(
            f"{place}: not carried over: '{escape(one.field.name or 'keyword')}' ({escape(one.why, 200)})", err=True
        )
    if made.text:
        if made.loss is not Loss.EXACT:
            word = "less" if made.loss is Loss.NARROWER else "MORE"
            click.echo(f"{where}: warning: the policy matches {word} than the rule", err=True)
    elif made.loss is Loss.WIDER and not lossy:
        hint = "--lossy takes it all the same"
        click.echo(f"{where}: not taken: without that it would match more than the rule ({hint})", err=True)
    else:
        for note in made.notes[-1:]:
            click.echo(f"{where}: not taken: {escape(note, 400)}", err=True)


def _write(made: Translation, folder: Path | None, *, force: bool) -> None:
    if folder is None or not made.text:
        click.echo(made.text, nl=False)
        return
    place = folder / f"{made.id}.cypher"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with place.open("w" if force else "x", encoding="utf-8") as file:
            file.write(made.text)
    except FileExistsError:
        raise InputError("a file is there already", file=str(place), hint="--force writes over it") from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", file=str(place)) from None
