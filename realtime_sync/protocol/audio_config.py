"""
How a session hears and speaks: audio formats, turn detection, transcription.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Union

from attrs import frozen

from ..types import UNSET, Unset
from .fields import MaybeBool, MaybeFloat, MaybeInt, MaybeText, checked, sequence


@frozen(kw_only=True, slots=False, field_transformer=checked)
class AudioFormat:
    """
    How audio is coded.

    Attributes:
        type: ``"audio/pcm"`` (signed 16-bit little-endian mono),
            ``"audio/pcmu"`` or ``"audio/pcma"`` (G.711 at 8 kHz).
        rate: samples per second. PCM only, where OpenAI wants 24000.
    """

    type: MaybeText = UNSET
    rate: MaybeInt = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class NoiseReduction:
    """
    Filtering of input audio before turn detection and the model.

    Attributes:
        type: ``"near_field"`` (headset) or ``"far_field"`` (room microphone).
        strength: how much.
    """

    type: MaybeText = UNSET
    strength: MaybeFloat = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class AudioTranscription:
    """
    How input audio is transcribed. The model that answers does not use it.

    Attributes:
        model: transcription model.
        language: ISO-639-1 code of what is spoken.
        languages: several such codes.
        prompt: words or style to expect.
        keywords: terms to expect.
        delay: how long a streaming model waits for more context: ``"minimal"``
            to ``"xhigh"``.
    """

    model: MaybeText = UNSET
    language: MaybeText = UNSET
    languages: Union[tuple[str, ...], None, Unset] = sequence()
    prompt: MaybeText = UNSET
    keywords: Union[tuple[str, ...], None, Unset] = sequence()
    delay: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ServerVad:
    """
    A turn ends after a silence.

    Attributes:
        threshold: how loud speech must be, 0 to 1; the server's default is 0.5.
        prefix_padding_ms: milliseconds kept from before speech was noticed.
        silence_duration_ms: milliseconds of silence that end a turn.
        create_response: answer at the end of a turn.
        interrupt_response: cancel the running answer when speech starts.
        idle_timeout_ms: milliseconds (5000 to 30000) after which the model
            speaks up by itself; None for never.
    """

    type: ClassVar[Literal["server_vad"]] = "server_vad"
    threshold: MaybeFloat = UNSET
    prefix_padding_ms: MaybeInt = UNSET
    silence_duration_ms: MaybeInt = UNSET
    create_response: MaybeBool = UNSET
    interrupt_response: MaybeBool = UNSET
    idle_timeout_ms: MaybeInt = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SemanticVad:
    """
    A turn ends when the user seems to have finished.

    Attributes:
        eagerness: ``"low"`` waits up to 8 s, ``"medium"`` 4 s, ``"high"`` 2 s;
            ``"auto"`` is medium.
        create_response: answer at the end of a turn.
        interrupt_response: cancel the running answer when speech starts.
        threshold: as of `ServerVad`; some servers fill it.
        prefix_padding_ms: as of `ServerVad`; some servers fill it.
        silence_duration_ms: as of `ServerVad`; some servers fill it.
    """

    type: ClassVar[Literal["semantic_vad"]] = "semantic_vad"
    eagerness: MaybeText = UNSET
    create_response: MaybeBool = UNSET
    interrupt_response: MaybeBool = UNSET
    threshold: MaybeFloat = UNSET
    prefix_padding_ms: MaybeInt = UNSET
    silence_duration_ms: MaybeInt = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TurnDetection:
    """
    Turn detection of another kind, or of a kind that is not said.

    Beta servers may leave the type out, other vendors have types of their own.
    """

    type: MaybeText = UNSET
    threshold: MaybeFloat = UNSET
    prefix_padding_ms: MaybeInt = UNSET
    silence_duration_ms: MaybeInt = UNSET
    create_response: MaybeBool = UNSET
    interrupt_response: MaybeBool = UNSET
    idle_timeout_ms: MaybeInt = UNSET
    eagerness: MaybeText = UNSET


Vad = Union[ServerVad, SemanticVad, TurnDetection]


@frozen(kw_only=True, slots=False, field_transformer=checked)
class CustomVoice:
    """A voice that was made for you, by its id."""

    id: str


@frozen(kw_only=True, slots=False, field_transformer=checked)
class AudioInput:
    """
    How the session hears.

    Attributes:
        format: of the audio that is appended.
        transcription: None for none.
        noise_reduction: None for none.
        turn_detection: None leaves it to the client when a turn ends.
    """

    format: Union[AudioFormat, None, Unset] = UNSET
    transcription: Union[AudioTranscription, None, Unset] = UNSET
    noise_reduction: Union[NoiseReduction, None, Unset] = UNSET
    turn_detection: Union[Vad, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class AudioOutput:
    """
    How the session speaks.

    Attributes:
        format: of the audio in deltas.
        voice: name of a voice, or a `CustomVoice`. Cannot change once the model
            has spoken.
        speed: 1 is normal; OpenAI takes 0.25 to 1.5. Changes between turns.
    """

    format: Union[AudioFormat, None, Unset] = UNSET
    voice: Union[str, CustomVoice, None, Unset] = UNSET
    speed: MaybeFloat = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class AudioConfig:
    """Both directions of a session's audio."""

    input: Union[AudioInput, None, Unset] = UNSET
    output: Union[AudioOutput, None, Unset] = UNSET
