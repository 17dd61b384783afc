"""A live snapshot as plain data, and back: what a recording begins with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from attrs import asdict, fields_dict

from ...protocol import sensitive
from .fragments import Fragment, Fragments
from .snapshot_parts import Appended, DelegatedCall, Delegation, LiveAudio, LiveUsage

T = TypeVar("T")

_PLAIN: Final = ("version", "state", "close_reason", "epochs", "anomalies")


def pack_live_snapshot(snapshot: Any) -> dict[str, Any]:
    """Return a snapshot as plain data, without what is secret."""
    # The codec is not needed to follow a session, only to write one down.
    from ...protocol.codec import to_mapping

    said = snapshot.said
    packed = {
        **{name: getattr(snapshot, name) for name in _PLAIN},
        "session": snapshot.session and to_mapping(snapshot.session),
        "decisions": [each.raw for each in snapshot.decisions],
        "context": [asdict(each) for each in snapshot.context],
        "delegations": [
            {
                **asdict(each, recurse=False),
                "calls": [asdict(call) for call in each.calls.values()],
                "sequence": dict(each.sequence),
            }
            for each in snapshot.delegations.values()
        ],
        "usage": {
            **asdict(snapshot.usage, recurse=False),
            "backend": dict(snapshot.usage.backend),
        },
        "audio": asdict(snapshot.audio),
        "said": [asdict(each) for each in said.all()],
        "dropped": said.dropped,
    }
    plain: dict[str, Any] = sensitive.sensitive_left_out(to_mapping(packed))
    return plain


def unpack_live_snapshot(packed: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the attributes of a snapshot, from what `pack_live_snapshot` returned.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is none.
    """
    delegations = [
        _unpacked_from_live_json(
            Delegation,
            {
                **each,
                "response_ids": tuple(each["response_ids"]),
                "calls": _live_json_keyed_by(
                    "call_id",
                    (
                        _unpacked_from_live_json(DelegatedCall, one)
                        for one in each["calls"]
                    ),
                ),
                "sequence": MappingProxyType(dict(each.get("sequence") or {})),
            },
        )
        for each in packed["delegations"]
    ]
    backend = {name: tuple(each) for name, each in packed["usage"]["backend"].items()}
    said = Fragments(dropped=packed["dropped"])
    for piece in packed["said"]:
        said = said.add(_unpacked_from_live_json(Fragment, piece))
    return dict(
        version=packed["version"],
        state=packed["state"],
        close_reason=packed["close_reason"],
        epochs=tuple(packed["epochs"]),
        anomalies=tuple(packed["anomalies"]),
        session=_unpacked_live_session(packed["session"]),
        decisions=tuple(_structured_live_json(each) for each in packed["decisions"]),
        context=tuple(
            _unpacked_from_live_json(Appended, each) for each in packed["context"]
        ),
        delegations=_live_json_keyed_by("id", delegations),
        usage=_unpacked_from_live_json(
            LiveUsage, {**packed["usage"], "backend": MappingProxyType(backend)}
        ),
        audio=_unpacked_from_live_json(LiveAudio, packed["audio"]),
        said=said,
    )


def _unpacked_from_live_json(cls: type[T], packed: Mapping[str, Any]) -> T:
    known: Any = cls
    # What is younger than the recording has the value that it has without one.
    kept = (name for name in fields_dict(known) if name in packed)
    return cls(**{name: packed[name] for name in kept})


def _live_json_keyed_by(name: str, values: Iterable[T]) -> Mapping[str, T]:
    return MappingProxyType({getattr(each, name): each for each in values})


def _unpacked_live_session(packed: Any) -> Any:
    if not packed:
        return None
    return _structured_live_json({"type": "session.started", "session": packed}).session


def _structured_live_json(frame: Mapping[str, Any]) -> Any:
    from ...protocol.codec import Codec

    return Codec(session_type="live").structure(frame)
