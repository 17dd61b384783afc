"""
Items of the mirror from what programs keep: mappings of the wire, of a snapshot,
or messages in the shape of chat completions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Optional

from attrs import evolve

from ..errors import ConfigurationError
from ..protocol.codec import Codec, to_mapping
from ..protocol.items import ContentPart, UserMessage
from ..types import UNSET
from .item_merge import merge_item
from .items import Item, Part
from .restore import Restorable, SpokenMessage

LONGEST_ID = 32
"""Characters of an id that the service takes for an item or a call."""

_CHAT_ROLES: Final[Mapping[str, str]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_CREATABLE = ("message", "function_call", "function_call_output")
_MIRROR_ITEM = frozenset(
    "announced committed out_of_band closed concluded audio_start_ms "
    "audio_end_ms".split()
)
_MIRROR_PART = frozenset("kept audio_bytes audio_rate heard_ms transcription".split())
"""Fields of `Item` and of `Part` that no server sends."""

_codec = Codec()


def saved_items(
    saved: Iterable[Any], new_id: Callable[[], str]
) -> tuple[Restorable, ...]:
    """
    Return saved items as the mirror has items, in their order.

    The mirror keeps no sound: what the user said and came with its sound is returned
    as it can be created.

    Args:
        saved: items of a snapshot, their mappings, items as events have them, their
            mappings in either dialect's spelling, or chat-completions messages.
        new_id: makes the id of an item that has none.

    Raises:
        ConfigurationError: one of them is none of these; the message says which.
    """
    found: dict[str, Restorable] = {}
    for number, each in enumerate(saved):
        try:
            items = _saved_item(each, new_id)
        except (AttributeError, TypeError, ValueError) as exc:
            raise ConfigurationError(f"history[{number}]: {exc}") from None
        for item in items:
            if item.id in found:
                raise ConfigurationError(
                    f"history[{number}]: there are two items {item.id!r}"
                )
            found[item.id] = item
    return tuple(found.values())


def is_item_saved_by_mirror(item: object) -> bool:
    """Whether a mapping is what `Item.to_dict` gave, rather than a server."""
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
        return False
    content = item.get("content")
    parts = content if isinstance(content, (list, tuple)) else ()
    named = {name for part in parts if isinstance(part, Mapping) for name in part}
    return not _MIRROR_ITEM.isdisjoint(item) or not _MIRROR_PART.isdisjoint(named)


def _saved_item(saved: object, new_id: Callable[[], str]) -> Sequence[Restorable]:
    if isinstance(saved, Item):
        return [saved]
    if isinstance(saved, Mapping) and is_item_saved_by_mirror(saved):
        return [Item.from_dict(saved)]
    mapping = saved if isinstance(saved, Mapping) else to_mapping(saved)
    if not isinstance(mapping, Mapping):
        raise TypeError(f"{type(saved).__name__} is no item and no message")
    plain = isinstance(mapping.get("content"), str)
    if "role" in mapping and (plain or "type" not in mapping):
        return _saved_item_of_chat(mapping, new_id)
    return [_saved_item_of_wire(mapping, new_id)]


def _saved_item_of_wire(
    item: Mapping[str, Any], new_id: Callable[[], str]
) -> Restorable:
    """
    Raises:
        TypeError: a field of an item that a client can create does not fit.
    """
    kind = item.get("type")
    if not isinstance(kind, str):
        raise TypeError(f"an item needs a type, and {sorted(item)} has none")
    named = {**item, "id": item.get("id") or new_id()}
    frame = {"type": "conversation.item.added", "item": named}
    event: Any = _codec.structure(frame)
    if event.problems and kind in _CREATABLE:
        raise TypeError("; ".join(event.problems))
    told = event.item
    if isinstance(told, UserMessage) and any(part.audio for part in told.content):
        return SpokenMessage(
            id=named["id"], parts=tuple(map(_saved_part_as_given, told.content))
        )
    return merge_item(Item(id=told.id), told, final=True)


def _saved_part_as_given(part: ContentPart) -> ContentPart:
    """A part of the user's as a client gives it: sound speaks for itself."""
    return evolve(part, transcript=UNSET, format=UNSET) if part.audio else part


def _saved_item_of_chat(
    message: Mapping[str, Any], new_id: Callable[[], str]
) -> list[Item]:
    role, content = message["role"], message.get("content")
    item_id = _saved_text(message.get("id")) or new_id()
    if role == "tool":
        output = "".join(part.text or "" for part in _saved_chat_parts(content, "user"))
        call_id = message.get("tool_call_id")
        if not isinstance(call_id, str):
            raise TypeError("a message of a tool needs a tool_call_id")
        kind = "function_call_output"
        return [Item(id=item_id, type=kind, call_id=call_id, output=output)]
    if role not in _CHAT_ROLES:
        raise TypeError(
            f"role must be one of {', '.join((*_CHAT_ROLES, 'tool'))}, not {role!r}"
        )
    calls = [_saved_call(each, new_id) for each in message.get("tool_calls") or ()]
    parts = _saved_chat_parts(content, role)
    if calls and not parts:
        return calls
    said = Item(id=item_id, type="message", role=_CHAT_ROLES[role], content=parts)
    return [said, *calls]


def _saved_chat_parts(content: object, role: str) -> tuple[Part, ...]:
    kind = "output_text" if role == "assistant" else "input_text"
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (Part(type=kind, text=content),)
    if not isinstance(content, (list, tuple)):
        raise TypeError(f"content must be text or parts, not {type(content).__name__}")
    return tuple(_saved_chat_part(part, kind) for part in content)


def _saved_chat_part(part: object, kind: str) -> Part:
    if not isinstance(part, Mapping):
        raise TypeError(f"a part of content is a mapping, not {type(part).__name__}")
    image = part.get("image_url")
    if image is not None:
        # An object in chat completions, the URL itself in this protocol.
        named = image if isinstance(image, Mapping) else {"url": image}
        url, detail = named.get("url"), named.get("detail", part.get("detail"))
        return Part(
            type="input_image", image_url=_saved_text(url), detail=_saved_text(detail)
        )
    for name in ("text", "refusal"):
        if part.get(name) is not None:
            return Part(type=kind, text=_saved_text(part[name]))
    return Part(
        type=_saved_text(part.get("type")),
        transcript=_saved_text(part.get("transcript")),
    )


def _saved_call(call: Mapping[str, Any], new_id: Callable[[], str]) -> Item:
    function, call_id = call.get("function") or {}, call.get("id")
    if not isinstance(function.get("name"), str) or not isinstance(call_id, str):
        raise TypeError("a tool call needs an id and the name of a function")
    return Item(
        id=new_id(),
        type="function_call",
        call_id=call_id,
        name=function["name"],
        arguments=_saved_text(function.get("arguments")) or "{}",
    )


def _saved_text(value: object) -> Optional[str]:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value


def saved_items_with_short_ids(
    items: Iterable[Restorable], shorten: Callable[[str], str]
) -> tuple[tuple[Restorable, ...], dict[str, str]]:
    """
    Return items with ids that the service takes, and remarks on those that changed.

    A call and its output keep the same id of the call.

    Args:
        items: in their order.
        shorten: makes an id of a longer one; the same for the same.
    """
    shortened: list[Restorable] = []
    remarks: dict[str, str] = {}
    for item in items:
        item_id = item.id
        if len(item_id) > LONGEST_ID:
            item = evolve(item, id=shorten(item_id))
            remarks[item.id] = f"was called {item_id}"
        if isinstance(item, Item) and len(item.call_id or "") > LONGEST_ID:
            item = evolve(item, call_id=shorten(item.call_id or ""))
        shortened.append(item)
    return tuple(shortened), remarks
