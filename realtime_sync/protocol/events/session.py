"""Events named ``session.*``, and the beta's ``transcription_session.*``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ...types import OrUnset
from ..fields import checked, given_freely, required
from ..sessions import (
    RealtimeSession,
    SessionConfig,
    TranscriptionConfig,
    TranscriptionSession,
)
from ._base import ClientEvent, ServerEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SessionUpdate(ClientEvent):
    """
    Change the configuration of the session.

    Answered by `SessionUpdated`, or by an error, and then nothing has changed.

    Attributes:
        session: only the fields that are to change. A mapping is taken too, and
            is sent as it is, except for the dialect's spelling.
    """

    type: ClassVar[Literal["session.update"]] = "session.update"
    session: Union[SessionConfig, TranscriptionConfig, Mapping[str, Any]] = (
        given_freely()
    )


@frozen(kw_only=True, slots=False)
class SessionCreated(ServerEvent):
    """
    The session exists; the first thing a well-behaved server says.

    Attributes:
        session: the configuration that it starts with.
    """

    type: ClassVar[Literal["session.created"]] = "session.created"
    session: OrUnset[Union[RealtimeSession, TranscriptionSession]] = required()


@frozen(kw_only=True, slots=False)
class SessionUpdated(ServerEvent):
    """
    The configuration was changed as asked.

    Attributes:
        session: the whole configuration that is now in force.
    """

    type: ClassVar[Literal["session.updated"]] = "session.updated"
    session: OrUnset[Union[RealtimeSession, TranscriptionSession]] = required()
