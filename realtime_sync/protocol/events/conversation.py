"""Events named ``conversation.*``: the list of items, and its transcripts."""

from __future__ import annotations

from typing import ClassVar, Literal, Union

from attrs import frozen

from ...types import UNSET, OrUnset, Unset
from ..fields import (
    MaybeBool,
    MaybeInt,
    MaybeText,
    checked,
    count,
    required,
    text_field,
)
from ..items import InputItem, Item
from ..transcripts import LogProb, TranscriptionError
from ..transcripts import TranscriptionLanguage as Language
from ..transcripts import TranscriptionUsage
from ._base import ClientEvent, ServerEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ConversationItemCreate(ClientEvent):
    """
    Put an item into the conversation.

    Attributes:
        item: what to put in.
        previous_item_id: the item to put it behind, ``"root"`` for the head;
            the end when absent.
    """

    type: ClassVar[Literal["conversation.item.create"]] = "conversation.item.create"
    item: InputItem
    previous_item_id: Union[str, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ConversationItemDelete(ClientEvent):
    """
    Take an item out of the conversation.

    Attributes:
        item_id: which one.
    """

    type: ClassVar[Literal["conversation.item.delete"]] = "conversation.item.delete"
    item_id: str


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ConversationItemRetrieve(ClientEvent):
    """
    Ask for the server's copy of an item, audio included.

    Attributes:
        item_id: which one.
    """

    type: ClassVar[Literal["conversation.item.retrieve"]] = "conversation.item.retrieve"
    item_id: str


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ConversationItemTruncate(ClientEvent):
    """
    Cut the model's audio where the user stopped hearing it.

    The server drops the whole transcript of the part, so that the model does
    not believe that unheard words were heard. Zero, or more than there is, is
    refused.

    Attributes:
        item_id: an item of the assistant.
        content_index: which part of it; its audio is 0 as a rule.
        audio_end_ms: milliseconds of that item's audio to keep.
    """

    type: ClassVar[Literal["conversation.item.truncate"]] = "conversation.item.truncate"
    item_id: str
    content_index: int = count(default=0)
    audio_end_ms: int = count()


@frozen(kw_only=True, slots=False)
class Conversation:
    """
    A conversation's name.

    Attributes:
        id: the server's id of it.
        object: ``"realtime.conversation"``.
    """

    id: MaybeText = UNSET
    object: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class ConversationCreated(ServerEvent):
    """
    The conversation exists.

    The prose of both protocols has it after ``session.created``; OpenAI sends it in
    neither, and xAI sends it first. Nobody may wait for it.

    Attributes:
        conversation: its id.
    """

    type: ClassVar[Literal["conversation.created"]] = "conversation.created"
    conversation: OrUnset[Conversation] = required()


@frozen(kw_only=True, slots=False)
class ConversationItemAdded(ServerEvent):
    """
    An item entered the conversation.

    The model's own items enter empty and ``in_progress``. The beta says
    ``conversation.item.created``.

    Attributes:
        item: the item as it entered.
        previous_item_id: the item before it at this moment; None at the head,
            though some servers never fill it.
    """

    type: ClassVar[Literal["conversation.item.added"]] = "conversation.item.added"
    item: OrUnset[Item] = required()
    previous_item_id: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class ConversationItemDone(ServerEvent):
    """
    An item is final, but for transcripts, which may come later.

    Attributes:
        item: the item with its content.
        previous_item_id: as in `ConversationItemAdded`.
    """

    type: ClassVar[Literal["conversation.item.done"]] = "conversation.item.done"
    item: OrUnset[Item] = required()
    previous_item_id: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class ConversationItemRetrieved(ServerEvent):
    """
    The answer to `ConversationItemRetrieve`.

    Attributes:
        item: the item with everything in it, audio bytes too.
    """

    type: ClassVar[Literal["conversation.item.retrieved"]] = (
        "conversation.item.retrieved"
    )
    item: OrUnset[Item] = required()


@frozen(kw_only=True, slots=False)
class ConversationItemTruncated(ServerEvent):
    """
    The model's audio was cut.

    Attributes:
        item_id: the item.
        content_index: which part of it.
        audio_end_ms: milliseconds of audio that are left.
    """

    type: ClassVar[Literal["conversation.item.truncated"]] = (
        "conversation.item.truncated"
    )
    item_id: OrUnset[str] = required()
    content_index: OrUnset[int] = required()
    audio_end_ms: OrUnset[int] = required()


@frozen(kw_only=True, slots=False)
class ConversationItemDeleted(ServerEvent):
    """
    An item is out of the conversation.

    Attributes:
        item_id: the item.
    """

    type: ClassVar[Literal["conversation.item.deleted"]] = "conversation.item.deleted"
    item_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class ConversationItemInputAudioTranscriptionDelta(ServerEvent):
    """
    More of what the user said. May come before the item itself.

    Attributes:
        item_id: the item with the audio.
        content_index: which part of it.
        delta: what to append. Some servers repeat the whole; the completed
            transcript is right in any case.
        logprobs: log probabilities, if they were asked for.
        cumulative: `delta` is all that was said so far, in place of what the
            ones before it said.
    """

    type: ClassVar[Literal["conversation.item.input_audio_transcription.delta"]] = (
        "conversation.item.input_audio_transcription.delta"
    )
    item_id: OrUnset[str] = required()
    content_index: MaybeInt = UNSET
    delta: MaybeText = text_field(also=("text", "transcript"))
    cumulative: MaybeBool = UNSET
    logprobs: Union[tuple[LogProb, ...], None, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class ConversationItemInputAudioTranscriptionSegment(ServerEvent):
    """
    A stretch of what one speaker said, from a model that tells speakers apart.

    Attributes:
        item_id: the item with the audio.
        content_index: which part of it.
        id: id of the segment.
        speaker: label of the speaker.
        start: seconds from the beginning of the audio.
        end: seconds from the beginning of the audio.
        text: what was said.
    """

    type: ClassVar[Literal["conversation.item.input_audio_transcription.segment"]] = (
        "conversation.item.input_audio_transcription.segment"
    )
    item_id: OrUnset[str] = required()
    content_index: OrUnset[int] = required()
    id: OrUnset[str] = required()
    speaker: OrUnset[str] = required()
    start: OrUnset[float] = required()
    end: OrUnset[float] = required()
    text: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class ConversationItemInputAudioTranscriptionCompleted(ServerEvent):
    """
    What the user said, complete. May come long after the answer to it.

    Attributes:
        item_id: the item with the audio.
        content_index: which part of it.
        transcript: the text; "" for silence.
        usage: what the transcription cost, in tokens or in seconds.
        languages: languages that were heard.
        logprobs: log probabilities, if they were asked for.
    """

    type: ClassVar[Literal["conversation.item.input_audio_transcription.completed"]] = (
        "conversation.item.input_audio_transcription.completed"
    )
    item_id: OrUnset[str] = required()
    content_index: OrUnset[int] = required()
    transcript: OrUnset[str] = required()
    usage: OrUnset[TranscriptionUsage] = required()
    languages: Union[tuple[Language, ...], None, Unset] = UNSET
    logprobs: Union[tuple[LogProb, ...], None, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class ConversationItemInputAudioTranscriptionFailed(ServerEvent):
    """
    What the user said could not be transcribed. The item stays.

    Attributes:
        item_id: the item with the audio.
        content_index: which part of it.
        error: why.
    """

    type: ClassVar[Literal["conversation.item.input_audio_transcription.failed"]] = (
        "conversation.item.input_audio_transcription.failed"
    )
    item_id: OrUnset[str] = required()
    content_index: OrUnset[int] = required()
    error: OrUnset[TranscriptionError] = required()
