"""
Calls at a telephone company: placing, transferring and ending them.

What the messages of a call cannot say is said over REST. Every function makes one
request of its own, may be called from any thread, and ends within its *timeout*.

.. versionadded:: 0.1
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Optional, Protocol, Union
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape, quoteattr

from attrs import field, frozen

from ..errors import ConfigurationError, RestError
from ..session.options import SessionOptions
from ..transport.credentials import checked_text
from ..transport.endpoint import Endpoint
from ..transport.redaction import remember_for_redaction
from ..types import UNSET
from .http import Rest

__all__ = [
    "Account",
    "CarrierRequest",
    "PlivoAccount",
    "TelnyxAccount",
    "TwilioAccount",
    "VonageAccount",
    "dial",
    "hang_up",
    "transfer",
]

TIMEOUT = 10.0
"""Seconds for a request, by default."""

OVER_CODES = frozenset({"21220", "90018"})
"""What Twilio and Telnyx answer to who would end a call that has ended."""

_NUMBER = re.compile(r"\+?[0-9]{3,15}")


@frozen(kw_only=True)
class CarrierRequest:
    """
    One request to a carrier.

    Attributes:
        method: of HTTP.
        path: below the account's *base_url*.
        json: the body, where the carrier takes JSON.
        form: the body, where it takes a form.
        made: in the answer, the way to the id of a call that was placed.
    """

    method: str
    path: str
    json: Optional[Mapping[str, Any]] = field(default=None, repr=False)
    form: Optional[Mapping[str, str]] = field(default=None, repr=False)
    made: tuple[str, ...] = ()


class Account(Protocol):
    """Who one is at a carrier, and how its requests are written."""

    @property
    def base_url(self) -> str:
        """Where requests go."""

    def authorization(self) -> str:
        """The header that says who asks."""

    def hang_up(self, call_id: str) -> CarrierRequest:
        """Ends a call."""

    def transfer(
        self, call_id: str, to: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Hands a call on."""

    def dial(
        self, to: str, caller: str, stream_url: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Places a call."""


@frozen(kw_only=True)
class TwilioAccount:
    """
    An account of Twilio, or of SignalWire with its *base_url*.

    Attributes:
        account_sid: of the account; a project at SignalWire.
        auth_token: its token.
        base_url: ``https://SPACE.signalwire.com/api/laml`` for SignalWire.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    base_url: str = "https://api.twilio.com"

    def authorization(self) -> str:
        """Name and password."""
        return _basic_call_control(self.account_sid, self.auth_token)

    def _calls(self, call_id: str = "") -> str:
        account = quote(self.account_sid, safe="")
        return f"/2010-04-01/Accounts/{account}/Calls{call_id}.json"

    def hang_up(self, call_id: str) -> CarrierRequest:
        """Completes the call."""
        path = self._calls(f"/{_controlled_call_id(call_id)}")
        return CarrierRequest(method="POST", path=path, form={"Status": "completed"})

    def transfer(
        self, call_id: str, to: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Gives the call another document: one that dials, or the one at *url*."""
        path = self._calls(f"/{_controlled_call_id(call_id)}")
        form = _either_call_control(
            url,
            lambda url: {"Url": url},
            to,
            lambda to: {
                "Twiml": f"<Response><Dial>{_dialled_in_call(to)}</Dial></Response>"
            },
        )
        return CarrierRequest(method="POST", path=path, form=form)

    def dial(
        self, to: str, caller: str, stream_url: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Places a call that a stream is connected to."""
        form = {"To": _party_of_call(to), "From": _party_of_call(caller)}
        form |= _either_call_control(
            url,
            lambda url: {"Url": url},
            stream_url,
            lambda stream: {
                "Twiml": f"<Response><Connect><Stream url={quoteattr(stream)}/>"
                "</Connect></Response>"
            },
        )
        return CarrierRequest(
            method="POST", path=self._calls(), form=form, made=("sid",)
        )


@frozen(kw_only=True)
class TelnyxAccount:
    """
    An account of Telnyx.

    Attributes:
        api_key: of the API, version 2.
        connection_id: of the Call Control application; to place calls.
        base_url: of the API.
    """

    api_key: str = field(repr=False)
    connection_id: str = ""
    base_url: str = "https://api.telnyx.com/v2"

    def authorization(self) -> str:
        """The key."""
        return _bearer_call_control(self.api_key)

    def hang_up(self, call_id: str) -> CarrierRequest:
        """Ends the call by its ``call_control_id``."""
        path = f"/calls/{_controlled_call_id(call_id)}/actions/hangup"
        return CarrierRequest(method="POST", path=path, json={})

    def transfer(
        self, call_id: str, to: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Hands the call on to a number or a SIP address."""
        if to is None or url is not None:
            raise ConfigurationError("Telnyx transfers to a number: say to, no url")
        path = f"/calls/{_controlled_call_id(call_id)}/actions/transfer"
        return CarrierRequest(method="POST", path=path, json={"to": _party_of_call(to)})

    def dial(
        self, to: str, caller: str, stream_url: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Places a call with media streaming in both directions."""
        if stream_url is None or url is not None:
            raise ConfigurationError("Telnyx streams to a socket: say stream_url")
        if not self.connection_id:
            raise ConfigurationError("TelnyxAccount(connection_id=...) is missing")
        order = {
            "connection_id": self.connection_id,
            "to": _party_of_call(to),
            "from": _party_of_call(caller),
            "stream_url": stream_url,
            "stream_track": "inbound_track",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
        }
        made = ("data", "call_control_id")
        return CarrierRequest(method="POST", path="/calls", json=order, made=made)


@frozen(kw_only=True)
class PlivoAccount:
    """
    An account of Plivo.

    Attributes:
        auth_id: of the account.
        auth_token: its token.
        base_url: of the API.
    """

    auth_id: str
    auth_token: str = field(repr=False)
    base_url: str = "https://api.plivo.com/v1"

    def authorization(self) -> str:
        """Name and password."""
        return _basic_call_control(self.auth_id, self.auth_token)

    def _calls(self, call_id: str = "") -> str:
        return f"/Account/{quote(self.auth_id, safe='')}/Call/{call_id}"

    def hang_up(self, call_id: str) -> CarrierRequest:
        """Deletes the call."""
        return CarrierRequest(
            method="DELETE", path=self._calls(f"{_controlled_call_id(call_id)}/")
        )

    def transfer(
        self, call_id: str, to: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Has the call fetch another document."""
        if url is None or to is not None:
            raise ConfigurationError(
                "Plivo asks for a document of where to go: say url, not to"
            )
        order = {"legs": "aleg", "aleg_url": url}
        path = self._calls(f"{_controlled_call_id(call_id)}/")
        return CarrierRequest(method="POST", path=path, json=order)

    def dial(
        self, to: str, caller: str, stream_url: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Places a call whose document has the stream."""
        if url is None or stream_url is not None:
            raise ConfigurationError(
                "Plivo asks for a document that has the stream: say url"
            )
        order = {
            "to": _party_of_call(to),
            "from": _party_of_call(caller),
            "answer_url": url,
        }
        made = ("request_uuid",)
        return CarrierRequest(method="POST", path=self._calls(), json=order, made=made)


@frozen(kw_only=True)
class VonageAccount:
    """
    An application of Vonage.

    Attributes:
        token: a JSON Web Token of the application, or what makes one: they are
            signed with its private key, by ``vonage-jwt`` for example.
        rate: samples per second of the sound of calls that are placed.
        base_url: of the API; there are others for regions.
    """

    token: Union[str, Callable[[], str]] = field(repr=False)
    rate: int = 16_000
    base_url: str = "https://api.nexmo.com/v1"

    def authorization(self) -> str:
        """The token."""
        return _bearer_call_control(
            self.token if isinstance(self.token, str) else self.token()
        )

    def hang_up(self, call_id: str) -> CarrierRequest:
        """Ends the call by its UUID."""
        path = f"/calls/{_controlled_call_id(call_id)}"
        return CarrierRequest(method="PUT", path=path, json={"action": "hangup"})

    def transfer(
        self, call_id: str, to: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Gives the call another NCCO: one that connects, or the one at *url*."""
        goal = _either_call_control(
            url,
            lambda url: {"type": "ncco", "url": [url]},
            to,
            lambda to: {
                "type": "ncco",
                "ncco": [_connection_of_call_control(_vonage_party_of_call(to))],
            },
        )
        order = {"action": "transfer", "destination": goal}
        path = f"/calls/{_controlled_call_id(call_id)}"
        return CarrierRequest(method="PUT", path=path, json=order)

    def dial(
        self, to: str, caller: str, stream_url: Optional[str], url: Optional[str]
    ) -> CarrierRequest:
        """Places a call that a WebSocket is connected to."""
        kind = f"audio/l16;rate={self.rate}"
        order: dict[str, Any] = {
            "to": [_vonage_party_of_call(to)],
            "from": {"type": "phone", "number": _party_of_call(caller).lstrip("+")},
        }
        order |= _either_call_control(
            url,
            lambda url: {"answer_url": [url]},
            stream_url,
            lambda stream: {
                "ncco": [
                    _connection_of_call_control(
                        {"type": "websocket", "uri": stream, "content-type": kind}
                    )
                ]
            },
        )
        return CarrierRequest(method="POST", path="/calls", json=order, made=("uuid",))


def hang_up(
    account: Account, call_id: str, *, timeout: Optional[float] = TIMEOUT
) -> bool:
    """
    End a call.

    Args:
        account: whose call it is.
        call_id: the carrier's name for it, `CallBridge.call_id`.
        timeout: seconds; None for as long as the carrier says something.

    Returns:
        False if the call had ended already.

    Raises:
        RestError: the carrier refused, or there was no answer.
        ConfigurationError: it is no id of a call.
    """
    request = account.hang_up(call_id)
    try:
        _send_call_control(account, request, repeatable=True, timeout=timeout)
    except RestError as exc:
        if exc.status == 404 or exc.code in OVER_CODES:
            return False
        raise
    return True


def transfer(
    account: Account,
    call_id: str,
    to: Optional[str] = None,
    *,
    url: Optional[str] = None,
    timeout: Optional[float] = TIMEOUT,
) -> None:
    """
    Hand a call on to somebody else; the stream to this program ends.

    Args:
        account: whose call it is.
        call_id: the carrier's name for it, `CallBridge.call_id`.
        to: a number in international form, or a SIP address. Plivo has no such.
        url: instead, of a document that says what becomes of the call: TwiML,
            Plivo XML or an NCCO. Telnyx has no such.
        timeout: seconds; None for as long as the carrier says something.

    Raises:
        RestError: the carrier refused, or there was no answer.
        ConfigurationError: it is no id, no number, or none that the carrier takes.
    """
    request = account.transfer(call_id, to, url)
    _send_call_control(account, request, repeatable=False, timeout=timeout)


def dial(
    account: Account,
    to: str,
    *,
    caller: str,
    stream_url: Optional[str] = None,
    url: Optional[str] = None,
    timeout: Optional[float] = TIMEOUT,
) -> str:
    """
    Call somebody, and have the sound streamed to a WebSocket once they answer.

    Args:
        account: who calls.
        to: whom: a number in international form, or a SIP address.
        caller: the number that is shown.
        stream_url: of the WebSocket, ``wss://...``. Plivo has no such.
        url: instead, of a document that says what becomes of the call: TwiML,
            Plivo XML or an NCCO. Telnyx has no such.
        timeout: seconds; None for as long as the carrier says something.

    Returns:
        The carrier's name for the call; Plivo's for the request.

    Raises:
        RestError: the carrier refused, or there was no answer.
        ConfigurationError: it is no number, or something is missing.
    """
    request = account.dial(to, caller, stream_url, url)
    found: Any = _send_call_control(
        account, request, repeatable=False, timeout=timeout
    ).decoded()
    for name in request.made:
        found = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, str):
        raise RestError("the carrier's answer names no call")
    return found


def _send_call_control(
    account: Account,
    request: CarrierRequest,
    *,
    repeatable: bool,
    timeout: Optional[float],
) -> Any:
    endpoint = Endpoint(
        url=account.base_url, headers={"Authorization": account.authorization()}
    )
    rest = Rest(endpoint, SessionOptions())
    form = request.form
    try:
        return rest.request(
            request.method,
            request.path,
            json=UNSET if request.json is None else request.json,
            text=None if form is None else (urlencode(form), _FORM),
            repeatable=repeatable,
            timeout=timeout,
        )
    finally:
        rest.close()


_FORM = "application/x-www-form-urlencoded"


def _basic_call_control(name: str, password: str) -> str:
    coded = base64.b64encode(f"{name}:{password}".encode()).decode("ascii")
    # What a carrier says back of it is not to be shown either.
    remember_for_redaction(password)
    remember_for_redaction(coded)
    return f"Basic {coded}"


def _bearer_call_control(key: str) -> str:
    remember_for_redaction(key)
    return f"Bearer {key}"


def _controlled_call_id(call_id: str) -> str:
    if not isinstance(call_id, str) or not call_id.strip("."):
        raise ConfigurationError(f"{call_id!r} is no id of a call")
    checked_text("call_id", call_id)
    return quote(call_id, safe="")


def _is_sip_party_of_call(party: str) -> bool:
    return party.lower().startswith(("sip:", "sips:"))


def _party_of_call(party: str) -> str:
    """A number or a SIP address, checked."""
    checked_text("the party of a call", party, spaces=False)
    if not _is_sip_party_of_call(party) and not _NUMBER.fullmatch(party):
        raise ConfigurationError(
            f"{party!r} is neither a number such as +14155550123 nor a SIP address"
        )
    return party


def _dialled_in_call(to: str) -> str:
    """Whom a document in TwiML dials."""
    to = _party_of_call(to)
    return (
        f"<Sip>{escape(to)}</Sip>"
        if _is_sip_party_of_call(to)
        else f"<Number>{to}</Number>"
    )


def _vonage_party_of_call(to: str) -> Mapping[str, Any]:
    to = _party_of_call(to)
    if _is_sip_party_of_call(to):
        return {"type": "sip", "uri": to}
    return {"type": "phone", "number": to.lstrip("+")}


def _connection_of_call_control(endpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"action": "connect", "endpoint": [endpoint]}


def _either_call_control(
    one: Optional[str],
    of_one: Callable[[str], dict[str, Any]],
    other: Optional[str],
    of_other: Callable[[str], dict[str, Any]],
) -> dict[str, Any]:
    """What is made of the one of two that was given."""
    if one is not None and other is None:
        return of_one(one)
    if other is not None and one is None:
        return of_other(other)
    raise ConfigurationError("say where the call goes: one of the two")
