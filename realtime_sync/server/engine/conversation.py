"""
The conversation as the server holds it: items in order, with their audio.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Iterable, Iterator, Mapping, Optional

import attrs

from .ids import Ids
from .refusal import (
    Refusal,
    refuse_missing_call,
    refuse_missing_item,
    refuse_missing_predecessor,
    refuse_truncate_of_missing,
    refuse_truncate_of_no_audio,
    refuse_truncate_too_long,
)
from .sound import SoundFormat

ID_PREFIXES = {
    "mcp_list_tools": "mcpl",
    "mcp_approval_request": "mcpr",
    "mcp_call": "mcp",
}
_WITHOUT_STATUS = frozenset(
    {
        "function_call_output",
        "mcp_list_tools",
        "mcp_call",
        "mcp_approval_request",
        "mcp_approval_response",
    }
)
_PART_NAMES = {"text": "output_text", "audio": "output_audio"}


@attrs.define(eq=False)
class ConversationClip:
    """Audio of one content part, in the format that the session had."""

    data: bytes
    form: SoundFormat

    @property
    def ms(self) -> int:
        """Whole milliseconds of audio."""
        return int(self.form.milliseconds(len(self.data)))


@attrs.define(eq=False)
class ConversationEntry:
    """
    One item, and what the wire does not show of it.

    Attributes:
        item: the item as the wire shows it, without audio.
        clips: audio by content index.
        heard: what the recognizer made of user audio; None until it is done.
        truncated_ms: where the client cut the audio, or None.
    """

    item: dict[str, Any]
    clips: dict[int, ConversationClip] = attrs.field(factory=dict)
    heard: Optional[str] = None
    truncated_ms: Optional[int] = None

    @property
    def id(self) -> str:
        """The item's id."""
        return str(self.item["id"])

    @property
    def audio_ms(self) -> int:
        """Milliseconds of audio in all parts."""
        return sum(clip.ms for clip in self.clips.values())

    @property
    def audio_bytes(self) -> int:
        """Bytes of audio in all parts."""
        return sum(len(clip.data) for clip in self.clips.values())

    def wire(self, *, audio: bool = False) -> dict[str, Any]:
        """
        Copy the item for an event.

        Args:
            audio: put the audio in, as only ``conversation.item.retrieved`` does.
        """
        item = dict(self.item)
        if "content" in item:
            item["content"] = [dict(part) for part in item["content"]]
            for index, clip in self.clips.items() if audio else ():
                item["content"][index]["audio"] = base64.b64encode(clip.data).decode()
        return item

    def truth(self) -> dict[str, Any]:
        """Describe the item for a test that compares it with a client's mirror."""
        content = self.item.get("content", ())
        texts = [part.get("text") for part in content]
        transcripts = [part.get("transcript") for part in content]
        return {
            "id": self.id,
            "type": self.item["type"],
            "role": self.item.get("role"),
            "status": self.item.get("status"),
            "text": _joined_conversation_words(texts),
            "transcript": _joined_conversation_words(transcripts),
            "audio_ms": self.audio_ms,
            "name": self.item.get("name"),
            "arguments": self.item.get("arguments"),
            "call_id": self.item.get("call_id"),
            "output": self.item.get("output"),
            "heard": self.heard,
            "truncated_ms": self.truncated_ms,
        }


def _joined_conversation_words(words: list[Optional[str]]) -> Optional[str]:
    present = [word for word in words if word is not None]
    return "".join(present) if present else None


class EngineConversation:
    """
    The default conversation.

    Args:
        ids: source of ids for items that come without one.
    """

    def __init__(self, ids: Ids) -> None:
        self.id = ids.new("conv")
        self._ids = ids
        self._entries: list[ConversationEntry] = []

    def __iter__(self) -> Iterator[ConversationEntry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, item_id: object) -> Optional[ConversationEntry]:
        """Return the item of that id, or None."""
        return next((e for e in self._entries if e.id == item_id), None)

    def predecessor(self, entry: ConversationEntry) -> Optional[str]:
        """Return the id of the item before *entry*, None for the first."""
        place = self._entries.index(entry)
        return self._entries[place - 1].id if place else None

    @property
    def audio_bytes(self) -> int:
        """Bytes of audio in all items."""
        return sum(entry.audio_bytes for entry in self._entries)

    def last_id(self) -> Optional[str]:
        """Return the id of the last item, or None."""
        return self._entries[-1].id if self._entries else None

    def append(self, entry: ConversationEntry) -> None:
        """Add an item at the end."""
        self._entries.append(entry)

    def insert(self, entry: ConversationEntry, previous_item_id: Optional[str]) -> None:
        """
        Add an item: after the one named, first for ``root``, else at the end.

        Raises:
            Refusal: there is no such predecessor.
        """
        if not previous_item_id:
            self._entries.append(entry)
        elif previous_item_id == "root":
            self._entries.insert(0, entry)
        else:
            previous = self.find(previous_item_id)
            if previous is None:
                raise refuse_missing_predecessor(previous_item_id)
            self._entries.insert(self._entries.index(previous) + 1, entry)

    def delete(self, item_id: str) -> None:
        """
        Remove an item.

        Raises:
            Refusal: there is none.
        """
        entry = self.find(item_id)
        if entry is None:
            raise refuse_missing_item("delete", item_id)
        self._entries.remove(entry)

    def retrieve(self, item_id: str) -> ConversationEntry:
        """
        Return an item to be shown with its audio.

        Raises:
            Refusal: there is none.
        """
        entry = self.find(item_id)
        if entry is None:
            raise refuse_missing_item("retrieve", item_id)
        return entry

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """
        Cut an assistant's audio, and remove the transcript of that part.

        Raises:
            Refusal: no such item, not the assistant's audio, or past its end.
        """
        entry = self.find(item_id)
        if entry is None:
            raise refuse_truncate_of_missing(item_id)
        clip = entry.clips.get(content_index)
        assistant = entry.item.get("role") == "assistant"
        if clip is None or not assistant or audio_end_ms == 0:
            raise refuse_truncate_of_no_audio()
        if audio_end_ms > clip.ms:
            raise refuse_truncate_too_long(clip.ms, audio_end_ms)
        clip.data = clip.data[: clip.form.offset(audio_end_ms)]
        # The model must not know words that were never heard.
        entry.item["content"][content_index]["transcript"] = ""
        entry.truncated_ms = audio_end_ms

    def has_assistant_audio(self) -> bool:
        """Say whether the assistant has been heard: its voice is then fixed."""
        return any(e.item.get("role") == "assistant" and e.clips for e in self._entries)

    def truth(self) -> list[dict[str, Any]]:
        """Describe every item in order."""
        return [entry.truth() for entry in self._entries]


def new_conversation_entry(
    given: Mapping[str, Any], ids: Ids, form: SoundFormat
) -> ConversationEntry:
    """
    Make an item out of what a client sent.

    Args:
        given: the item, GA shape, already checked.
        ids: source of ids.
        form: input format of the session.

    Raises:
        Refusal: its audio is not base64.
    """
    kind = given["type"]
    item: dict[str, Any] = {
        "id": given.get("id") or ids.new(ID_PREFIXES.get(kind, "item")),
        "type": kind,
    }
    if kind not in _WITHOUT_STATUS:
        item["status"] = "completed"
    clips: dict[int, ConversationClip] = {}
    for name, value in given.items():
        if name == "content":
            item["content"] = [
                _new_conversation_part(part, index, clips, form)
                for index, part in enumerate(value)
            ]
        elif name not in ("id", "type", "status", "object"):
            item[name] = value
    if kind == "function_call" and not item.get("call_id"):
        item["call_id"] = ids.new("call")
    return ConversationEntry(item, clips)


def _new_conversation_part(
    given: Mapping[str, Any],
    index: int,
    clips: dict[int, ConversationClip],
    form: SoundFormat,
) -> dict[str, Any]:
    part = {name: value for name, value in given.items() if name != "audio"}
    part["type"] = _PART_NAMES.get(given["type"], given["type"])
    if part["type"] == "output_audio":
        part["type"] = "output_text"  # What a client puts there are words only.
    if given.get("audio"):
        path = f"item.content[{index}].audio"
        clips[index] = ConversationClip(
            decoded_conversation_audio(given["audio"], path), form
        )
    if part["type"] == "input_audio":
        part.setdefault("transcript", None)
    return part


def check_call_in_conversation(
    item: Mapping[str, Any], entries: Iterable[ConversationEntry], param: str
) -> None:
    """
    Hold the output of a function against the calls among *entries*.

    Raises:
        Refusal: the call that it answers is not among them.
    """
    if item["type"] != "function_call_output":
        return
    calls = (e.item for e in entries if e.item["type"] == "function_call")
    if all(call["call_id"] != item["call_id"] for call in calls):
        raise refuse_missing_call(item["call_id"], param)


def decoded_conversation_audio(audio: str, param: str) -> bytes:
    """
    Decode base64 audio.

    Raises:
        Refusal: it is not base64.
    """
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(
            f"Invalid '{param}'. Expected base64-encoded audio bytes.",
            code="invalid_value",
            param=param,
        ) from None
