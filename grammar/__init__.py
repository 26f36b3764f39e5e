"""Labelled graphs, patterns, induction, membership, deltas, merge, codec: pure functions over values, no I/O."""

from grammar.codec import (
    Delta,
    Sighting,
    apply_extension,
    decode_delta,
    decode_model,
    encode_delta,
    encode_extension,
    encode_model,
)
from grammar.cost import Settings
from grammar.envelope import Envelope, answered, decode_envelope, framed
from grammar.errors import BaseMismatchError, CodecError, InputError, escape
from grammar.evidence import Evidence, Item, Replica, Span, State, Transition
from grammar.graph import Edge, Graph
from grammar.history import Histories
from grammar.labels import Relabel, is_numbered, kind_of, properties_of
from grammar.lexicon import Lexicon, Revision
from grammar.model import Model, relabelled, state_id
from grammar.pattern import Pattern, Slot, generalise, quote

__all__ = [
    "BaseMismatchError",
    "CodecError",
    "Delta",
    "Edge",
    "Envelope",
    "Evidence",
    "Graph",
    "Histories",
    "InputError",
    "Item",
    "Lexicon",
    "Model",
    "Pattern",
    "Relabel",
    "Replica",
    "Revision",
    "Settings",
    "Sighting",
    "Slot",
    "Span",
    "State",
    "Transition",
    "answered",
    "apply_extension",
    "decode_delta",
    "decode_envelope",
    "decode_model",
    "encode_delta",
    "encode_extension",
    "encode_model",
    "escape",
    "framed",
    "generalise",
    "is_numbered",
    "kind_of",
    "properties_of",
    "quote",
    "relabelled",
    "state_id",
]
