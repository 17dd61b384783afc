"""Events named ``response.*``, without those of MCP calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ...types import UNSET, OrUnset, Unset
from ..fields import audio_field, checked, free, required
from ..items import ContentPart, Item
from ..lazy_audio import lazy_audio
from ..responses import Response, ResponseConfig
from ._base import ClientEvent, ServerEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ResponseCreate(ClientEvent):
    """
    Have the model answer now.

    Attributes:
        response: how it differs from the session's configuration.
    """

    type: ClassVar[Literal["response.create"]] = "response.create"
    response: Union[ResponseConfig, Mapping[str, Any], Unset] = free()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ResponseCancel(ClientEvent):
    """
    Stop a response. Harmless when there is none, though answered by an error.

    Attributes:
        response_id: which one; the conversation's active one when absent.
    """

    type: ClassVar[Literal["response.cancel"]] = "response.cancel"
    response_id: Union[str, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class ResponseCreated(ServerEvent):
    """
    A response begins.

    Attributes:
        response: ``in_progress``, without output.
    """

    type: ClassVar[Literal["response.created"]] = "response.created"
    response: OrUnset[Response] = required()


@frozen(kw_only=True, slots=False)
class ResponseDone(ServerEvent):
    """
    A response is over, whatever became of it. What it says is authoritative.

    Attributes:
        response: status, items, usage; no audio bytes.
    """

    type: ClassVar[Literal["response.done"]] = "response.done"
    response: OrUnset[Response] = required()


@frozen(kw_only=True, slots=False)
class ResponseOutputItemAdded(ServerEvent):
    """
    A response begins an item.

    Attributes:
        response_id: the response.
        output_index: position of the item in the response.
        item: still empty.
    """

    type: ClassVar[Literal["response.output_item.added"]] = "response.output_item.added"
    response_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    item: OrUnset[Item] = required()


@frozen(kw_only=True, slots=False)
class ResponseOutputItemDone(ServerEvent):
    """
    A response has finished an item, or was stopped in it.

    Attributes:
        response_id: the response.
        output_index: position of the item in the response.
        item: with all its content, audio bytes excepted.
    """

    type: ClassVar[Literal["response.output_item.done"]] = "response.output_item.done"
    response_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    item: OrUnset[Item] = required()


@frozen(kw_only=True, slots=False)
class ResponseContentPartAdded(ServerEvent):
    """
    The model begins a part of a message.

    Attributes:
        response_id: the response.
        item_id: the message.
        output_index: position of the message in the response.
        content_index: position of the part in the message.
        part: of type ``text`` or ``audio``; the message will call the same
            part ``output_text`` or ``output_audio``.
    """

    type: ClassVar[Literal["response.content_part.added"]] = (
        "response.content_part.added"
    )
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    content_index: OrUnset[int] = required()
    part: OrUnset[ContentPart] = required()


@frozen(kw_only=True, slots=False)
class ResponseContentPartDone(ServerEvent):
    """
    The model has finished a part of a message, or was stopped in it.

    Attributes:
        response_id: the response.
        item_id: the message.
        output_index: position of the message in the response.
        content_index: position of the part in the message.
        part: with its text or transcript; no audio bytes.
    """

    type: ClassVar[Literal["response.content_part.done"]] = "response.content_part.done"
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    content_index: OrUnset[int] = required()
    part: OrUnset[ContentPart] = required()


@frozen(kw_only=True, slots=False)
class ResponseTextDelta(ServerEvent):
    """
    More of the model's text.

    Attributes:
        response_id: the response.
        item_id: the message.
        output_index: position of the message in the response.
        content_index: position of the part in the message.
        delta: what to append.
    """

    type: ClassVar[Literal["response.output_text.delta"]] = "response.output_text.delta"
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    content_index: OrUnset[int] = required()
    delta: OrUnset[str] = required(also=("text",))


@frozen(kw_only=True, slots=False)
class ResponseTextDone(ServerEvent):
    """
    The model's text of one part is complete, or was cut off.

    Attributes:
        response_id: the response.
        item_id: the message.
        output_index: position of the message in the response.
        content_index: position of the part in the message.
        text: all of it.
    """

    type: ClassVar[Literal["response.output_text.done"]] = "response.output_text.done"
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    content_index: OrUnset[int] = required()
    text: OrUnset[str] = required()


@lazy_audio
@frozen(kw_only=True, slots=False)
class ResponseAudioDelta(ServerEvent):
    """
    More of the model's audio, made faster than it plays.

    Attributes:
        response_id: the response.
        item_id: the message.
        output_index: position of the message in the response.
        content_index: position of the part in the message.
        delta: samples in the session's output format; decoded when first read.
    """

    type: ClassVar[Literal["response.output_audio.delta"]] = (
        "response.output_audio.delta"
    )
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    content_index: OrUnset[int] = required()
    delta: OrUnset[bytes] = audio_field(required=True)


@frozen(kw_only=True, slots=False)
class ResponseAudioDone(ServerEvent):
    """
    There is no more audio for one part. Carries none itself.

    Attributes:
        response_id: the response.
        item_id: the message.
        output_index: position of the message in the response.
        content_index: position of the part in the message.
    """

    type: ClassVar[Literal["response.output_audio.done"]] = "response.output_audio.done"
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    content_index: OrUnset[int] = required()


@frozen(kw_only=True, slots=False)
class ResponseAudioTranscriptDelta(ServerEvent):
    """
    More of the words of the model's audio, often ahead of the audio.

    Attributes:
        response_id: the response.
        item_id: the message.
        output_index: position of the message in the response.
        content_index: position of the part in the message.
        delta: what to append.
    """

    type: ClassVar[Literal["response.output_audio_transcript.delta"]] = (
        "response.output_audio_transcript.delta"
    )
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    content_index: OrUnset[int] = required()
    delta: OrUnset[str] = required(also=("text", "transcript"))


@frozen(kw_only=True, slots=False)
class ResponseAudioTranscriptDone(ServerEvent):
    """
    The words of one part of the model's audio are complete, or were cut off.

    Attributes:
        response_id: the response.
        item_id: the message.
        output_index: position of the message in the response.
        content_index: position of the part in the message.
        transcript: all of them.
    """

    type: ClassVar[Literal["response.output_audio_transcript.done"]] = (
        "response.output_audio_transcript.done"
    )
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    content_index: OrUnset[int] = required()
    transcript: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class ResponseFunctionCallArgumentsDelta(ServerEvent):
    """
    More of the arguments of a function call.

    Attributes:
        response_id: the response.
        item_id: the function call.
        output_index: position of the call in the response.
        call_id: what its output will name.
        delta: JSON text to append.
    """

    type: ClassVar[Literal["response.function_call_arguments.delta"]] = (
        "response.function_call_arguments.delta"
    )
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    call_id: OrUnset[str] = required()
    delta: OrUnset[str] = required(also=("text", "arguments"))


@frozen(kw_only=True, slots=False)
class ResponseFunctionCallArgumentsDone(ServerEvent):
    """
    The arguments of a function call are complete.

    The call is also delivered with its item and with the response; run it once
    per ``call_id``.

    Attributes:
        response_id: the response.
        item_id: the function call.
        output_index: position of the call in the response.
        call_id: what its output will name.
        name: which function. The beta leaves it out; the item has it.
        arguments: JSON text, possibly not valid.
    """

    type: ClassVar[Literal["response.function_call_arguments.done"]] = (
        "response.function_call_arguments.done"
    )
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    call_id: OrUnset[str] = required()
    name: OrUnset[str] = required()
    arguments: OrUnset[str] = required()
