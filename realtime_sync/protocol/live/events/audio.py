"""Audio in and out, muting, and recordings that are played to the user."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from ....types import UNSET, OrUnset
from ...events._base import ClientEvent, ServerEvent
from ...fields import MaybeInt, audio_field, checked, given_audio
from ...lazy_audio import lazy_audio
from ._base import CorrelatedEvent


@lazy_audio
@frozen(kw_only=True, slots=False)
class InputAudioAppend(ClientEvent):
    """
    Append audio. Silence must be sent too: it is the session's clock.

    Never acknowledged.

    Attributes:
        audio: in the session's format; an even number of bytes if it is PCM16.
    """

    type: ClassVar[Literal["session.input_audio.append"]] = "session.input_audio.append"
    audio: bytes = given_audio()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class InputAudioMute(ClientEvent):
    """Let the model hear silence."""

    type: ClassVar[Literal["session.input_audio.mute"]] = "session.input_audio.mute"


@frozen(kw_only=True, slots=False, field_transformer=checked)
class InputAudioUnmute(ClientEvent):
    """Let the model hear the user again."""

    type: ClassVar[Literal["session.input_audio.unmute"]] = "session.input_audio.unmute"


@lazy_audio
@frozen(kw_only=True, slots=False)
class OutputAudioFixturePlay(ClientEvent):
    """
    Play a recording in the place of the model's speech.

    Attributes:
        audio: 24 kHz PCM16, 30 seconds at most.
    """

    type: ClassVar[Literal["session.output_audio.fixture.play"]] = (
        "session.output_audio.fixture.play"
    )
    audio: bytes = given_audio()


@lazy_audio
@frozen(kw_only=True, slots=False)
class SessionInputAudioAppend(ServerEvent):
    """
    What the user says, reflected to who watches the session from aside.

    Attributes:
        audio: 24 kHz PCM16, before muting; decoded when first read.
    """

    type: ClassVar[Literal["session.input_audio.append"]] = "session.input_audio.append"
    audio: OrUnset[bytes] = audio_field(required=True)


@frozen(kw_only=True, slots=False)
class InputAudioMuted(CorrelatedEvent):
    """The model hears silence."""

    type: ClassVar[Literal["session.input_audio.muted"]] = "session.input_audio.muted"


@frozen(kw_only=True, slots=False)
class InputAudioUnmuted(CorrelatedEvent):
    """The model hears the user."""

    type: ClassVar[Literal["session.input_audio.unmuted"]] = (
        "session.input_audio.unmuted"
    )


@lazy_audio
@frozen(kw_only=True, slots=False)
class OutputAudioDelta(ServerEvent):
    """
    The next piece of the model's audio, silence included.

    Attributes:
        delta: samples; decoded when first read.
        start_ms: where it begins, in milliseconds of the session. Mostly absent.
        end_ms: where it ends.
    """

    type: ClassVar[Literal["session.output_audio.delta"]] = "session.output_audio.delta"
    delta: OrUnset[bytes] = audio_field(required=True)
    start_ms: MaybeInt = UNSET
    end_ms: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class OutputAudioFixturePlaying(CorrelatedEvent):
    """The recording has begun."""

    type: ClassVar[Literal["session.output_audio.fixture.playing"]] = (
        "session.output_audio.fixture.playing"
    )


@frozen(kw_only=True, slots=False)
class OutputAudioFixturePlayed(CorrelatedEvent):
    """The server has played the recording; the model hears again."""

    type: ClassVar[Literal["session.output_audio.fixture.played"]] = (
        "session.output_audio.fixture.played"
    )
