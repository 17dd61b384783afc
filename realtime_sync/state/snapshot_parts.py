"""
What a snapshot is made of besides items: responses, surprises, limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from attrs import frozen

from .items import PCM_RATE, Item

if TYPE_CHECKING:
    from ..protocol.responses import StatusDetails, Usage


@frozen(kw_only=True, slots=False)
class Limits:
    """
    How much a snapshot keeps.

    Attributes:
        max_items: items; the ones that came first are forgotten first, many at
            once: a sixteenth more may be there for a while.
        max_responses: responses; ended ones are forgotten first, oldest first.
            If as many never end, the oldest of them are forgotten too, and the
            anomaly ``endless_response`` says so.
        max_anomalies: anomalies, the latest ones.
    """

    max_items: int = 10_000
    max_responses: int = 500
    max_anomalies: int = 100


@frozen(kw_only=True, slots=False)
class Anomaly:
    """
    Something that the server did otherwise than the protocol has it.

    Attributes:
        kind: for programs, such as ``late_event`` or ``bad_field``.
        detail: for people.
        event_type: canonical type of the event.
        event_id: the server's id of it, None if it had none.
        item_id: the item concerned, if any.
        response_id: the response concerned, if any.
        count: how often in a row.
    """

    kind: str
    detail: str
    event_type: str
    event_id: Optional[str] = None
    item_id: Optional[str] = None
    response_id: Optional[str] = None
    count: int = 1


@frozen(kw_only=True, slots=False)
class ResponseState:
    """
    One response, as far as it has come.

    Attributes:
        id: the response's id.
        status: ``in_progress`` until it has ended; then ``completed``,
            ``cancelled``, ``failed``, ``incomplete``, or a word of the
            server's own.
        status_details: why it ended, as `response.done` had it.
        conversation_id: conversation it writes to, None while unknown or if
            there is none.
        out_of_band: it writes to no conversation.
        metadata: what came with ``response.create``.
        usage: tokens, once it has ended.
        items: ids of the items that it made, in their order.
        output: those items, as they are in this snapshot.
        begun: its `response.created` has come.
        closed: it has ended.
        concluded: the server said that it has ended, and not how; its status is what
            that means, until the server says more.
        audio_rate: bytes per second of its audio.
    """

    id: str
    status: str = "in_progress"
    status_details: Optional[StatusDetails] = None
    conversation_id: Optional[str] = None
    out_of_band: bool = False
    metadata: Optional[Mapping[str, Any]] = None
    usage: Optional[Usage] = None
    items: tuple[str, ...] = ()
    output: tuple[Item, ...] = ()
    begun: bool = False
    closed: bool = False
    concluded: bool = False
    audio_rate: int = PCM_RATE

    @property
    def text(self) -> str:
        """Text and transcripts of all its items, as they were generated."""
        return "".join([item.said for item in self.output])


@frozen(kw_only=True, slots=False)
class PendingChange:
    """
    What this client asked for and the server may not name when it answers: a
    place at the head of the conversation, a deletion, or a truncation.

    Attributes:
        item_id: id of the item to change, or that the client gave a new one.
        event_id: id of the command, by which an error would name it.
        type: item type; of a change the type of the command.
        role: role, for messages.
        audio_end_ms: how much of it stays, for truncations.
    """

    item_id: Optional[str] = None
    event_id: Optional[str] = None
    type: Optional[str] = None
    role: Optional[str] = None
    audio_end_ms: Optional[int] = None
