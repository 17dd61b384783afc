"""
Commands, named as on the wire: ``session.input_audio_buffer.commit()`` sends
`input_audio_buffer.commit`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union

from ..connection.command_handle import CommandHandle, CommandOfHandle
from ..connection.sender import Sender
from ..deadline import Deadline
from ..dispatch.context import MirroredInContext
from ..dispatch.streams import wait_changed_in_stream
from ..dispatch.watches import WatchList, WatchWaiting
from ..errors import ActiveResponseConflict, LocalProtocolError, WaitTimeout
from ..protocol import events
from ..protocol.acks import CORRELATION_KEY
from ..protocol.fields import to_audio
from ..state.items import Item
from ..state.restore import creatable_item
from ..state.saved_items import is_item_saved_by_mirror
from ..types import UNSET, OnConflict, OnTimeout, Timeout, Unset
from .audio import spoken_audio_format
from .response_handle import ResponseHandle

if TYPE_CHECKING:
    from ..protocol.events import ClientEvent
    from ..protocol.items import InputItem
    from ..state.snapshot import Snapshot

Copied = TypeVar("Copied")

MOST_APPEND_BYTES = 15 << 20
"""Audio that one `input_audio_buffer.append` may carry, base64 included."""

_SPLIT = MOST_APPEND_BYTES // 4 * 3 - 3
_SPLIT -= _SPLIT % 6

_MOST_METADATA = 16


class _SessionResource:
    """
    A namespace of commands of one session.

    Args:
        sender: sends them.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender


class InputAudioBuffer(_SessionResource):
    """Commands ``input_audio_buffer.*``: the user's audio."""

    def append(self, audio: object) -> None:
        """
        Send audio. Never acknowledged; from any thread.

        Args:
            audio: samples in the session's input format: bytes-like, an array
                of 16-bit integers, or of floats in [-1, 1]. Split below 15 MiB.

        Raises:
            TypeError: it is text, or no samples.
            ConnectionClosed: the connection is over.
        """
        write_audio_resource(self._sender, audio)

    def commit(self) -> CommandHandle:
        """Make a user item of what is in the buffer. Creates no response."""
        return self._sender.send(events.InputAudioBufferCommit())

    def clear(self) -> CommandHandle:
        """Throw away what is in the buffer."""
        return self._sender.send(events.InputAudioBufferClear())


class OutputAudioBuffer(_SessionResource):
    """Commands ``output_audio_buffer.*``: WebRTC and SIP calls only."""

    def clear(self) -> CommandHandle:
        """Cut the server's playback off."""
        return self._sender.send(events.OutputAudioBufferClear())


class ConversationItems(_SessionResource):
    """Commands ``conversation.item.*``."""

    def create(
        self,
        item: Union[InputItem, Item],
        *,
        previous_item_id: Union[str, None, Unset] = UNSET,
    ) -> CommandHandle:
        """
        Put an item into the conversation.

        An item without an id gets one, so that its acknowledgement is found.

        Args:
            item: an item object or a mapping in either dialect's spelling; or one
                of a snapshot, or its `to_dict`, which is put in again under its id,
                sound as the text of it.
            previous_item_id: the item to put it behind; ``"root"`` for the
                head; the end when left out.

        Returns:
            Acknowledged by `conversation.item.added`.

        Raises:
            LocalProtocolError: the item of a snapshot cannot be created, which
                only servers make, or of which nothing is known.
            TypeError: it is no item, or an id is no text.
        """
        given: InputItem = item  # type: ignore[assignment]
        # Nearly every mapping is new, and what the mirror gave has an id.
        if not isinstance(item, Mapping) or "id" in item:
            given = _item_to_create(item)
        frame: dict[str, Any] = {"type": "conversation.item.create", "item": given}
        if previous_item_id is not UNSET:
            if previous_item_id is not None:
                _check_id("previous_item_id", previous_item_id)
            frame["previous_item_id"] = previous_item_id
        if isinstance(given, Mapping):
            if given.get("id") in ("", None):
                frame["item"] = {**given, "id": new_item_id()}
            else:
                _check_id("item.id", given["id"])
            command = self._sender.codec.command(frame)
        else:
            command = events.ConversationItemCreate(
                item=given, previous_item_id=previous_item_id
            )
            if not given.id:
                command.__dict__["item"] = _resource_with_id(given)
        return self._sender.send(command)

    def delete(self, item_id: str) -> CommandHandle:
        """Take an item out; acknowledged by `conversation.item.deleted`."""
        _check_named(item_id)
        return self._sender.send(events.ConversationItemDelete(item_id=item_id))

    def retrieve(self, item_id: str) -> CommandHandle:
        """
        Ask for the server's copy of an item, audio included.

        Returns:
            Acknowledged by `conversation.item.retrieved`, which holds the item.
        """
        _check_named(item_id)
        return self._sender.send(events.ConversationItemRetrieve(item_id=item_id))

    def truncate(
        self, item_id: str, *, audio_end_ms: int, content_index: int = 0
    ) -> CommandHandle:
        """
        Cut the model's audio where the user stopped hearing it.

        Args:
            item_id: an assistant item.
            audio_end_ms: milliseconds of its audio to keep, more than 0 and not
                beyond what there is; the server refuses anything else.
            content_index: the part that is cut.

        Returns:
            Acknowledged by `conversation.item.truncated`.
        """
        _check_named(item_id)
        return self._sender.send(
            events.ConversationItemTruncate(
                item_id=item_id, content_index=content_index, audio_end_ms=audio_end_ms
            )
        )


class Conversation(_SessionResource):
    """The conversation: its items, and commands on them."""

    def __init__(self, sender: Sender, mirror: MirroredInContext) -> None:
        super().__init__(sender)
        self._mirror = mirror
        self.item = ConversationItems(sender)

    @property
    def items(self) -> tuple[Item, ...]:
        """The items that the server has confirmed, in its order."""
        return self._mirror.snapshot.items

    @property
    def id(self) -> Optional[str]:
        """The conversation's id, if the server has said it."""
        return self._mirror.snapshot.conversation_id

    def add_message(
        self,
        text: str = "",
        *,
        role: str = "user",
        image: Union[str, bytes, None] = None,
        detail: Union[str, Unset] = UNSET,
        previous_item_id: Union[str, None, Unset] = UNSET,
    ) -> CommandHandle:
        """
        Put a message of text, and perhaps an image, into the conversation.

        Args:
            text: what it says.
            role: ``"user"``, ``"assistant"`` or ``"system"``.
            image: PNG or JPEG bytes, or a ``data:`` or ``https:`` URL; user
                messages of the GA dialect only.
            detail: ``"auto"``, ``"low"`` or ``"high"``, for the image.
            previous_item_id: as in `ConversationItems.create`.

        Raises:
            TypeError: the text is none.
            ValueError: the role is none of these.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        if role not in ("user", "assistant", "system"):
            raise ValueError(f"role must be user, assistant or system, not {role!r}")
        kind = "output_text" if role == "assistant" else "input_text"
        content: list[dict[str, Any]] = []
        if text or image is None:
            content.append({"type": kind, "text": text})
        if image is not None:
            part = {"type": "input_image", "image_url": image_url_for_resource(image)}
            if not isinstance(detail, Unset):
                part["detail"] = detail
            content.append(part)
        item = {"type": "message", "role": role, "content": content}
        return self.item.create(item, previous_item_id=previous_item_id)


class Responses(_SessionResource):
    """Commands ``response.*``."""

    def __init__(
        self,
        sender: Sender,
        mirror: MirroredInContext,
        *,
        watches: WatchList,
        waiting: WatchWaiting,
        idle_timeout: Optional[float],
    ) -> None:
        super().__init__(sender)
        self._mirror = mirror
        self._watches = watches
        self._waiting = waiting
        self._idle_timeout = idle_timeout
        # What may have no name yet, by the id of its command. Single operations on
        # it are atomic; what has a name is taken out when the next one is asked for.
        self._asked: dict[str, ResponseHandle] = {}

    def create(
        self,
        *,
        on_conflict: OnConflict = "raise",
        timeout: Timeout = UNSET,
        on_timeout: OnTimeout = "cancel",
        metadata: Union[Mapping[str, str], None, Unset] = UNSET,
        **config: Any,
    ) -> ResponseHandle:
        """
        Have the model answer.

        Args:
            on_conflict: when the conversation has an active response:
                ``"raise"`` leaves it to the server, whose refusal the handle
                raises as `ActiveResponseConflict`; ``"wait"`` waits for its
                end; ``"cancel"`` cancels it first.
            timeout: seconds that waiting for the other response may take.
            on_timeout: what becomes of this response when it was asked for and
                no answer to that came in time: ``"cancel"`` has it cancelled,
                ``"leave"`` lets it run.
            metadata: up to 16 pairs of text; one is added for correlation if
                there is room. None sends ``null`` and correlates by order.
            **config: any field of `response.create`, in either spelling.

        Raises:
            TypeError: there is no such field.
            WaitTimeout: the other response did not end in time.
            ConnectionClosed: the connection is over.
        """
        if on_conflict not in ("raise", "wait", "cancel"):
            raise ValueError(
                f"on_conflict must be raise, wait or cancel, not {on_conflict!r}"
            )
        command = self._command(metadata, config)
        deadline = self._waiting.deadline(timeout)
        if config.get("conversation") == "none" or on_conflict == "raise":
            return self._send(command)
        pause, since = 0.0, self._since_active()
        while True:
            with self._waiting.explaining(since):
                self._clear_the_way(on_conflict, deadline)
            handle = self._send(command, refusable=True)
            try:
                handle.acknowledged(deadline.remaining())
            except ActiveResponseConflict:
                # Another turn was faster. It may be over by now, so that nothing
                # more comes of it; or the server never tells of it.
                with self._waiting.explaining(since):
                    self._await_change(self._mirror.snapshot, deadline, pause)
                pause = min(1.0, pause * 2 or 0.05)
                continue
            except WaitTimeout:
                if on_timeout == "cancel":
                    handle.give_up()
                raise
            return handle

    @property
    def unnamed(self) -> tuple[ResponseHandle, ...]:
        """What was asked for and the server has neither begun nor refused."""
        return tuple(h for h in tuple(self._asked.values()) if not h.named)

    def cancel_unnamed(self) -> tuple[ResponseHandle, ...]:
        """
        Cancel what was asked for and has no name yet, as soon as it has one.

        `response.cancel` by itself reaches the response that the server knows of
        now; one that is on its way would begin behind it. Any thread; waits for
        nothing.

        Returns:
            The handles of these responses.
        """
        found = self.unnamed
        for handle in found:
            handle.give_up()
        return found

    def cancel(self, response_id: Union[str, Unset] = UNSET) -> CommandHandle:
        """
        Cancel a response, by default the conversation's active one.

        Returns:
            Acknowledged by the response's `response.done`, or by the
            ``response.cancelled`` that some servers say; raises
            `NothingToCancel` if it was over already, which is harmless.
        """
        return self._sender.send(events.ResponseCancel(response_id=response_id))

    def _command(
        self, metadata: Union[Mapping[str, str], None, Unset], config: Mapping[str, Any]
    ) -> Union[ClientEvent, Mapping[str, Any]]:
        fields = {k: v for k, v in config.items() if not isinstance(v, Unset)}
        if metadata is None:
            fields["metadata"] = None
        elif not isinstance(metadata, (Mapping, Unset)):
            raise TypeError(
                f"metadata must be a mapping of text, not {type(metadata).__name__}"
            )
        else:
            given = dict(metadata or {})
            for name, value in given.items():
                if not isinstance(value, str):
                    raise TypeError(
                        f"metadata must be a mapping of text: {name!r} is "
                        f"{type(value).__name__}"
                    )
            if len(given) < _MOST_METADATA:
                given[CORRELATION_KEY] = secrets.token_hex(8)
            fields["metadata"] = given
        return self._sender.codec.command(
            {"type": "response.create", "response": fields}, strict=True
        )

    def _send(
        self,
        command: Union[ClientEvent, Mapping[str, Any]],
        *,
        refusable: bool = False,
    ) -> ResponseHandle:
        def make(command: CommandOfHandle) -> ResponseHandle:
            made = self._make_handle(command)
            # A refusal that may be faster than whoever waits for it is no trouble.
            made._awaited = refusable
            return made

        handle = self._sender.send(command, make)
        assert isinstance(handle, ResponseHandle)
        for event_id, other in tuple(self._asked.items()):
            if other.named:
                self._asked.pop(event_id, None)
        self._asked[handle.event_id] = handle
        return handle

    def _make_handle(self, command: CommandOfHandle) -> ResponseHandle:
        handle = ResponseHandle(
            command,
            self._waiting,
            watches=self._watches,
            cancel=self.cancel,
            audio_format=lambda response: spoken_audio_format(
                self._mirror.snapshot.session, response
            ),
            mirrored=lambda response_id: self._mirror.snapshot.response(response_id),
            idle_timeout=self._idle_timeout,
        )
        handle.listen()
        return handle

    def _since_active(self) -> int:
        """Since when errors matter: the beginning of the response that is active."""
        active = self._mirror.snapshot.active_response
        asked = tuple(self._asked.values()) if active is not None else ()
        ours = [h.since for h in asked if active and h.response_id == active.id]
        return min(ours, default=self._waiting.heard)

    def _clear_the_way(self, on_conflict: str, deadline: Deadline) -> None:
        snapshot = self._mirror.snapshot
        if on_conflict == "cancel" and snapshot.active_response is not None:
            self.cancel()
        while snapshot.active_response is not None:
            snapshot = self._await_change(snapshot, deadline)

    def _await_change(
        self, seen: Snapshot, deadline: Deadline, pause: Optional[float] = None
    ) -> Snapshot:
        if deadline.passed:
            raise WaitTimeout(
                f"response {getattr(seen.active_response, 'id', '?')} is still "
                "active; cancel it, or use on_conflict='cancel'"
            )
        patience = deadline.limited(pause).remaining()
        try:
            return wait_changed_in_stream(
                self._mirror,
                seen.version,
                patience,
                watches=self._watches,
                waiting=self._waiting,
            )
        except WaitTimeout:
            return self._mirror.snapshot


def _item_to_create(item: Union[InputItem, Item]) -> InputItem:
    """What creates an item that came from a snapshot; anything else as it is."""
    if isinstance(item, Mapping) and is_item_saved_by_mirror(item):
        item = Item.from_dict(item)
    if not isinstance(item, Item):
        return item
    built, remark = creatable_item(item)
    if built is None:
        raise LocalProtocolError(f"{item.id} cannot be created: {remark}")
    return built


def _check_id(name: str, value: object) -> None:
    """Refuse what is no id: it would be left out, or another item would be meant."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {type(value).__name__}")


def _check_named(item_id: object) -> None:
    """Refuse an id that names no item: a server may take the next best one."""
    if item_id == "":
        raise ValueError("item_id must not be empty")


def write_audio_resource(sender: Sender, audio: object) -> None:
    """Send audio in as many commands as it takes."""
    data = to_audio(audio)
    make = sender.append_command
    if len(data) <= _SPLIT:
        sender.write(make(audio=data))
        return
    view = memoryview(data)
    for at in range(0, len(data), _SPLIT):
        sender.write(make(audio=bytes(view[at : at + _SPLIT])))


def new_item_id() -> str:
    """
    An id for an item; the service takes at most 32 characters.
    """
    return "item_" + secrets.token_hex(10)


def _resource_with_id(item: Copied) -> Copied:
    copy = object.__new__(type(item))
    copy.__dict__.update(item.__dict__, id=new_item_id())
    return copy


def image_url_for_resource(image: Union[str, bytes]) -> str:
    """Return the URL of an image; bytes become a ``data:`` URL."""
    if isinstance(image, str):
        return image
    import base64

    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(image).decode("ascii")
