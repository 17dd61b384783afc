"""What the events of GPT-Live have beside what every event has."""

from __future__ import annotations

from attrs import frozen

from ....types import UNSET
from ...events._base import ServerEvent
from ...fields import MaybeText


@frozen(kw_only=True, slots=False)
class CorrelatedEvent(ServerEvent):
    """
    Something a server said that may be about one command.

    Attributes:
        client_event_id: the ``event_id`` of that command.
    """

    client_event_id: MaybeText = UNSET
