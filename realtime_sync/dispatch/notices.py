"""
What the library itself reports to handlers.

Notices are not wire events: their prefixes do not exist on the wire, and only
a handler that asks for the prefix gets them (``on("connection.*")``), never one
registered for ``"*"``.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Optional, Protocol

from attrs import field, frozen


class Published(Protocol):
    """What handlers are told of: a server event, a command or a `Notice`."""

    @property
    def type(self) -> str:
        """The name that handlers register for."""


@frozen(kw_only=True, slots=False)
class Notice:
    """
    Base of everything that the library reports.

    Attributes:
        type: the name that handlers register for.
    """

    type: ClassVar[str]


@frozen(kw_only=True, slots=False)
class ConnectionOpened(Notice):
    """
    A connection is up, the first or a new one after a loss.

    Attributes:
        attempt: 0 for the first connection, then the number of the retry.
    """

    type: ClassVar[Literal["connection.opened"]] = "connection.opened"
    attempt: int = 0


@frozen(kw_only=True, slots=False)
class ConnectionDropped(Notice):
    """
    The connection was lost.

    Attributes:
        error: the exception that pending waits were failed with.
        code: WebSocket close code, 1006 without a close frame.
        reason: the server's words.
        retrying: whether a new connection will be tried.
    """

    type: ClassVar[Literal["connection.lost"]] = "connection.lost"
    error: Exception
    code: Optional[int] = None
    reason: str = ""
    retrying: bool = False


@frozen(kw_only=True, slots=False)
class ConnectionRestored(Notice):
    """
    A lost connection was replaced and the conversation rebuilt.

    Attributes:
        report: what was restored and what could not be, and why.
        attempt: number of the retry that succeeded.
    """

    type: ClassVar[Literal["connection.restored"]] = "connection.restored"
    report: Any = None
    attempt: int = 1


@frozen(kw_only=True, slots=False)
class ConnectionEnded(Notice):
    """
    The session is over; no event follows this one.

    Attributes:
        code: WebSocket close code.
        reason: the reason that came with it.
        error: what broke the connection, or None after a clean close.
    """

    type: ClassVar[Literal["connection.closed"]] = "connection.closed"
    code: Optional[int] = None
    reason: str = ""
    error: Optional[Exception] = None


@frozen(kw_only=True, slots=False)
class DispatchLagging(Notice):
    """
    Handlers are slower than the server.

    Attributes:
        queued: deliveries waiting.
        queued_bytes: bytes of the frames that are waiting.
        handler: qualified name of the handler that runs, or of the slowest.
        seconds: how long that handler has been running.
    """

    type: ClassVar[Literal["dispatch.lagging"]] = "dispatch.lagging"
    queued: int
    queued_bytes: int = 0
    handler: str = ""
    seconds: float = 0.0


@frozen(kw_only=True, slots=False)
class HandlerFailed(Notice):
    """
    A handler raised.

    Attributes:
        handler: its qualified name.
        error: the exception.
        event: what the handler was called with.
    """

    type: ClassVar[Literal["handler.failed"]] = "handler.failed"
    handler: str
    error: BaseException
    event: Optional[Published] = field(default=None, repr=False)


@frozen(kw_only=True, slots=False)
class TurnFinished(Notice):
    """
    A response that answers a turn has reached its final state.

    All times are milliseconds from the end of the user's speech, or None when it did
    not happen. Speech ends with the last loud block of audio that was sent; where
    the program did not send it, or faster than it was spoken, when
    `input_audio_buffer.speech_stopped`, else the commit, was seen. A turn without
    speech counts from its `response.create`.

    Attributes:
        response_id: the response.
        item_id: the user's item that it answers, or None.
        status: final status of the response.
        found_ms: until the server said that speech was over: what turn detection
            takes.
        created_ms: until `response.created`.
        first_text_ms: until the first text or transcript delta.
        first_audio_ms: until the first audio delta.
        done_ms: until `response.done`.
        usage: token usage of the response, or None.
    """

    type: ClassVar[Literal["turn.finished"]] = "turn.finished"
    response_id: Optional[str] = None
    item_id: Optional[str] = None
    status: Optional[str] = None
    found_ms: Optional[float] = None
    created_ms: Optional[float] = None
    first_text_ms: Optional[float] = None
    first_audio_ms: Optional[float] = None
    done_ms: Optional[float] = None
    usage: Any = None


@frozen(kw_only=True, slots=False)
class DelegationFinished(Notice):
    """
    What the voice of a live session had handed to the program has an outcome.

    Attributes:
        delegation_id: of the work.
        revision: counts the delegations of the session, from 1.
        outcome: ``"answered"``; ``"noted"`` or ``"dropped"`` when it came too late to
            be said; ``"nothing"`` to say; ``"failed"``, ``"timeout"``, or
            ``"cancelled"`` by the end of the session.
    """

    type: ClassVar[Literal["delegation.finished"]] = "delegation.finished"
    delegation_id: str
    revision: int
    outcome: str


@frozen(kw_only=True, slots=False)
class PlayerFailed(Notice):
    """
    A player could not hand sound to its sink: a loudspeaker, a telephone.

    Reported when it begins to fail, and when the player gives up; also once for each
    audio format in which a session begins to speak and which no player knows.

    Attributes:
        error: what the sink raised, or what is wrong with the format.
        retrying: whether the player tries again; else nothing more is heard.
    """

    type: ClassVar[Literal["player.failed"]] = "player.failed"
    error: Exception
    retrying: bool = False


NOTICES: tuple[type[Notice], ...] = (
    ConnectionOpened,
    ConnectionDropped,
    ConnectionRestored,
    ConnectionEnded,
    DispatchLagging,
    HandlerFailed,
    TurnFinished,
    DelegationFinished,
    PlayerFailed,
)
NOTICE_CLASSES = {notice.type: notice for notice in NOTICES}
NOTICE_NAMES = frozenset(notice.type for notice in NOTICES)
NOTICE_PREFIXES = (
    "client.",
    "connection.",
    "dispatch.",
    "handler.",
    "turn.",
    "delegation.",
    "player.",
)
