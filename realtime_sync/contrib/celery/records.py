"""What is told of calls between processes: values that are JSON on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, TypeVar

from attrs import Attribute, asdict, field, fields_dict, frozen

from ...errors import ConfigurationError

Value = TypeVar("Value")

MOST_BYTES = 1 << 20
"""Bytes of JSON that a call is ordered in, or gives as its value: brokers carry it."""


def _check_record_text(owner: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{attribute.name} must be text, not {value!r}")


def _check_record_mapping(
    owner: object, attribute: Attribute[Any], value: object
) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise ConfigurationError(f"{attribute.name} must be a mapping, not {value!r}")


@frozen(kw_only=True)
class Order:
    """
    What a call is to be.

    Attributes:
        model: of the session; None for the fleet's.
        call_id: of a SIP or WebRTC call that the service has, to attach to.
        accept: configuration to accept that call with; None if it is accepted.
        config: of the session.
        stream: whether a carrier brings the sound, to the worker's own listener.
        to: number or SIP address that the worker dials first.
        caller: number that is shown there.
        limits: what it may take, where that is not what the fleet says; see `Limits`.
        metadata: of the application, for the handlers.

    Raises:
        ConfigurationError: one is of another type.
    """

    model: Optional[str] = field(default=None, validator=_check_record_text)
    call_id: Optional[str] = field(default=None, validator=_check_record_text)
    accept: Optional[Mapping[str, Any]] = field(
        default=None, validator=_check_record_mapping
    )
    config: Optional[Mapping[str, Any]] = field(
        default=None, validator=_check_record_mapping
    )
    stream: bool = False
    to: Optional[str] = field(default=None, validator=_check_record_text)
    caller: Optional[str] = field(default=None, validator=_check_record_text)
    limits: Optional[Mapping[str, Any]] = field(
        default=None, validator=_check_record_mapping
    )
    metadata: Mapping[str, Any] = field(factory=dict, validator=_check_record_mapping)


@frozen(kw_only=True)
class CallRow:
    """
    A call as it is at this moment.

    Attributes:
        id: of the call.
        worker: who has it.
        state: ``"opening"``, ``"open"`` or ``"closing"``.
        since: when the worker took it, in seconds since the epoch.
        seconds: how long ago that is.
        model: of the session.
        events: how many the server has sent.
        said: the latest line of the transcript.
        metadata: what it was started with.
    """

    id: str
    worker: str
    state: str
    since: float
    seconds: float
    model: Optional[str] = None
    events: int = 0
    said: str = ""
    metadata: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class CallResult:
    """
    How a call ended.

    Attributes:
        id: of the call.
        ended: ``"returned"``: the function of `Fleet.on_call` has; ``"hung up"``: by
            `RemoteCall.hang_up`, `Fleet.hang_up` or `Call.hang_up`; ``"closed"``: by
            the server or the caller; ``"drained"``: the worker was told to end, and
            the time for that was over; ``"too long"``: it took more seconds than it
            may; ``"budget"``: it took more tokens, or cost more, than it may;
            ``"expired"``: no worker had begun it in time; ``"failed"``: it could not
            be opened, or the function raised.
        value: what the function returned.
        error: what went wrong, or empty.
        worker: who had it.
        seconds: how long the worker had it.
        tokens: what its responses took, or the backend of a live session.
        billed_seconds: of a live session, as the service says.
        cost: of both by the fleet's ``prices``; None if they do not have its model.
        currency: of the cost.
        limit: that it reached, however it ended then: ``"seconds"``, ``"tokens"`` or
            ``"cost"``; empty if it reached none.
        recording: where its recording is, or None.
    """

    id: str
    ended: str
    value: Any = None
    error: str = ""
    worker: str = ""
    seconds: float = 0.0
    tokens: int = 0
    billed_seconds: float = 0.0
    cost: Optional[float] = None
    currency: str = ""
    limit: str = ""
    recording: Optional[str] = None


@frozen(kw_only=True)
class WorkerRow:
    """
    A worker as it is at this moment.

    Attributes:
        worker: its name, which no other process has or will have.
        calls: how many it has.
        free: how many more it takes.
        draining: whether it takes none because it ends.
    """

    worker: str
    calls: int
    free: int
    draining: bool


def packed_record(value: Any) -> dict[str, Any]:
    """A record as a mapping."""
    return asdict(value)


def unpacked_record(cls: type[Value], mapping: Mapping[str, Any]) -> Value:
    """
    The record that a mapping describes.

    Another version of this library may have sent it: what is not known is left out.
    """
    known = fields_dict(cls)  # type: ignore[arg-type]
    return cls(**{name: value for name, value in mapping.items() if name in known})
