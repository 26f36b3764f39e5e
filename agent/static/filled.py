"""Messages whose words are arguments: `log("%s: %s", tag, "no such file")` put together, as a format.

Rules of this file
    - Only a format with at most two words of its own is filled, and only its `%s`; what is known to be put there is
      text, the rest stays `%s`. With more words it can be told from others as it is. What is only formatted is none.
    - The texts may stand at the call, or at the calls of a small function that hands its parameters on so, if at half
      of them at least. The message stands where its text does.
    - An argument that may be something else too is filled only if the format has no words at all, and the format as it
      is stays beside that.

Complexity: O(calls of loggers with such a format, and of the small functions around them).
Source: httpd modules/generators/mod_cgi.c (log_scripterror), modules/filters/mod_charset_lite.c (log_xlate_error).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.static.elf import Image
from agent.static.loggers import Key, Search, Traced, calls_of, owners_of
from agent.static.seeds import SEEDS, Logger
from agent.static.streams import FIELD, Message
from agent.static.values import Tracer, Values

WORD: Final = re.compile(rb"[A-Za-z]{3,}")
SAYS: Final = re.compile(rb"[A-Z]{2,}[0-9]{4,}|[A-Za-z]{2}[^%]{0,80}? [a-z]{2}")
"""What a text has that is worth telling: a tag, two words. One word is a name, or the piece of a line."""
CONVERSION: Final = re.compile(rb"%(?:%|[-0-9.]{0,6}(?:[hljzt]{0,2}[diuxXc]|s))")
MAX_BODY: Final = 250  # instructions of such a small function
MAX_WAYS: Final = 16
MAX_CALLS: Final = 4  # of loggers in it: at its callers they are one point
NEAR: Final = 6
"""Blocks that a text is looked for in: it is put where it belongs, or who knows for which of the calls it is."""
MAX_WORDS: Final = 2  # of the format's own
MAX_TEXT: Final = 512
LISTS: Final = frozenset(
    name for name in SEEDS for at, letter in enumerate(name) if letter == "v" and name[:at] + name[at + 1 :] in SEEDS
) | {"apr_vformatter"}
"""Those that take a list of arguments, not the arguments."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A call with a wordless format: its literal pieces, what is between them, and which argument that is."""

    one: Traced
    logger: Logger
    pieces: tuple[bytes, ...]
    fields: tuple[bytes, ...]
    values: tuple[Values | None, ...]


def filled(found: Search, loggers: Mapping[Key, Logger]) -> Iterator[Message]:
    """The messages that texts of arguments make."""
    forms: dict[Key, list[_Form]] = {}
    says = Counter((one.binary, one.index) for one in found.traced if one.values.addresses)
    for one in sorted(found.traced, key=_where):  # each function is decoded once
        form = _form(found, one, loggers)
        if form is None:
            continue
        code = found.codes[one.binary]
        for raw in _ways(code.image, form, form.values):
            yield Message(one.binary, one.index, one.call.address, raw, form.logger, one.level)
        if says[one.binary, one.index] <= MAX_CALLS and _hands_on(form):
            forms.setdefault((one.binary, code.functions[one.index].address), []).append(form)
    for key, few in forms.items():
        if key not in found.loggers and _is_small(found, key):
            yield from (message for form in few for message in _around(found, key, form))


def _hands_on(form: _Form) -> bool:
    """Whether an argument is a parameter of the function that the call is in."""
    return any(values is not None and values.parameters for values in form.values)


def _where(one: Traced) -> tuple[int, int, int]:
    return one.binary, one.index, one.call.address


def _is_small(found: Search, key: Key) -> bool:
    code = found.codes[key[0]]
    return len(code.body(code.index_at(int(key[1]))).instructions) <= MAX_BODY


def _form(found: Search, one: Traced, loggers: Mapping[Key, Logger]) -> _Form | None:
    """The call as a form, if its format is known and has no words, but a `%s`."""
    logger = loggers[one.key]
    if not logger.format or logger.sink == "formats" or len(one.values.addresses) != 1:
        return None
    if one.key[1] in LISTS or (one.key[0] >= 0 and one.key not in found.variadic):
        return None
    code = found.codes[one.binary]
    raw = code.image.text(one.values.addresses[0]) or b""
    pieces, fields = tuple(CONVERSION.split(raw)), tuple(CONVERSION.findall(raw))
    if FIELD not in fields or b"%" in b"".join(pieces) or len(WORD.findall(b" ".join(pieces))) > MAX_WORDS:
        return None
    tracer = Tracer(code, code.body(one.index), min(found.depth, NEAR))
    number, values = logger.argument, list[Values | None]()
    for field in fields:
        number += field != b"%%"
        values.append(tracer.argument(one.call.position, number) if field == FIELD else None)
    return _Form(one, logger, pieces, fields, tuple(values))


def _texts(image: Image, values: Values) -> list[bytes]:
    """The texts that an argument may be; none if there are too many, or formats of other calls among them.

    If it may be something else, only those that say something.
    """
    if len(values.addresses) > MAX_WAYS:
        return []
    found = [image.text(address) for address in values.addresses]
    texts = [text for text in found if text is not None and len(text) <= MAX_TEXT and not CONVERSION.search(text)]
    if len(texts) < len(found):
        return []
    return texts if values.complete else [text for text in texts if SAYS.search(text)]


def _ways(image: Image, form: _Form, arguments: Sequence[Values | None]) -> Iterator[bytes]:
    """The form with its texts put in; nothing if they say nothing.

    Of arguments that may each be several texts only one is filled: which goes with which is not known.
    """
    tells = bool(WORD.search(b" ".join(form.pieces)))
    given = [_texts(image, values) if values and (values.complete or not tells) else [] for values in arguments]
    several = [at for at, texts in enumerate(given) if len(texts) > 1 and any(SAYS.search(text) for text in texts)]
    kept = [texts if len(texts) == 1 or [at] == several[:1] else [] for at, texts in enumerate(given)]
    if not any(SAYS.search(text) for texts in kept for text in texts):
        return
    for text in kept[several[0]] if several else (b"",):
        ones = [text if several[:1] == [at] else texts[0] if texts else None for at, texts in enumerate(kept)]
        filling = (form.fields[at] if one is None else one.replace(b"%", b"%%") for at, one in enumerate(ones))
        if several and not SAYS.search(text):
            continue
        yield b"".join(piece + one for piece, one in zip(form.pieces, (*filling, b""), strict=True))


def _around(found: Search, key: Key, form: _Form) -> Iterator[Message]:
    """The calls of a small function that hands its parameters on: with the texts that they give."""
    made: list[Message] = []
    calls = 0
    for binary, code in enumerate(found.codes):
        for index in owners_of(found, binary, {key}):
            body = code.body(index)
            tracer = Tracer(code, body, min(found.depth, NEAR))
            for call in [call for call, other in calls_of(found, binary, body, tracer) if other == key]:
                calls += 1
                given = [_given(tracer, call.position, values) for values in form.values]
                made += [
                    Message(binary, index, call.address, raw, form.logger, form.one.level)
                    for raw in _ways(code.image, form, given)
                ]
            found.work += len(body.instructions) + tracer.steps
    if 2 * len({(one.binary, one.address) for one in made}) >= calls:
        yield from made


def _given(tracer: Tracer, position: int, values: Values | None) -> Values | None:
    """What a call gives as the parameter that is handed on."""
    if values is None or len(values.parameters) != 1:
        return None
    return tracer.argument(position, values.parameters[0])
