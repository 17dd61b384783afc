"""A server that says a key back, or says too much: what errors and logs make of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from realtime_sync import RealtimeClient, Router, connect
from realtime_sync.connection.wire_log import frame_for_wire_log
from realtime_sync.errors import CommandRejected, RealtimeError, RestError
from realtime_sync.testing import MemoryTransport
from realtime_sync.transport import redaction
from realtime_sync.transport.credentials import (
    check_headers_for_credentials,
    holds_credentials,
)
from realtime_sync.transport.http_errors import http_error_in_body
from realtime_sync.transport.redaction import redact, remember_for_redaction
from tests.rawserver import Peer, RawServer

KEY = "correct-horse-battery-staple"


@pytest.fixture(autouse=True)
def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of no known shape, which only memory can find."""
    monkeypatch.setattr(redaction, "_known", ())
    remember_for_redaction(KEY)


@pytest.fixture
def memory() -> MemoryTransport:
    """What the session speaks to."""
    return MemoryTransport()


@pytest.fixture
def session(memory: MemoryTransport) -> Iterator[Any]:
    """An open session that runs on this thread."""
    with connect(
        "m", api_key=KEY, transport=memory, dispatch="inline", router=Router()
    ) as opened:
        yield opened


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that was logged, tracebacks too."""
    return caplog.text + "".join(str(record.args) for record in caplog.records)


SAID_BACK: list[dict[str, Any]] = [
    {"type": "error", "error": {"message": "no", "code": KEY}},
    {"type": "error", "error": {"message": KEY, "type": KEY, "param": KEY}},
    {"type": KEY},
    {"type": f"vendor.{KEY}.event", "key": KEY},
    {"type": "conversation.item.deleted", "item_id": KEY, "event_id": KEY},
    {"type": "response.done", "response": {"id": KEY, "status": KEY}},
]


@pytest.mark.parametrize("frame", SAID_BACK)
def test_a_key_that_is_said_back_is_in_no_log(
    session: Any,
    memory: MemoryTransport,
    frame: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At any level, in any argument of a record."""
    caplog.set_level(logging.DEBUG, logger="realtime_sync")
    memory.feed(frame)

    assert KEY not in logged(caplog)


@pytest.mark.parametrize("field", ["message", "code", "type", "param"])
def test_a_key_in_an_error_is_in_no_text_of_the_exception(
    session: Any, memory: MemoryTransport, field: str
) -> None:
    """Nor in the attributes that programs log."""
    got: list[Any] = []
    session.on("error", got.append)
    handle = session.conversation.item.delete("item_1")
    error = {"message": "no", field: KEY, "event_id": handle.event_id}
    memory.feed({"type": "error", "error": error})
    with pytest.raises(CommandRejected) as raised:
        handle.acknowledged(1)

    shown = [str(raised.value), repr(raised.value), raised.value.code]
    shown += [raised.value.type, raised.value.param]
    assert KEY not in "".join(map(str, shown))
    assert KEY == getattr(got[0].error, field)


@pytest.mark.parametrize("status", ["failed", "cancelled", "incomplete", KEY])
def test_a_key_in_a_failed_response_is_in_no_error(
    session: Any, memory: MemoryTransport, status: str
) -> None:
    """Whatever the response ended as."""
    details = {"reason": KEY, "error": {"message": KEY, "code": KEY}}
    handle = session.response.create()
    memory.feed(
        {"type": "response.created", "response": {"id": "r"}},
        {
            "type": "response.done",
            "response": {"id": "r", "status": status, "status_details": details},
        },
    )
    with pytest.raises(RealtimeError) as raised:
        handle.result(1)

    assert KEY not in f"{raised.value} {raised.value!r}"


def test_a_key_as_the_reason_of_a_close_is_in_no_error_and_no_log(
    session: Any, memory: MemoryTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """Programs log `close_report.reason` as well."""
    caplog.set_level(logging.DEBUG, logger="realtime_sync")
    memory.cut(1011, f"bad key {KEY}")
    report = session.close()

    assert KEY not in logged(caplog)
    assert KEY not in f"{report!r} {report.reason}"


def test_one_error_of_a_megabyte_is_one_short_line(
    session: Any, memory: MemoryTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """What was left out is counted; the event itself is whole."""
    got: list[Any] = []
    session.on("error", got.append)
    caplog.set_level(logging.DEBUG, logger="realtime_sync.connection")
    memory.feed({"type": "error", "error": {"message": "x\n" * 500_000}})
    (record,) = caplog.records

    assert len(record.getMessage()) < 1200
    assert "(1500000 characters)" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert 1_000_000 == len(got[0].error.message)


def test_types_that_a_server_makes_up_are_counted_within_bounds(
    session: Any, memory: MemoryTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """Each of a hundred has a line of its own; all others have one together."""
    caplog.set_level(logging.WARNING, logger="realtime_sync.connection")
    for number in range(1000):
        memory.feed({"type": f"vendor.{number}"})
    memory.feed({"type": "vendor.3"})
    unknown = session.stats.unknown

    assert 101 == len(unknown) == len(caplog.records)
    assert 900 == unknown["(others)"]
    assert 2 == unknown["vendor.3"]


def test_a_key_at_the_edge_of_what_is_shown_is_not_cut_in_half() -> None:
    """It is taken out of the whole text, then the text is cut."""
    for before in range(480, 520):
        words = http_error_in_body(b"x" * before + KEY.encode())[1]
        assert "correct" not in words
    for before in range(1950, 2010):
        assert "correct" not in frame_for_wire_log({"t": "x" * before + KEY})


@pytest.mark.parametrize(
    "headers",
    [
        {"x-request-id": KEY},
        {"apim-request-id": f"a{KEY}b"},
        {"x-ms-request-id": "r" * 10_000},
    ],
)
def test_a_request_id_is_short_and_holds_no_key(headers: dict[str, str]) -> None:
    """It is part of the error's text, and an attribute of it."""

    def answer(peer: Peer) -> None:
        peer.refuse("400 Bad Request", *[f"{k}: {v}" for k, v in headers.items()])

    with RawServer(answer) as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        with closing(RealtimeClient(base_url=url, api_key=KEY)) as client:
            with pytest.raises(RestError) as raised:
                client.client_secrets.create(session={"model": "m"})

    assert KEY not in f"{raised.value} {raised.value.request_id}"
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("name", ["sig", "code", "api_key", "X-Amz-Security-Token"])
def test_what_was_sent_in_the_query_is_known_again(name: str) -> None:
    """Vendors have keys under any name."""
    holds_credentials(
        {}, f"wss://example.com/v1?model=gpt-realtime&{name}=tango-uniform"
    )

    assert f"{redaction.HIDDEN} gpt-realtime" == redact("tango-uniform gpt-realtime")


@pytest.mark.parametrize(
    "header",
    [
        {"X-Auth-Token": "tango-uniform"},
        {"cookie": "a=b; session=tango-uniform"},
        {"Ocp-Apim-Subscription-Key": "tango-uniform"},
        {"Authorization": "Basic tango-uniform"},
    ],
)
def test_what_was_sent_in_a_header_is_known_again(header: dict[str, str]) -> None:
    """Whatever the header is called, if its name says that it is secret."""
    check_headers_for_credentials(header)

    assert "tango" not in redact("you sent tango-uniform")
