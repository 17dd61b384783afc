"""The vocabulary against the types of the installed ``openai`` package."""

from __future__ import annotations

import pkgutil
from functools import lru_cache
from importlib import import_module
from typing import Any

import pytest

from realtime_sync.protocol import items, sessions
from realtime_sync.protocol.audio_config import SemanticVad, ServerVad, TurnDetection
from realtime_sync.protocol.dialects import tables
from realtime_sync.protocol.registry import ROWS, class_of, event_class
from realtime_sync.protocol.responses import Response, ResponseConfig

openai = pytest.importorskip("openai")

from pydantic import BaseModel  # noqa: E402

from tests.protocol.sdk import Comparison, Home, load, members, wire_type  # noqa: E402

GA = "openai.types.realtime."
BETA = "openai.types.beta.realtime."

UNIONS: dict[str, tuple[str, str]] = {
    "ga": (
        GA + "realtime_server_event.RealtimeServerEvent",
        GA + "realtime_client_event.RealtimeClientEvent",
    ),
    "beta": (
        BETA + "realtime_server_event.RealtimeServerEvent",
        BETA + "realtime_client_event.RealtimeClientEvent",
    ),
    "translation": (
        GA + "realtime_translation_server_event.RealtimeTranslationServerEvent",
        GA + "realtime_translation_client_event.RealtimeTranslationClientEvent",
    ),
}

COUNTS = {"ga": (46, 11), "beta": (34, 12), "translation": (7, 3)}

EXCEPTIONS: dict[str, str] = {
    # PROTOCOL 12.38: a telephone key has no event id, and servers leave it out.
    "*.event_id": "no event can be relied upon to have one",
    # One flat class of ours stands for several types of theirs.
    "realtime_mcphttp_error.RealtimeMcphttpError.code": "a failed tool has no code",
    "realtime_mcp_protocol_error.RealtimeMcpProtocolError.code": "the same",
    "*.UsageTranscriptTextUsageDuration.seconds": "tokens or seconds",
    "*.UsageTranscriptTextUsageTokens.input_tokens": "tokens or seconds",
    "*.UsageTranscriptTextUsageTokens.output_tokens": "tokens or seconds",
    "*.UsageTranscriptTextUsageTokens.total_tokens": "tokens or seconds",
    # Translation sessions require what conversations do not.
    "*.AudioInputNoiseReduction.type": "optional in conversations",
    "*.AudioInputTranscription.model": "optional in conversations",
    # The beta's sessions have neither.
    "*.RealtimeSessionCreateResponse.id": "optional in the beta",
    "*.RealtimeSessionCreateResponse.object": "absent in the beta",
    "*.RealtimeTranscriptionSessionCreateResponse.id": "absent in the beta",
    "*.RealtimeTranscriptionSessionCreateResponse.object": "absent in the beta",
    # One class for the secret that is asked for and for the one that is given.
    "*.ClientSecret.expires_at": "given only",
    "*.ClientSecret.value": "given only",
    "*.SessionClientSecretExpiresAfter.anchor": "optional in `expires_at`",
    "session_create_response.SessionCreateResponse.client_secret": "REST only",
    # PROTOCOL 9.6: required by type, absent over a WebSocket by their prose.
    "transcription_session.TranscriptionSession.client_secret": "REST only",
}
"""Where we differ on purpose: type and field, and why."""

OURS: dict[str, str] = {
    "AssistantMessage.phase": "gpt-realtime-2.1 says it; their types do not yet",
    "OutputTokenDetails.reasoning_tokens": "the same",
    "ContentPart.format": "in the example of conversation.item.retrieved",
    "ConversationItemInputAudioTranscriptionDelta.cumulative": "interim transcripts",
    "InputAudioBufferDtmfEventReceived.event_id": "every event may have one",
    "TurnDetection.idle_timeout_ms": "the class for kinds that nobody knows",
    "TranslationConfig.model": "body of POST /realtime/translations/client_secrets",
}
"""What we have and their event types have not, and why."""

REST = {
    "client_secret_create_response",
    "realtime_translation_client_secret_create_response",
}
"""Modules of theirs that only REST bodies need; the tests of REST compare them."""


BESIDE: dict[str, Home] = {
    GA + "response_item_reference.ResponseItemReference": Home((items.ItemReference,)),
    # What the service says of a session is typed in the answers of REST only.
    GA
    + "realtime_session_create_response.RealtimeSessionCreateResponse": Home(
        (sessions.RealtimeSession,)
    ),
    GA
    + "realtime_transcription_session_create_response"
    + ".RealtimeTranscriptionSessionCreateResponse": Home(
        (sessions.TranscriptionSession,)
    ),
    BETA
    + "session_create_response.SessionCreateResponse": Home(
        (sessions.RealtimeSession,), tables.SESSION_SAID
    ),
}
"""Types that no event of theirs reaches, and that are compared all the same."""


def homes() -> dict[Any, Home]:
    """Types of the beta, which are flat or do not say what they are."""
    said = (sessions.RealtimeSession,), tables.SESSION_SAID
    flat = (
        items.SystemMessage,
        items.UserMessage,
        items.AssistantMessage,
        items.FunctionCall,
        items.FunctionCallOutput,
        items.ItemReference,
    )
    vad = Home((ServerVad, SemanticVad, TurnDetection))
    return {
        load(BETA + "session.TurnDetection"): vad,
        load(BETA + "session_update_event.SessionTurnDetection"): vad,
        load(BETA + "session_create_response.TurnDetection"): vad,
        load(BETA + "transcription_session.TurnDetection"): vad,
        load(BETA + "transcription_session_update.SessionTurnDetection"): vad,
        load(
            GA
            + "realtime_transcription_session_turn_detection."
            + "RealtimeTranscriptionSessionTurnDetection"
        ): vad,
        load(BETA + "session.Session"): Home(*said),
        load(BETA + "session_update_event.Session"): Home(
            (sessions.SessionConfig,), tables.SESSION_ASKED
        ),
        load(BETA + "transcription_session.TranscriptionSession"): Home(
            (sessions.TranscriptionSession,), tables.SESSION_SAID
        ),
        load(BETA + "transcription_session_update.Session"): Home(
            (sessions.TranscriptionConfig,), tables.SESSION_ASKED
        ),
        load(BETA + "realtime_response.RealtimeResponse"): Home(
            (Response,), tables.RESPONSE_SAID
        ),
        load(BETA + "response_create_event.Response"): Home(
            (ResponseConfig,), tables.RESPONSE_ASKED
        ),
        load(BETA + "conversation_item.ConversationItem"): Home(flat),
        load(
            BETA + "conversation_item_with_reference.ConversationItemWithReference"
        ): Home(flat),
    }


@lru_cache(maxsize=None)
def compared() -> Comparison:
    """Everything that their unions of events reach, beside ours."""
    comparison = Comparison(homes())
    for kind, unions in UNIONS.items():
        session_type = "translation" if kind == "translation" else "realtime"
        for direction, path in zip(("server", "client"), unions):
            for model in members(load(path)):
                cls = event_class(
                    wire_type(model), session_type=session_type, direction=direction
                )
                comparison.compare(model, Home((cls,)))
    for path, home in BESIDE.items():
        comparison.compare(load(path), home)
    return comparison


def excused(difference: str) -> bool:
    """Whether a difference is a documented one."""
    where = difference.partition(":")[0]
    ends = [each[1:] for each in EXCEPTIONS if each.startswith("*")]
    return where in EXCEPTIONS or where.endswith(tuple(ends))


@pytest.mark.parametrize("kind", COUNTS)
def test_every_event_of_theirs_has_a_class(kind: str) -> None:
    """No event type is unknown, and the counts are the ones that we know of."""
    server, client = (members(load(path)) for path in UNIONS[kind])
    session_type = "translation" if kind == "translation" else "realtime"

    assert COUNTS[kind] == (len(server), len(client))
    for direction, models in (("server", server), ("client", client)):
        for model in models:
            event_class(
                wire_type(model), session_type=session_type, direction=direction
            )


def test_every_field_of_theirs_is_ours_with_the_same_requiredness(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Class and type, field and field; what differs on purpose is in a table."""
    comparison = compared()
    found = {f"{at}: {what}" for at, what in comparison.differences.items()}
    missing = sorted(each for each in found if not excused(each))
    with capsys.disabled():
        print(
            f"\nparity with openai {openai.__version__}: "
            f"{len(comparison.types)} types, {comparison.fields} fields, "
            f"{len(missing)} missing, {len(found) - len(missing)} on purpose"
        )

    assert [] == missing


def test_every_field_of_ours_is_theirs_or_has_a_reason() -> None:
    """A field that only we have may be a misspelt one."""
    assert set(OURS) == compared().leftovers()


def test_every_documented_exception_is_still_needed() -> None:
    """A table of exceptions must not outlive its reasons."""
    found = set(compared().differences)

    for each in EXCEPTIONS:
        end = each[1:] if each.startswith("*") else each
        assert any(at.endswith(end) for at in found), each


def test_every_type_of_theirs_is_compared() -> None:
    """Nothing in their packages is out of reach of the comparison."""
    theirs = set()
    for package in (GA, BETA):
        for module in pkgutil.iter_modules(import_module(package[:-1]).__path__):
            if not module.ispkg and module.name not in REST:
                theirs |= defined_in(package + module.name)

    assert set() == theirs - compared().types


def defined_in(name: str) -> set[type]:
    """The types that a module of theirs defines itself."""
    return {
        value
        for value in vars(import_module(name)).values()
        if isinstance(value, type)
        and issubclass(value, BaseModel)
        and value.__module__ == name
    }


def test_every_class_of_ours_is_compared() -> None:
    """A row without a counterpart would be an event that nobody sends."""
    classes = {cls for _, home in compared().pairs for cls in home.classes}

    only_ours = {row.class_name for row in ROWS if class_of(row) not in classes}
    assert set() == only_ours
