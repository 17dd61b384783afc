"""Tell a mirror what a server says, one frame at a time."""

from __future__ import annotations

import base64
from typing import Any, Optional

from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.dialects import dialect_named
from realtime_sync.state.items import Item
from realtime_sync.state.reduce import reduce
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.state.snapshot_parts import Limits

MISSING = object()
"""A predecessor that the frame leaves out."""


class Mirror:
    """A snapshot that follows the frames it is told."""

    def __init__(
        self,
        *,
        dialect: str = "ga",
        session_type: Any = "realtime",
        limits: Optional[Limits] = None,
        habits: frozenset[str] = frozenset(),
    ) -> None:
        self.codec = Codec(dialect_named(dialect), session_type=session_type)
        self.snapshot = Snapshot(limits=limits or Limits(), habits=habits)

    def tell(self, kind: str, **fields: Any) -> Snapshot:
        """Reduce one frame and return the snapshot after it."""
        return self.frame({"type": kind, "event_id": "event_1", **fields})

    def frame(self, frame: dict[str, Any]) -> Snapshot:
        """Reduce a whole frame."""
        self.snapshot = reduce(self.snapshot, self.codec.structure(frame))
        return self.snapshot

    def item(self, item_id: str) -> Item:
        """The item, which must be there."""
        item = self.snapshot.item(item_id)
        assert item is not None
        return item

    @property
    def order(self) -> list[str]:
        """Ids of the items in the conversation."""
        return [item.id for item in self.snapshot.items]

    @property
    def kinds(self) -> list[str]:
        """Kinds of the anomalies, oldest first."""
        return [anomaly.kind for anomaly in self.snapshot.anomalies]

    def user(self, item_id: str, previous: Any = None, text: str = "Hi") -> Snapshot:
        """A user's message is added."""
        content = [{"type": "input_text", "text": text}]
        return self.added(message(item_id, content), previous)

    def added(self, item: dict[str, Any], previous: Any = None) -> Snapshot:
        """`conversation.item.added`."""
        place = {} if previous is MISSING else {"previous_item_id": previous}
        return self.tell("conversation.item.added", item=item, **place)

    def done(self, item: dict[str, Any], previous: Any = None) -> Snapshot:
        """`conversation.item.done`."""
        place = {} if previous is MISSING else {"previous_item_id": previous}
        return self.tell("conversation.item.done", item=item, **place)

    def created(
        self, response_id: str = "r", conversation: Any = "conv", **more: Any
    ) -> Snapshot:
        """`response.created`."""
        response = {"id": response_id, "status": "in_progress", "output": []}
        response.update(conversation_id=conversation, **more)
        return self.tell("response.created", response=response)

    def started(self, item: dict[str, Any], response_id: str = "r") -> Snapshot:
        """`response.output_item.added`."""
        return self.tell(
            "response.output_item.added",
            response_id=response_id,
            output_index=0,
            item=item,
        )

    def about(self, kind: str, item_id: str = "a", **fields: Any) -> Snapshot:
        """An event about part 0 of an item of response ``r``."""
        place = {"response_id": "r", "output_index": 0, "content_index": 0}
        return self.tell(kind, **{**place, "item_id": item_id, **fields})

    def text(self, delta: str, item_id: str = "a", **fields: Any) -> Snapshot:
        """`response.output_text.delta`."""
        return self.about("response.output_text.delta", item_id, delta=delta, **fields)

    def speech(self, delta: str, item_id: str = "a", **fields: Any) -> Snapshot:
        """`response.output_audio_transcript.delta`."""
        kind = "response.output_audio_transcript.delta"
        return self.about(kind, item_id, delta=delta, **fields)

    def audio(self, size: int, item_id: str = "a", **fields: Any) -> Snapshot:
        """`response.output_audio.delta` with so many bytes."""
        delta = base64.b64encode(bytes(size)).decode()
        return self.about("response.output_audio.delta", item_id, delta=delta, **fields)

    def ended(
        self, *output: dict[str, Any], status: Any = "completed", **more: Any
    ) -> Snapshot:
        """`response.done` of response ``r``."""
        response = {"id": "r", "status": status, "output": list(output)}
        response.update({"conversation_id": "conv", **more})
        return self.tell("response.done", response=response)

    def spoken_answer(self, text: str = "Hello there", size: int = 48_000) -> Snapshot:
        """A user's message ``u`` and a spoken answer ``a`` that goes on."""
        self.user("u")
        self.created()
        self.started(answer())
        self.added(answer(), "u")
        self.about("response.content_part.added", part={"type": "audio"})
        self.speech(text)
        return self.audio(size)


def message(
    item_id: str,
    content: Any = (),
    *,
    role: str = "user",
    status: str = "completed",
) -> dict[str, Any]:
    """A message as a server describes it."""
    return {
        "id": item_id,
        "type": "message",
        "role": role,
        "status": status,
        "content": list(content),
    }


def answer(item_id: str = "a", *content: Any, status: str = "in_progress") -> Any:
    """A message of the assistant as a server describes it."""
    return message(item_id, content, role="assistant", status=status)


def said(text: Optional[str]) -> dict[str, Any]:
    """A spoken part as a server describes it when all is said."""
    return {"type": "output_audio", "transcript": text}


def call(
    item_id: str = "f", arguments: str = "", status: str = "in_progress"
) -> dict[str, Any]:
    """A function call as a server describes it."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": f"call_{item_id}",
        "name": "weather",
        "arguments": arguments,
    }
