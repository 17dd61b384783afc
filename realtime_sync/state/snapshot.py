"""
The conversation at one moment, immutable.

A `Snapshot` holds what the server has confirmed and nothing else: no audio
bytes, and no command that has not been answered. Reading one needs no lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Optional

from attrs import field, frozen

from .delta_target import DeltaGrowth, OverlayOnDemand
from .export_formats import Line, chat_messages, transcript_lines
from .frozen_records import evolve_record_field
from .items import PCM_RATE, Item, Part
from .ordering import ItemOrder
from .persistent_map import PersistentMap
from .snapshot_parts import Anomaly, Limits, PendingChange, ResponseState
from .usage import UsageTotals

if TYPE_CHECKING:
    from ..protocol.responses import RateLimit
    from ..protocol.sessions import InForce

__all__ = [
    "Anomaly",
    "Item",
    "Limits",
    "Line",
    "Part",
    "ResponseState",
    "Snapshot",
    "UsageTotals",
]


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Snapshot:
    """
    What the server believes the conversation is.

    ``Snapshot()`` is a conversation of which nothing is known. A later one is
    made by `realtime_sync.state.reduce.reduce`. Any thread may read it.

    Attributes:
        version: counts the changes; larger is later.
        session: configuration in force, None before the server told.
        conversation_id: the default conversation, None while unknown.
        usage: tokens taken so far.
        rate_limits: the limits last told, one per name.
        anomalies: surprises, oldest first; the latest ones are kept.
        limits: how much is kept.
        habits: what this server means otherwise than the protocol, by the names
            of `realtime_sync.protocol.dialects.server_quirks`: known from where
            it is, or learned because it was caught at it.
    """

    version: int = 0
    session: Optional[InForce] = None
    conversation_id: Optional[str] = None
    usage: UsageTotals = field(factory=UsageTotals)
    rate_limits: tuple[RateLimit, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    limits: Limits = field(factory=Limits)
    habits: frozenset[str] = frozenset()
    # Items are in two mappings: those on which deltas fall are few and in
    # `_overlay`, which every delta copies. The rest are in `_base`, of which little
    # is copied when an item comes, ends or goes. `_overlay` wins.
    _base: PersistentMap[Item] = field(factory=PersistentMap)
    _overlay: Mapping[str, Item] = field(factory=dict)
    # Where deltas fall just now, and the fields of what is there by now; then
    # `_overlay` is made when it is read.
    _growth: Optional[DeltaGrowth] = None
    _grown: dict[str, Any] = field(factory=dict)
    _order: ItemOrder = field(factory=ItemOrder)
    _responses: Mapping[str, ResponseState] = field(factory=dict)
    _open: tuple[str, ...] = ()
    _asked: tuple[PendingChange, ...] = ()
    _changing: tuple[PendingChange, ...] = ()
    _audio_rate: int = PCM_RATE

    @property
    def session_id(self) -> Optional[str]:
        """The server's id of the session, None while unknown."""
        return getattr(self.session, "id", None) or None

    @property
    def expires_at(self) -> Optional[int]:
        """When the server will end the session, in seconds since the epoch."""
        return getattr(self.session, "expires_at", None) or None

    @property
    def items(self) -> tuple[Item, ...]:
        """The items of the default conversation, in order."""
        cached: Optional[tuple[Item, ...]] = self.__dict__.get("cached_items")
        if cached is None:
            overlay, base = self._overlay, self._base.flat()
            cached = tuple(
                [overlay.get(each) or base[each] for each in self._order.visible]
            )
            self.__dict__["cached_items"] = cached
        return cached

    def item(self, item_id: str) -> Optional[Item]:
        """
        Return an item, or None.

        Announced items and those of out-of-band responses are found too.
        """
        return self._overlay.get(item_id) or self._base.get(item_id)

    @property
    def announced(self) -> tuple[Item, ...]:
        """Items that events have named and that do not exist yet."""
        every = {**self._base.flat(), **self._overlay}
        return tuple(item for item in every.values() if item.announced)

    @property
    def user_speaking(self) -> bool:
        """Whether the server has heard speech start and not end."""
        return any(
            item.audio_start_ms is not None
            and item.audio_end_ms is None
            and not item.committed
            for item in self.announced
        )

    @property
    def responses(self) -> Mapping[str, ResponseState]:
        """The responses by id, oldest first."""
        return _Responses(self)

    def response(self, response_id: str) -> Optional[ResponseState]:
        """Return a response, or None."""
        state = self._responses.get(response_id)
        if state is None or not state.items:
            return state
        found = [self.item(each) for each in state.items]
        return evolve_record_field(
            state, "output", tuple(each for each in found if each)
        )

    @property
    def active_response(self) -> Optional[ResponseState]:
        """The response that is writing to the default conversation, or None."""
        for response_id in reversed(self._open):
            if not self._responses[response_id].out_of_band:
                return self.response(response_id)
        return None

    def output_of(self, call_id: str) -> Optional[Item]:
        """Return the item that answers a function call, or None."""
        for item in reversed(self.items):
            if item.call_id == call_id and item.type == "function_call_output":
                return item
        return None

    def transcript(self) -> tuple[Line, ...]:
        """
        Return what has been said and written, one line per message.

        Where playback was cut, it is what was heard. What the user has said aloud
        is in it if the session transcribes: ``config={"audio": {"input":
        {"transcription": {"model": "gpt-transcribe"}}}}``, which costs extra.
        """
        return transcript_lines(self.items)

    def to_messages(self) -> list[dict[str, Any]]:
        """
        Return the conversation in the shape of chat completions.

        Function calls without an output, and outputs without a call, are left
        out: that API refuses them. Where playback was cut, the text is what
        was heard.
        """
        return chat_messages(self.items)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values, secrets left out."""
        from .snapshot_json import pack_snapshot_fields

        items = {**self._base.flat(), **self._overlay}
        return pack_snapshot_fields(
            {
                "version": self.version,
                "session": self.session,
                "conversation_id": self.conversation_id,
                "usage": self.usage,
                "rate_limits": self.rate_limits,
                "anomalies": self.anomalies,
                "limits": self.limits,
                "items": items.values(),
                "order": self._order,
                "responses": self._responses.values(),
                "open": self._open,
                "asked": self._asked,
                "changing": self._changing,
                "habits": self.habits,
                "audio_rate": self._audio_rate,
            }
        )

    @classmethod
    def from_dict(cls, packed: Mapping[str, Any]) -> Snapshot:
        """
        Rebuild a snapshot from what `to_dict` returned.

        Raises:
            TypeError: the mapping has a key that no snapshot has.
        """
        from .snapshot_json import unpack_snapshot_fields

        fields = unpack_snapshot_fields(packed)
        fields["base"] = PersistentMap(
            {item.id: item for item in fields.pop("items", ())}
        )
        responses = fields.pop("responses", ())
        return cls(**fields, responses={state.id: state for state in responses})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Snapshot):
            return NotImplemented
        return self is other or _comparable_snapshot(self) == _comparable_snapshot(
            other
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return Snapshot.from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        return (
            f"<Snapshot {self.version}: {len(self._order.visible)} items, "
            f"{len(self._responses)} responses, {len(self.anomalies)} anomalies>"
        )


# Hidden by the value that `__init__` or an earlier reading has put beside it.
Snapshot._overlay = OverlayOnDemand()  # type: ignore[assignment]


def _comparable_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Everything in a snapshot; how its items are stored does not count."""
    packed = snapshot.to_dict()
    packed["items"] = {item["id"]: item for item in packed["items"]}
    return packed


class _Responses(Mapping[str, ResponseState]):
    """The responses of a snapshot; their items are looked up when read."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __getitem__(self, response_id: str) -> ResponseState:
        state = self._snapshot.response(response_id)
        if state is None:
            raise KeyError(response_id)
        return state

    def __iter__(self) -> Iterator[str]:
        return iter(self._snapshot._responses)

    def __len__(self) -> int:
        return len(self._snapshot._responses)

    def __repr__(self) -> str:
        return f"<{len(self)} responses: {', '.join(self)}>"
