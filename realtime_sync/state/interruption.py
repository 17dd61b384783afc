"""
What to tell the server when the user interrupts.

The server knows what it has generated and not what was heard: it generates
faster than anyone listens, and over a WebSocket the loudspeaker is the client's.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Any, Optional, Protocol

from ..protocol.events import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
    ResponseCancel,
)
from ..protocol.items import AssistantMessage, ContentPart
from ..types import UNSET
from .items import UNNAMED, Item, Part, first_words, has_made_up_id
from .snapshot import Snapshot
from .snapshot_parts import ResponseState


class Played(Protocol):
    """
    How far one content part was played, by the account of the player.

    Parts are given in the order in which they were, or would have been, played.
    """

    @property
    def item_id(self) -> str:
        """The item."""

    @property
    def content_index(self) -> int:
        """Which of its content parts."""

    @property
    def received_ms(self) -> float:
        """Milliseconds of it that reached the player."""

    @property
    def heard_ms(self) -> float:
        """Milliseconds of it that were heard."""


def plan_interruption(
    snapshot: Snapshot,
    playback: Iterable[Played],
    *,
    cancel: Optional[bool] = None,
    settled: Container[str] = (),
) -> tuple[ClientEvent, ...]:
    """
    Return the commands that make the conversation what was heard of it.

    A running response is cancelled, unless its server does so by itself. An item
    of which nothing was heard is deleted, because a server refuses to truncate
    at zero. One that was heard in part is truncated there, never beyond what was
    received. One that was heard to its end is left alone, and so are items that
    are not in the conversation. One that is text by now, because the connection was
    replaced, is deleted and created again with the part that was heard.

    Args:
        snapshot: the conversation as it is now.
        playback: how far the parts were played, in playing order.
        cancel: whether to cancel the running response; by default, unless the
            session's turn detection is known to interrupt responses.
        settled: ids of responses and items that an earlier plan dealt with and
            whose end may not have been confirmed yet.
    """
    played = [part for part in playback if part.item_id not in settled]
    active = snapshot.active_response
    if active is not None and active.id in settled:
        active = None
    commands: list[ClientEvent] = []
    if active is not None and _interruption_must_cancel(snapshot, cancel):
        commands.append(_cancel_for_interruption(active))
    commands += _cancel_interrupted_asides(snapshot, played, settled)
    for item_id in dict.fromkeys(part.item_id for part in played):
        item = snapshot.item(item_id)
        if item is not None and _is_interruptible(item):
            parts = [part for part in played if part.item_id == item_id]
            commands += _truncate_for_interruption(snapshot, item, parts)
    known = {part.item_id for part in played}
    for item in active.output if active is not None else ():
        if item.id not in known and item.id not in settled:
            commands += _delete_unplayed_item(snapshot, item)
    return tuple(commands)


def _interruption_must_cancel(snapshot: Snapshot, cancel: Optional[bool]) -> bool:
    """Whether the running response goes on unless the client cancels it."""
    if cancel is not None:
        return cancel
    audio = getattr(snapshot.session, "audio", None)
    detection = getattr(getattr(audio, "input", None), "turn_detection", None)
    # Unset and null alike: without turn detection nobody else cancels.
    if not detection:
        return True
    return getattr(detection, "interrupt_response", None) is False


def _cancel_interrupted_asides(
    snapshot: Snapshot, played: Iterable[Played], settled: Container[str]
) -> Iterator[ClientEvent]:
    """Cancel what is being heard of out-of-band responses: no server does."""
    seen: set[str] = set()
    for part in played:
        response = _interrupted_response(snapshot, snapshot.item(part.item_id))
        if response is None or not response.out_of_band or response.closed:
            continue
        if response.id not in seen and response.id not in settled:
            seen.add(response.id)
            yield _cancel_for_interruption(response)


def _cancel_for_interruption(response: ResponseState) -> ResponseCancel:
    """Cancel a response by its name, if the server has said one."""
    named = not response.id.startswith(UNNAMED)
    return ResponseCancel(response_id=response.id if named else UNSET)


def _is_interruptible(item: Item) -> bool:
    """Whether an item is one that the server has, and may hold the model's voice."""
    if item.out_of_band or item.announced or has_made_up_id(item):
        return False
    return item.type == "message" and item.role == "assistant"


def _truncate_for_interruption(
    snapshot: Snapshot, item: Item, parts: list[Played]
) -> Iterator[ClientEvent]:
    """Cut one item where it was last heard."""
    if any(_became_text_before_interruption(item, part) for part in parts):
        yield from _retell_interrupted_item(snapshot, item, parts)
        return
    heard = [_whole_ms_until_interruption(item, part) for part in parts]
    if not any(heard) and not _interrupted_has_text(item):
        yield ConversationItemDelete(item_id=item.id)
        return
    for part, ms in zip(parts, heard):
        if _interrupted_part_was_heard_whole(snapshot, item, part, ms):
            continue
        # A part of which nothing was heard, in an item of which something was:
        # zero is refused, and deleting would take the rest away.
        end = max(ms, 1)
        content = _interrupted_part(item, part.content_index)
        if content is not None and content.heard_ms is not None:
            if content.heard_ms <= end:
                continue
        if part.received_ms >= 1:
            yield ConversationItemTruncate(
                item_id=item.id, content_index=part.content_index, audio_end_ms=end
            )


def _became_text_before_interruption(item: Item, part: Played) -> bool:
    """
    Whether what was played is text by now, which a server cannot truncate.

    So it is on a connection that took the place of the one that said it.
    """
    content = _interrupted_part(item, part.content_index)
    return content is not None and content.type in ("output_text", "text")


def _retell_interrupted_item(
    snapshot: Snapshot, item: Item, parts: list[Played]
) -> Iterator[ClientEvent]:
    """Put in place of an item as much of its text as was heard."""
    received = sum(part.received_ms for part in parts)
    heard = sum(min(part.heard_ms, part.received_ms) for part in parts)
    if int(heard) >= int(received):
        return
    text = first_words(
        "".join(part.text or "" for part in item.content), heard / received
    )
    yield ConversationItemDelete(item_id=item.id)
    if text:
        yield ConversationItemCreate(
            previous_item_id=_predecessor_of_interrupted(snapshot, item),
            item=AssistantMessage(
                id=item.id, content=(ContentPart(type="output_text", text=text),)
            ),
        )


def _predecessor_of_interrupted(snapshot: Snapshot, item: Item) -> str:
    """What an item is put after: the one before it, or the root."""
    ids = [each.id for each in snapshot.items]
    at = ids.index(item.id) if item.id in ids else 0
    return ids[at - 1] if at else "root"


def _delete_unplayed_item(snapshot: Snapshot, item: Item) -> Iterator[ClientEvent]:
    """Delete an item of the running response that never reached the player."""
    if not _is_interruptible(item) or _interrupted_has_text(item) or item.truncated:
        return
    voiced = any(part.type in ("output_audio", "audio") for part in item.content)
    if voiced or (not item.content and _interrupted_session_speaks(snapshot)):
        yield ConversationItemDelete(item_id=item.id)


def _whole_ms_until_interruption(item: Item, part: Played) -> int:
    """Whole milliseconds that were heard, no more than were received."""
    ms = int(min(part.heard_ms, part.received_ms))
    content = _interrupted_part(item, part.content_index)
    if content is not None and content.audio_bytes:
        ms = min(ms, content.audio_ms)
    return max(ms, 0)


def _interrupted_part_was_heard_whole(
    snapshot: Snapshot, item: Item, part: Played, ms: int
) -> bool:
    """Whether a part is complete and was heard completely."""
    response = _interrupted_response(snapshot, item)
    if not item.closed and not (response is not None and response.closed):
        return False
    content = _interrupted_part(item, part.content_index)
    total = int(part.received_ms)
    if content is not None:
        total = max(total, content.audio_ms)
    return ms >= total


def _interrupted_response(
    snapshot: Snapshot, item: Optional[Item]
) -> Optional[ResponseState]:
    if item is None or item.response_id is None:
        return None
    return snapshot.response(item.response_id)


def _interrupted_part(item: Item, index: int) -> Optional[Part]:
    return item.content[index] if 0 <= index < len(item.content) else None


def _interrupted_has_text(item: Item) -> bool:
    """Whether there is written text in an item, which nobody has to hear."""
    return any(part.text for part in item.content)


def _interrupted_session_speaks(snapshot: Snapshot) -> bool:
    """Whether the session's answers are spoken; they are unless it says no."""
    modalities: Any = getattr(snapshot.session, "output_modalities", None)
    return not modalities or "audio" in modalities
