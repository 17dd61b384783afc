"""
Calls over REST: WebRTC made by you, SIP accepted by you.

Nothing here is repeated once the server may have seen it.
"""

from __future__ import annotations

import re
from typing import Any, Optional, Union
from urllib.parse import quote

from ..errors import ConfigurationError
from ..protocol import jsontext
from ..protocol.codec import to_mapping
from ..transport.credentials import checked_text
from ..types import UNSET, Timeout, Unset
from .bodies import (
    CallCreated,
    CallReferRequest,
    CallRejectRequest,
    CallRequest,
    Configuration,
    configured_body,
)
from .http import HttpAnswer, Rest

_SDP = "application/sdp"
_JSON = "application/json"
_CALL_ID = re.compile(r"/calls/([^/?#]+)")


class Calls:
    """Calls: WebRTC made by you, SIP accepted by you. From any thread."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def create(
        self, sdp: str, session: Configuration = UNSET, *, timeout: Timeout = UNSET
    ) -> CallCreated:
        """
        Take up a WebRTC call on behalf of a peer.

        Args:
            sdp: the peer's offer.
            session: configuration; may be left out with a short-lived key,
                which has one.
            timeout: seconds for the whole request; by default the client's.

        Returns:
            The SDP answer for the peer, and the call's id for the sideband.

        Raises:
            RestError: the server refused, or there was no answer.
            TypeError: the configuration has no such field.
        """
        config: Any = UNSET
        if session is not UNSET:
            config = configured_body(session, {}, "realtime")
        body = CallRequest(sdp=sdp, session=config)
        return _offer_call(self._rest, "/realtime/calls", body, timeout)

    def accept(
        self,
        call_id: str,
        session: Configuration = UNSET,
        *,
        timeout: Timeout = UNSET,
        **fields: Any,
    ) -> None:
        """
        Take a SIP call. Then ``connect(call_id=call_id)`` follows it.

        Args:
            call_id: of `realtime_sync.rest.webhooks.RealtimeCallIncoming`.
            session: configuration of the session that answers.
            timeout: seconds for the whole request; by default the client's.
            **fields: the same as `session`, field by field.

        Raises:
            RestError: the server refused, or there was no answer.
            TypeError: the configuration has no such field.
        """
        config = configured_body(session, fields, "realtime")
        self._act(call_id, "accept", to_mapping(config), timeout)

    def reject(
        self,
        call_id: str,
        *,
        status_code: Union[int, Unset] = UNSET,
        timeout: Timeout = UNSET,
    ) -> None:
        """
        Turn a SIP call away.

        Args:
            call_id: of the call.
            status_code: SIP status for the caller; 603 (decline) by default,
                486 is busy.
            timeout: seconds for the whole request; by default the client's.

        Raises:
            RestError: the server refused, or there was no answer.
        """
        body = to_mapping(CallRejectRequest(status_code=status_code))
        self._act(call_id, "reject", body, timeout)

    def refer(self, call_id: str, target_uri: str, *, timeout: Timeout = UNSET) -> None:
        """
        Hand a call over to somebody else.

        Args:
            call_id: of the call.
            target_uri: ``tel:+14155550123`` or ``sip:agent@example.com``.
            timeout: seconds for the whole request; by default the client's.

        Raises:
            RestError: the server refused, or there was no answer.
        """
        body = to_mapping(CallReferRequest(target_uri=target_uri))
        self._act(call_id, "refer", body, timeout)

    def hangup(self, call_id: str, *, timeout: Timeout = UNSET) -> None:
        """
        End a call, WebRTC or SIP.

        Args:
            call_id: of the call.
            timeout: seconds for the whole request; by default the client's.

        Raises:
            RestError: the server refused, or there was no answer.
        """
        self._act(call_id, "hangup", UNSET, timeout)

    def _act(self, call_id: str, verb: str, body: object, timeout: Timeout) -> None:
        if not isinstance(call_id, str) or not call_id.strip("."):
            raise ConfigurationError(f"{call_id!r} is no id of a call")
        checked_text("call_id", call_id)
        self._rest.request(
            "POST",
            f"/realtime/calls/{quote(call_id, safe='')}/{verb}",
            json=body,
            accept="*/*",
            repeatable=False,
            timeout=timeout,
        )


class TranslationCalls:
    """WebRTC calls that are translated. From any thread."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def create(self, sdp: str, *, timeout: Timeout = UNSET) -> CallCreated:
        """
        Take up a WebRTC call; the client's key should be a short-lived one.

        Args:
            sdp: the peer's offer.
            timeout: seconds for the whole request; by default the client's.

        Raises:
            RestError: the server refused, or there was no answer.
        """
        body = CallRequest(sdp=sdp)
        return _offer_call(self._rest, "/realtime/translations/calls", body, timeout)


def _offer_call(
    rest: Rest, path: str, body: CallRequest, timeout: Timeout
) -> CallCreated:
    if isinstance(body.session, Unset):
        how: dict[str, Any] = {"text": (body.sdp, _SDP)}
    else:
        session = jsontext.dumps(to_mapping(body.session)).decode()
        how = {"form": {"sdp": (body.sdp, _SDP), "session": (session, _JSON)}}
    answer = rest.request(
        "POST", path, accept=_SDP, repeatable=False, timeout=timeout, **how
    )
    return CallCreated(
        sdp=answer.body.decode("utf-8", "replace"), call_id=_id_of_answered_call(answer)
    )


def _id_of_answered_call(answer: HttpAnswer) -> Optional[str]:
    found = _CALL_ID.search(answer.headers.get("location", ""))
    return found[1] if found else None
