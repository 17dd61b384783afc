"""The backend: what it is told, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from attrs import frozen

from ....types import UNSET, OrUnset
from ...events._base import ClientEvent
from ...fields import MaybeText, checked, given_freely, required
from ..backend_events import BackendEvent
from ._base import CorrelatedEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ResponseCreate(ClientEvent):
    """Let the backend go on with what it was given; refused while a call is open."""

    type: ClassVar[Literal["response.create"]] = "response.create"


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ResponseItemCreate(ClientEvent):
    """
    Give the backend an item: a message, or what a call gave. Never acknowledged.

    Attributes:
        item: of the Responses API.
    """

    type: ClassVar[Literal["response.item.create"]] = "response.item.create"
    item: Mapping[str, Any] = given_freely()


@frozen(kw_only=True, slots=False)
class ResponseEvent(CorrelatedEvent):
    """
    Something that the backend said.

    Attributes:
        event: an event of the Responses API; a mapping if a client need not act on it.
        delegation_id: the work that it does.
    """

    type: ClassVar[Literal["response.event"]] = "response.event"
    event: OrUnset[BackendEvent] = required()
    delegation_id: MaybeText = UNSET
