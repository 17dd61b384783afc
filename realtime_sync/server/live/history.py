"""
What was said and done in a session, as its agent reads it.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..engine.ids import Ids

Item = dict[str, Any]
_READ = frozenset(
    "message function_call function_call_output custom_tool_call "
    "custom_tool_call_output".split()
)
_KEPT_AUDIO = 4
"""Turns of the user whose sound is kept."""


class LiveHistory:
    """
    Items in the shape of the Realtime API, so that the same agents serve both.

    Args:
        ids: source of item ids.
        limit: items that are kept.
    """

    def __init__(self, ids: Ids, *, limit: int) -> None:
        self._ids = ids
        self._limit = limit
        self._items: list[Item] = []
        self._audio: dict[str, bytes] = {}
        self._speaking = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def items(self) -> tuple[Item, ...]:
        """The items in order."""
        return tuple(self._items)

    @property
    def audio(self) -> Mapping[str, bytes]:
        """The sound of the user's latest turns by item, 16-bit PCM at 24 kHz."""
        return dict(self._audio)

    def add(self, item: Mapping[str, Any]) -> Item:
        """Append an item; it gets an id if it has none."""
        added = history_item_as_read({"type": "message", **item})
        added["id"] = added.get("id") or self._ids.new("item")
        self._items.append(added)
        self._speaking = False
        del self._items[: max(0, len(self._items) - self._limit)]
        return added

    def message(self, role: str, text: str, kind: str = "input_text") -> Item:
        """Append a message."""
        return self.add({"role": role, "content": [{"type": kind, "text": text}]})

    def heard(self, words: str, pcm: bytes) -> Item:
        """Append a turn of the user, 16-bit PCM at 24 kHz."""
        part = {"type": "input_audio", "transcript": words}
        item = self.add({"role": "user", "content": [part]})
        self._audio[item["id"]] = pcm
        while len(self._audio) > _KEPT_AUDIO:
            del self._audio[next(iter(self._audio))]
        return item

    def said(self, words: str) -> None:
        """Append words of the model to what it is saying."""
        if not self._speaking:
            part = {"type": "output_audio", "transcript": ""}
            self.add({"role": "assistant", "content": [part]})
            self._speaking = True
        item = self._items[-1]
        (part,) = item["content"]
        more = {**part, "transcript": part["transcript"] + words}
        # Another object each time: an agent may be reading the last one.
        self._items[-1] = {**item, "content": [more]}

    def fell_silent(self) -> None:
        """What the model says next is another message."""
        self._speaking = False

    def begin_with(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Take over the history that a session starts with."""
        for message in messages:
            text = message["content"][0]["text"]
            self.message(message["role"], text)


def history_item_as_read(item: Mapping[str, Any]) -> Item:
    """
    Return an item in the shape that agents read: texts as parts, outputs as text.

    What no agent knows is in ``given``, as the client sent it.
    """
    if item["type"] not in _READ:
        return {"type": item["type"], "given": item}
    read = dict(item)
    if isinstance(read.get("content"), str):
        read["content"] = [{"type": "input_text", "text": read["content"]}]
    if isinstance(read.get("output"), list):
        parts = (part.get("text") or "" for part in read["output"])
        read["output"] = " ".join(filter(None, parts))
    if read.get("role") == "developer":
        read["role"] = "system"
    return read
