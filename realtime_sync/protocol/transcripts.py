"""
What comes with transcripts of the user's audio.
"""

from __future__ import annotations

from typing import Union

from attrs import frozen

from ..types import UNSET, OrUnset, Unset
from .fields import MaybeFloat, MaybeInt, MaybeText, required


@frozen(kw_only=True, slots=False)
class LogProb:
    """
    How sure the model was of one token.

    Attributes:
        token: its text.
        bytes: its UTF-8 bytes, as numbers.
        logprob: natural logarithm of its probability.
    """

    token: OrUnset[str] = required()
    bytes: OrUnset[tuple[int, ...]] = required()
    logprob: OrUnset[float] = required()


@frozen(kw_only=True, slots=False)
class TranscriptionTokenDetails:
    """Input tokens of a transcription by kind."""

    text_tokens: MaybeInt = UNSET
    audio_tokens: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class TranscriptionUsage:
    """
    What a transcription cost. Billed apart from responses.

    Attributes:
        type: ``tokens`` or ``duration``; the other fields follow from it.
        seconds: length of audio that is billed.
        total_tokens: input and output.
        input_tokens: audio and prompt.
        output_tokens: transcript.
        input_token_details: input tokens by kind.
    """

    type: OrUnset[str] = required()
    seconds: MaybeFloat = UNSET
    total_tokens: MaybeInt = UNSET
    input_tokens: MaybeInt = UNSET
    output_tokens: MaybeInt = UNSET
    input_token_details: Union[TranscriptionTokenDetails, None, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class TranscriptionLanguage:
    """A language that was heard, by its ISO-639 code."""

    code: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class TranscriptionError:
    """
    Why a transcription failed.

    Attributes:
        type: kind of error.
        code: for programs.
        message: for people.
        param: what is to blame.
    """

    type: MaybeText = UNSET
    code: MaybeText = UNSET
    message: MaybeText = UNSET
    param: MaybeText = UNSET
