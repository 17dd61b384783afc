"""
Sessions: what a client asks for, and what a server says is in force.

The configuration classes (`SessionConfig`, `TranscriptionConfig`,
`TranslationConfig`) hold what a client may send; the others add what only a
server knows, such as the id. All have the GA shape, whichever dialect is
spoken. A field that the protocol does not have, a vendor's, is kept in
``extra`` and sent from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ..types import UNSET, OrUnset, Unset
from .audio_config import (
    AudioConfig,
    AudioTranscription,
    NoiseReduction,
)
from .fields import (
    MaybeAny,
    MaybeBool,
    MaybeFloat,
    MaybeInt,
    MaybeText,
    checked,
    extra_fields,
    free,
    required,
    secret,
    sequence,
)
from .tools import (
    Prompt,
    Tool,
    ToolChoice,
)


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Reasoning:
    """How hard a reasoning model thinks: ``"minimal"`` to ``"xhigh"``."""

    effort: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TracingConfiguration:
    """
    How the session appears in the service's traces.

    Attributes:
        workflow_name: name of the trace.
        group_id: groups several traces.
        metadata: anything to filter by.
    """

    workflow_name: MaybeText = UNSET
    group_id: MaybeText = UNSET
    metadata: MaybeAny = free()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TokenLimits:
    """
    Limits of the context, in tokens.

    Attributes:
        post_instructions: how much conversation may follow the instructions
            before the oldest items are dropped.
    """

    post_instructions: MaybeInt = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TruncationRetentionRatio:
    """
    Drop more than needed when the context is full, to keep the cache warm.

    Attributes:
        retention_ratio: share of the context to keep, 0 to 1.
        token_limits: limits lower than the model's own.
    """

    type: ClassVar[Literal["retention_ratio"]] = "retention_ratio"
    retention_ratio: float
    token_limits: Union[TokenLimits, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Expiry:
    """
    How long a short-lived key is to be good for.

    Attributes:
        anchor: counted from here: ``"created_at"``.
        seconds: 10 to 7200; 600 when absent.
    """

    anchor: MaybeText = UNSET
    seconds: MaybeInt = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ClientSecret:
    """
    A short-lived key, asked for or given, in the beta.

    Attributes:
        value: the key. Secret: never logged.
        expires_at: seconds since the epoch; a transcription session asks for
            an `Expiry` here.
        expires_after: what other sessions ask for.
    """

    value: MaybeText = secret()
    expires_at: Union[int, Expiry, None, Unset] = UNSET
    expires_after: Union[Expiry, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SessionConfig:
    """
    What a client may configure in a conversation.

    Only what is given is changed. None clears a field that can be cleared:
    ``turn_detection=None`` in the audio input leaves turns to the client.

    Attributes:
        model: only when the session is made.
        output_modalities: ``("audio",)`` or ``("text",)``.
        instructions: what the model is told; ``""`` for nothing.
        audio: formats, voice, turn detection, transcription.
        tools: all tools; an empty list removes them.
        tool_choice: ``"auto"``, ``"none"``, ``"required"`` or one tool.
        parallel_tool_calls: several calls in one response.
        max_output_tokens: a number or ``"inf"``, per response.
        reasoning: for models that reason.
        truncation: ``"auto"``, ``"disabled"`` or a retention ratio.
        prompt: a stored prompt.
        tracing: ``"auto"`` or details; None for none. Fixed once set.
        include: further fields to send, such as
            ``"item.input_audio_transcription.logprobs"``.
        temperature: sampling temperature. Beta only.
        client_secret: wishes about the short-lived key. Beta only.
        extra: a vendor's own fields.
    """

    type: ClassVar[Literal["realtime"]] = "realtime"
    model: MaybeText = UNSET
    output_modalities: Union[tuple[str, ...], None, Unset] = sequence()
    instructions: MaybeText = UNSET
    audio: Union[AudioConfig, None, Unset] = UNSET
    tools: Union[tuple[Tool, ...], None, Unset] = sequence()
    tool_choice: Union[ToolChoice, None, Unset] = UNSET
    parallel_tool_calls: MaybeBool = UNSET
    max_output_tokens: Union[int, str, None, Unset] = UNSET
    reasoning: Union[Reasoning, None, Unset] = UNSET
    truncation: Union[str, TruncationRetentionRatio, None, Unset] = UNSET
    prompt: Union[Prompt, None, Unset] = UNSET
    tracing: Union[str, TracingConfiguration, None, Unset] = UNSET
    include: Union[tuple[str, ...], None, Unset] = sequence()
    temperature: MaybeFloat = UNSET
    client_secret: Union[ClientSecret, None, Unset] = UNSET
    extra: Mapping[str, Any] = extra_fields()


@frozen(kw_only=True, slots=False)
class RealtimeSession:
    """
    A conversation's configuration as it is in force.

    The fields of `SessionConfig`, and:

    Attributes:
        id: the server's id of the session.
        object: ``"realtime.session"``.
        expires_at: when the server will end it, in seconds since the epoch.
    """

    type: ClassVar[Literal["realtime"]] = "realtime"
    id: MaybeText = UNSET
    object: MaybeText = UNSET
    expires_at: MaybeInt = UNSET
    model: MaybeText = UNSET
    output_modalities: Union[tuple[str, ...], None, Unset] = UNSET
    instructions: MaybeText = UNSET
    audio: Union[AudioConfig, None, Unset] = UNSET
    tools: Union[tuple[Tool, ...], None, Unset] = free()
    tool_choice: Union[ToolChoice, None, Unset] = UNSET
    parallel_tool_calls: MaybeBool = UNSET
    max_output_tokens: Union[int, str, None, Unset] = UNSET
    reasoning: Union[Reasoning, None, Unset] = UNSET
    truncation: Union[str, TruncationRetentionRatio, None, Unset] = UNSET
    prompt: Union[Prompt, None, Unset] = UNSET
    tracing: Union[str, TracingConfiguration, None, Unset] = UNSET
    include: Union[tuple[str, ...], None, Unset] = UNSET
    temperature: MaybeFloat = UNSET
    client_secret: Union[ClientSecret, None, Unset] = UNSET
    extra: Mapping[str, Any] = extra_fields()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TranscriptionConfig:
    """
    What a client may configure where speech is only transcribed.

    Attributes:
        audio: its ``input`` half.
        include: further fields to send.
        output_modalities: beta only.
        client_secret: wishes about the short-lived key. Beta only.
        extra: a vendor's own fields.
    """

    type: ClassVar[Literal["transcription"]] = "transcription"
    audio: Union[AudioConfig, None, Unset] = UNSET
    include: Union[tuple[str, ...], None, Unset] = sequence()
    output_modalities: Union[tuple[str, ...], None, Unset] = sequence()
    client_secret: Union[ClientSecret, None, Unset] = UNSET
    extra: Mapping[str, Any] = extra_fields()


@frozen(kw_only=True, slots=False)
class TranscriptionSession:
    """
    A transcription session's configuration as it is in force.

    The fields of `TranscriptionConfig`, and:

    Attributes:
        id: the server's id of the session.
        object: ``"realtime.transcription_session"``.
        expires_at: when the server will end it, in seconds since the epoch.
    """

    type: ClassVar[Literal["transcription"]] = "transcription"
    id: MaybeText = UNSET
    object: MaybeText = UNSET
    expires_at: MaybeInt = UNSET
    audio: Union[AudioConfig, None, Unset] = UNSET
    include: Union[tuple[str, ...], None, Unset] = UNSET
    output_modalities: Union[tuple[str, ...], None, Unset] = UNSET
    client_secret: Union[ClientSecret, None, Unset] = UNSET
    extra: Mapping[str, Any] = extra_fields()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TranslationInput:
    """
    How a translation session hears. Its audio is always 24 kHz PCM16 mono.

    Attributes:
        transcription: set it to get the speaker's own words too.
        noise_reduction: None for none.
    """

    transcription: Union[AudioTranscription, None, Unset] = UNSET
    noise_reduction: Union[NoiseReduction, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TranslationOutput:
    """The language to translate into, an ISO-639-1 code."""

    language: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TranslationAudio:
    """Both directions of a translation session."""

    input: Union[TranslationInput, None, Unset] = UNSET
    output: Union[TranslationOutput, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TranslationConfig:
    """
    What a client may configure where speech is translated.

    Attributes:
        model: only when a client secret is made.
        audio: language, transcription, noise reduction.
        extra: a vendor's own fields.
    """

    model: MaybeText = UNSET
    audio: Union[TranslationAudio, None, Unset] = UNSET
    extra: Mapping[str, Any] = extra_fields()


@frozen(kw_only=True, slots=False)
class TranslationSession:
    """
    A translation session as it is in force.

    Attributes:
        id: the server's id of the session.
        model: the translation model.
        expires_at: when the server will end it, in seconds since the epoch.
        audio: language, transcription, noise reduction.
    """

    type: ClassVar[Literal["translation"]] = "translation"
    id: OrUnset[str] = required()
    model: OrUnset[str] = required()
    expires_at: OrUnset[int] = required()
    audio: OrUnset[TranslationAudio] = required()
    extra: Mapping[str, Any] = extra_fields()


InForce = Union[RealtimeSession, TranscriptionSession, TranslationSession]
"""A configuration as a server says that it holds."""
