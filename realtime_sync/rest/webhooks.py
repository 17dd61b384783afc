"""
Webhooks: what the service tells your web server, and whether it really did.

In a view, of whatever framework, with the body as it came::

    from realtime_sync import webhooks

    event = webhooks.unwrap(request.get_data(), request.headers, secret)
    if isinstance(event, webhooks.RealtimeCallIncoming):
        client.calls.accept(event.data.call_id, instructions="Be brief.")

The service may deliver one event several times, with the same ``event.id``.

.. versionadded:: 0.1
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import os
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, Optional, Union

from ..errors import ConfigurationError, WebhookRejected
from ..protocol import jsontext
from ..types import AudioBytes
from .bodies import (
    ConnectedTransport,
    IncomingCall,
    IncomingLiveCall,
    IncomingTransport,
    LiveCallIncoming,
    LiveTransportConnected,
    LiveTransportIncoming,
    RealtimeCallIncoming,
    SipHeader,
    WebhookEvent,
    structured_body,
)

__all__ = [
    "ConnectedTransport",
    "IncomingCall",
    "IncomingLiveCall",
    "IncomingTransport",
    "LiveCallIncoming",
    "LiveTransportConnected",
    "LiveTransportIncoming",
    "RealtimeCallIncoming",
    "SipHeader",
    "WebhookEvent",
    "sign",
    "unwrap",
    "verify",
]

Headers = Union[Mapping[str, Any], Iterable[tuple[Any, Any]]]
"""Request headers of any framework: a mapping, or pairs; also WSGI's names."""

Body = Union[str, AudioBytes]
"""The request's body as it came: not decoded JSON, whose spelling is lost."""

TOLERANCE = 300.0
"""Seconds that the time of sending may be away from now, either way."""

_PREFIX = "whsec_"
_SECONDS = re.compile(r"[0-9]{1,15}")
Webhook = Union[
    RealtimeCallIncoming,
    LiveTransportIncoming,
    LiveTransportConnected,
    LiveCallIncoming,
    WebhookEvent,
]
"""What `unwrap` gives: a class for each kind that is known."""

_CLASSES: dict[str, type] = {
    "realtime.call.incoming": RealtimeCallIncoming,
    "live.transport.incoming": LiveTransportIncoming,
    "live.transport.connected": LiveTransportConnected,
    "live.call.incoming": LiveCallIncoming,
}


def unwrap(
    body: Body,
    headers: Headers,
    secret: Optional[str] = None,
    *,
    tolerance: float = TOLERANCE,
    now: Optional[float] = None,
) -> Webhook:
    """
    Check who sent a webhook, and read it.

    From any thread; keeps nothing.

    Args:
        body: of the request, exactly as it came.
        headers: of the request.
        secret: ``"whsec_..."``, from the service's settings; by default
            ``OPENAI_WEBHOOK_SECRET``.
        tolerance: seconds that the time of sending may be away from now; finite.
        now: seconds since the epoch; by default the clock's.

    Returns:
        A `RealtimeCallIncoming`, `LiveTransportIncoming`, `LiveTransportConnected` or
        `LiveCallIncoming`; a `WebhookEvent` for any other kind.

    Raises:
        WebhookRejected: it is not from the service, too old or from the
            future, or no JSON object. Answer with HTTP 400.
        ConfigurationError: there is no secret, it is malformed or empty, or
            *tolerance* or *now* is no finite number.
        TypeError: the body is decoded already.
    """
    verify(body, headers, secret, tolerance=tolerance, now=now)
    try:
        text = _webhook_bytes(body)
        jsontext.check_depth(text)
        decoded = jsontext.loads(text)
    except ValueError as exc:
        raise WebhookRejected(f"the webhook is signed, but not JSON: {exc}") from exc
    if not isinstance(decoded, dict):
        raise WebhookRejected("the webhook is signed, but not a JSON object")
    kind = decoded.get("type")
    cls = _CLASSES.get(kind, WebhookEvent) if isinstance(kind, str) else WebhookEvent
    event: Webhook = structured_body(cls, decoded, decoded)
    return event


def verify(
    body: Body,
    headers: Headers,
    secret: Optional[str] = None,
    *,
    tolerance: float = TOLERANCE,
    now: Optional[float] = None,
) -> None:
    """
    Check who sent a webhook; see `unwrap`.

    Raises:
        WebhookRejected: it is not from the service, too old or from the future.
        ConfigurationError: there is no secret, it is malformed or empty, or
            *tolerance* or *now* is no finite number.
        TypeError: the body is decoded already.
    """
    key = _webhook_key(secret)
    within = _webhook_seconds("tolerance", tolerance)
    if within < 0:
        raise ConfigurationError(f"tolerance is {tolerance!r}: it cannot be negative")
    at = time.time() if now is None else _webhook_seconds("now", now)
    payload, found = _webhook_bytes(body), _named_webhook_headers(headers)
    identity = _required_webhook_header(found, "webhook-id")
    stamp = _required_webhook_header(found, "webhook-timestamp")
    signatures = _required_webhook_header(found, "webhook-signature")
    if not _SECONDS.fullmatch(stamp):
        raise WebhookRejected("webhook-timestamp is not a whole number of seconds")
    age = at - int(stamp)
    if abs(age) > within:
        when = "old" if age > 0 else "far in the future"
        raise WebhookRejected(f"the webhook is too {when}: {abs(age):.0f} s")
    expected = _webhook_signature(key, identity, stamp, payload)
    # Every one is compared, and each in constant time: how long it takes must
    # tell nothing about the right one.
    matches = [
        hmac.compare_digest(expected, _encoded_for_webhook(given, "webhook-signature"))
        for given in signatures.split()
        if given.startswith("v1,")
    ]
    if not any(matches):
        raise WebhookRejected("no signature of the webhook fits: is the secret right?")


def sign(
    body: Body, secret: Optional[str] = None, *, webhook_id: str, timestamp: int
) -> dict[str, str]:
    """
    The headers that make a webhook genuine; to test a view with.

    Args:
        body: of the request.
        secret: see `unwrap`.
        webhook_id: any text.
        timestamp: seconds since the epoch.

    Raises:
        ConfigurationError: there is no secret, or it is malformed or empty.
        WebhookRejected: the body or the id cannot be encoded.
    """
    stamp = str(int(timestamp))
    signature = _webhook_signature(
        _webhook_key(secret), webhook_id, stamp, _webhook_bytes(body)
    )
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": stamp,
        "webhook-signature": signature.decode(),
    }


def _webhook_signature(key: bytes, identity: str, stamp: str, payload: bytes) -> bytes:
    signed = b"%b.%b.%b" % (
        _encoded_for_webhook(identity, "webhook-id"),
        stamp.encode(),
        payload,
    )
    return b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _webhook_key(secret: Optional[str]) -> bytes:
    if secret is None:
        secret = os.environ.get("OPENAI_WEBHOOK_SECRET")
    if not secret:
        raise ConfigurationError(
            "no secret to check webhooks with: pass it, or set OPENAI_WEBHOOK_SECRET"
        )
    try:
        if secret.startswith(_PREFIX):
            key = base64.b64decode(secret[len(_PREFIX) :], validate=True)
        else:
            key = b"" if secret.isspace() else secret.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            "the webhook's secret is malformed: it cannot be encoded as UTF-8"
        ) from None
    except ValueError:
        raise ConfigurationError(
            "the webhook's secret is malformed: what follows whsec_ is not base64"
        ) from None
    # HMAC pads a key with zeros: one of zeros only is as good as none, and anybody
    # can sign with that.
    if not key.strip(b"\0"):
        raise ConfigurationError("the webhook's secret is empty")
    return key


def _webhook_seconds(name: str, value: float) -> float:
    """A finite number; against NaN every comparison would succeed."""
    try:
        if math.isfinite(value):
            return value
    except (TypeError, OverflowError):
        pass
    raise ConfigurationError(f"{name} is not a finite number of seconds: {value!r:.80}")


def _encoded_for_webhook(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise WebhookRejected(f"{what} cannot be encoded as UTF-8") from None


def _webhook_bytes(body: object) -> bytes:
    if isinstance(body, str):
        return _encoded_for_webhook(body, "the body")
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise TypeError(
        "pass the request's body as it came, bytes or text, "
        f"not {type(body).__name__}: the signature is of its very bytes"
    )


def _named_webhook_headers(headers: Headers) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    if hasattr(pairs, "items"):
        pairs = pairs.items()
    return {
        _webhook_header_name(_webhook_text(name)): _webhook_text(value)
        for name, value in pairs
    }


def _webhook_header_name(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("http-")


def _webhook_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _required_webhook_header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise WebhookRejected(f"the request has no header {name}")
    return value
