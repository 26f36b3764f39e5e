"""What a worker has found: an instance as it really was, and what its instances say of a policy's match.

Rules of this file
    - Values only, small enough to travel with an epoch: a finding spares the monitor the question.
    - A finding speaks of one match on the worker's own graph by the states at its ends; the monitor finds its own match
      by them (`agent.police`, `monitor.verdicts`).

Complexity: O(1).
Source: design section 4 (drill-down); issue "policies and questions" (confirmed or dismissed; no round trip).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Short = Annotated[str, msgspec.Meta(max_length=256)]
Label = Annotated[str, msgspec.Meta(max_length=65_536)]

Verdict = Literal["seen", "unseen", "open"]
"""Of a policy's match: real vertices and edges fulfil it; none do; nobody could tell (a limit, something unknown)."""

MAX_FINDINGS: Final = 64
"""Findings of one epoch; of a match without a finding the monitor asks."""
MAX_UNITED: Final = 4 * MAX_FINDINGS
"""Findings of one envelope: of epochs that were united."""
MAX_SHOWN: Final = 64
"""Instances in one finding."""


class Instance(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One vertex as it really was: `name` is its identity (a pid, a path); `asked`: the question was about it."""

    number: Number
    container: str
    label: str
    name: str
    command: str = ""
    pid: Number = 0
    time: Number = 0
    asked: bool = False


class Finding(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One match of a policy in one container: the labels of its ends, what the instances say, and some of them."""

    policy: Short
    app: Short
    container: Short
    ends: tuple[Label, Label]
    verdict: Verdict
    time: Number = 0
    instances: Annotated[tuple[Instance, ...], msgspec.Meta(max_length=MAX_SHOWN)] = ()


Findings = Annotated[tuple[Finding, ...], msgspec.Meta(max_length=MAX_UNITED)]
