"""
Counting tokens, by a stated rule.

Text is one token for every four characters begun, user audio one for every 100 ms
begun, the assistant's audio one for every 50 ms begun, an image 85. What the
previous response of the session read before, unchanged, counts as cached text in
steps of 64.
"""

from __future__ import annotations

import json
import math
from typing import Any, Iterable

import attrs

from .conversation import ConversationEntry

_IMAGE_TOKENS = 85
_CACHE_STEP = 64


def text_tokens(text: str) -> int:
    """Count the tokens of a text."""
    return math.ceil(len(text) / 4)


def audio_tokens(milliseconds: float, *, assistant: bool) -> int:
    """Count the tokens of audio."""
    return math.ceil(milliseconds / (50 if assistant else 100))


@attrs.frozen
class UsageTokens:
    """An amount of tokens by kind."""

    text: int = 0
    audio: int = 0
    image: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image

    def __add__(self, other: UsageTokens) -> UsageTokens:
        return UsageTokens(
            self.text + other.text, self.audio + other.audio, self.image + other.image
        )


def context_tokens(
    instructions: str, tools: Iterable[Any], entries: Iterable[ConversationEntry]
) -> UsageTokens:
    """Count what a model reads before it answers."""
    words = text_tokens(instructions)
    words += sum(text_tokens(json.dumps(tool)) for tool in tools)
    total = UsageTokens(text=words)
    for entry in entries:
        total += entry_tokens(entry)
    return total


def entry_tokens(entry: ConversationEntry) -> UsageTokens:
    """Count one item."""
    item = entry.item
    assistant = item.get("role") == "assistant"
    words = sum(
        text_tokens(str(item.get(name) or "")) for name in ("arguments", "output")
    )
    images = 0
    for part in item.get("content", ()):
        words += text_tokens(part.get("text") or "")
        images += _IMAGE_TOKENS * (part["type"] == "input_image")
    heard = sum(
        audio_tokens(clip.ms, assistant=assistant) for clip in entry.clips.values()
    )
    return UsageTokens(words, heard, images)


def response_usage(
    read: UsageTokens, written: UsageTokens, *, before: int
) -> dict[str, Any]:
    """
    Build the ``usage`` of a response.

    Args:
        read: the context.
        written: the output.
        before: text tokens that the previous response had read.
    """
    cached = min(read.text, before) // _CACHE_STEP * _CACHE_STEP
    return {
        "total_tokens": read.total + written.total,
        "input_tokens": read.total,
        "output_tokens": written.total,
        "input_token_details": {
            "text_tokens": read.text,
            "audio_tokens": read.audio,
            "image_tokens": read.image,
            "cached_tokens": cached,
            "cached_tokens_details": {
                "text_tokens": cached,
                "audio_tokens": 0,
                "image_tokens": 0,
            },
        },
        "output_token_details": {
            "text_tokens": written.text,
            "audio_tokens": written.audio,
        },
    }
