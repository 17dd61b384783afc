"""
What to send on a new connection to have the old conversation again.

The service cannot resume: a new connection is an empty conversation. A plan is
data; the shell sends it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Optional, Union

from attrs import evolve, frozen

from ..protocol import events
from ..protocol.dialects.server_quirks import OWN_IDS
from ..protocol.fields import MaybeText
from ..protocol.items import (
    AssistantMessage,
    ContentPart,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    SystemMessage,
    UserMessage,
)
from ..types import UNSET
from .call_ids import with_call_ids
from .snapshot import Item, Part, Snapshot


@frozen(kw_only=True)
class SpokenMessage:
    """
    What the user said, with its sound, which no mirror keeps.

    Attributes:
        id: of the item.
        parts: of its content, as they are sent.
    """

    id: str
    parts: tuple[ContentPart, ...]


Restorable = Union[Item, SpokenMessage]

CALL_IS_GONE = "its function call is gone"
"""Why the output of a call is not restored without it."""

NO_REMARKS: Final[Mapping[str, str]] = MappingProxyType({})

_READ_ONLY = frozenset({"id", "object", "expires_at", "model", "client_secret"})
_NULL_MATTERS = frozenset({"turn_detection"})
_MESSAGES = {
    "system": SystemMessage,
    "user": UserMessage,
    "assistant": AssistantMessage,
}


@frozen(kw_only=True)
class RestoreReport:
    """
    What became of the conversation on the new connection.

    Attributes:
        restored: ids of the items that are there again, in order.
        changed: item id -> how it differs (audio became text, for example).
        dropped: item id -> why it is not there any more.
        unconfirmed: ids of items that were sent and of which the server has said
            nothing: they may be there, and the mirror does not have them.
    """

    restored: tuple[str, ...] = ()
    changed: Mapping[str, str] = {}
    dropped: Mapping[str, str] = {}
    unconfirmed: tuple[str, ...] = ()


@frozen(kw_only=True)
class RestorePlan:
    """
    Commands that rebuild a conversation, in the order to send them.

    Attributes:
        config: configuration to send first, as a GA mapping; None for none.
        commands: one `conversation.item.create` per item that can be rebuilt.
        report: the outcome if the server accepts everything.
        items: the conversation, in order.
    """

    config: Optional[Mapping[str, Any]]
    commands: tuple[Any, ...]
    report: RestoreReport
    items: tuple[Restorable, ...] = ()


@frozen(kw_only=True)
class Unconfirmed:
    """
    What a restore has left open, for the one after it.

    Attributes:
        items: the conversation that was restored, in order.
        ids: those of its items that the server has said nothing of.
        names: item id -> the id that the server gave it instead.
    """

    items: tuple[Restorable, ...]
    ids: frozenset[str]
    names: Mapping[str, str]


def resumed_conversation(
    snapshot: Snapshot, left: Optional[Unconfirmed]
) -> tuple[Restorable, ...]:
    """
    Return the conversation of a connection that was restored and is lost again.

    What the server never spoke of stands where it stood. What it has spoken of
    meanwhile, under whatever id, is there once.

    Args:
        snapshot: of the connection that is lost.
        left: what its restore left open, if anything.
    """
    items: list[Restorable] = list(with_call_ids(snapshot.items))
    if left is None:
        return tuple(items)
    known = {item.id for item in left.items} | set(left.names.values())
    late = [_restored_item_likeness(item) for item in items if item.id not in known]
    before: Optional[str] = None
    for item in left.items:
        name = left.names.get(item.id, item.id)
        ids = [each.id for each in items]
        if name in ids:
            before = name
        elif item.id in left.ids and item.id not in snapshot._order.dead:
            if _restored_item_likeness(item) in late:
                late.remove(_restored_item_likeness(item))
                continue
            items.insert(ids.index(before) + 1 if before else 0, item)
            before = item.id
    return tuple(items)


def _restored_item_likeness(item: Restorable) -> tuple[Any, ...]:
    if isinstance(item, SpokenMessage):
        return (item.id,)  # Its words are not known.
    return item.type, item.said, item.call_id, item.output


def plan_restore(
    snapshot: Snapshot,
    config: Optional[Mapping[str, Any]],
    *,
    items: bool = True,
    left: Optional[Unconfirmed] = None,
) -> RestorePlan:
    """
    Plan how to rebuild a conversation.

    Items keep their ids and their order. Spoken input becomes its transcript,
    spoken output the text that was heard, because audio of the assistant cannot
    be put into a conversation. A call and its output stay together.

    Args:
        snapshot: the conversation as it was.
        config: the configuration in force, GA shape; None for none.
        items: whether to rebuild the items at all.
        left: what the restore before this one left open, if anything.
    """
    named = OWN_IDS not in snapshot.habits
    plan = plan_items(resumed_conversation(snapshot, left), wanted=items, named=named)
    return evolve(plan, config=_restorable_config(config))


def plan_items(
    conversation: Sequence[Restorable],
    *,
    wanted: bool = True,
    named: bool = True,
    remarks: Mapping[str, str] = NO_REMARKS,
) -> RestorePlan:
    """
    Plan how to put items into an empty conversation.

    Args:
        conversation: the items, in order.
        wanted: whether to put any in at all.
        named: whether each names the one before it, which a server cannot place that
            gives items ids of its own: there the next one goes to the end.
        remarks: item id -> how it differs already, for the report.
    """
    conversation = with_call_ids(conversation)
    restored: list[str] = []
    changed = dict(remarks)
    dropped: dict[str, str] = {}
    commands = []
    calls = {
        item.call_id
        for item in conversation
        if isinstance(item, Item)
        and item.type == "function_call"
        and not _is_unfinished_to_restore(item)
    }
    for item in conversation:
        built, remark = _restored_item(item, calls) if wanted else (None, "not wanted")
        if built is None:
            dropped[item.id] = remark or "cannot be rebuilt"
            changed.pop(item.id, None)
            continue
        if remark is not None:
            changed[item.id] = "; ".join(filter(None, (changed.get(item.id), remark)))
        place: MaybeText = restored[-1] if restored else "root"
        commands.append(
            events.ConversationItemCreate(
                item=built, previous_item_id=place if named else UNSET
            )
        )
        restored.append(item.id)
    return RestorePlan(
        config=None,
        commands=tuple(commands),
        report=RestoreReport(
            restored=tuple(restored), changed=changed, dropped=dropped
        ),
        items=conversation,
    )


def _restorable_config(
    config: Optional[Mapping[str, Any]],
) -> Optional[Mapping[str, Any]]:
    """The fields that a client may send; a null means "not set" but for VAD."""
    if config is None:
        return None
    # A translation session is told its type by its URL and takes none.
    hidden = (
        _READ_ONLY | {"type"} if config.get("type") == "translation" else _READ_ONLY
    )
    return {
        key: _restorable_without_nulls(value)
        for key, value in config.items()
        if key not in hidden and value is not None
    }


def _restorable_without_nulls(value: object) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        key: _restorable_without_nulls(each)
        for key, each in value.items()
        if each is not None or key in _NULL_MATTERS
    }


def _is_unfinished_to_restore(item: Item) -> bool:
    """
    Whether a response is making an item.

    Some servers call what we created in progress: what a user said is not being
    made, and neither is what has words but no response.
    """
    if item.status != "in_progress" or item.role in ("user", "system"):
        return False
    return item.response_id is not None or not item.said


def _restored_item(
    item: Restorable, calls: set[Optional[str]]
) -> tuple[Any, Optional[str]]:
    if isinstance(item, SpokenMessage):
        return UserMessage(id=item.id, content=item.parts), None
    if item.type == "function_call_output" and item.call_id not in calls:
        return None, CALL_IS_GONE
    return creatable_item(item)


def creatable_item(item: Item) -> tuple[Optional[InputItem], Optional[str]]:
    """
    Return what creates an item of the mirror once more, under the same id.

    Args:
        item: as a snapshot has it.

    Returns:
        The item to create and how it differs, None for not at all; or None, and
        why there is none.
    """
    if _is_unfinished_to_restore(item):
        return None, "was not finished"
    if item.type == "message":
        return _restored_message(item)
    if item.type == "function_call":
        return _restored_call(item), None
    if item.type == "function_call_output":
        return _restored_output(item)
    return None, f"a {item.type or 'nameless'} item is made by the server only"


def _restored_call(item: Item) -> FunctionCall:
    return FunctionCall(
        id=item.id,
        call_id=item.call_id or item.id,
        name=item.name or "",
        arguments=item.arguments or "{}",
    )


def _restored_output(
    item: Item,
) -> tuple[Optional[FunctionCallOutput], Optional[str]]:
    if not item.call_id:
        return None, "it names no function call"
    output = item.output or ""
    return FunctionCallOutput(id=item.id, call_id=item.call_id, output=output), None


def _restored_message(item: Item) -> tuple[Any, Optional[str]]:
    kind = _MESSAGES.get(item.role or "")
    if kind is None:
        return None, f"messages of {item.role!r} cannot be created"
    remarks = set()
    content = []
    for part in item.content:
        rebuilt, remark = _restored_part(part, assistant=item.role == "assistant")
        if rebuilt is not None:
            content.append(rebuilt)
        if remark is not None:
            remarks.add(remark)
    if not content:
        return None, "; ".join(sorted(remarks)) or "has no content"
    built = kind(id=item.id, content=tuple(content))
    if isinstance(built, AssistantMessage) and item.phase:
        built = evolve(built, phase=item.phase)
    return built, "; ".join(sorted(remarks)) or None


def _restored_part(
    part: Part, *, assistant: bool
) -> tuple[Optional[ContentPart], Optional[str]]:
    kind = "output_text" if assistant else "input_text"
    if part.type == "input_image":
        if not part.image_url:
            return None, "an image is not known any more"
        return (
            ContentPart(
                type="input_image",
                image_url=part.image_url,
                detail=part.detail or "auto",
            ),
            None,
        )
    if part.text is not None:
        return ContentPart(type=kind, text=part.text), None
    spoken = part.heard if assistant else part.transcript
    if not spoken:
        return None, "audio without a transcript"
    if part.heard_ms is not None:
        return ContentPart(type=kind, text=spoken), "cut to what was heard, as text"
    return ContentPart(type=kind, text=spoken), "audio became its transcript"
