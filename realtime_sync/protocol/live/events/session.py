"""Begin, change and end of a session, and what it reports of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ....types import UNSET, OrUnset, Unset
from ...events._base import ClientEvent
from ...fields import MaybeText, checked, given_freely, required
from ..sessions import (
    ContextWindow,
    Session,
    SessionConfig,
    SessionUpdateConfig,
    SessionUsage,
)
from ._base import CorrelatedEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SessionStart(ClientEvent):
    """
    Start the session; the first thing that is said, by the client.

    Attributes:
        session: what it starts with. A mapping is taken too, and sent as it is.
    """

    type: ClassVar[Literal["session.start"]] = "session.start"
    session: Union[SessionConfig, Mapping[str, Any]] = given_freely()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SessionUpdate(ClientEvent):
    """
    Change what may change of the session.

    Answered by `SessionUpdated`, or by an error, and then nothing has changed.

    Attributes:
        session: only the fields that are to change.
    """

    type: ClassVar[Literal["session.update"]] = "session.update"
    session: Union[SessionUpdateConfig, Mapping[str, Any]] = given_freely()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SessionClose(ClientEvent):
    """Finish what is running, then end the session."""

    type: ClassVar[Literal["session.close"]] = "session.close"


@frozen(kw_only=True, slots=False)
class SessionStarted(CorrelatedEvent):
    """
    The session exists; nothing may be sent before.

    Attributes:
        session: the configuration that it starts with, defaults included.
    """

    type: ClassVar[Literal["session.started"]] = "session.started"
    session: OrUnset[Session] = required()


@frozen(kw_only=True, slots=False)
class SessionUpdated(CorrelatedEvent):
    """
    The configuration was changed as asked.

    Attributes:
        session: the whole configuration that is now in force.
    """

    type: ClassVar[Literal["session.updated"]] = "session.updated"
    session: OrUnset[Session] = required()


@frozen(kw_only=True, slots=False)
class SessionClosed(CorrelatedEvent):
    """
    The session is over, and what it took is final.

    Attributes:
        reason: ``"close_requested"``, ``"expired"``, ``"content"``,
            ``"remote_hangup"`` or ``"connection_lost"``.
        session: as it was.
        usage: how long it lasted.
    """

    type: ClassVar[Literal["session.closed"]] = "session.closed"
    reason: OrUnset[str] = required()
    session: OrUnset[Session] = required()
    usage: OrUnset[SessionUsage] = required()


@frozen(kw_only=True, slots=False)
class SessionPaused(CorrelatedEvent):
    """The model sleeps until somebody speaks."""

    type: ClassVar[Literal["session.paused"]] = "session.paused"


@frozen(kw_only=True, slots=False)
class SessionResumed(CorrelatedEvent):
    """The model is awake again."""

    type: ClassVar[Literal["session.resumed"]] = "session.resumed"


@frozen(kw_only=True, slots=False)
class SessionUsageUpdated(CorrelatedEvent):
    """
    How long the session has lasted so far.

    Attributes:
        usage: the whole of it, never to be summed.
        context_window: how full the model's context is.
    """

    type: ClassVar[Literal["session.usage.updated"]] = "session.usage.updated"
    usage: OrUnset[SessionUsage] = required()
    context_window: Union[ContextWindow, None, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class DelegatedTask:
    """
    Work that the voice hands on.

    Attributes:
        id: what its notes and its answer name.
        target: ``"client"``, ``"responses"`` or ``"decisions"``.
        response_id: the first response of the backend that does it.
    """

    type: ClassVar[Literal["delegation"]] = "delegation"
    id: OrUnset[str] = required()
    target: OrUnset[str] = required()
    response_id: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class DelegationCreated(CorrelatedEvent):
    """
    The voice delegates work. What is wanted stands in the transcript.

    May come before the user has finished the sentence.

    Attributes:
        delegation: the work.
        offset_ms: where in the session it was asked for.
    """

    type: ClassVar[Literal["session.delegation.created"]] = "session.delegation.created"
    delegation: OrUnset[DelegatedTask] = required()
    offset_ms: OrUnset[int] = required()
