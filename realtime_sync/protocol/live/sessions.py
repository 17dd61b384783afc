"""What a session is configured with, and what the service says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ...types import UNSET, OrUnset, Unset
from ..fields import (
    MaybeBool,
    MaybeFloat,
    MaybeInt,
    MaybeText,
    checked,
    extra_fields,
    free,
    given_sequence,
    required,
    secret,
    sequence,
)
from ..tools import McpToolApprovalFilter, McpToolFilter
from .decisions import DecisionsConfig, InputText, OutputText, Trigger


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Pcm:
    """
    Signed 16-bit samples, little-endian, one channel.

    Attributes:
        rate: 16000 or 24000 samples per second.
    """

    type: ClassVar[Literal["audio/pcm"]] = "audio/pcm"
    rate: int


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Pcmu:
    """G.711 mu-law; the rate is 8000."""

    type: ClassVar[Literal["audio/pcmu"]] = "audio/pcmu"
    rate: int


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Pcma:
    """G.711 A-law; the rate is 8000."""

    type: ClassVar[Literal["audio/pcma"]] = "audio/pcma"
    rate: int


@frozen(kw_only=True, slots=False, field_transformer=checked)
class CustomVoice:
    """A voice of the project's own."""

    id: str


@frozen(kw_only=True, slots=False, field_transformer=checked)
class AudioOutput:
    """
    How the model sounds.

    Attributes:
        voice: a name, or a voice of the project's own; ``"marin"`` when absent.
    """

    voice: Union[str, CustomVoice, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Audio:
    """
    Audio of a session. None of it can be changed later.

    Attributes:
        format: of both directions; 24 kHz PCM16 when absent.
        output: how the model sounds.
    """

    format: Union[Pcm, Pcmu, Pcma, Mapping[str, Any], None, Unset] = UNSET
    output: Union[AudioOutput, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class EventSelector:
    """
    Server events that a data channel may carry.

    Attributes:
        type: the event type.
        response_event: which events of the backend, for ``"response.event"``.
    """

    type: str
    response_event: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class DataChannel:
    """
    What a browser's data channel may carry: ``"all"``, or a list.

    Attributes:
        allowed_client_events: event types.
        allowed_server_events: selectors of events.
    """

    allowed_client_events: Union[str, tuple[str, ...], None, Unset] = UNSET
    allowed_server_events: Union[str, tuple[EventSelector, ...], None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ClientConfig:
    """What a browser may do."""

    data_channel: DataChannel


@frozen(kw_only=True, slots=False, field_transformer=checked)
class DeveloperTurn:
    """Something that the application told the model before."""

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "developer"
    content: tuple[InputText, ...] = given_sequence()
    status: MaybeText = UNSET
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class UserTurn:
    """Something that the user said before."""

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "user"
    content: tuple[InputText, ...] = given_sequence()
    status: MaybeText = UNSET
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Text:
    """Text of the assistant, in the older spelling."""

    type: ClassVar[Literal["text"]] = "text"
    text: str


@frozen(kw_only=True, slots=False, field_transformer=checked)
class AssistantTurn:
    """Something that the assistant said before."""

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "assistant"
    content: tuple[Union[OutputText, Text], ...] = given_sequence()
    status: MaybeText = UNSET
    id: MaybeText = UNSET


Turn = Union[DeveloperTurn, UserTurn, AssistantTurn, Mapping[str, Any]]


@frozen(kw_only=True, slots=False, field_transformer=checked)
class FunctionTool:
    """
    A function of yours that the backend may call.

    Attributes:
        name: how the backend names it.
        description: what it does, and when to call it.
        parameters: JSON schema of its arguments.
        strict: arguments follow the schema exactly.
    """

    type: ClassVar[Literal["function"]] = "function"
    name: str
    description: MaybeText = UNSET
    parameters: Union[Mapping[str, Any], None, Unset] = free()
    strict: MaybeBool = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class McpTool:
    """
    An MCP server whose tools the backend may call without the client.

    Attributes:
        server_label: your name for the server; calls carry it.
        server_url: where it is. One of this, a connector and a tunnel.
        connector_id: a connector that the service hosts.
        tunnel_id: a tunnel to a server that is not reachable otherwise.
        server_description: more about it, for the backend.
        authorization: OAuth token for it. Secret: never logged.
        headers: HTTP headers for it. Secret: never logged.
        allowed_tools: names or a filter; all tools when absent.
        require_approval: ``"always"``, ``"never"`` or a filter.
        allowed_callers: ``"direct"``, ``"programmatic"``.
        defer_loading: load the tools only when they are looked for.
    """

    type: ClassVar[Literal["mcp"]] = "mcp"
    server_label: MaybeText = UNSET
    server_url: MaybeText = free()
    connector_id: MaybeText = UNSET
    tunnel_id: MaybeText = UNSET
    server_description: MaybeText = UNSET
    authorization: MaybeText = secret()
    headers: Union[Mapping[str, str], None, Unset] = secret()
    allowed_tools: Union[tuple[str, ...], McpToolFilter, None, Unset] = UNSET
    require_approval: Union[str, McpToolApprovalFilter, None, Unset] = UNSET
    allowed_callers: Union[tuple[str, ...], None, Unset] = sequence()
    defer_loading: MaybeBool = UNSET


Tool = Union[FunctionTool, McpTool, Mapping[str, Any]]
"""Tools that the service runs itself stay mappings."""


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Reasoning:
    """
    How much the backend thinks.

    Attributes:
        effort: ``"none"`` to ``"xhigh"``.
        summary: ``"concise"``, ``"detailed"`` or ``"auto"``.
    """

    effort: MaybeText = UNSET
    summary: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TextOptions:
    """
    How the backend writes.

    Attributes:
        verbosity: ``"low"``, ``"medium"`` or ``"high"``.
    """

    verbosity: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ResponsesConfig:
    """
    The backend that works while the voice talks.

    Attributes:
        model: required when a session starts.
        instructions: for the backend.
        tools: what it may call.
        tool_choice: ``"auto"``, ``"none"``, ``"required"`` or one tool. What
            forces a call forces it in every response, that after the results too.
        parallel_tool_calls: several calls in one response.
        max_output_tokens: of one response.
        reasoning: how much it thinks.
        text: how it writes.
        service_tier: how it is billed.
    """

    model: MaybeText = UNSET
    instructions: MaybeText = UNSET
    tools: Union[tuple[Tool, ...], None, Unset] = sequence()
    tool_choice: Union[str, Mapping[str, Any], None, Unset] = free()
    parallel_tool_calls: MaybeBool = UNSET
    max_output_tokens: MaybeInt = UNSET
    reasoning: Union[Reasoning, None, Unset] = UNSET
    text: Union[TextOptions, None, Unset] = UNSET
    service_tier: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ClientDelegation:
    """
    The application does the work that the voice delegates.

    Attributes:
        acknowledgement_delay_ms: how long to wait before the voice acknowledges
            by itself.
    """

    type: ClassVar[Literal["client"]] = "client"
    acknowledgement_delay_ms: MaybeInt = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ResponsesDelegation:
    """
    A model of the Responses API does the work, run by the service.

    Attributes:
        responses: the backend; required when a session starts.
        acknowledgement_delay_ms: as for `ClientDelegation`.
    """

    type: ClassVar[Literal["responses"]] = "responses"
    responses: Union[ResponsesConfig, None, Unset] = UNSET
    acknowledgement_delay_ms: MaybeInt = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class DecisionsDelegation:
    """
    The Decisions API answers questions.

    Attributes:
        decisions: who decides, and what; required when a session starts.
        acknowledgement_delay_ms: as for `ClientDelegation`.
    """

    type: ClassVar[Literal["decisions"]] = "decisions"
    decisions: Union[DecisionsConfig, None, Unset] = UNSET
    acknowledgement_delay_ms: MaybeInt = UNSET


Delegation = Union[
    ClientDelegation,
    ResponsesDelegation,
    DecisionsDelegation,
    Mapping[str, Any],
    None,
    Unset,
]
"""Who does the work; absent means the application."""

MaybeTriggers = Union[tuple[Trigger, ...], None, Unset]


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SessionConfig:
    """
    What a session, or the fork of a stored one, starts with.

    A fork takes ``audio.format``, ``client``, ``store`` and what may change of
    Responses delegation; everything else comes from its source.

    Attributes:
        model: required unless the session is a fork.
        instructions: for the voice. They cannot be changed, only appended to.
        input: what was said before, text only.
        audio: format and voice.
        delegation: who does the work that the voice delegates.
        triggers: questions that the transcript asks.
        store: keep it, for forks and the recording.
        client: what a browser may do.
        safety_identifier: stable pseudonym of the user.
        extra: fields that the protocol does not have.
    """

    model: MaybeText = UNSET
    instructions: MaybeText = UNSET
    input: Union[tuple[Turn, ...], None, Unset] = sequence()
    audio: Union[Audio, None, Unset] = UNSET
    delegation: Delegation = UNSET
    triggers: MaybeTriggers = sequence()
    store: MaybeBool = UNSET
    client: Union[ClientConfig, None, Unset] = UNSET
    safety_identifier: MaybeText = UNSET
    extra: dict[str, Any] = extra_fields()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SessionUpdateConfig:
    """
    What of a session may change while it runs.

    Attributes:
        delegation: of the same type as before.
        triggers: all of them.
        extra: fields that the protocol does not have.
    """

    delegation: Delegation = UNSET
    triggers: MaybeTriggers = sequence()
    extra: dict[str, Any] = extra_fields()


@frozen(kw_only=True, slots=False)
class Session:
    """
    What the service says of a session.

    Attributes:
        id: of the session; opaque.
        expires_at: when it ends at the latest, in seconds since 1970.
        status: ``"active"``, even of a session that was closed.
        model: which model talks.
        extra: fields that the protocol does not have.
    """

    id: OrUnset[str] = required()
    expires_at: OrUnset[int] = required()
    status: OrUnset[str] = required()
    model: OrUnset[str] = required()
    instructions: MaybeText = UNSET
    input: Union[tuple[Turn, ...], None, Unset] = UNSET
    audio: Union[Audio, None, Unset] = UNSET
    delegation: Delegation = UNSET
    triggers: MaybeTriggers = UNSET
    store: MaybeBool = UNSET
    client: Union[ClientConfig, None, Unset] = UNSET
    safety_identifier: MaybeText = UNSET
    extra: dict[str, Any] = extra_fields()


@frozen(kw_only=True, slots=False)
class SessionUsage:
    """
    How long a session has lasted; the whole of it, never to be summed.

    Attributes:
        seconds: in all.
        active_seconds: of these, with the model awake.
        paused_seconds: of these, paused.
    """

    seconds: OrUnset[float] = required()
    active_seconds: MaybeFloat = UNSET
    paused_seconds: MaybeFloat = UNSET


@frozen(kw_only=True, slots=False)
class ContextWindow:
    """
    How full the model's context is.

    Attributes:
        usage_ratio: between 0 and 1.
    """

    usage_ratio: OrUnset[float] = required()
