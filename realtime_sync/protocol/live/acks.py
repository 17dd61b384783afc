"""
Which server event acknowledges which command of GPT-Live.

Answers carry the ``event_id`` of their command as ``client_event_id``. Some
servers leave it out; then the oldest command that waits for such an event is
meant. ``response.create`` and the commands that bring audio or items for the
backend are never answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Optional

from ..acks import AckRule, Fits
from ..events._base import ClientEvent, ServerEvent

if TYPE_CHECKING:
    from .events.decision import DecisionEvent

_BY_ID: Final = "client_event_id, else order"


def _live_ack_by_client_event_id(
    command: ClientEvent, event: ServerEvent
) -> Optional[bool]:
    named = getattr(event, "client_event_id", None)
    return named == command.event_id if _is_live_ack_id(named) else None


def _live_ack_unless_other(field: str) -> Fits:
    """
    By ``client_event_id``; without one, a field must not say something else.
    """

    def fits(command: ClientEvent, event: ServerEvent) -> Optional[bool]:
        exact = _live_ack_by_client_event_id(command, event)
        said = getattr(event, field)
        contradicts = isinstance(said, str) and said != getattr(command, field)
        return False if exact is None and contradicts else exact

    return fits


def _live_ack_unless_asked_otherwise(
    command: ClientEvent, event: DecisionEvent
) -> Optional[bool]:
    """
    By order; a decision that a delegation or a trigger asked for is not meant.
    """
    reasons = (event.delegation_id, event.trigger_id, event.source_event_id)
    return False if any(map(_is_live_ack_id, reasons)) else None


def _live_ack_rule(*events: str, fits: Fits = _live_ack_by_client_event_id) -> AckRule:
    return AckRule(events=events, fits=fits, matched_by=_BY_ID)


ACKS: Final[Mapping[str, AckRule]] = {
    "session.start": _live_ack_rule("session.started"),
    "session.update": _live_ack_rule("session.updated"),
    "session.close": _live_ack_rule("session.closed"),
    "session.input_audio.mute": _live_ack_rule("session.input_audio.muted"),
    "session.input_audio.unmute": _live_ack_rule("session.input_audio.unmuted"),
    "session.output_audio.fixture.play": _live_ack_rule(
        "session.output_audio.fixture.playing"
    ),
    "session.instructions.append": _live_ack_rule("session.instructions.appended"),
    "session.thinking.append": _live_ack_rule("session.thinking.appended"),
    "session.commentary.append": _live_ack_rule("session.commentary.appended"),
    "decision.create": AckRule(
        events=("decision.event",),
        fits=_live_ack_unless_asked_otherwise,
        matched_by="order; not what a delegation or a trigger asked for",
    ),
    "decision.item.create": _live_ack_rule("decision.item.created"),
    "decision.item.delete": _live_ack_rule(
        "decision.item.deleted", fits=_live_ack_unless_other("item_id")
    ),
    "transport.dtmf.send": _live_ack_rule(
        "transport.dtmf.sent",
        "transport.dtmf.send",
        fits=_live_ack_unless_other("event"),
    ),
}
"""Command type -> rule. A command that is not here is never answered."""


def command_answered_by(
    waiting: Iterable[ClientEvent], event: ServerEvent
) -> Optional[ClientEvent]:
    """
    Return the command that an event answers, or None.

    Args:
        waiting: commands without an answer, oldest first.
        event: what the server said. An error belongs to the command that it
            names, and to no other.
    """
    if event.type == "error":
        named = command_refused_by(event)
        return next((each for each in waiting if each.event_id == named), None)
    oldest = None
    for command in waiting:
        rule = ACKS.get(command.type)
        if rule is None or event.type not in rule.events:
            continue
        fits = rule.fits(command, event)
        if fits:
            return command
        if fits is None and oldest is None:
            oldest = command
    return oldest


def command_refused_by(error: ServerEvent) -> Optional[str]:
    """Return the id of the command that an error refuses, or None."""
    inner = getattr(error, "error", None)
    named = (getattr(each, "client_event_id", None) for each in (inner, error))
    return next((each for each in named if _is_live_ack_id(each)), None)


def is_failed_handoff(error: ServerEvent) -> bool:
    """
    Whether an error that names no command says that the backend has failed.

    No response ends then, and nothing else will say so.
    """
    inner = getattr(error, "error", None)
    said = getattr(inner, "message", inner)
    words = said.lower() if isinstance(said, str) else ""
    return command_refused_by(error) is None and "handoff incomplete" in words


def _is_live_ack_id(value: object) -> bool:
    return isinstance(value, str) and value != ""
