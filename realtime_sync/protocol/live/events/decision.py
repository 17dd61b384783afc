"""Decisions: what they are made upon, and what was decided."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from ....types import UNSET, OrUnset
from ...events._base import ClientEvent, ServerEvent
from ...fields import MaybeText, checked, given_freely, required
from ..decisions import DecisionCompleted, DecisionItem
from ._base import CorrelatedEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class DecisionCreate(ClientEvent):
    """
    Ask the questions now.

    Attributes:
        event_id: required here, and used only once in a session.
    """

    type: ClassVar[Literal["decision.create"]] = "decision.create"


@frozen(kw_only=True, slots=False, field_transformer=checked)
class DecisionItemCreate(ClientEvent):
    """
    Add something that decisions are made upon. The voice does not hear of it.

    Attributes:
        item: a message, a call or what a call gave.
    """

    type: ClassVar[Literal["decision.item.create"]] = "decision.item.create"
    item: DecisionItem = given_freely()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class DecisionItemDelete(ClientEvent):
    """Take such an item away."""

    type: ClassVar[Literal["decision.item.delete"]] = "decision.item.delete"
    item_id: str


@frozen(kw_only=True, slots=False)
class DecisionEvent(ServerEvent):
    """
    Something was decided.

    Attributes:
        event: the answers.
        delegation_id: the delegation that asked; None if a trigger did.
        trigger_id: the trigger that asked.
        source_event_id: the piece of transcript that fired it.
        source_event_type: the type of that event.
    """

    type: ClassVar[Literal["decision.event"]] = "decision.event"
    event: OrUnset[DecisionCompleted] = required()
    delegation_id: MaybeText = UNSET
    trigger_id: MaybeText = UNSET
    source_event_id: MaybeText = UNSET
    source_event_type: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class DecisionItemCreated(CorrelatedEvent):
    """
    The item counts in later decisions.

    Attributes:
        item: with its id.
    """

    type: ClassVar[Literal["decision.item.created"]] = "decision.item.created"
    item: OrUnset[DecisionItem] = required()


@frozen(kw_only=True, slots=False)
class DecisionItemDeleted(CorrelatedEvent):
    """The item counts no more."""

    type: ClassVar[Literal["decision.item.deleted"]] = "decision.item.deleted"
    item_id: OrUnset[str] = required()
