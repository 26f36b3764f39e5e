"""An application's binaries become its profile: strings, order and loops, whichever engine has found them.

Rules of this file
    - Each binary goes to the engine that can read it. A script has no strings of its own; the profile says so, and what
      it logs is learned from its lines instead.
    - A function that the fast engine cannot read is no error; a file that no engine can read is.
    - A catalogue of messages is no binary of the application: it is given beside them, or found beside one.

Complexity: that of the engines.
Source: DisProTrack section IV (LMS-CFG); design section 5 (a profile is JSON).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from agent.static.assemble import Assembly
from agent.static.catalogue import NAME, Catalogue, catalogue_beside, is_catalogue, names_catalogue, read_catalogue
from agent.static.depths import DEPTH
from agent.static.flow import Findings
from agent.static.interpreted import interpreter_of, script
from grammar.errors import InputError
from grammar.profile import Binary, Profile

if TYPE_CHECKING:
    from agent.static.code import Code

__all__ = ["DEPTH", "Engine", "profile_of"]

Engine = Literal["fast", "angr", "auto"]
Progress = Callable[[str], None]
MAX_FILES: Final = 1_000


def profile_of(
    paths: Sequence[Path], depth: int = DEPTH, engine: Engine = "auto", progress: Progress | None = None
) -> Profile:
    """Read the binaries of one application, the main one first, and put their profile together."""
    given = [path for path in dict.fromkeys(paths) if is_catalogue(path)]
    paths = [path for path in dict.fromkeys(paths) if path not in given]
    if not 0 < len(paths) <= MAX_FILES - len(given):
        raise InputError("wrong number of files", offending=str(len(paths)), hint=f"1 to {MAX_FILES} of them")
    scripts = {at: found for at, path in enumerate(paths) if (found := script(path)) is not None}
    assembly = Assembly(depth, len(paths))
    for at, found in scripts.items():
        note = f"{paths[at].name}: runs in {found.interpreted}; templates of its lines are learned from them"
        assembly.add(Findings((found,), (), (note,)), (at,))
    rest = [at for at in range(len(paths)) if at not in scripts]
    codes, others = ({}, rest) if engine == "angr" else _codes(paths, rest, engine)
    if codes:
        assembly.add(_fast(list(codes.values()), given, depth, progress), tuple(codes))
    elif given:
        assembly.add(Findings((), (), tuple(f"{path}: not used, only the fast engine does" for path in given)), ())
    if others:
        from agent.static.angr_engine import angr_profile  # noqa: PLC0415  (angr is an extra)

        assembly.add(angr_profile([paths[at] for at in others], depth, progress), tuple(others))
    return assembly.profile()


def _codes(paths: Sequence[Path], wanted: Sequence[int], engine: Engine) -> tuple[dict[int, Code], list[int]]:
    """The files that the fast engine reads, by position, and the positions of those that it cannot read."""
    from agent.static.code import Code  # noqa: PLC0415  (numpy and iced-x86 are slow to import)
    from agent.static.elf import NeedsAngrError, read_image  # noqa: PLC0415

    codes: dict[int, Code] = {}
    others: list[int] = []
    for at in wanted:
        try:
            codes[at] = Code(read_image(paths[at]))
        except NeedsAngrError:
            if engine == "fast":
                raise
            others.append(at)
    return codes, others


def _catalogues(codes: Sequence[Code], given: Sequence[Path]) -> tuple[list[Catalogue], list[str]]:
    """The catalogues that were given, else those beside the binaries; and what to say of one that is missing."""
    if given:
        return [read_catalogue(path) for path in given], []
    images = [code.image for code in codes]
    beside = dict.fromkeys(catalogue_beside(Path(one.path), one.data) for one in images)
    found = [read_catalogue(path) for path in beside if path is not None]
    wanted = [one.path for one in images if names_catalogue(one.data)]
    missing = f"its messages by number are missing: name its {NAME} too"
    return found, [] if found else [f"{path}: {missing}" for path in wanted]


def _fast(codes: Sequence[Code], given: Sequence[Path], depth: int, progress: Progress | None) -> Findings:
    from agent.static.strings import find  # noqa: PLC0415
    from agent.static.tracing import Trace  # noqa: PLC0415

    catalogues, missing = _catalogues(codes, given)
    found = find(codes, depth, progress, catalogues)
    binaries = tuple(
        Binary(one.path, one.sha256, one.build_id, "fast", interpreter_of(Path(one.path).name)) for one in found.images
    )
    notes = [*found.notes, *missing]
    return Findings(binaries, Trace(found, notes, progress), notes)
