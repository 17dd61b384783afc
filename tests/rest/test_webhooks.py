"""Webhooks: genuine ones are read, all others refused."""

from __future__ import annotations

import base64
import hmac
import json
from decimal import Decimal
from typing import Any, Callable

import pytest

from realtime_sync import webhooks
from realtime_sync.errors import ConfigurationError, WebhookRejected

KEY = b"a key of some length, 32 bytes.."
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW = 1_760_000_000
CALL: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "realtime.call.incoming",
    "created_at": NOW,
    "data": {
        "call_id": "rtc_u1",
        "sip_headers": [
            {"name": "From", "value": "sip:+142555512112@sip.example.com"},
            {"name": "To", "value": "sip:+18005551212@sip.example.com"},
            {"name": "X-Twice", "value": "1"},
            {"name": "X-Twice", "value": "2"},
        ],
    },
}
BODY = json.dumps(CALL, indent=1).encode()


def signed(body: bytes = BODY, **changes: Any) -> dict[str, str]:
    """Headers of a genuine webhook, or of one with changes."""
    headers = webhooks.sign(body, SECRET, webhook_id="wh_1", timestamp=NOW)
    return {**headers, **changes}


def unwrap(body: Any, headers: Any, **options: Any) -> Any:
    """Unwrap at the time of sending."""
    return webhooks.unwrap(body, headers, SECRET, **{"now": NOW, **options})


def test_incoming_call_is_typed() -> None:
    """The call id is what accepting needs; the headers say who calls."""
    event = unwrap(BODY, signed())

    assert isinstance(event, webhooks.RealtimeCallIncoming)
    assert ("evt_1", NOW, "event") == (event.id, event.created_at, event.object)
    assert "rtc_u1" == event.data.call_id
    assert "1" == event.data.header("x-twice")
    assert event.data.header("absent") is None
    assert ["From", "To", "X-Twice", "X-Twice"] == [
        each.name for each in event.data.sip_headers
    ]
    assert CALL == event.raw
    assert () == event.problems


def test_other_webhooks_are_plain() -> None:
    """The service sends more kinds than the realtime ones."""
    body = json.dumps({"id": "evt_2", "type": "batch.completed", "data": {"id": 1}})

    event = unwrap(body, signed(body.encode()))
    assert isinstance(event, webhooks.WebhookEvent)
    assert ("batch.completed", {"id": 1}) == (event.type, event.data)


def test_odd_fields_do_not_break_an_event() -> None:
    """As with the server's events: what does not fit is unset, and noted."""
    body = json.dumps({**CALL, "created_at": "yesterday", "new": 1}).encode()

    event = unwrap(body, signed(body))
    assert "rtc_u1" == event.data.call_id
    assert not event.created_at
    assert ("created_at: expected an integer, got text",) == event.problems
    assert 1 == event.raw["new"]


def flask_like(headers: dict[str, str]) -> Any:
    """Headers as an object with ``items`` that is no mapping."""

    class Headers:
        def items(self) -> list[tuple[str, str]]:
            return list(headers.items())

        def __iter__(self) -> Any:
            return iter(self.items())

    return Headers()


@pytest.mark.parametrize(
    "shape",
    [
        dict,
        lambda headers: {name.title(): value for name, value in headers.items()},
        lambda headers: list(headers.items()),
        lambda headers: [(k.encode(), v.encode()) for k, v in headers.items()],
        lambda headers: {
            "HTTP_" + name.upper().replace("-", "_"): value
            for name, value in headers.items()
        },
        flask_like,
    ],
    ids=["mapping", "title", "pairs", "bytes", "wsgi", "flask"],
)
def test_headers_of_every_framework_do(shape: Callable[[Any], Any]) -> None:
    """Mappings in any case, pairs, and the names that WSGI makes of them."""
    assert "rtc_u1" == unwrap(BODY, shape(signed())).data.call_id


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, bytes.decode])
def test_body_may_be_bytes_or_text(kind: Callable[[bytes], Any]) -> None:
    """As the framework gives it."""
    assert "rtc_u1" == unwrap(kind(BODY), signed()).data.call_id


def test_decoded_body_is_refused_with_the_reason() -> None:
    """The signature is of the bytes, and JSON can be spelt in many ways."""
    with pytest.raises(TypeError, match="as it came"):
        unwrap(CALL, signed())


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (BODY + b" ", {}),
        (BODY.replace(b"rtc_u1", b"rtc_u2"), {}),
        (BODY, {"webhook-id": "wh_2"}),
        (BODY, {"webhook-timestamp": str(NOW + 1)}),
        (BODY, {"webhook-signature": "v1,AAAA"}),
        (BODY, {"webhook-signature": "v1,"}),
        (BODY, {"webhook-signature": "nonsense"}),
        (BODY, {"webhook-signature": "v1,schlüssel ✓"}),
    ],
)
def test_whatever_is_changed_breaks_the_signature(
    body: bytes, changes: dict[str, str]
) -> None:
    """Body, id, time and signature hang together."""
    with pytest.raises(WebhookRejected, match="no signature"):
        unwrap(body, signed(**changes))


def test_signature_of_another_version_does_not_count() -> None:
    """Only ``v1`` is defined; a bare signature has no version at all."""
    right = signed()["webhook-signature"].removeprefix("v1,")
    for given in (right, f"v2,{right}", f"v1a,{right}"):
        with pytest.raises(WebhookRejected, match="no signature"):
            unwrap(BODY, signed(**{"webhook-signature": given}))


def test_one_of_several_signatures_is_enough() -> None:
    """While a secret is being replaced, the service signs with both."""
    right = signed()["webhook-signature"]

    event = unwrap(BODY, signed(**{"webhook-signature": f"v1,AAAA {right} v2,x"}))
    assert "rtc_u1" == event.data.call_id


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
def test_missing_header_is_named(name: str) -> None:
    """Some proxies drop what they do not know."""
    headers = signed()
    del headers[f"webhook-{name}"]

    with pytest.raises(WebhookRejected, match=f"webhook-{name}"):
        unwrap(BODY, headers)


@pytest.mark.parametrize(
    ("now", "fine"),
    [
        (NOW, True),
        (NOW + 300, True),
        (NOW - 300, True),
        (NOW + 301, False),
        (NOW - 301, False),
        (NOW + 10**9, False),
    ],
)
def test_time_of_sending_must_be_near(now: int, fine: bool) -> None:
    """A recorded webhook cannot be played back later."""
    if fine:
        assert unwrap(BODY, signed(), now=now)
        return
    with pytest.raises(WebhookRejected, match="too (old|far)"):
        unwrap(BODY, signed(), now=now)


def test_tolerance_can_be_chosen() -> None:
    """In seconds."""
    assert unwrap(BODY, signed(), now=NOW + 900, tolerance=1000)
    with pytest.raises(WebhookRejected):
        unwrap(BODY, signed(), now=NOW + 2, tolerance=1)


@pytest.mark.parametrize("stamp", ["soon", "1e9", "-1", "+1", " ", "１７６", "9" * 400])
def test_malformed_time_is_refused(stamp: str) -> None:
    """Python would read more as a number than the service writes."""
    with pytest.raises(WebhookRejected, match="webhook-timestamp"):
        unwrap(BODY, signed(**{"webhook-timestamp": stamp}))


def test_the_clock_is_the_default() -> None:
    """What was signed long ago is too old now."""
    with pytest.raises(WebhookRejected, match="too old"):
        webhooks.unwrap(BODY, signed(), SECRET)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"text"'])
def test_signed_nonsense_is_refused(body: bytes) -> None:
    """A genuine sender that sends something else."""
    with pytest.raises(WebhookRejected, match="signed, but"):
        unwrap(body, signed(body))


def test_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for the official client."""
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", SECRET)

    event = webhooks.unwrap(BODY, signed(), now=NOW)
    assert "evt_1" == event.id


@pytest.mark.parametrize("secret", ["", None])
def test_missing_secret_is_a_mistake_of_configuration(secret: Any) -> None:
    """Never of the sender."""
    with pytest.raises(ConfigurationError, match="OPENAI_WEBHOOK_SECRET"):
        webhooks.unwrap(BODY, signed(), secret, now=NOW)


def test_malformed_secret_is_not_shown() -> None:
    """It may be right but for one character."""
    with pytest.raises(ConfigurationError, match="base64") as caught:
        webhooks.unwrap(BODY, signed(), "whsec_n%t-base64", now=NOW)
    assert "n%t" not in str(caught.value)


def forged(body: bytes = BODY, key: bytes = b"") -> dict[str, str]:
    """Headers that anybody can make who guesses the key."""
    signature = hmac.new(key, b"w.%d.%b" % (NOW, body), "sha256").digest()
    return {
        "webhook-id": "w",
        "webhook-timestamp": str(NOW),
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
    }


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_",
        "whsec_ ",
        "whsec_====",
        "whsec_AA==",
        "whsec_" + base64.b64encode(b"\0" * 64).decode(),
        " ",
        "\r\n\t",
        "\0\0",
        "\u2003",
    ],
)
def test_empty_key_is_refused_and_accepts_no_forgery(
    secret: str,
) -> None:
    """HMAC takes an empty key, and one of zeros for the same."""
    with pytest.raises(ConfigurationError, match="empty|base64"):
        webhooks.unwrap(BODY, forged(), secret, now=NOW)
    with pytest.raises(ConfigurationError, match="empty|base64"):
        webhooks.sign(BODY, secret, webhook_id="w", timestamp=NOW)


def test_empty_key_from_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable that was cut off after its prefix."""
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "whsec_")
    with pytest.raises(ConfigurationError, match="empty"):
        webhooks.unwrap(BODY, forged(), now=NOW)


@pytest.mark.parametrize(
    "secret",
    ["whsec_?", "whsec_ab c", "whsec_é", "whsec_\udc80", "pl\ud800in", "whsec_A"],
)
def test_malformed_secret_is_a_mistake_of_configuration(secret: str) -> None:
    """Whatever is wrong with it, it is not the sender's fault."""
    with pytest.raises(ConfigurationError, match="malformed"):
        webhooks.unwrap(BODY, signed(), secret, now=NOW)


@pytest.mark.parametrize(
    "seconds",
    [float("nan"), float("inf"), float("-inf"), Decimal("NaN"), 10**400, "300", None],
)
def test_tolerance_that_is_no_number_of_seconds_is_refused(seconds: Any) -> None:
    """No comparison with NaN holds, so nothing would ever be too old."""
    old = webhooks.sign(BODY, SECRET, webhook_id="w", timestamp=1)
    with pytest.raises(ConfigurationError, match="tolerance"):
        unwrap(BODY, old, tolerance=seconds)


@pytest.mark.parametrize("seconds", [-1, -0.001, -(10**9)])
def test_negative_tolerance_is_refused(seconds: float) -> None:
    """It would refuse every webhook, with the wrong reason."""
    with pytest.raises(ConfigurationError, match="negative"):
        unwrap(BODY, signed(), tolerance=seconds)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), 10**400, "now"])
def test_time_that_is_no_number_of_seconds_is_refused(now: Any) -> None:
    """For the same reason."""
    with pytest.raises(ConfigurationError, match="now"):
        unwrap(BODY, signed(), now=now)


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "wh_\udc80"},
        {"webhook-signature": "v1,\ud800"},
        {"webhook-signature": "v1,AAAA v1,\udfff"},
        {"webhook-timestamp": "\udc31"},
    ],
)
def test_header_that_cannot_be_encoded_is_refused(changes: dict[str, str]) -> None:
    """Some servers decode what is no UTF-8 to lone surrogates."""
    with pytest.raises(WebhookRejected, match=next(iter(changes))):
        unwrap(BODY, signed(**changes))


def test_text_that_cannot_be_encoded_is_refused() -> None:
    """Of a body too: nobody can have signed it."""
    with pytest.raises(WebhookRejected, match="body"):
        unwrap('{"id": "\udc80"}', signed())


def test_secret_without_prefix_is_taken_as_it_is() -> None:
    """As the official client does."""
    headers = webhooks.sign(BODY, "plain", webhook_id="w", timestamp=NOW)

    assert webhooks.unwrap(BODY, headers, "plain", now=NOW)


@pytest.mark.parametrize("secret", [SECRET, "plain"])
def test_the_official_client_agrees(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What we sign it accepts; what we refuse it refuses; what both read is equal."""
    openai = pytest.importorskip("openai")
    monkeypatch.setattr("time.time", lambda: float(NOW))
    with openai.OpenAI(api_key="k") as client:
        headers = webhooks.sign(BODY, secret, webhook_id="wh_1", timestamp=NOW)
        theirs = client.webhooks.unwrap(BODY, headers, secret=secret)
        ours = webhooks.unwrap(BODY, headers, secret)

        assert theirs.to_dict() == ours.raw
        assert theirs.data.call_id == ours.data.call_id
        for change in (
            {"webhook-id": "other"},
            {"webhook-signature": "v1,AAAA"},
            {"webhook-timestamp": str(NOW - 301)},
            {"webhook-timestamp": str(NOW + 301)},
            {"webhook-timestamp": "soon"},
        ):
            with pytest.raises(openai.InvalidWebhookSignatureError):
                client.webhooks.unwrap(BODY, {**headers, **change}, secret=secret)
            with pytest.raises(WebhookRejected):
                webhooks.unwrap(BODY, {**headers, **change}, secret)


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("live.transport.incoming", webhooks.LiveTransportIncoming),
        ("live.call.incoming", webhooks.LiveCallIncoming),
        ("live.transport.connected", webhooks.LiveTransportConnected),
    ],
)
def test_webhooks_of_live_sessions_are_typed(kind: str, cls: type) -> None:
    """The id of the session is what accepting and attaching need."""
    data = {**CALL["data"], "session_id": "live_u0_1", "type": "sip"}
    del data["call_id"]
    body = json.dumps({**CALL, "type": kind, "data": data}).encode()
    event = unwrap(body, signed(body))

    assert type(event) is cls
    assert (kind, "evt_1") == (event.type, event.id)
    assert "live_u0_1" == event.data.session_id
    assert () == event.problems
    if kind.endswith("incoming"):
        assert "1" == event.data.header("x-twice")
        assert event.data.header("absent") is None
