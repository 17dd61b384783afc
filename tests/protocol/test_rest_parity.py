"""REST bodies and requests against the installed ``openai`` package."""

from __future__ import annotations

import collections.abc
import email.parser
import email.policy
import inspect
import json
import types
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from realtime_sync import RealtimeClient
from realtime_sync.protocol import sessions
from realtime_sync.protocol.audio_config import SemanticVad, ServerVad, TurnDetection
from realtime_sync.protocol.dialects import tables
from realtime_sync.rest import bodies, calls, resources
from tests.rawserver import Peer, RawServer

openai = pytest.importorskip("openai")

from pydantic import ConfigDict, create_model  # noqa: E402
from typing_extensions import NotRequired, Required  # noqa: E402

from tests.protocol.sdk import Comparison, Home, load  # noqa: E402

GA = "openai.types.realtime."
BETA = "openai.types.beta.realtime."
HOOKS = "openai.types.webhooks."
LIVE = "openai.types.live."

ANSWERS: dict[str, Home] = {
    GA
    + "client_secret_create_response.ClientSecretCreateResponse": Home(
        (bodies.ClientSecretCreated,)
    ),
    GA
    + "realtime_translation_client_secret_create_response"
    + ".RealtimeTranslationClientSecretCreateResponse": Home(
        (bodies.TranslationClientSecretCreated,)
    ),
    HOOKS
    + "realtime_call_incoming_webhook_event.RealtimeCallIncomingWebhookEvent": Home(
        (bodies.RealtimeCallIncoming,)
    ),
    HOOKS
    + "live_transport_incoming_webhook_event.LiveTransportIncomingWebhookEvent": Home(
        (bodies.LiveTransportIncoming,)
    ),
    HOOKS
    + "live_transport_connected_webhook_event.LiveTransportConnectedWebhookEvent": Home(
        (bodies.LiveTransportConnected,)
    ),
    HOOKS
    + "live_call_incoming_webhook_event.LiveCallIncomingWebhookEvent": Home(
        (bodies.LiveCallIncoming,)
    ),
    LIVE + "live_create_response.LiveCreateResponse": Home((bodies.LiveCreated,)),
    LIVE + "session_fork_response.SessionForkResponse": Home((bodies.LiveCreated,)),
    BETA
    + "session_create_response.SessionCreateResponse": Home(
        (sessions.RealtimeSession,), tables.SESSION_SAID
    ),
    BETA
    + "transcription_session.TranscriptionSession": Home(
        (sessions.TranscriptionSession,), tables.SESSION_SAID
    ),
}
"""Bodies of answers, and of the webhook."""

REQUESTS: dict[str, Home] = {
    GA
    + "client_secret_create_params.ClientSecretCreateParams": Home(
        (bodies.ClientSecretRequest,)
    ),
    GA
    + "translations.client_secret_create_params.ClientSecretCreateParams": Home(
        (bodies.TranslationClientSecretRequest,)
    ),
    GA + "call_create_params.CallCreateParams": Home((bodies.CallRequest,)),
    GA + "call_accept_params.CallAcceptParams": Home((sessions.SessionConfig,)),
    GA + "call_reject_params.CallRejectParams": Home((bodies.CallRejectRequest,)),
    GA + "call_refer_params.CallReferParams": Home((bodies.CallReferRequest,)),
    BETA
    + "session_create_params.SessionCreateParams": Home(
        (sessions.SessionConfig,), tables.SESSION_ASKED
    ),
    BETA
    + "transcription_session_create_params.TranscriptionSessionCreateParams": Home(
        (sessions.TranscriptionConfig,), tables.SESSION_ASKED
    ),
}
"""Bodies of requests."""

EXCEPTIONS: dict[str, str] = {
    # Required by the answer of REST, absent over a WebSocket.
    "SessionCreateResponse.client_secret": "one class for both",
    "TranscriptionSession.client_secret": "one class for both",
    "RealtimeSessionCreateResponse.id": "one class for both",
    "RealtimeSessionCreateResponse.object": "one class for both",
    "RealtimeTranscriptionSessionCreateResponse.id": "one class for both",
    "RealtimeTranscriptionSessionCreateResponse.object": "one class for both",
    # The class is that of conversations, where these are optional.
    "AudioInputNoiseReduction.type": "optional in conversations",
    "AudioInputTranscription.model": "optional in conversations",
    # One class for what is asked and what is given.
    "ClientSecret.value": "one class for both",
    "ClientSecret.expires_at": "one class for both",
    # What our methods see to, whatever the class allows.
    "ClientSecretExpiresAfter.anchor": "filled in",
    "RealtimeTranslationSessionCreateRequestParam.model": "refused without",
}
"""Where we differ on purpose: the end of type and field, and why."""

RESOURCES: dict[str, type] = {
    "openai.resources.realtime.client_secrets.ClientSecrets": (resources.ClientSecrets),
    "openai.resources.realtime.calls.Calls": calls.Calls,
    "openai.resources.realtime.translations.client_secrets.ClientSecrets": (
        resources.TranslationClientSecrets
    ),
    "openai.resources.beta.realtime.sessions.Sessions": resources.Sessions,
    "openai.resources.beta.realtime.transcription_sessions.TranscriptionSessions": (
        resources.Sessions
    ),
}
"""Their resources and ours."""


@lru_cache(maxsize=None)
def as_model(params: Any) -> Any:
    """A pydantic model with the fields of a typed dictionary of theirs."""
    fields: dict[str, Any] = {}
    for name, hint in get_type_hints(params, include_extras=True).items():
        # Not from ``__required_keys__``, which cannot see through text annotations.
        needed = params.__total__
        if get_origin(hint) in (Required, NotRequired):
            needed = get_origin(hint) is Required
            (hint,) = get_args(hint)
        fields[name] = (replaced(hint), ... if needed else None)
    return create_model(
        params.__name__,
        __module__=params.__module__,
        __config__=ConfigDict(arbitrary_types_allowed=True, protected_namespaces=()),
        **fields,
    )


def replaced(hint: Any) -> Any:
    """An annotation with models in the place of typed dictionaries."""
    if is_typeddict(hint) or hasattr(hint, "__required_keys__"):
        return as_model(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return Union[tuple(replaced(each) for each in arguments)]
    if origin is not None and origin.__name__ in ("list", "Iterable", "SequenceNotStr"):
        return list[replaced(arguments[0])]  # type: ignore[misc]
    if origin in (dict, collections.abc.Mapping):
        return dict[str, replaced(arguments[-1])]  # type: ignore[misc]
    return hint


@lru_cache(maxsize=None)
def compared() -> Comparison:
    """All bodies, beside ours."""
    vad = Home((ServerVad, SemanticVad, TurnDetection))
    flat_vads: dict[Any, Home] = {
        load(BETA + "session_create_response.TurnDetection"): vad,
        load(BETA + "transcription_session.TurnDetection"): vad,
        as_model(load(BETA + "session_create_params.TurnDetection")): vad,
        as_model(load(BETA + "transcription_session_create_params.TurnDetection")): vad,
        load(
            GA
            + "realtime_transcription_session_turn_detection"
            + ".RealtimeTranscriptionSessionTurnDetection"
        ): vad,
    }
    comparison = Comparison(flat_vads)
    for path, home in ANSWERS.items():
        comparison.compare(load(path), home)
    for path, home in REQUESTS.items():
        comparison.compare(as_model(load(path)), home)
    return comparison


def test_every_body_of_theirs_is_ours_with_the_same_requiredness(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Class and type, field and field; what differs on purpose is in a table."""
    comparison = compared()
    found = {f"{at}: {what}" for at, what in comparison.differences.items()}
    missing = sorted(
        each for each in found if not each.partition(":")[0].endswith(tuple(EXCEPTIONS))
    )
    with capsys.disabled():
        print(
            f"\nREST parity with openai {openai.__version__}: "
            f"{len(ANSWERS)} answers, {len(REQUESTS)} requests, "
            f"{len(comparison.types)} types, {comparison.fields} fields, "
            f"{len(missing)} missing, {len(found) - len(missing)} on purpose"
        )

    assert [] == missing


def test_every_documented_exception_is_still_needed() -> None:
    """A table of exceptions must not outlive its reasons."""
    found = set(compared().differences)

    for each in EXCEPTIONS:
        assert any(at.endswith(each) for at in found), each


def methods(cls: type) -> set[str]:
    """The public methods of a resource."""
    return {
        name
        for name, value in vars(cls).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


@pytest.mark.parametrize("path", RESOURCES)
def test_every_method_of_theirs_is_ours(path: str) -> None:
    """By the same name."""
    assert methods(load(path)) == methods(RESOURCES[path])


# -- what is really sent ---------------------------------------------------------

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n"
SESSION = {
    "type": "realtime",
    "model": "gpt-realtime",
    "instructions": "Sei kurz, ja? ✓",
    "audio": {
        "input": {"turn_detection": None},
        "output": {"voice": "marin"},
    },
    "tools": [
        {
            "type": "function",
            "name": "f",
            "parameters": {"type": "object", "properties": {"x": {"type": "number"}}},
        },
        {"type": "mcp", "server_label": "s", "headers": {"a": "b"}},
    ],
}
EXPIRY = {"anchor": "created_at", "seconds": 60}
TRANSLATION = {
    "model": "gpt-realtime-translate",
    "audio": {"output": {"language": "es"}},
}

PAIRS: dict[str, tuple[Any, Any]] = {
    "client_secrets": (
        lambda c: c.realtime.client_secrets.create(
            session=SESSION, expires_after=EXPIRY
        ),
        lambda c: c.client_secrets.create(session=SESSION, expires_after=60),
    ),
    "client_secrets, empty": (
        lambda c: c.realtime.client_secrets.create(),
        lambda c: c.client_secrets.create(),
    ),
    "translations": (
        lambda c: c.realtime.translations.client_secrets.create(
            session=TRANSLATION, expires_after=EXPIRY
        ),
        lambda c: c.translations.client_secrets.create(
            session=TRANSLATION, expires_after=60
        ),
    ),
    "calls, form": (
        lambda c: c.realtime.calls.create(sdp=OFFER, session=SESSION),
        lambda c: c.calls.create(OFFER, SESSION),
    ),
    "calls, raw": (
        lambda c: c.realtime.calls.create(sdp=OFFER),
        lambda c: c.calls.create(OFFER),
    ),
    "accept": (
        lambda c: c.realtime.calls.accept("rtc_1", **SESSION),
        lambda c: c.calls.accept("rtc_1", **SESSION),
    ),
    "reject": (
        lambda c: c.realtime.calls.reject("rtc_1", status_code=486),
        lambda c: c.calls.reject("rtc_1", status_code=486),
    ),
    "reject, empty": (
        lambda c: c.realtime.calls.reject("rtc_1"),
        lambda c: c.calls.reject("rtc_1"),
    ),
    "refer": (
        lambda c: c.realtime.calls.refer("rtc_1", target_uri="tel:1"),
        lambda c: c.calls.refer("rtc_1", "tel:1"),
    ),
    "hangup": (
        lambda c: c.realtime.calls.hangup("rtc_1"),
        lambda c: c.calls.hangup("rtc_1"),
    ),
    "odd id": (
        lambda c: c.realtime.calls.hangup("rtc/1 ?"),
        lambda c: c.calls.hangup("rtc/1 ?"),
    ),
    "sessions": (
        lambda c: c.beta.realtime.sessions.create(
            model="gpt-realtime",
            modalities=["text", "audio"],
            voice="alloy",
            input_audio_format="g711_ulaw",
            tool_choice="auto",
            max_response_output_tokens=5,
            client_secret={"expires_after": EXPIRY},
        ),
        lambda c: c.sessions.create(
            model="gpt-realtime",
            output_modalities=["audio"],
            audio={
                "input": {"format": {"type": "audio/pcmu"}},
                "output": {"voice": "alloy"},
            },
            tool_choice="auto",
            max_output_tokens=5,
            expires_after=60,
        ),
    ),
    "transcription_sessions": (
        lambda c: c.beta.realtime.transcription_sessions.create(
            input_audio_format="pcm16",
            input_audio_transcription={"model": "whisper-1"},
            client_secret={"expires_at": EXPIRY},
        ),
        lambda c: c.transcription_sessions.create(
            input_audio_format="pcm16",
            input_audio_transcription={"model": "whisper-1"},
            expires_after=60,
        ),
    ),
}
"""What asks for the same thing, there and here."""


class Recorder:
    """A server that notes each request and answers with a key."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []

    def __call__(self, peer: Peer) -> None:
        """Answer the requests of one connection."""
        answer = b'{"value":"ek_1","expires_at":1,"session":{"type":"realtime"}}'
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d"
        )
        while True:
            peer.read_head()
            body = peer._take(int(peer.header("Content-Length") or 0))
            kind = (peer.header("Content-Type") or "") if body else ""
            place = peer.head.split(" HTTP/")[0]
            self.requests.append((place, kind.partition(";")[0], decoded(kind, body)))
            peer.raw(head % len(answer) + b"\r\n\r\n" + answer)


def decoded(kind: str, body: bytes) -> Any:
    """A body in a form that can be compared."""
    if kind == "application/json":
        return json.loads(body)
    if not kind.startswith("multipart/"):
        return body.decode()
    whole = f"Content-Type: {kind}\r\n\r\n".encode() + body
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(whole)
    return {
        part.get_param("name", header="content-disposition"): (
            part.get_content_type(),
            part.get_filename(),
            decoded(part.get_content_type(), part.get_payload(decode=True)),
        )
        for part in message.iter_parts()
    }


@pytest.mark.parametrize("name", PAIRS)
def test_the_same_is_sent(name: str) -> None:
    """Method, path, media type and body, as the official client sends them."""
    theirs, ours = PAIRS[name]
    recorder = Recorder()
    with RawServer(recorder) as server:
        base_url = server.url.replace("ws://", "http://")
        with openai.OpenAI(api_key="k", base_url=base_url, max_retries=0) as client:
            theirs(client)
        mine = RealtimeClient(api_key="k", base_url=base_url)
        ours(mine)
        mine.close()

    first, second = recorder.requests
    assert first == second
