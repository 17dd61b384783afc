"""Events of the service itself: ``error`` and ``info``."""

from __future__ import annotations

from typing import ClassVar, Literal, Union

from attrs import frozen

from ....types import UNSET, OrUnset
from ...fields import MaybeText, required
from ._base import CorrelatedEvent


@frozen(kw_only=True, slots=False)
class ErrorDetails:
    """
    What is wrong.

    Attributes:
        type: kind of error.
        code: which one; may be null.
        message: in words.
        param: the field that is wrong.
        client_event_id: the ``event_id`` of the command that was refused.
    """

    type: OrUnset[str] = required()
    code: OrUnset[Union[str, None]] = required()
    message: OrUnset[str] = required()
    param: MaybeText = UNSET
    client_event_id: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class Error(CorrelatedEvent):
    """
    A command was refused, or the service has trouble.

    The session goes on. An error that names no command is about none.

    Attributes:
        error: what is wrong; plain text from some servers.
    """

    type: ClassVar[Literal["error"]] = "error"
    error: OrUnset[Union[ErrorDetails, str]] = required()


@frozen(kw_only=True, slots=False)
class Info(CorrelatedEvent):
    """
    Something worth knowing.

    Attributes:
        code: what it is.
        message: in words.
    """

    type: ClassVar[Literal["info"]] = "info"
    code: OrUnset[str] = required()
    message: OrUnset[str] = required()
