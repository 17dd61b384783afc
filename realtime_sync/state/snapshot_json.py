"""
Snapshots as JSON-able values, and back.

Secrets that travel inside a session's configuration are left out, so a
rebuilt snapshot does not have them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from ..protocol import sensitive
from .frozen_records import freeze, pack_record
from .items import Item
from .ordering import Anchor, ItemOrder, Parent, order_of_items
from .persistent_map import PersistentMap
from .snapshot_parts import Anomaly, Limits, PendingChange, ResponseState
from .usage import UsageTotals


def pack_snapshot_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a snapshot's fields as JSON-able values.

    Args:
        fields: by the names of `FIELDS`.
    """
    return {name: FIELDS[name][0](value) for name, value in fields.items()}


def unpack_snapshot_fields(packed: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what `pack_snapshot_fields` was given, from what it returned.

    Names that are not in `FIELDS` are kept, for the snapshot to refuse.
    """
    return {
        name: FIELDS[name][1](value) if name in FIELDS else value
        for name, value in packed.items()
    }


def _pack_snapshot_order(order: ItemOrder) -> dict[str, Any]:
    parents = {
        each: [parent.value] if isinstance(parent, Anchor) else parent
        for each, parent in order.parents.items()
    }
    return {
        "ids": list(order.ids),
        "parents": parents,
        "dead": list(order.dead),
        "waiting": {missing: list(each) for missing, each in order.waiting.items()},
    }


def _unpack_snapshot_order(packed: Mapping[str, Any]) -> ItemOrder:
    parents: dict[str, Parent] = {
        each: parent if isinstance(parent, str) else Anchor(parent[0])
        for each, parent in packed.get("parents", {}).items()
    }
    waiting = packed.get("waiting", {})
    return order_of_items(
        packed.get("ids", ()),
        parents=parents,
        dead=PersistentMap(dict.fromkeys(packed.get("dead", ()), True)),
        waiting={missing: tuple(each) for missing, each in waiting.items()},
    )


def _pack_snapshot_response(state: ResponseState) -> dict[str, Any]:
    packed = pack_record(state, leave_out=("output", "status_details", "usage"))
    for name in ("status_details", "usage"):
        if getattr(state, name) is not None:
            packed[name] = _snapshot_mapping(getattr(state, name))
    without: dict[str, Any] = sensitive.sensitive_left_out(packed)
    return without


def _unpack_snapshot_response(packed: Mapping[str, Any]) -> ResponseState:
    wire = {name: packed.get(name) for name in ("status_details", "usage")}
    values = {**packed, "items": tuple(packed.get("items", ()))}
    values["metadata"] = freeze(packed.get("metadata"))
    if any(wire.values()):
        frame = {"type": "response.done", "response": wire}
        response = _structured_snapshot_frame(frame).response
        values["status_details"] = response.status_details
        values["usage"] = response.usage
    return ResponseState(**values)


def _pack_snapshot_session(session: object) -> Optional[dict[str, Any]]:
    if session is None:
        return None
    packed: dict[str, Any] = sensitive.sensitive_left_out(_snapshot_mapping(session))
    return packed


def _unpack_snapshot_session(packed: Optional[Mapping[str, Any]]) -> Any:
    if packed is None:
        return None
    frame = {"type": "session.updated", "session": packed}
    return _structured_snapshot_frame(
        frame, session_type=packed.get("type", "realtime")
    ).session


def _unpack_snapshot_limits(packed: Iterable[object]) -> tuple[Any, ...]:
    if not packed:
        return ()
    frame = {"type": "rate_limits.updated", "rate_limits": packed}
    limits: tuple[Any, ...] = _structured_snapshot_frame(frame).rate_limits
    return limits


def _structured_snapshot_frame(
    frame: Mapping[str, Any], *, session_type: str = "realtime"
) -> Any:
    # The codec is not needed to follow a conversation, only to read one back.
    from ..protocol.codec import Codec

    return Codec(session_type=session_type).structure(frame)


def _snapshot_mapping(value: object) -> Any:
    from ..protocol.codec import to_mapping

    return to_mapping(value)


def _each_in_snapshot_json(
    convert: Callable[[Any], Any],
) -> Callable[[Iterable[Any]], list[Any]]:
    return lambda values: [convert(each) for each in values]


def _snapshot_json_as_it_is(value: object) -> object:
    return value


FIELDS: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "version": (_snapshot_json_as_it_is, _snapshot_json_as_it_is),
    "session": (_pack_snapshot_session, _unpack_snapshot_session),
    "conversation_id": (_snapshot_json_as_it_is, _snapshot_json_as_it_is),
    "usage": (pack_record, lambda packed: UsageTotals(**packed)),
    "rate_limits": (_each_in_snapshot_json(_snapshot_mapping), _unpack_snapshot_limits),
    "anomalies": (
        _each_in_snapshot_json(pack_record),
        lambda packed: tuple(Anomaly(**each) for each in packed),
    ),
    "limits": (pack_record, lambda packed: Limits(**packed)),
    "items": (
        _each_in_snapshot_json(Item.to_dict),
        _each_in_snapshot_json(Item.from_dict),
    ),
    "order": (_pack_snapshot_order, _unpack_snapshot_order),
    "responses": (
        _each_in_snapshot_json(_pack_snapshot_response),
        _each_in_snapshot_json(_unpack_snapshot_response),
    ),
    "open": (list, tuple),
    "asked": (
        _each_in_snapshot_json(pack_record),
        lambda packed: tuple(PendingChange(**each) for each in packed),
    ),
    "changing": (
        _each_in_snapshot_json(pack_record),
        lambda packed: tuple(PendingChange(**each) for each in packed),
    ),
    "habits": (sorted, frozenset),
    "audio_rate": (_snapshot_json_as_it_is, _snapshot_json_as_it_is),
}
"""Field of a snapshot -> how it is packed, and how it is unpacked."""
