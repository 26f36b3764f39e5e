"""The link over HTTP: one request for every message, to the monitor's own API.

Rules of this file
    - Questions are sealed with the agent's key, and answers count only if the monitor's key has sealed them about this
      very question; whatever else comes is an `UnreachableError`, counted as `forged`.
    - Statuses that are no success are not signed: they only say how soon to try again.

Complexity: O(bytes).
Source: design section 6 (HTTP); `grammar.control` (messages).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from agent.http_connection import Connection
from agent.link import BusyError, Lanes, RefusedError, UnreachableError, one_lane
from grammar import CodecError, Revision, escape
from grammar.control import Answer, Enrol, Enrolled, Listen, Orders, Outcome, read, write
from grammar.signing import MAX_SEALED, Signer, Sort, digest, key_id, unseal

MAX_ANSWER: Final = 65_536
MAX_ENROLLED: Final = 4_096
GRACE: Final = 10.0
"""Seconds that the answer to `listen` may come later than was asked for."""
RETRY: Final = 5.0

Message = TypeVar("Message", bound=msgspec.Struct)


@dataclass(slots=True)
class HttpLink:
    """One thread's link: `connection` is its own; `public` is the monitor's key, `seconds` the time for a request."""

    connection: Connection
    agent: str
    signer: Signer
    public: bytes
    seconds: float = 30.0
    lanes: Lanes = field(default=one_lane)

    @property
    def counts(self) -> Counter[str]:
        """Bytes `up` and `down`, answers `forged`."""
        return self.connection.counts

    def deliver(self, sealed: bytes, lane: str, session: bytes, sequence: int) -> Answer:
        """Send one envelope."""
        body = self._ask("/v1/epochs", "answer", sealed, self.seconds, MAX_ANSWER)
        found = self._read(body, Answer)
        if found.sequence != sequence:
            raise self._forged(f"an answer to number {found.sequence}, not {sequence}")
        return found

    def words(self, asked: Mapping[str, Revision]) -> dict[str, bytes]:
        """What is new of the cluster's words."""
        question = self.signer.seal("words", msgspec.msgpack.encode(dict(asked)))
        body = self._ask("/v1/words", "answer", question, self.seconds, MAX_SEALED)
        try:
            return msgspec.msgpack.decode(body, type=dict[str, bytes])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreachableError(f"not an answer with words: {escape(str(error))}") from None

    def listen(self, revision: int, wait_millis: int, outcomes: tuple[Outcome, ...] = ()) -> Orders:
        """Wait for orders."""
        question = self.signer.seal("listen", write(Listen(self.agent, revision, wait_millis, outcomes)))
        return self._read(self._ask("/v1/listen", "orders", question, wait_millis / 1_000 + GRACE, MAX_SEALED), Orders)

    def reply(self, sealed: bytes, question: bytes) -> None:
        """Send the answer to a question."""
        self._ask("/v1/replies", "answer", sealed, self.seconds, MAX_ANSWER)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _ask(self, target: str, sort: Sort, sealed: bytes, seconds: float, most: int) -> bytes:
        answer = post(self.connection, target, sealed, seconds, most)
        known = key_id(self.public)
        try:
            return unseal(sort, answer, lambda one: self.public if one == known else None, digest(sealed)).body
        except CodecError as error:
            raise self._forged(error.message) from None

    def _read(self, body: bytes, sort: type[Message]) -> Message:
        try:
            return read(body, sort)
        except CodecError as error:
            raise UnreachableError(str(error)) from None

    def _forged(self, message: str) -> UnreachableError:
        self.counts["forged"] += 1
        return UnreachableError(f"an answer that cannot be the monitor's: {message}")


def enrol(connection: Connection, asked: Enrol, seconds: float = 30.0) -> Enrolled:
    """An agent's first words; who answers is for the caller to check."""
    try:
        return read(post(connection, "/v1/enrol", write(asked), seconds, MAX_ENROLLED), Enrolled)
    except CodecError as error:
        raise UnreachableError(str(error)) from None


def post(connection: Connection, target: str, body: bytes, seconds: float, most: int) -> bytes:
    """The body of a successful answer; the other statuses as errors of a link."""
    found = connection.post(target, body, seconds, most)
    if found.status == 200:
        return found.body
    said = f"the monitor answers {found.status}: {escape(found.body, 300)}"
    if found.status in (429, 503):
        raise BusyError(said, found.retry_after or RETRY)
    if found.status >= 500 or found.status < 300:
        raise UnreachableError(said)
    raise RefusedError(said)
