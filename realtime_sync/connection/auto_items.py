"""
Which items the server makes by itself, as far as what it says tells.

Some servers give the items that we create ids of their own, and another role or
other parts. So a new item is taken for ours while one of ours waits, unless the
server has announced it: as the output of a response, or as speech. Nor is one new
of which the server has told before: some tell of each item twice.
"""

from __future__ import annotations

from collections import deque

from ..protocol.events import ServerEvent

_MOST_ANNOUNCED = 256


class AutoItems:
    """Follows what one connection announces. On the loop only."""

    TYPES = frozenset(
        {
            "response.created",
            "response.output_item.added",
            "response.done",
            "input_audio_buffer.speech_started",
            "input_audio_buffer.committed",
        }
    )
    """What `note` is to be told of."""

    def __init__(self) -> None:
        # A deque, because nothing ever says that an id is not needed any more.
        self._announced: deque[str] = deque(maxlen=_MOST_ANNOUNCED)
        self._answering = False

    def note(self, event: ServerEvent) -> None:
        """Note what the server says of items to come."""
        if event.type in ("response.created", "response.done"):
            self._answering = event.type == "response.created"
            return
        item_id = getattr(event, "item_id", None)
        if not isinstance(item_id, str):
            item_id = getattr(getattr(event, "item", None), "id", None)
        if isinstance(item_id, str) and item_id and item_id not in self._announced:
            self._announced.append(item_id)

    def made(self, item: object, *, alike: bool) -> bool:
        """
        Whether the server has made an item by itself.

        Args:
            item: of an event that tells of a new one.
            alike: whether it is like one that was asked for. What a model makes
                is not ours while it answers, announced or not.
        """
        if getattr(item, "id", None) in self._announced:
            return True
        if not self._answering or alike:
            return False
        role, kind = getattr(item, "role", None), getattr(item, "type", None)
        return role == "assistant" or kind == "function_call"
