"""
Responses: what a client asks for, what a server made, and what it cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from attrs import frozen

from ..types import UNSET, OrUnset, Unset
from .audio_config import AudioConfig
from .fields import (
    MaybeBool,
    MaybeFloat,
    MaybeInt,
    MaybeText,
    checked,
    extra_fields,
    free,
    required,
    sequence,
)
from .items import InputItem, Item
from .sessions import Reasoning
from .tools import Prompt, Tool, ToolChoice


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ResponseConfig:
    """
    How one response differs from the session's configuration.

    Attributes:
        output_modalities: ``("audio",)`` or ``("text",)``.
        instructions: replace the session's for this response.
        audio: its ``output`` half.
        tools: replace the session's.
        tool_choice: ``"auto"``, ``"none"``, ``"required"`` or one tool.
        parallel_tool_calls: several calls in one response.
        max_output_tokens: a number or ``"inf"``.
        conversation: ``"auto"`` to join the conversation, ``"none"`` to stay
            out of it.
        metadata: up to 16 pairs of text, given back with the response.
        input: what the model reads instead of the conversation.
        prompt: a stored prompt.
        reasoning: for models that reason.
        temperature: sampling temperature. Beta only.
        extra: a vendor's own fields.
    """

    output_modalities: Union[tuple[str, ...], None, Unset] = sequence()
    instructions: MaybeText = UNSET
    audio: Union[AudioConfig, None, Unset] = UNSET
    tools: Union[tuple[Tool, ...], None, Unset] = sequence()
    tool_choice: Union[ToolChoice, None, Unset] = UNSET
    parallel_tool_calls: MaybeBool = UNSET
    max_output_tokens: Union[int, str, None, Unset] = UNSET
    conversation: MaybeText = UNSET
    metadata: Union[Mapping[str, Any], None, Unset] = free()
    input: Union[tuple[InputItem, ...], None, Unset] = sequence()
    prompt: Union[Prompt, None, Unset] = UNSET
    reasoning: Union[Reasoning, None, Unset] = UNSET
    temperature: MaybeFloat = UNSET
    extra: Mapping[str, Any] = extra_fields()


@frozen(kw_only=True, slots=False)
class ResponseError:
    """
    Why a response failed.

    Attributes:
        type: kind of error.
        code: for programs.
        message: for people.
    """

    type: MaybeText = UNSET
    code: MaybeText = UNSET
    message: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class StatusDetails:
    """
    More about the end of a response.

    Attributes:
        type: the status again.
        reason: ``turn_detected``, ``client_cancelled``, ``max_output_tokens``,
            ``content_filter``; or the words of a server that sends words only.
        error: why it failed, if it did.
    """

    type: MaybeText = UNSET
    reason: MaybeText = UNSET
    error: Union[ResponseError, None, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class CachedTokensDetails:
    """Cached input tokens by kind."""

    text_tokens: MaybeInt = UNSET
    audio_tokens: MaybeInt = UNSET
    image_tokens: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class InputTokenDetails:
    """Input tokens by kind; cached ones are counted in the others too."""

    text_tokens: MaybeInt = UNSET
    audio_tokens: MaybeInt = UNSET
    image_tokens: MaybeInt = UNSET
    cached_tokens: MaybeInt = UNSET
    cached_tokens_details: Union[CachedTokensDetails, None, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class OutputTokenDetails:
    """Output tokens by kind; those of reasoning are in neither of the others."""

    text_tokens: MaybeInt = UNSET
    audio_tokens: MaybeInt = UNSET
    reasoning_tokens: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class Usage:
    """Tokens that a response took. What is billed."""

    total_tokens: MaybeInt = UNSET
    input_tokens: MaybeInt = UNSET
    output_tokens: MaybeInt = UNSET
    input_token_details: Union[InputTokenDetails, None, Unset] = UNSET
    output_token_details: Union[OutputTokenDetails, None, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class Response:
    """
    A response of the model.

    Attributes:
        id: the server's id of it.
        object: ``"realtime.response"``.
        status: ``in_progress``, ``completed``, ``cancelled``, ``failed`` or
            ``incomplete``.
        status_details: more about the end; often None.
        output: the items it made; without audio bytes.
        usage: tokens; None until it is done.
        metadata: what the client gave with ``response.create``.
        conversation_id: the conversation it joins; None if it joins none.
        output_modalities: what it is made of.
        audio: format and voice of its audio.
        max_output_tokens: a number or ``"inf"``.
        temperature: sampling temperature. Beta only.
    """

    id: MaybeText = UNSET
    object: MaybeText = UNSET
    status: MaybeText = UNSET
    status_details: Union[StatusDetails, None, Unset] = UNSET
    output: Union[tuple[Item, ...], None, Unset] = UNSET
    usage: Union[Usage, None, Unset] = UNSET
    metadata: Union[Mapping[str, Any], None, Unset] = free()
    conversation_id: MaybeText = UNSET
    output_modalities: Union[tuple[str, ...], None, Unset] = UNSET
    audio: Union[AudioConfig, None, Unset] = UNSET
    max_output_tokens: Union[int, str, None, Unset] = UNSET
    temperature: MaybeFloat = UNSET


@frozen(kw_only=True, slots=False)
class RateLimit:
    """
    One limit of the account.

    Attributes:
        name: ``requests`` or ``tokens``.
        limit: how many are allowed.
        remaining: how many are left.
        reset_seconds: seconds until it is full again.
    """

    name: MaybeText = UNSET
    limit: MaybeInt = UNSET
    remaining: MaybeInt = UNSET
    reset_seconds: MaybeFloat = UNSET


@frozen(kw_only=True, slots=False)
class ErrorDetails:
    """
    What an ``error`` event is about.

    Attributes:
        type: kind of error, such as ``invalid_request_error``.
        message: for people.
        code: for programs.
        param: path of the field that is to blame.
        event_id: the client's id of the command that caused it.
    """

    type: OrUnset[str] = required()
    message: OrUnset[str] = required()
    code: MaybeText = UNSET
    param: MaybeText = UNSET
    event_id: MaybeText = UNSET
