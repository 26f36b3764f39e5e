"""The files of `winnower grammar`: models and deltas as JSON, each with its format and version.

Rules of this file
    - No I/O: bytes and the name to blame come in, a value or an `InputError` comes out.
    - A newer version is refused as one. A published model of version 1 (not numbered yet) can be asked, not merged.
    - What can be derived is not trusted: graphs are put into canonical form again, and must be members of their model.

Invariant: equal models are equal bytes; `read(written)` is the value that was written.
Complexity: O(bytes); a trusted file may hold more than what comes over a network (`MOST`).
Source: design section 5 (errors); `grammar.codec` for the evidence of `causes`.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec

from grammar.codec import decode_model, encode_model
from grammar.errors import InputError
from grammar.evidence import Evidence
from grammar.learned import PRESETS, Delta
from grammar.learned_causes import APP, Causes
from grammar.learned_trees import LIMIT, Trees, by_digest
from grammar.model import Model
from grammar.nodelink import LabelledGraph, parse_json, to_value
from grammar.nodelink import from_value as graph_from_value
from grammar.published import FORMAT as PUBLISHED
from grammar.published import WRITTEN_BY
from grammar.published import from_value as published_from_value

CAUSAL: Final = "winnower-causal-model"
DELTA: Final = "winnower-grammar-delta"
VERSIONS: Final = {PUBLISHED: 2, CAUSAL: 1, DELTA: 1}
MOST: Final = 1 << 24
"""The purse of a file's evidence (see `grammar.wire`): some two million states and transitions."""
MOST_TRACING: Final = 1e9

Learned: TypeAlias = Trees | Causes
Stored = TypeVar("Stored", bound=msgspec.Struct)
Bits: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=MOST_TRACING)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Causal(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    preset: str
    tracing: Bits
    evidence: str


class _Delta(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    preset: str
    base: str
    graphs: list[object]
    evidence: str = ""
    witness_graphs: list[object] = []
    witness: str = ""


class _Published(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    forward: object
    backward: object
    types: object
    version: int = 1
    preset: str = "multiset"
    limit: Count = LIMIT
    graphs: list[object] | None = None


def model_bytes(model: Learned) -> bytes:
    """A model as the bytes of a file."""
    if isinstance(model, Causes):
        value: dict[str, object] = {
            "format": CAUSAL,
            "version": VERSIONS[CAUSAL],
            "preset": model.preset,
            "tracing": model.tracing,
            "evidence": _packed(model.base),
        }
        return _json(value)
    graphs = None if model.graphs is None else _graphs_value(model.graphs)
    value = model.model.to_value()
    return _json(
        {"format": value.pop("format"), "version": VERSIONS[PUBLISHED], "preset": model.preset, "limit": model.limit}
        | value
        | {"graphs": graphs}
    )


def delta_bytes(delta: Delta) -> bytes:
    """A delta as the bytes of a file."""
    value: dict[str, object] = {
        "format": DELTA,
        "version": VERSIONS[DELTA],
        "preset": delta.preset,
        "base": delta.base,
        "graphs": _graphs_value(delta.graphs),
        "evidence": _packed_delta(delta.evidence),
        "witness_graphs": _graphs_value(delta.witness_graphs),
        "witness": _packed_delta(delta.witness),
    }
    return _json(value)


def read_model(data: bytes, file: str) -> Learned:
    """The model in a file; InputError if it is anything else."""
    found = read(data, file)
    if isinstance(found, Delta):
        raise InputError("a delta, not a model", file=file, hint="winnower grammar merge applies it to its base")
    return found


def read(data: bytes, file: str) -> Learned | Delta:
    """The model or the delta in a file; InputError if it is neither."""
    value = parse_json(data, file)
    kind = value.get("format") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str) or kind not in VERSIONS:
        shown = kind if isinstance(kind, str) else ", ".join(sorted(value)) if isinstance(value, dict) else ""
        raise InputError("not a model of winnower grammar", file=file, offending=shown, hint=WRITTEN_BY)
    _check_version(value.get("version", 1), VERSIONS[kind], file)
    if kind == PUBLISHED:
        return _published(_converted(value, _Published, file), file)
    if kind == CAUSAL:
        stored = _converted(value, _Causal, file)
        _check_preset(stored.preset, ("causes",), file)
        return Causes.of(_unpacked(stored.evidence, file), stored.tracing, file)
    return _delta(_converted(value, _Delta, file), file)


def _check_version(version: object, ours: int, file: str) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        shown = str(version) if isinstance(version, int | str) else type(version).__name__
        raise InputError("not the version of a model", file=file, offending=shown, hint=WRITTEN_BY)
    if version > ours:
        hint = f"this reads up to version {ours}: upgrade winnower"
        raise InputError("a model of a newer version", file=file, offending=str(version), hint=hint)


def _check_preset(preset: str, known: tuple[str, ...], file: str) -> None:
    if preset not in known:
        raise InputError("unknown preset", file=file, offending=preset, hint=f"known here: {', '.join(known)}")


def _converted(value: object, kind: type[Stored], file: str) -> Stored:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise InputError("not a model", file=file, offending=str(error), hint=WRITTEN_BY) from None


def _published(stored: _Published, file: str) -> Trees:
    _check_preset(stored.preset, PRESETS[:2], file)
    value = {"format": PUBLISHED, "forward": stored.forward, "backward": stored.backward, "types": stored.types}
    model = published_from_value(value, file, counted=stored.preset != "set")
    graphs = None if stored.graphs is None else _graphs(stored.graphs, stored.preset, file)
    for graph in (graphs or {}).values():
        if graph not in model:
            raise InputError("a model that refuses what it was learned from", file=file, hint=WRITTEN_BY)
    return Trees(stored.preset, stored.limit, graphs, model, file)


def _delta(stored: _Delta, file: str) -> Delta:
    _check_preset(stored.preset, PRESETS, file)
    if stored.graphs or stored.witness_graphs if stored.preset == "causes" else stored.evidence or stored.witness:
        raise InputError("a delta of another preset than it says", file=file, offending=stored.preset)
    graphs, witnesses = (_graphs(values, stored.preset, file) for values in (stored.graphs, stored.witness_graphs))
    evidence, witness = (_unpacked(text, file) if text else Evidence() for text in (stored.evidence, stored.witness))
    return Delta(stored.preset, stored.base, graphs, evidence, witnesses, witness, file)


def _graphs(values: list[object], preset: str, file: str) -> dict[str, LabelledGraph]:
    return by_digest((graph_from_value(value, file) for value in values), preset)


def _graphs_value(graphs: Mapping[str, LabelledGraph]) -> list[object]:
    return [to_value(graph) for _, graph in sorted(graphs.items())]


def _packed(base: Model) -> str:
    return b64encode(encode_model(base)).decode("ascii")


def _packed_delta(evidence: Evidence) -> str:
    return _packed(Model.of(APP, evidence)) if evidence else ""


def _unpacked(text: str, file: str) -> Evidence:
    """The evidence in a file: nothing but items and who has shown them."""
    try:
        model = decode_model(b64decode(text, validate=True), MOST)
    except ValueError as error:
        raise InputError("evidence that is not base64", file=file, offending=str(error)) from None
    except InputError as error:
        where = f"evidence, byte {error.column}: " if error.column else "evidence: "
        raise InputError(f"{where}{error.message}", file=file, offending=error.offending, hint=error.hint) from None
    if model.app != APP or model.learned or model.commands:
        raise InputError("not evidence of graph files", file=file, offending=model.app)
    return model.evidence


def _json(value: object) -> bytes:
    return json.dumps(value).encode("ascii") + b"\n"
