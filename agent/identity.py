"""Who the agent is: its private key, and the monitor's public key once it has been enrolled.

Rules of this file
    - `agent.key` is the seed, 0600; a key that others may read is refused. It is made once, by whoever comes first.
    - `monitor.pub` is the monitor's key, pinned: written when the monitor has proven that it holds the token, and never
      replaced. To be enrolled elsewhere, or anew, both files go first (`forget`).
    - Enrolling can be repeated until it has worked: the same key, the same token.

Source: RFC 8032; issue "live agent" (identity: Ed25519 per agent, enrolment with a one-time token).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.private import make_folder, read_private, write_private
from grammar import InputError
from grammar.control import Enrol, Enrolled
from grammar.signing import SEED, Signer, Token

KEY: Final = "agent.key"
MONITOR: Final = "monitor.pub"
PUBLIC: Final = 32
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Identity:
    """An agent's name and key; `monitor` is the monitor's public key, empty before enrolment."""

    name: str
    signer: Signer
    monitor: bytes = b""

    @property
    def enrolled(self) -> bool:
        """Whether a monitor knows this key."""
        return bool(self.monitor)


def load(folder: Path, name: str) -> Identity:
    """The identity in that folder, a new one if there is none."""
    if NAME.fullmatch(name) is None:
        hint = "letters, digits, dots, dashes, underscores; at most 63"
        raise InputError("not an agent's name", offending=name, hint=hint)
    make_folder(folder)
    path = folder / KEY
    if not path.exists():
        with suppress(FileExistsError):
            write_private(path, secrets.token_bytes(SEED), replace=False)
    seed = _exactly(path, SEED, secret=True, hint=f"remove {KEY} and enrol the agent again")
    pinned = folder / MONITOR
    monitor = b""
    if pinned.exists() or pinned.is_symlink():
        monitor = _exactly(pinned, PUBLIC, secret=False, hint=f"remove {MONITOR} and enrol the agent again")
    return Identity(name, Signer(seed), monitor)


def enrol(folder: Path, name: str, token: Token, ask: Callable[[Enrol], Enrolled]) -> Identity:
    """Be taken in by the monitor that `ask` reaches; one that does not hold the token is an `InputError`."""
    mine = load(folder, name)
    if mine.enrolled:
        hint = f"to enrol it again, remove {KEY} and {MONITOR} first"
        raise InputError("this agent is enrolled already", file=str(folder), hint=hint)
    asked = Enrol(name, mine.signer.public, token.id, b"\0" * 32)
    answer = ask(Enrol(name, mine.signer.public, token.id, token.proof("agent", asked.proven)))
    if not token.proves("monitor", answer.public + mine.signer.public, answer.proof):
        hint = "somebody stands between, or the token was not printed by this monitor"
        raise InputError("whoever answered does not hold the token", hint=hint)
    with suppress(FileExistsError):
        write_private(folder / MONITOR, answer.public, replace=False)
    return load(folder, name)


def forget(folder: Path) -> None:
    """Be nobody again: the next enrolment is with a new key."""
    for name in (MONITOR, KEY):
        (folder / name).unlink(missing_ok=True)


def _exactly(path: Path, size: int, *, secret: bool, hint: str) -> bytes:
    data = read_private(path, size, secret=secret)
    if len(data) != size:
        raise InputError(f"not a key: {len(data)} bytes instead of {size}", file=str(path), hint=hint)
    return data
