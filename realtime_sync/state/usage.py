"""Tokens, summed over a session."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Optional

from attrs import frozen

from .frozen_records import evolve_record

if TYPE_CHECKING:
    from ..protocol.responses import Usage
    from ..protocol.transcripts import TranscriptionUsage

_RESPONSE: Mapping[str, tuple[str, ...]] = {
    "total_tokens": ("total_tokens",),
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "input_text_tokens": ("input_token_details", "text_tokens"),
    "input_audio_tokens": ("input_token_details", "audio_tokens"),
    "input_image_tokens": ("input_token_details", "image_tokens"),
    "cached_tokens": ("input_token_details", "cached_tokens"),
    "cached_text_tokens": (
        "input_token_details",
        "cached_tokens_details",
        "text_tokens",
    ),
    "cached_audio_tokens": (
        "input_token_details",
        "cached_tokens_details",
        "audio_tokens",
    ),
    "cached_image_tokens": (
        "input_token_details",
        "cached_tokens_details",
        "image_tokens",
    ),
    "output_text_tokens": ("output_token_details", "text_tokens"),
    "output_audio_tokens": ("output_token_details", "audio_tokens"),
    "reasoning_tokens": ("output_token_details", "reasoning_tokens"),
}
"""Where a total finds its figure in the usage of a response."""

_TRANSCRIPTION: Mapping[str, tuple[str, ...]] = {
    "transcription_tokens": ("total_tokens",),
    "transcription_seconds": ("seconds",),
}
"""The same for the usage of a transcription."""


@frozen(kw_only=True, slots=False)
class UsageTotals:
    """
    What the session has taken so far, split the way it is billed.

    Cached tokens are counted in the input tokens of their kind too.
    Transcriptions of the input are billed apart, by tokens or by seconds.
    """

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cached_tokens: int = 0
    cached_text_tokens: int = 0
    cached_audio_tokens: int = 0
    cached_image_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    reasoning_tokens: int = 0
    transcription_tokens: int = 0
    transcription_seconds: float = 0


def add_response_usage(totals: UsageTotals, usage: Optional[Usage]) -> UsageTotals:
    """Add the usage of a response."""
    return _add_usage(totals, usage, _RESPONSE)


def add_transcription_usage(
    totals: UsageTotals, usage: Optional[TranscriptionUsage]
) -> UsageTotals:
    """Add the usage of a transcription."""
    return _add_usage(totals, usage, _TRANSCRIPTION)


def _add_usage(
    totals: UsageTotals, usage: object, table: Mapping[str, tuple[str, ...]]
) -> UsageTotals:
    sums = {}
    for name, path in table.items():
        figure = _usage_figure(usage, path)
        if figure:
            sums[name] = getattr(totals, name) + figure
    return evolve_record(totals, sums) if sums else totals


def _usage_figure(usage: object, path: tuple[str, ...]) -> float:
    for name in path:
        usage = getattr(usage, name, None)
    # A figure below nothing would take back what others have taken.
    return usage if isinstance(usage, (int, float)) and 0 < usage < inf else 0
