"""A webhook is one signed request an alert; what the server says decides whether it is tried again."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from listeners import Web, certificate
from told import HOSTILE, alert, hostile

from grammar import InputError
from monitor.action_sink import NotDeliveredError, RefusedError
from monitor.action_webhook import Webhook, secret_of, signature, trusting

SECRET = b"0123456789abcdef"


@pytest.fixture
def web() -> Iterator[Web]:
    with Web().running() as running:
        yield running


def hook(url: str, **settings: object) -> Webhook:
    return Webhook(url, lambda: 1_700_000_000.9, **({"secret": SECRET, "timeout": 2.0} | settings))  # type: ignore[arg-type]


def test_a_receiver_can_check_who_sent_it_and_when(web: Web) -> None:
    hook(web.url).send(alert(7))
    (request,) = web.requests
    stamp = request.headers["X-Winnower-Timestamp"]
    expected = hmac.new(SECRET, stamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Winnower-Signature"] == f"v1={expected}"
    assert stamp == "1700000000"
    assert request.headers["Idempotency-Key"] == json.loads(request.body)["key"] == alert(7).key
    assert request.headers["Content-Type"] == "application/json"


def test_a_changed_body_time_or_secret_changes_the_signature() -> None:
    signed = {signature(*one) for one in ((b"k", "1", b"b"), (b"k", "2", b"b"), (b"k", "1", b"c"), (b"l", "1", b"b"))}
    assert len(signed) == 4


def test_without_a_secret_nothing_is_signed(web: Web) -> None:
    hook(web.url, secret=b"", form="ocsf").send(alert(7))
    assert "X-Winnower-Signature" not in web.requests[0].headers
    assert json.loads(web.requests[0].body)["class_uid"] == 2004


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_arrive_as_data(web: Web, text: str) -> None:
    hook(web.url).send(hostile(text))
    (request,) = web.requests
    assert request.body.isascii()
    assert len(json.loads(request.body)["trace"]) == 3
    assert set(request.headers) == {
        "Host", "Accept-Encoding", "Content-Length", "Content-Type", "User-Agent", "Idempotency-Key",
        "X-Winnower-Timestamp", "X-Winnower-Signature",
    }  # fmt: skip


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(web: Web, status: int) -> None:
    web.answers = [(status, {"Location": web.url, "Retry-After": "7"})]
    with pytest.raises(NotDeliveredError, match=f"answers {status}") as caught:
        hook(web.url).send(alert(1))
    assert caught.value.seconds == 7
    assert len(web.requests) == 1


@pytest.mark.parametrize("status", [400, 410, 413, 422])
def test_what_is_wrong_for_ever_is_not(web: Web, status: int) -> None:
    web.answers = [(status, {})]
    with pytest.raises(RefusedError, match=str(status)):
        hook(web.url).send(alert(1))


@pytest.mark.parametrize("pause", ["", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 30, "²"])
def test_a_retry_after_that_cannot_be_read_is_none(web: Web, pause: str) -> None:
    web.answers = [(503, {"Retry-After": pause.encode("ascii", "ignore").decode()})]
    with pytest.raises(NotDeliveredError) as caught:
        hook(web.url).send(alert(1))
    assert caught.value.seconds == 0


def test_a_server_that_is_not_there_or_says_nothing_is_tried_again(web: Web) -> None:
    with pytest.raises(NotDeliveredError, match="refused"):
        hook("http://127.0.0.1:1/").send(alert(1))
    web.delay = 1.0
    with pytest.raises(NotDeliveredError, match="no answer within"):
        hook(web.url, timeout=0.2).send(alert(1))


def test_a_server_that_drips_cannot_hold_it_longer_than_the_time_out(web: Web) -> None:
    web.drip = True
    begun = time.monotonic()
    hook(web.url, timeout=0.5).send(alert(1))  # its status said all that is asked
    assert time.monotonic() - begun < 2


def test_certificates_are_verified(tmp_path: Path) -> None:
    public, context = certificate(tmp_path)
    with Web(tls=context).running() as web:
        with pytest.raises(NotDeliveredError, match=r"(?i)certificate.verify.failed"):
            hook(web.url, context=trusting(None)).send(alert(1))
        hook(web.url, context=trusting(public)).send(alert(1))
        assert len(web.requests) == 1


def test_secrets_are_private_and_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o644)
    with pytest.raises(InputError, match="a secret must be private"):
        secret_of(path)
    path.chmod(0o600)
    assert secret_of(path) == SECRET
    assert SECRET.decode() not in repr(hook("http://x/"))
    path.write_bytes(b"short")
    with pytest.raises(InputError, match="too short"):
        secret_of(path)
    with pytest.raises(InputError, match="cannot read"):
        secret_of(tmp_path / "none")
    with pytest.raises(InputError, match="no certificates"):
        trusting(tmp_path / "none")
