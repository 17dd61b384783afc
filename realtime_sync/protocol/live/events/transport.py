"""Telephone calls: how they are set up, and the keys that are pressed."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from ....types import UNSET, OrUnset
from ...events._base import ClientEvent, ServerEvent
from ...fields import MaybeText, checked, required
from ._base import CorrelatedEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TransportDtmfSend(ClientEvent):
    """
    Press a key of the telephone.

    Attributes:
        event: one of ``0-9 A-D * #``.
    """

    type: ClassVar[Literal["transport.dtmf.send"]] = "transport.dtmf.send"
    event: str


@frozen(kw_only=True, slots=False)
class TransportRinging(ServerEvent):
    """The telephone that was called rings."""

    type: ClassVar[Literal["transport.ringing"]] = "transport.ringing"
    session_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class TransportAnswered(ServerEvent):
    """Somebody has answered the call."""

    type: ClassVar[Literal["transport.answered"]] = "transport.answered"
    session_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class CallError:
    """Why a call was not set up."""

    type: ClassVar[Literal["call_error"]] = "call_error"
    code: OrUnset[str] = required()
    message: OrUnset[str] = required()
    param: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class TransportFailed(ServerEvent):
    """The call was not set up."""

    type: ClassVar[Literal["transport.failed"]] = "transport.failed"
    session_id: OrUnset[str] = required()
    error: OrUnset[CallError] = required()


@frozen(kw_only=True, slots=False)
class TransportDtmfReceived(ServerEvent):
    """The caller has pressed a key."""

    type: ClassVar[Literal["transport.dtmf.received"]] = "transport.dtmf.received"
    event: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class TransportDtmfSent(CorrelatedEvent):
    """The key was pressed as asked."""

    type: ClassVar[Literal["transport.dtmf.sent"]] = "transport.dtmf.sent"
    event: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class TransportDtmfSendNotice(CorrelatedEvent):
    """The same, as older servers say it."""

    type: ClassVar[Literal["transport.dtmf.send"]] = "transport.dtmf.send"
    event: OrUnset[str] = required()
