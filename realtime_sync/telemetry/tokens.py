"""Tokens by kind, from the usage of one response or of many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import fields, frozen

_PATHS: Mapping[str, tuple[str, ...]] = {
    "total": ("total_tokens",),
    "input": ("input_tokens",),
    "input_text": ("input_token_details", "text_tokens"),
    "input_audio": ("input_token_details", "audio_tokens"),
    "input_image": ("input_token_details", "image_tokens"),
    "cached": ("input_token_details", "cached_tokens"),
    "cached_text": ("input_token_details", "cached_tokens_details", "text_tokens"),
    "cached_audio": ("input_token_details", "cached_tokens_details", "audio_tokens"),
    "cached_image": ("input_token_details", "cached_tokens_details", "image_tokens"),
    "output": ("output_tokens",),
    "output_text": ("output_token_details", "text_tokens"),
    "output_audio": ("output_token_details", "audio_tokens"),
    "reasoning": ("output_token_details", "reasoning_tokens"),
}
"""Where each count is in the usage of a response."""


@frozen(kw_only=True)
class Tokens:
    """
    Counts of tokens, split the way they are billed.

    Cached tokens are a part of the input tokens of their kind. A server that
    gives no details leaves the parts at 0. Two can be added, and one
    taken from another. Sessions of GPT-Live are
    billed by time, and by the tokens of their backend: `seconds` is of them alone.
    """

    total: int = 0
    input: int = 0
    input_text: int = 0
    input_audio: int = 0
    input_image: int = 0
    cached: int = 0
    cached_text: int = 0
    cached_audio: int = 0
    cached_image: int = 0
    output: int = 0
    output_text: int = 0
    output_audio: int = 0
    reasoning: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, usage: object) -> Tokens:
        """
        Count what a response took.

        Args:
            usage: what `response.done` has: an object, a mapping as it is on the
                wire, or None. What is missing or odd counts as 0.
        """
        return cls(**{name: _token_count(usage, path) for name, path in _PATHS.items()})

    @classmethod
    def sum(cls, counts: Iterable[Tokens]) -> Tokens:
        """Add up any number of counts."""
        total = cls()
        for each in counts:
            total += each
        return total

    def __add__(self, other: Tokens) -> Tokens:
        if not isinstance(other, Tokens):
            return NotImplemented
        return Tokens(**{n: getattr(self, n) + getattr(other, n) for n in _NAMES})

    def __sub__(self, other: Tokens) -> Tokens:
        if not isinstance(other, Tokens):
            return NotImplemented
        return Tokens(**{n: getattr(self, n) - getattr(other, n) for n in _NAMES})


_NAMES = tuple(field.name for field in fields(Tokens))


def _token_count(usage: object, path: tuple[str, ...]) -> int:
    for name in path:
        if isinstance(usage, Mapping):
            usage = usage.get(name)
        else:
            usage = getattr(usage, name, None)
    if isinstance(usage, bool) or not isinstance(usage, (int, float)):
        return 0
    return int(usage) if 0 <= usage < 1e15 else 0
