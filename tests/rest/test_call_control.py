"""Calls that are placed, handed on and ended over the carriers' REST."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
import responses
from attrs import evolve, frozen

from realtime_sync.errors import ConfigurationError, RestError
from realtime_sync.rest.call_control import (
    Account,
    PlivoAccount,
    TelnyxAccount,
    TwilioAccount,
    VonageAccount,
    dial,
    hang_up,
    transfer,
)
from tests.rawserver import Peer, RawServer

SECRET = "a-secret-of-the-tests-0123456789"
TWILIO = TwilioAccount(account_sid="AC1", auth_token=SECRET)
TELNYX = TelnyxAccount(api_key=SECRET, connection_id="17")
PLIVO = PlivoAccount(auth_id="MA1", auth_token=SECRET)
VONAGE = VonageAccount(token=lambda: SECRET)
SPACE = "https://space.signalwire.com/api/laml"
SIGNALWIRE = evolve(TWILIO, base_url=SPACE)
ACCOUNTS = [TWILIO, TELNYX, PLIVO, VONAGE]
EACH = pytest.mark.parametrize("account", ACCOUNTS, ids=lambda a: type(a).__name__)

TWILIO_CALL = "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls/c%2F1.json"
TELNYX_CALL = "https://api.telnyx.com/v2/calls/c%2F1"
PLIVO_CALL = "https://api.plivo.com/v1/Account/MA1/Call/c%2F1/"
VONAGE_CALL = "https://api.nexmo.com/v1/calls/c%2F1"

NUMBER, SIP = "+14155550123", "sip:desk@example.com;transport=tls"
DIALS = "<Response><Dial>{}</Dial></Response>"


@frozen
class Case:
    """What is to be sent for a call of a function, and what comes back."""

    account: Account
    arguments: dict[str, Any]
    method: str
    url: str
    body: Any
    answer: Any = None


def connected(endpoint: dict[str, Any]) -> dict[str, Any]:
    """An NCCO as the destination of a call."""
    ncco = [{"action": "connect", "endpoint": [endpoint]}]
    return {"action": "transfer", "destination": {"type": "ncco", "ncco": ncco}}


ENDS = [
    Case(TWILIO, {}, "POST", TWILIO_CALL, {"Status": "completed"}),
    Case(
        SIGNALWIRE,
        {},
        "POST",
        f"{SPACE}/2010-04-01/Accounts/AC1/Calls/c%2F1.json",
        {"Status": "completed"},
    ),
    Case(TELNYX, {}, "POST", f"{TELNYX_CALL}/actions/hangup", {}),
    Case(PLIVO, {}, "DELETE", PLIVO_CALL, None),
    Case(VONAGE, {}, "PUT", VONAGE_CALL, {"action": "hangup"}),
]
TRANSFERS = [
    Case(
        TWILIO,
        {"to": NUMBER},
        "POST",
        TWILIO_CALL,
        {"Twiml": DIALS.format(f"<Number>{NUMBER}</Number>")},
    ),
    Case(
        TWILIO,
        {"to": "sip:a&b@example.com"},
        "POST",
        TWILIO_CALL,
        {"Twiml": DIALS.format("<Sip>sip:a&amp;b@example.com</Sip>")},
    ),
    Case(
        TWILIO,
        {"url": "https://x.example/y"},
        "POST",
        TWILIO_CALL,
        {"Url": "https://x.example/y"},
    ),
    Case(
        TELNYX,
        {"to": NUMBER},
        "POST",
        f"{TELNYX_CALL}/actions/transfer",
        {"to": NUMBER},
    ),
    Case(
        PLIVO,
        {"url": "https://x.example/y"},
        "POST",
        PLIVO_CALL,
        {"legs": "aleg", "aleg_url": "https://x.example/y"},
    ),
    Case(
        VONAGE,
        {"to": NUMBER},
        "PUT",
        VONAGE_CALL,
        connected({"type": "phone", "number": "14155550123"}),
    ),
    Case(
        VONAGE, {"to": SIP}, "PUT", VONAGE_CALL, connected({"type": "sip", "uri": SIP})
    ),
    Case(
        VONAGE,
        {"url": "https://x.example/y"},
        "PUT",
        VONAGE_CALL,
        {
            "action": "transfer",
            "destination": {"type": "ncco", "url": ["https://x.example/y"]},
        },
    ),
]
WAY = {"to": NUMBER, "caller": "+14155550100"}
STREAM = "wss://me.example/call?a=1&b=2"
DIALLED = [
    Case(
        TWILIO,
        {**WAY, "stream_url": STREAM},
        "POST",
        "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json",
        {
            "To": NUMBER,
            "From": "+14155550100",
            "Twiml": "<Response><Connect><Stream "
            'url="wss://me.example/call?a=1&amp;b=2"/></Connect></Response>',
        },
        {"sid": "made"},
    ),
    Case(
        TELNYX,
        {**WAY, "stream_url": STREAM},
        "POST",
        "https://api.telnyx.com/v2/calls",
        {
            "connection_id": "17",
            "to": NUMBER,
            "from": "+14155550100",
            "stream_url": STREAM,
            "stream_track": "inbound_track",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
        },
        {"data": {"call_control_id": "made"}},
    ),
    Case(
        PLIVO,
        {**WAY, "url": "https://x.example/y"},
        "POST",
        "https://api.plivo.com/v1/Account/MA1/Call/",
        {
            "to": NUMBER,
            "from": "+14155550100",
            "answer_url": "https://x.example/y",
        },
        {"request_uuid": "made"},
    ),
    Case(
        VONAGE,
        {**WAY, "stream_url": STREAM},
        "POST",
        "https://api.nexmo.com/v1/calls",
        {
            "to": [{"type": "phone", "number": "14155550123"}],
            "from": {"type": "phone", "number": "14155550100"},
            "ncco": [
                {
                    "action": "connect",
                    "endpoint": [
                        {
                            "type": "websocket",
                            "uri": STREAM,
                            "content-type": "audio/l16;rate=16000",
                        }
                    ],
                }
            ],
        },
        {"uuid": "made"},
    ),
]
SENT = {
    hang_up: [(case, {"call_id": "c/1"}) for case in ENDS],
    transfer: [(case, {"call_id": "c/1"}) for case in TRANSFERS],
    dial: [(case, {}) for case in DIALLED],
}


def name(case: object) -> str:
    """For the name of a test."""
    return type(case.account).__name__ if isinstance(case, Case) else ""


@pytest.fixture
def carrier() -> Iterator[responses.RequestsMock]:
    """Answers instead of a carrier; everything registered must be used."""
    with responses.RequestsMock() as mock:
        yield mock


def body_of(request: requests.PreparedRequest) -> Any:
    """What a request says, as the carrier reads it."""
    text = request.body.decode() if isinstance(request.body, bytes) else request.body
    if text is None:
        return None
    if request.headers["Content-Type"] == "application/json":
        return json.loads(text)
    return dict(parse_qsl(text))


@pytest.mark.parametrize(
    "function, case, more",
    [(function, *row) for function, rows in SENT.items() for row in rows],
    ids=name,
)
def test_a_request_is_as_the_carriers_document_has_it(
    carrier: responses.RequestsMock, function: Any, case: Case, more: dict[str, Any]
) -> None:
    """Method, address, body, and who asks."""
    status = 204 if case.answer is None else 201
    answer = "" if case.answer is None else json.dumps(case.answer)
    carrier.add(case.method, case.url, body=answer, status=status)
    outcome = function(case.account, **more, **case.arguments)
    request = carrier.calls[0].request

    assert body_of(request) == case.body
    assert request.headers["Authorization"] == case.account.authorization()
    assert outcome == {hang_up: True, transfer: None, dial: "made"}[function]


@EACH
def test_a_call_that_has_ended_need_not_be_ended(
    carrier: responses.RequestsMock, account: Account
) -> None:
    """The caller was faster: that is no error."""
    request = account.hang_up("c1")
    carrier.add(request.method, account.base_url + request.path, json={}, status=404)

    assert hang_up(account, "c1") is False


@pytest.mark.parametrize(
    "account, status, body",
    [
        (TWILIO, 400, {"code": 21220, "message": "Call is not in-progress"}),
        (TELNYX, 422, {"errors": [{"code": "90018", "title": "has ended"}]}),
    ],
    ids=["twilio", "telnyx"],
)
def test_a_carrier_may_say_in_its_own_words_that_a_call_has_ended(
    carrier: responses.RequestsMock, account: Account, status: int, body: Any
) -> None:
    """By the codes of their documents."""
    request = account.hang_up("c1")
    url = account.base_url + request.path
    carrier.add(request.method, url, json=body, status=status)

    assert hang_up(account, "c1") is False


@EACH
@pytest.mark.parametrize("status", [401, 403, 422, 500])
def test_a_refusal_is_an_error_and_no_key_is_shown(
    account: Account, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even one that the carrier says back."""
    caplog.set_level(logging.DEBUG)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as carrier:
        request = account.transfer("c1", *ways(account))
        url = account.base_url + request.path
        told = f"{SECRET} and {account.authorization()}"
        carrier.add(request.method, url, json={"message": told}, status=status)
        with pytest.raises(RestError) as caught:
            to, at = ways(account)
            transfer(account, "c1", to, url=at)
        shown = f"{caught.value} {caught.value!r} {account!r} {caplog.text}"
        # What may have been done is not done again.
        assert len(carrier.calls) == 1

    assert caught.value.status == status
    assert SECRET not in shown
    assert account.authorization().split()[1] not in shown


def ways(account: Account) -> tuple[str | None, str | None]:
    """Where a carrier can transfer to."""
    return (None, "https://x.example") if account is PLIVO else (NUMBER, None)


@EACH
@pytest.mark.parametrize("to", ["", "12", "+1 415", "tel:+1415", "<Number>", "911\n"])
def test_what_is_no_number_is_refused_where_it_is_given(
    account: Account, to: str
) -> None:
    """And nothing is sent."""
    with pytest.raises(ConfigurationError):
        transfer(account, "c1", to)
    with pytest.raises(ConfigurationError):
        dial(account, to, caller=NUMBER, stream_url="wss://me.example")


@EACH
@pytest.mark.parametrize("call_id", ["", "..", "a\r\nb"])
def test_what_is_no_id_is_refused_where_it_is_given(
    account: Account, call_id: str
) -> None:
    """A path must not lead elsewhere."""
    with pytest.raises(ConfigurationError):
        hang_up(account, call_id)


@EACH
@pytest.mark.parametrize("both", [True, False])
def test_it_is_said_in_one_way_where_a_call_goes(account: Account, both: bool) -> None:
    """Neither twice nor not at all."""
    to, url = (NUMBER, "https://x.example") if both else (None, None)
    with pytest.raises(ConfigurationError):
        transfer(account, "c1", to, url=url)
    with pytest.raises(ConfigurationError):
        dial(account, NUMBER, caller=NUMBER, stream_url=to and STREAM, url=url)


def test_telnyx_needs_an_application_to_call_from() -> None:
    """It is said before anything is sent."""
    with pytest.raises(ConfigurationError, match="connection_id"):
        dial(TelnyxAccount(api_key=SECRET), NUMBER, caller=NUMBER, stream_url="wss://x")


@pytest.mark.parametrize("answer", [{}, {"sid": 7}, {"data": []}, {"data": {}}])
def test_an_answer_that_names_no_call_is_an_error(
    carrier: responses.RequestsMock, answer: Any
) -> None:
    """Whoever placed a call wants to know which."""
    for account, url in ((TWILIO, DIALLED[0].url), (TELNYX, DIALLED[1].url)):
        carrier.add("POST", url, json=answer, status=201)
        with pytest.raises(RestError, match="names no call"):
            dial(account, NUMBER, caller=NUMBER, stream_url=STREAM)


def test_hanging_up_is_tried_again_and_transferring_is_not(
    carrier: responses.RequestsMock,
) -> None:
    """What can be done twice, and what cannot."""
    carrier.add("PUT", VONAGE_CALL, status=503, headers={"Retry-After": "0"})
    carrier.add("PUT", VONAGE_CALL, status=204)

    assert hang_up(VONAGE, "c/1")
    assert len(carrier.calls) == 2


def test_a_carrier_that_says_nothing_is_not_waited_for() -> None:
    """The time is for the whole request."""

    with RawServer(Peer.rest) as server:
        account = evolve(VONAGE, base_url=server.url.replace("ws://", "http://"))
        with pytest.raises(RestError, match="no answer"):
            hang_up(account, "c1", timeout=0.2)
