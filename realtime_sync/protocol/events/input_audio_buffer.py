"""Events named ``input_audio_buffer.*``: the user's audio before it is an item."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from ...types import UNSET, OrUnset
from ..fields import MaybeText, checked, given_audio, required
from ..lazy_audio import lazy_audio
from ._base import ClientEvent, ServerEvent


@lazy_audio
@frozen(kw_only=True, slots=False)
class InputAudioBufferAppend(ClientEvent):
    """
    Append audio to the input buffer. Never acknowledged.

    Attributes:
        audio: samples in the session's input format, at most 15 MiB.
    """

    type: ClassVar[Literal["input_audio_buffer.append"]] = "input_audio_buffer.append"
    audio: bytes = given_audio()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class InputAudioBufferCommit(ClientEvent):
    """
    Make an item of the audio in the buffer; at least 100 ms of it.

    No response follows by itself.
    """

    type: ClassVar[Literal["input_audio_buffer.commit"]] = "input_audio_buffer.commit"


@frozen(kw_only=True, slots=False, field_transformer=checked)
class InputAudioBufferClear(ClientEvent):
    """Throw away the audio in the buffer."""

    type: ClassVar[Literal["input_audio_buffer.clear"]] = "input_audio_buffer.clear"


@frozen(kw_only=True, slots=False)
class InputAudioBufferSpeechStarted(ServerEvent):
    """
    The user started to speak: time to stop playing the model's audio.

    Attributes:
        audio_start_ms: where it started, in milliseconds of all the audio that
            was appended in this session, padding included.
        item_id: the item that the speech will be. It does not exist yet.
    """

    type: ClassVar[Literal["input_audio_buffer.speech_started"]] = (
        "input_audio_buffer.speech_started"
    )
    audio_start_ms: OrUnset[int] = required()
    item_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class InputAudioBufferSpeechStopped(ServerEvent):
    """
    The user stopped speaking. Does not follow on every start.

    Attributes:
        audio_end_ms: where it stopped, in milliseconds of all the audio that
            was appended in this session.
        item_id: the item that the speech will be.
    """

    type: ClassVar[Literal["input_audio_buffer.speech_stopped"]] = (
        "input_audio_buffer.speech_stopped"
    )
    audio_end_ms: OrUnset[int] = required()
    item_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class InputAudioBufferCommitted(ServerEvent):
    """
    The buffer is on its way to become an item.

    Attributes:
        item_id: the item, which is announced after this.
        previous_item_id: the item that it will follow.
    """

    type: ClassVar[Literal["input_audio_buffer.committed"]] = (
        "input_audio_buffer.committed"
    )
    item_id: OrUnset[str] = required()
    previous_item_id: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class InputAudioBufferCleared(ServerEvent):
    """The buffer is empty, as the client asked."""

    type: ClassVar[Literal["input_audio_buffer.cleared"]] = "input_audio_buffer.cleared"


@frozen(kw_only=True, slots=False)
class InputAudioBufferTimeoutTriggered(ServerEvent):
    """
    The user said nothing for ``idle_timeout_ms``; the model will speak.

    Attributes:
        audio_start_ms: where the silence began, in milliseconds of all the
            audio that was appended in this session.
        audio_end_ms: where it ended.
        item_id: the item that the silence becomes.
    """

    type: ClassVar[Literal["input_audio_buffer.timeout_triggered"]] = (
        "input_audio_buffer.timeout_triggered"
    )
    audio_start_ms: OrUnset[int] = required()
    audio_end_ms: OrUnset[int] = required()
    item_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class InputAudioBufferDtmfEventReceived(ServerEvent):
    """
    A key was pressed on a telephone. Calls over SIP only; has no ``event_id``.

    Attributes:
        event: the key: ``0`` to ``9``, ``*``, ``#``, ``A`` to ``D``.
        received_at: when, in seconds since the epoch.
    """

    type: ClassVar[Literal["input_audio_buffer.dtmf_event_received"]] = (
        "input_audio_buffer.dtmf_event_received"
    )
    event: OrUnset[str] = required()
    received_at: OrUnset[int] = required()
