"""What a page shows of a session: lines, state, turns; and only what has changed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from ..report import utterance_of
from ..telemetry import activity
from .messages import Message

if TYPE_CHECKING:
    from .. import Session, Snapshot
    from ..dispatch.notices import TurnFinished
    from ..report import Utterance
    from ..state.snapshot import Item

MOST_LINES = 200
"""Lines of a conversation that are shown, the latest."""
MOST_TURNS = 5
"""Turns whose latencies are shown, the latest."""


class PageView:
    """
    Compares a session with what its page was told of it. For one thread at a time,
    but `finished`.

    Args:
        session: which.

    Attributes:
        session: which.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._snapshot: Snapshot | None = None
        self._items: dict[str, Item] = {}
        self._state = ""
        self._turns: deque[dict[str, float | None]] = deque(maxlen=MOST_TURNS)
        self._told = 0
        self._finished = 0

    def finished(self, turn: TurnFinished) -> None:
        """A turn is over. In the handler; the page is told with the next `news`."""
        first = turn.first_audio_ms
        self._turns.append(
            {
                "found": turn.found_ms,
                "first": turn.first_text_ms if first is None else first,
                "done": turn.done_ms,
            }
        )
        self._finished += 1

    def news(self) -> list[Message]:
        """What to tell the page, which may be nothing."""
        snapshot = self.session.snapshot
        told: list[Message] = []
        if self._told != self._finished:
            self._told = self._finished
            told.append({"kind": "turns", "turns": list(self._turns)})
        if snapshot is self._snapshot:
            return told
        self._snapshot = snapshot
        state = activity(snapshot)
        if state != self._state:
            self._state = state
            told.append({"kind": "state", "state": state})
        items = {item.id: item for item in snapshot.items[-MOST_LINES:]}
        # Items are values: one that is the same object says the same.
        changed = [
            item for item in items.values() if self._items.get(item.id) is not item
        ]
        if changed or items.keys() != self._items.keys():
            told.append(
                {
                    "kind": "lines",
                    "order": list(items),
                    "changed": [line_in_view(utterance_of(item)) for item in changed],
                }
            )
        self._items = items
        return told


def line_in_view(said: Utterance) -> dict[str, Any]:
    """What was said as a page shows it."""
    return {
        "id": said.item_id,
        "role": said.role,
        "text": said.text,
        "unheard": said.unheard,
        "remark": said.remark,
    }
