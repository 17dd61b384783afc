"""
Calls: what WebRTC and SIP would bring, without their media.

A call is a session's configuration with an id. Clients create, accept, reject, refer
and hang up calls over REST and control them over a WebSocket (``?call_id=``). The
SDP answer refuses every medium: no audio flows but over the WebSocket.
"""

from __future__ import annotations

import threading
from typing import Any, Mapping, Optional

import attrs

from ..engine.ids import Ids

MOST_CALLS = 1000
"""Calls that are remembered; the oldest are not found any more."""


@attrs.define(eq=False)
class HostedCall:
    """
    One call.

    Attributes:
        id: ``rtc_...``.
        session: configuration, GA shape; None until the call is accepted.
        status: ``ringing``, ``active``, ``rejected``, ``referred`` or ``ended``.
        detail: the status code of a rejection, or the target of a referral.
    """

    id: str
    session: Optional[Mapping[str, Any]]
    status: str
    detail: object = None


class HostedCalls:
    """The calls of one server. May be used from any thread."""

    def __init__(self, ids: Ids) -> None:
        # Guards _ids and _calls.
        self._lock = threading.Lock()
        self._ids = ids
        self._calls: dict[str, HostedCall] = {}

    def create(self, session: Optional[Mapping[str, Any]], status: str) -> HostedCall:
        """Add a call: ``active`` from a client, ``ringing`` from outside."""
        with self._lock:
            call = HostedCall(self._ids.new("rtc"), session, status)
            self._calls[call.id] = call
            while len(self._calls) > MOST_CALLS:
                del self._calls[next(iter(self._calls))]
        return call

    def find(self, call_id: str) -> Optional[HostedCall]:
        """Return the call of that id, or None."""
        with self._lock:
            return self._calls.get(call_id)

    def change(
        self,
        call: HostedCall,
        status: str,
        *,
        detail: object = None,
        session: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Take a call to another status."""
        with self._lock:
            call.status = status
            call.detail = detail
            call.session = session or call.session


def sdp_answer_to_call(offer: str) -> str:
    """Answer an SDP offer: every medium is refused, by port 0."""
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    for line in offer.splitlines():
        if line.startswith("m="):
            kind, _, rest = line.partition(" ")
            lines += [f"{kind} 0 {rest.partition(' ')[2]}", "a=inactive"]
    return "\r\n".join(lines) + "\r\n"
