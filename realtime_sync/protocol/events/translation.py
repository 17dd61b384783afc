"""
Events of translation sessions.

Speech goes in, speech in another language comes out, without turns, items or
responses. Some event types are spelt as in conversations but carry something
else; hence classes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ...types import UNSET, OrUnset
from ..fields import (
    MaybeInt,
    MaybeText,
    audio_field,
    checked,
    given_audio,
    given_freely,
    required,
)
from ..lazy_audio import lazy_audio
from ..sessions import TranslationConfig, TranslationSession
from ._base import ClientEvent, ServerEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TranslationSessionUpdate(ClientEvent):
    """
    Change the language, the transcription or the noise reduction.

    Attributes:
        session: only the fields that are to change.
    """

    type: ClassVar[Literal["session.update"]] = "session.update"
    session: Union[TranslationConfig, Mapping[str, Any]] = given_freely()


@lazy_audio
@frozen(kw_only=True, slots=False)
class TranslationInputAudioBufferAppend(ClientEvent):
    """
    Append audio to be translated. Silence must be sent too.

    Attributes:
        audio: 24 kHz PCM16 mono, best in pieces of 200 ms.
    """

    type: ClassVar[Literal["session.input_audio_buffer.append"]] = (
        "session.input_audio_buffer.append"
    )
    audio: bytes = given_audio()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TranslationSessionClose(ClientEvent):
    """Translate what is left, then end the session."""

    type: ClassVar[Literal["session.close"]] = "session.close"


@frozen(kw_only=True, slots=False)
class TranslationSessionCreated(ServerEvent):
    """
    The translation session exists.

    Attributes:
        session: the configuration that it starts with.
    """

    type: ClassVar[Literal["session.created"]] = "session.created"
    session: OrUnset[TranslationSession] = required()


@frozen(kw_only=True, slots=False)
class TranslationSessionUpdated(ServerEvent):
    """
    The configuration was changed as asked.

    Attributes:
        session: the whole configuration that is now in force.
    """

    type: ClassVar[Literal["session.updated"]] = "session.updated"
    session: OrUnset[TranslationSession] = required()


@frozen(kw_only=True, slots=False)
class TranslationSessionClosed(ServerEvent):
    """Everything is translated and the session is over."""

    type: ClassVar[Literal["session.closed"]] = "session.closed"


@frozen(kw_only=True, slots=False)
class TranslationInputTranscriptDelta(ServerEvent):
    """
    More of what the speaker said. Needs transcription to be configured.

    Attributes:
        delta: what to append.
        elapsed_ms: where it belongs, in milliseconds of the session's audio.
    """

    type: ClassVar[Literal["session.input_transcript.delta"]] = (
        "session.input_transcript.delta"
    )
    delta: OrUnset[str] = required()
    elapsed_ms: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class TranslationOutputTranscriptDelta(ServerEvent):
    """
    More of the words of the translation.

    Attributes:
        delta: what to append.
        elapsed_ms: where it belongs, in milliseconds of the session's audio.
    """

    type: ClassVar[Literal["session.output_transcript.delta"]] = (
        "session.output_transcript.delta"
    )
    delta: OrUnset[str] = required()
    elapsed_ms: MaybeInt = UNSET


@lazy_audio
@frozen(kw_only=True, slots=False)
class TranslationOutputAudioDelta(ServerEvent):
    """
    More of the translation's audio.

    Attributes:
        delta: samples; decoded when first read.
        sample_rate: samples per second; 24000 when absent.
        channels: 1 when absent.
        format: ``pcm16`` when absent.
        elapsed_ms: where it belongs, in milliseconds of the session's audio.
    """

    type: ClassVar[Literal["session.output_audio.delta"]] = "session.output_audio.delta"
    delta: OrUnset[bytes] = audio_field(required=True)
    sample_rate: MaybeInt = UNSET
    channels: MaybeInt = UNSET
    format: MaybeText = UNSET
    elapsed_ms: MaybeInt = UNSET
