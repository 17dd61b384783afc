"""
Snapshots as JSON-able values, and back.

Secrets that travel inside a session's configuration are left out, so a
rebuilt snapshot does not have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from .items import Item
from .ordering import Anchor, Order, Parent
from .records import freeze, pack
from .snapshot import Anomaly, Asked, Limits, ResponseState, Snapshot
from .usage import UsageTotals

SECRETS: tuple[tuple[str, ...], ...] = (
    ("client_secret", "value"),
    ("tools", "*", "authorization"),
    ("tools", "*", "headers"),
)
"""Paths into a session's configuration; ``*`` is every element."""


def pack_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return everything that a snapshot holds as JSON-able values."""
    items = {**snapshot._base, **snapshot._overlay}
    return {
        "version": snapshot.version,
        "session": _pack_session(snapshot.session),
        "conversation_id": snapshot.conversation_id,
        "usage": pack(snapshot.usage),
        "rate_limits": [_to_mapping(each) for each in snapshot.rate_limits],
        "anomalies": [pack(each) for each in snapshot.anomalies],
        "limits": pack(snapshot.limits),
        "items": [item.to_dict() for item in items.values()],
        "order": _pack_order(snapshot._order),
        "responses": [_pack_response(each) for each in snapshot._responses.values()],
        "open": list(snapshot._open),
        "asked": [pack(each) for each in snapshot._asked],
        "audio_rate": snapshot._audio_rate,
    }


def unpack_snapshot(packed: Mapping[str, Any]) -> Snapshot:
    """
    Rebuild a snapshot from what `pack_snapshot` returned.

    Raises:
        TypeError: the mapping has a key that no snapshot has.
    """
    values = dict(packed)
    items = map(Item.from_dict, values.pop("items", ()))
    responses = map(_unpack_response, values.pop("responses", ()))
    values["base"] = {item.id: item for item in items}
    values["responses"] = {state.id: state for state in responses}
    values["session"] = _unpack_session(values.get("session"))
    values["usage"] = UsageTotals(**values.get("usage", {}))
    values["limits"] = Limits(**values.get("limits", {}))
    values["order"] = _unpack_order(values.get("order", {}))
    values["rate_limits"] = _unpack_limits(values.get("rate_limits", ()))
    values["anomalies"] = tuple(Anomaly(**each) for each in values.get("anomalies", ()))
    values["asked"] = tuple(Asked(**each) for each in values.get("asked", ()))
    values["open"] = tuple(values.get("open", ()))
    return Snapshot(**values)


def _pack_order(order: Order) -> dict[str, Any]:
    parents = {
        each: [parent.value] if isinstance(parent, Anchor) else parent
        for each, parent in order.parents.items()
    }
    return {
        "ids": list(order.ids),
        "parents": parents,
        "dead": list(order.dead),
        "waiting": {missing: list(each) for missing, each in order.waiting.items()},
        "names": order.names,
    }


def _unpack_order(packed: Mapping[str, Any]) -> Order:
    parents: dict[str, Parent] = {
        each: parent if isinstance(parent, str) else Anchor(parent[0])
        for each, parent in packed.get("parents", {}).items()
    }
    waiting = packed.get("waiting", {})
    return Order(
        ids=tuple(packed.get("ids", ())),
        parents=parents,
        dead=dict.fromkeys(packed.get("dead", ())),
        waiting={missing: tuple(each) for missing, each in waiting.items()},
        names=packed.get("names", False),
    )


def _pack_response(state: ResponseState) -> dict[str, Any]:
    packed = pack(state, leave_out=("output", "status_details", "usage"))
    for name in ("status_details", "usage"):
        if getattr(state, name) is not None:
            packed[name] = _to_mapping(getattr(state, name))
    return packed


def _unpack_response(packed: Mapping[str, Any]) -> ResponseState:
    wire = {name: packed.get(name) for name in ("status_details", "usage")}
    values = {**packed, "items": tuple(packed.get("items", ()))}
    values["metadata"] = freeze(packed.get("metadata"))
    if any(wire.values()):
        frame = {"type": "response.done", "response": wire}
        response = _structure(frame).response
        values["status_details"] = response.status_details
        values["usage"] = response.usage
    return ResponseState(**values)


def _pack_session(session: Any) -> Optional[dict[str, Any]]:
    if session is None:
        return None
    packed: dict[str, Any] = _to_mapping(session)
    for path in SECRETS:
        _remove(packed, path)
    return packed


def _remove(value: Any, path: tuple[str, ...]) -> None:
    head, *rest = path
    if head == "*":
        for each in value if isinstance(value, list) else ():
            _remove(each, tuple(rest))
    elif isinstance(value, dict) and rest:
        _remove(value.get(head), tuple(rest))
    elif isinstance(value, dict):
        value.pop(head, None)


def _unpack_session(packed: Optional[Mapping[str, Any]]) -> Any:
    if packed is None:
        return None
    frame = {"type": "session.updated", "session": packed}
    return _structure(frame, session_type=packed.get("type", "realtime")).session


def _unpack_limits(packed: Any) -> tuple[Any, ...]:
    if not packed:
        return ()
    frame = {"type": "rate_limits.updated", "rate_limits": packed}
    limits: tuple[Any, ...] = _structure(frame).rate_limits
    return limits


def _structure(frame: Mapping[str, Any], *, session_type: str = "realtime") -> Any:
    # The codec is not needed to follow a conversation, only to read one back.
    from ..protocol.codec import Codec

    return Codec(session_type=session_type).structure(frame)


def _to_mapping(value: Any) -> Any:
    from ..protocol.codec import to_mapping

    return to_mapping(value)
