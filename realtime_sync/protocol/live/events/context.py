"""Instructions, notes and commentary that are added while people talk."""

from __future__ import annotations

from typing import ClassVar, Literal, Union

from attrs import frozen

from ....types import OrUnset
from ...events._base import ClientEvent
from ...fields import checked, given_freely, required
from ._base import CorrelatedEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class InstructionsAppend(ClientEvent):
    """
    Add a rule that holds for the rest of the session.

    Attributes:
        content: plain text, 500 tokens at most.
        delegation_id: the client delegation that it belongs to, or None.
    """

    type: ClassVar[Literal["session.instructions.append"]] = (
        "session.instructions.append"
    )
    content: str = given_freely()
    delegation_id: Union[str, None] = None


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ThinkingAppend(ClientEvent):
    """
    Add a note that the model knows and does not say.

    Attributes:
        content: plain text, 500 tokens at most.
        delegation_id: the client delegation that it belongs to, or None.
    """

    type: ClassVar[Literal["session.thinking.append"]] = "session.thinking.append"
    content: str = given_freely()
    delegation_id: Union[str, None] = None


@frozen(kw_only=True, slots=False, field_transformer=checked)
class CommentaryAppend(ClientEvent):
    """
    Add something that the model says in its own words.

    Attributes:
        content: plain text, 500 tokens at most.
        delegation_id: the client delegation that it belongs to, or None.
    """

    type: ClassVar[Literal["session.commentary.append"]] = "session.commentary.append"
    content: str = given_freely()
    delegation_id: Union[str, None] = None


@frozen(kw_only=True, slots=False)
class InstructionsAppended(CorrelatedEvent):
    """
    The rule holds.

    Attributes:
        start_ms: where it lies, in milliseconds of the session.
        end_ms: where it ends.
    """

    type: ClassVar[Literal["session.instructions.appended"]] = (
        "session.instructions.appended"
    )
    start_ms: OrUnset[int] = required()
    end_ms: OrUnset[int] = required()


@frozen(kw_only=True, slots=False)
class ThinkingAppended(CorrelatedEvent):
    """
    The note is known.

    Attributes:
        start_ms: where it lies, in milliseconds of the session.
        end_ms: where it ends.
    """

    type: ClassVar[Literal["session.thinking.appended"]] = "session.thinking.appended"
    start_ms: OrUnset[int] = required()
    end_ms: OrUnset[int] = required()


@frozen(kw_only=True, slots=False)
class CommentaryAppended(CorrelatedEvent):
    """
    The commentary has been taken up.

    Attributes:
        start_ms: where it lies, in milliseconds of the session.
        end_ms: where it ends.
    """

    type: ClassVar[Literal["session.commentary.appended"]] = (
        "session.commentary.appended"
    )
    start_ms: OrUnset[int] = required()
    end_ms: OrUnset[int] = required()
