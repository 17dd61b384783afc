"""
A server's side that plays a part: what scenarios and cassettes have in common.

It is driven like the protocol engine of the local server, so it can stand behind a
real socket (``serve(agent=...)``) as well as behind a `MemoryTransport`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional, Protocol, Union

from attrs import frozen

from ..protocol import jsontext
from ..protocol.codec import to_mapping
from ..protocol.dialects import dialect_named
from ..protocol.events import ServerEvent

Frame = Mapping[str, Any]


@frozen
class Close:
    """
    As a reply: the end of the connection, behind what was said before.

    Attributes:
        code: close code; 1006 is an end without a close frame.
        reason: at most 123 bytes.
    """

    code: int = 1000
    reason: str = ""


Said = Union[Frame, ServerEvent, Close, bytes]
"""What a server may do: a frame, an event, an end, or a message as it is."""


class EngineScript(Protocol):
    """What is played in one connection."""

    def opened(self) -> Iterable[Said]:
        """What the server says when a client comes."""

    def heard(self, frame: Frame) -> Iterable[Said]:
        """What it answers to a command, GA shape."""


class PlayedEngine:
    """
    Plays a part to one client.

    Args:
        part: what to say when.
        session_id: shows in the server's log.
        dialect: that the client speaks; frames of GA are spelt in it.
        session_type: of the client's session.
        as_is: frames are spelt already.

    Attributes:
        closing: close code and reason, once the part has ended.
    """

    def __init__(
        self,
        part: EngineScript,
        *,
        session_id: str,
        dialect: str,
        session_type: str,
        as_is: bool = False,
    ) -> None:
        self.closing: Optional[tuple[int, str]] = None
        self.session_id = session_id
        self._ids = itertools.count(1)
        self._part = part
        self._dialect = dialect_named(dialect)
        self._as_is = as_is
        self._undialected = session_type in ("translation", "live")

    def open(self, now: float) -> list[Any]:
        """Begin; returns what to send."""
        return self._said(self._part.opened)

    def receive_text(self, data: Union[str, bytes], now: float) -> list[Any]:
        """Take one message; returns what to send."""
        try:
            frame = jsontext.loads(data)
        except ValueError:
            return [_script_complaint_event("not JSON", None)]
        if not isinstance(frame, Mapping):
            return [_script_complaint_event("not an object", None)]
        lifted = frame if self._undialected else self._dialect.lift_client(frame)
        return self._said(lambda: self._part.heard(lifted))

    def receive_binary(self, now: float) -> list[Any]:
        """Take one binary message; returns what to send."""
        return [_script_complaint_event("binary message", None)]

    def tick(self, now: float) -> list[Any]:
        """Nothing happens by itself."""
        return []

    def deadline(self) -> float:
        """Nothing is due at any time."""
        return math.inf

    def take_jobs(self) -> list[Any]:
        """There is no work."""
        return []

    def job_output(self, job: object, piece: object, now: float) -> list[Any]:
        """There is no work."""
        return []

    def job_done(self, job: object, error: object, now: float) -> list[Any]:
        """There is no work."""
        return []

    def settle(self, now: float) -> Iterable[Any]:
        """There is no work."""
        return ()

    def expire(self) -> None:
        """End as if the session's time were up."""
        self.closing = (1001, "invalid_request_error.session_expired")

    def close(self) -> None:
        """There is nothing to end."""

    def _said(self, act: Callable[[], Iterable[Said]]) -> list[Any]:
        sent: list[Any] = []
        for each in act():
            if isinstance(each, Close):
                self.closing = (each.code, each.reason)
                break
            spelt = each if isinstance(each, bytes) else self._spelt(each)
            if spelt is not None:
                sent.append(spelt)
        return sent

    def _spelt(self, said: Union[Frame, ServerEvent]) -> Union[Frame, bytes, None]:
        frame: Frame = to_mapping(said)
        if not self._as_is:
            frame = {"event_id": f"event_{next(self._ids)}", **frame}
        if not isinstance(frame.get("type"), str):
            return jsontext.dumps(frame)
        if self._undialected or self._as_is:
            return frame
        return self._dialect.lower_server(frame)


def script_complaint(message: str, frame: Frame) -> Frame:
    """The error event about a command that was not in the part."""
    return _script_complaint_event(message, frame.get("event_id"))


def _script_complaint_event(message: str, event_id: object) -> Frame:
    error = {
        "type": "invalid_request_error",
        "code": "unexpected_command",
        "message": message,
        "param": None,
        "event_id": event_id,
    }
    return {"type": "error", "event_id": "event_unexpected", "error": error}
