"""What monitor and agents say to each other besides envelopes: answers, control, questions for instances, enrolment.

Rules of this file
    - Values only. Every decoder goes through `read`: a size limit, then types, then a `CodecError` for anything else.
    - `Control` is a whole: an agent that has a revision has all of it. Revisions only grow.
    - A question names base states as agents know them (label and context): what a node of a model stands for.

Complexity: O(bytes).
Source: design section 4 (drill-down), section 6; issue "live agent" (control, distributed query, enrolment).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

import msgspec

from grammar.errors import CodecError
from grammar.finding import Instance, Number, Short

MAX_MESSAGE: Final = 16 << 20

Status = Literal["new", "repeat", "base", "conflict", "refused"]
"""Of an envelope: taken; known already; words unknown (send it in full); not the chain that is known; not allowed."""

Text = Annotated[str, msgspec.Meta(max_length=65_536)]
Message = TypeVar("Message", bound=msgspec.Struct)


class Control(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What the monitor wants of all agents: epoch length, patterns by application, policies as (file name, text)."""

    revision: Number = 0
    epoch_millis: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 0
    patterns: tuple[tuple[Short, tuple[Text, ...]], ...] = ()
    policies: tuple[tuple[Short, Text], ...] = ()


class Answer(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """To an envelope; `control` is the revision of control that the monitor has."""

    status: Status
    sequence: Number
    control: Number = 0


class Question(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """For instances: what the vertices in these states came from (`ancestors`) or led to; `depth` 0: all the way.

    `since` and `until` bound the vertices asked about, in milliseconds of log time; 0 is open. With a `policy` (its
    query) the question is whether a real match of it in `container` has these labels at its `ends`.
    """

    id: bytes
    app: Short
    states: tuple[tuple[Text, tuple[Text, ...]], ...]
    direction: Literal["ancestors", "descendants"] = "ancestors"
    depth: Number = 0
    limit: Number = 2_000
    since: Number = 0
    until: Number = 0
    container: Short = ""
    policy: Text = ""
    ends: tuple[Text, ...] = ()


class Link(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One edge from effect to cause (numbers of instances), at milliseconds of log time."""

    effect: Number
    relation: str
    operation: str
    cause: Number
    time: Number


class Reply(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One worker's answer: instances and links, whether a limit cut it, and since when its memory reaches.

    `verdict` (`grammar.finding.Verdict`) is the answer to a question with a policy.
    """

    id: bytes
    worker: str
    instances: tuple[Instance, ...] = ()
    links: tuple[Link, ...] = ()
    cut: bool = False
    since: Number = 0
    lost: dict[str, Number] = {}
    verdict: Short = ""


class Order(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What a worker is to do with one of its containers, and why (the alert's policy, number, and log time).

    `expires` is the monitor's time of day after which it is void; both times in milliseconds.
    """

    id: bytes
    verb: Literal["pause", "stop"]
    container: Short
    policy: Short = ""
    alert: Number = 0
    time: Number = 0
    expires: Number = 0


class Outcome(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What became of an order: `done`, `dry-run`, `off`, `expired`, `failed`, ...; `text` says more."""

    id: bytes
    result: Short
    text: Short = ""
    time: Number = 0


class Listen(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """An agent waits for orders: the control revision that it has, and how long the monitor may hold the answer."""

    agent: Short
    control: Number = 0
    wait_millis: Annotated[int, msgspec.Meta(ge=0, le=120_000)] = 0
    outcomes: tuple[Outcome, ...] = ()


class Orders(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What an agent is to do: go by newer control, answer questions, act on containers."""

    control: Control | None = None
    questions: tuple[Question, ...] = ()
    responses: tuple[Order, ...] = ()


class Enrol(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """An agent's first words: its name, its public key, the token's id, and the proof over `proven`."""

    agent: Short
    public: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    token: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    proof: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]

    @property
    def proven(self) -> bytes:
        """What the proof is about."""
        return self.agent.encode() + b"\0" + self.public


class Enrolled(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The monitor's answer: its public key, and the proof over that and the agent's public key."""

    public: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    proof: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


def write(message: msgspec.Struct) -> bytes:
    """As bytes; equal messages give the same bytes."""
    return msgspec.msgpack.encode(message, order="deterministic")


def read(data: bytes, sort: type[Message]) -> Message:
    """The message of that sort; anything else is a `CodecError`."""
    if len(data) > MAX_MESSAGE:
        raise CodecError("message too large", offending=str(len(data)), hint=f"limit {MAX_MESSAGE} bytes")
    try:
        return msgspec.msgpack.decode(data, type=sort)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"not a message of sort {sort.__name__}: {error}", offending=data[:16].hex()) from None
