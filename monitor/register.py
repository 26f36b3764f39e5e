"""The register of agents: who may write, with which key, enrolled by which one-time token, seen when.

Rules of this file
    - An agent is a name and a public key. A key is enrolled once and never again, also after it was revoked: what it
      has signed before cannot be played again into a new chain. Enrolling a known name again needs a new token and a
      new key, and starts its chains anew (`Entry.revision` grows).
    - A token is bound to one name, expires, and works once; the same agent that asks again with the same key (its
      answer was lost) gets the same answer. What goes wrong is a `TokenError`, without a word on what was wrong where
      that would help to guess.
    - The monitor's own key is a private file beside the state, made at the first start.
    - Clocks and random bytes come in as arguments. Everything that writes belongs into a transaction.

Complexity: O(1) per look-up, O(agents) to load.
Source: issue "live monitor" (Ed25519 per agent; enrolment with a one-time token; an agent can only write as itself).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from grammar import CodecError, InputError
from grammar.control import Enrol, Enrolled
from grammar.signing import SEED, Signer, Token, key_id
from monitor.secret import private_file, read_secret
from monitor.store import MOST, Store, Value, number

KEY_FILE: Final = "monitor.key"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MAX_TOKENS: Final = 100_000
LASTS: Final = 86_400_000
"""Milliseconds that a token is good for, by default."""


KERNEL: Final = 3
"""Backlog, its limit, rate limit: known since the agent was heard last, not kept over a restart."""


class TokenError(CodecError):
    """An enrolment that is not allowed."""


class Entry(msgspec.Struct, frozen=True):
    """One agent; times in milliseconds of the monitor's clock, `lost` as its last envelope told."""

    name: str
    public: bytes
    revision: int
    revoked: bool
    enrolled: int
    seen: int = 0
    control: int = 0
    lost: dict[str, int] = {}
    kernel: tuple[int, ...] = ()


class Sign(msgspec.Struct, frozen=True):
    """A sign of life: when, the control revision that the agent goes by, what it lost last, its kernel's counters."""

    seen: int
    control: int
    lost: Mapping[str, int]
    kernel: tuple[int, ...] = ()


def monitor_key(folder: Path, fresh: Callable[[int], bytes]) -> Signer:
    """The monitor's own key; made at the first start from `fresh` random bytes."""
    path = folder / KEY_FILE
    if not path.exists():
        private_file(path, fresh(SEED).hex().encode() + b"\n")
    try:
        seed = bytes.fromhex(read_secret(path).decode("ascii").strip())
    except (ValueError, UnicodeDecodeError):
        seed = b""
    if len(seed) != SEED:
        hint = "restore it from a backup; without it, delete it and enrol all agents again"
        raise InputError("not a key", file=str(path), hint=hint)
    return Signer(seed)


class Register:
    """Agents by name and by key, as the store has them since the last `load`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.load()

    def load(self) -> None:
        """Read it (again)."""
        found = [_entry(row) for row in self.store.rows(f"SELECT {_COLUMNS} FROM agent ORDER BY name")]
        self.by_key: dict[bytes, Entry] = {key_id(one.public): one for one in found}
        self.by_name: dict[str, Entry] = {one.name: one for one in found}

    def public_of(self, key: bytes) -> bytes | None:
        """The public key of that id, if it was ever enrolled; whether it is revoked is the gate's business."""
        entry = self.by_key.get(key)
        return entry.public if entry is not None else None

    def issue(self, name: str, now: int, fresh: Callable[[int], bytes], lasts: int = LASTS) -> Token:
        """A new token for an agent of that name; an earlier one that nobody has used yet is void."""
        check_name(name)
        if number(self.store.rows("SELECT count(*) FROM token")[0][0]) >= MAX_TOKENS:
            self.store.write("DELETE FROM token WHERE expires < ?", now)
        self.store.write("DELETE FROM token WHERE agent = ? AND used IS NULL", name)
        token = Token(fresh(16), fresh(16))
        self.store.write("INSERT INTO token VALUES (?, ?, ?, ?, NULL)", token.id, token.secret, name, now + lasts)
        return token

    def enrol(self, asked: Enrol, now: int, public: bytes) -> tuple[Enrolled, bool]:
        """Take an agent in; `public` is the monitor's key. Gives its answer, and whether that was news."""
        rows = self.store.rows("SELECT secret, agent, expires, used FROM token WHERE id = ?", asked.token)
        if not rows:
            raise TokenError("no such token", hint="winnower monitor token NAME prints one")
        secret, name, expires, used = rows[0]
        token = Token(asked.token, _bytes(secret))
        if not token.proves("agent", asked.proven, asked.proof) or name != asked.agent:
            raise TokenError("the token was given for another agent, or the proof does not fit")
        answer = Enrolled(public, token.proof("monitor", public + asked.public))
        if used is not None:
            if _bytes(used) != asked.public:
                raise TokenError("the token has been used", hint="winnower monitor token NAME prints another one")
            return answer, False
        if number(expires) < now:
            raise TokenError("the token has expired", hint="winnower monitor token NAME prints another one")
        if self.store.rows("SELECT 1 FROM used_key WHERE public = ?", asked.public):
            raise TokenError("the key has been enrolled before", hint="remove the agent's key: it makes a new one")
        self.store.write("UPDATE token SET used = ? WHERE id = ?", asked.public, asked.token)
        self.store.write("INSERT INTO used_key VALUES (?, ?)", asked.public, asked.agent)
        self._set(asked.agent, asked.public, now)
        return answer, True

    def _set(self, name: str, public: bytes, now: int) -> None:
        query = (
            "INSERT INTO agent (name, public, revision, revoked, enrolled) VALUES (?, ?, 1, 0, ?) ON CONFLICT DO UPDATE"
            " SET public = excluded.public, revision = revision + 1, revoked = 0, enrolled = excluded.enrolled"
        )
        self.store.write(query, name, public, now)

    def revoke(self, name: str) -> bool:
        """Take an agent's right to write; False if there is no such agent, or it had none."""
        query = "UPDATE agent SET revoked = 1, revision = revision + 1 WHERE name = ? AND revoked = 0"
        return bool(self.store.write(query, name))

    def adopt(self, entry: Entry) -> bool:
        """An agent as another monitor knows it, if that is newer."""
        known = self.store.rows("SELECT revision FROM agent WHERE name = ?", entry.name)
        if known and number(known[0][0]) >= entry.revision:
            return False
        self.store.write("INSERT OR IGNORE INTO used_key VALUES (?, ?)", entry.public, entry.name)
        query = "INSERT OR REPLACE INTO agent (name, public, revision, revoked, enrolled) VALUES (?, ?, ?, ?, ?)"
        self.store.write(query, entry.name, entry.public, entry.revision, int(entry.revoked), entry.enrolled)
        return True

    def refresh(self, signs: Mapping[str, Sign]) -> None:
        """The same in memory."""
        for name, sign in signs.items():
            entry = self.by_name.get(name)
            if entry is not None:
                fresh = msgspec.structs.replace(
                    entry, seen=sign.seen, control=sign.control, lost=_short(sign.lost), kernel=sign.kernel[:KERNEL]
                )
                self.by_name[name] = self.by_key[key_id(entry.public)] = fresh

    def note(self, signs: Iterable[tuple[str, Sign]]) -> None:
        """Agents have shown signs of life."""
        rows = [(one.seen, min(one.control, MOST), json.dumps(_short(one.lost)), name) for name, one in signs]
        self.store.write_many("UPDATE agent SET seen = ?, control = ?, lost = ? WHERE name = ?", rows)


_COLUMNS: Final = "name, public, revision, revoked, enrolled, seen, control, lost"


def check_name(name: str) -> None:
    """A name of an agent is what a file, a topic and a terminal can carry."""
    if NAME.fullmatch(name) is None:
        raise InputError("not a name for an agent", offending=name, hint="letters, digits and . _ - (at most 128)")


def _short(lost: Mapping[str, int]) -> dict[str, int]:
    """As much of what an agent says it lost as a table shows."""
    return {cause[:64]: min(number, MOST) for cause, number in list(lost.items())[:64]}


def _entry(row: tuple[Value, ...]) -> Entry:
    name, public, revision, revoked, *times, lost = row
    told = msgspec.json.decode(str(lost), type=dict[str, int])
    enrolled, seen, control = map(number, times)
    return Entry(str(name), _bytes(public), number(revision), bool(revoked), enrolled, seen, control, told)


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
