"""The log strings of an application's binaries: which text, where, what becomes of it, at which level.

Rules of this file
    - Several images are analysed as one application: what one exports is a logger for the others.
    - A site with several texts (a choice between two) gives one `Site` for each.
    - A text that no log would carry (control characters, no characters) is no log string.

Complexity: that of `loggers.search`; 0.5 CPU s for apache2, 8 for mariadbd.
Source: DisProTrack section IV-A; notes/static-analysis (baselines).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.static.catalogue import Catalogue
from agent.static.code import Code
from agent.static.depths import DEPTH
from agent.static.elf import Image
from agent.static.filled import filled
from agent.static.levels import APACHE, ARGUMENTS, SYSLOG, level_of, sibling_levels
from agent.static.loggers import Key, Search, Traced, search
from agent.static.numbered import numbered
from agent.static.seeds import Logger, Sink
from agent.static.sinks import decide_sinks
from agent.static.streams import Message, messages

__all__ = ["DEPTH", "Found", "Site", "find"]
CONTROL: Final = frozenset(range(32)) - frozenset(b"\t\n\r\x1b\x08\x07\x0c") | {127}
_WORD: Final = re.compile(rb"[A-Za-z]{3}")
"""What a piece of a stream's message has, if it is worth a name."""
MAX_TEXTS: Final = 256


@dataclass(frozen=True, slots=True)
class Site:
    """One text at one call site; sites with the same address are alternatives.

    `raw` are its bytes, `text` the same as text; `index` is the function's index in the image's code; `argument` which
    argument of the callee it is. With `format` it is a printf format, else it stands as it is; `newline`: the callee
    adds one.
    """

    text: str
    raw: bytes
    binary: int
    function: int
    index: int
    address: int
    argument: int
    format: bool
    newline: bool
    callee: str
    sink: Sink
    level: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in all images."""

    images: tuple[Image, ...]
    codes: tuple[Code, ...]
    sites: tuple[Site, ...]
    loggers: Mapping[Key, Logger]
    notes: tuple[str, ...]
    foreign: Mapping[str, Key]

    def by_function(self, binary: int) -> dict[int, list[Site]]:
        """Sites of an image by the index of their function."""
        found: dict[int, list[Site]] = {}
        for site in self.sites:
            if site.binary == binary:
                found.setdefault(site.index, []).append(site)
        return found

    def resolve(self, name: str) -> tuple[int, int] | None:
        """Which image exports `name`, and at which address."""
        key = self.foreign.get(name)
        return (key[0], int(key[1])) if key else None


def find(
    images: Sequence[Image | Code],
    depth: int = DEPTH,
    progress: Callable[[str], None] | None = None,
    catalogues: Sequence[Catalogue] = (),
) -> Found:
    """Find the log strings of images; one whose functions nothing marks is a `NeedsAngrError`."""
    tell = progress or _quiet
    codes = tuple(one if isinstance(one, Code) else Code(one) for one in images)
    found = search(codes, max(1, depth), tell)
    tell(f"{len(found.loggers)} functions that take messages, {len(found.traced)} calls of them")
    numbers = [one for catalogue in catalogues for one in _numbered(found, catalogue)]
    loggers = decide_sinks(found)
    siblings = sibling_levels(sorted({logger.shown for logger in loggers.values()}))
    composed, used = messages(found, loggers)
    composed += [replace(one, logger=loggers[key]) for key, one in numbers]
    composed += filled(found, loggers)
    plain = [one for one in found.traced if (one.binary, one.call.address) not in used]
    sites = {_order(site): site for one in plain for site in _sites(found, one, loggers[one.key], siblings)}
    sites |= {_order(site): site for one in composed if (site := _composed(found, one, siblings)) is not None}
    notes = (*(f"{code.image.path}: {note}" for code in codes for note in code.image.notes), *found.notes)
    ordered = tuple(sites[key] for key in sorted(sites))
    return Found(tuple(code.image for code in codes), codes, ordered, loggers, notes, found.foreign)


def _numbered(found: Search, catalogue: Catalogue) -> list[tuple[Key, Message]]:
    """The messages from a catalogue; a note says how many."""
    made = numbered(found, catalogue)
    texts = len({one.raw for _, one in made})
    found.notes.append(f"{catalogue.path}: {texts} of its {len(catalogue)} texts, at {len(made)} calls, by number")
    return made


def _quiet(_: str) -> None:
    """Tell nobody."""


def _order(site: Site) -> tuple[int, int, bytes]:
    return site.binary, site.address, site.raw


def _sites(found: Search, one: Traced, logger: Logger, siblings: Mapping[str, str]) -> Iterator[Site]:
    code = found.codes[one.binary]
    function = code.functions[one.index]
    names = APACHE if logger.shown in ARGUMENTS else SYSLOG
    for address in one.values.addresses[:MAX_TEXTS]:
        raw = _text(code.image, address, one)
        if raw is None or not _readable(raw) or (logger.stream and not _WORD.search(raw)):
            continue
        text = raw.decode("utf-8", "backslashreplace")
        level = level_of(raw, one.level, names) or siblings.get(logger.shown, "")
        yield Site(
            text, raw, one.binary, function.address, one.index, one.call.address, logger.argument, logger.format,
            logger.newline, logger.shown, logger.sink, level,
        )  # fmt: skip


def _composed(found: Search, one: Message, siblings: Mapping[str, str]) -> Site | None:
    """The site of a message that was put together, or looked up."""
    function, logger = found.codes[one.binary].functions[one.index], one.logger
    if not _readable(one.raw):
        return None
    text = one.raw.decode("utf-8", "backslashreplace")
    level = level_of(one.raw, one.level) or siblings.get(logger.shown, "")
    return Site(
        text, one.raw, one.binary, function.address, one.index, one.address, logger.argument, True, logger.newline,
        logger.shown, logger.sink, level,
    )  # fmt: skip


def _text(image: Image, address: int, one: Traced) -> bytes | None:
    """The text at `address`: up to its NUL, or of the length that the call says."""
    if not one.size:
        return image.text(address)
    length = 1
    for values in one.size:
        if len(values.constants) != 1 or not values.complete:
            return image.text(address)
        length *= values.constants[0]
    if not 0 < length <= 16_384 or image.is_code(address):
        return None
    raw = image.at(address, length)
    return raw if len(raw) == length else None


def _readable(raw: bytes) -> bool:
    return bool(raw) and not CONTROL.intersection(raw)
