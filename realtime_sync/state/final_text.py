"""
What a text is that its pieces and its end tell differently.

The end of a text says all of it, so that nothing depends on its pieces. Some
relays call the last piece all of it; what was said then stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

from ..protocol.jsontext import loads
from .growing_text import Growing, plain_text
from .items import Item, Part

if TYPE_CHECKING:
    from ..protocol.items import ContentPart
    from ..protocol.items import Item as WireItem
    from ..types import Unset


class Disagreement(NamedTuple):
    """
    A text that is told otherwise at its end than by its pieces.

    Attributes:
        name: which text.
        short: its end has only a part of it.
    """

    name: str
    short: bool


def whole_text(so_far: Growing, told: str) -> str:
    """Return what a text is: what is told of it, unless more of it was said."""
    said = plain_text(so_far) or ""
    return said if told in said and not _final_text_is_told_again(said, told) else told


def _final_text_is_told_again(said: str, told: str) -> bool:
    """
    Say whether the pieces of a text were each the text so far.

    Together they are then longer and longer beginnings of it, and say no more.
    """
    before, at = 0, 0
    while at < len(said):
        length = _common_beginning_with_final(said[at : at + len(told)], told)
        if length <= before:
            return False
        before, at = length, at + length
    return before == len(told)


def _common_beginning_with_final(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def whole_arguments(so_far: Growing, told: str) -> str:
    """Return the same for the arguments of a call, which have to be JSON."""
    said = whole_text(so_far, told)
    try:
        loads(said)
    except ValueError:
        return told
    return said


def text_disagreements(
    name: str, so_far: Growing, told: Union[str, None, Unset]
) -> Iterator[Disagreement]:
    """Yield the disagreement about one text, if there is one."""
    said = plain_text(so_far)
    if said and told and told != said:
        yield Disagreement(name, whole_text(said, told) == said)


def told_words(part: Part, wire: ContentPart) -> tuple[Optional[str], Optional[str]]:
    """
    Return the text and the transcript that the end of a part tells.

    Some servers call the words of speech a text when all is said, or the reverse: they
    are the same words, and not others beside them.
    """
    text, transcript = wire.text or None, wire.transcript or None
    had_text, had_transcript = bool(plain_text(part._text)), bool(
        plain_text(part._transcript)
    )
    if text and not transcript and had_transcript and not had_text:
        return None, text
    if transcript and not text and had_text and not had_transcript:
        return transcript, None
    return text, transcript


def part_disagreements(part: Part, wire: ContentPart) -> Iterator[Disagreement]:
    """Yield what the end of a part tells otherwise; a cut one has lost its words."""
    text, transcript = told_words(part, wire)
    yield from text_disagreements("text", part._text, text)
    if part.heard_ms is None:
        yield from text_disagreements("transcript", part._transcript, transcript)


def item_disagreements(item: Item, wire: WireItem) -> Iterator[Disagreement]:
    """
    Yield what the final description of an item tells otherwise.

    What the user said is transcribed more than once, and better each time.
    """
    if item.role in ("user", "system"):
        return
    yield from text_disagreements(
        "arguments", item._arguments, getattr(wire, "arguments", None)
    )
    listed = getattr(wire, "content", None) or ()
    for part, told in zip(item.content, listed):
        yield from part_disagreements(part, told)
    if listed and _final_text_leaves_out(item.content, listed):
        yield Disagreement("content", False)


def _final_text_leaves_out(
    parts: Sequence[Part], listed: Sequence[ContentPart]
) -> bool:
    """Say whether words of a part are in none of those that are listed at the end."""
    told = "".join(f"{each.text or ''} {each.transcript or ''}" for each in listed)
    said = [part.text or part.said for part in parts[len(listed) :]]
    return any(words and words not in told for words in said)


def is_another_item(item: Item, wire: WireItem) -> bool:
    """Say whether an item that is complete is described as if it were another one."""
    kind = getattr(wire, "type", None)
    if kind and item.type and kind != item.type:
        return True
    listed = getattr(wire, "content", None) or ()
    return any(
        found
        for pair in zip(item.content, listed)
        for found in part_disagreements(*pair)
    )
