"""Calls in a worker of this process: what one may be, and what it may take."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from celery import Celery
from celery.worker import WorkController

from realtime_sync import RealtimeClient, call_control, live
from realtime_sync.audio.telephony import AUDIOSOCKET
from realtime_sync.contrib.celery import (
    Call,
    CallOver,
    CommandFailed,
    Fleet,
    FleetError,
    Limits,
    Line,
    RemoteCall,
)
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Server, serve

from .conftest import START, answer, looked

MODEL = "gpt-realtime-2.1"
LIVE = "gpt-live-1"
PRICES = {
    MODEL: {"output_text": 1e6, "output_audio": 1e6, "currency": "EUR"},
    LIVE: {"live_minute": 60.0, "currency": "EUR"},
}
"""A unit of money for each token of an answer, and for each second of GPT-Live."""


class Here(NamedTuple):
    """A worker in this process."""

    model: Server
    fleet: Fleet
    said: list[str]

    def start(self, model: str = MODEL, **options: Any) -> RemoteCall:
        """A call that has begun."""
        call = self.fleet.start(model, **options)
        call.wait_started(START)
        return call


@contextmanager
def working(fleet: Fleet, queue: str) -> Iterator[None]:
    """A worker of Celery's in a thread, until it has ended in order."""
    ready = threading.Event()
    worker = WorkController(
        app=fleet.app,
        queues=[queue],
        hostname="here@test",
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
        ready_callback=lambda consumer: ready.set(),
    )
    thread = threading.Thread(target=worker.start, name="worker here")
    # The threads of Celery's pool look for their task in the application that is the
    # default of the process.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("celery._state.default_app", fleet.app)
        thread.start()
        assert ready.wait(START)
        try:
            yield
        finally:
            fleet.app.control.shutdown()
            thread.join(START)
    assert not thread.is_alive()
    assert 0 == worker.exitcode


FUNCTIONS: dict[str, Callable[[Call], Any]] = {
    "wait": lambda call: call.wait(),
    "ask": lambda call: [call.session.ask("Seven?").text, call.wait()],
    "much": lambda call: "x" * (1 << 20),
    "wrong": lambda call: call.live,
    "live": lambda call: [call.live.name, call.wait()],
}
"""What a call does, by its metadata."""


@contextmanager
def fleet_in_memory(url: str, said: list[str]) -> Iterator[Fleet]:
    """A fleet whose broker is this process."""
    app = Celery(
        "here", broker="memory://", backend="cache+memory://", set_as_current=False
    )
    app.conf.broker_transport_options = {"polling_interval": 0.02}
    fleet = Fleet(
        app,
        name="here",
        client=lambda: RealtimeClient(
            base_url=url, api_key="sk-example", close_timeout=2.0
        ),
        model=MODEL,
        calls_per_process=8,
        drain_timeout=0.0,
        longest_call=600.0,
        prices=PRICES,
        grace=2.0,
        line=Line(carrier=AUDIOSOCKET, patience=10.0),
    )

    @fleet.on_call
    def run(call: Call) -> Any:
        return FUNCTIONS[call.metadata.get("do", "wait")](call)

    @fleet.on_limit
    def goodbye(call: Call) -> None:
        said.append(f"{call.id} {call.limit}")
        if call.metadata.get("leaves"):
            call.hang_up()

    yield fleet
    app.close()


@pytest.fixture
def here() -> Iterator[Here]:
    """A worker, and what it needs."""
    said: list[str] = []
    with serve(agent=answer, workers=1) as model:
        with fleet_in_memory(model.url, said) as fleet, working(fleet, "here"):
            yield Here(model, fleet, said)


def test_live_call_is_told_in_its_own_way(here: Here) -> None:
    """
    It says, notes, takes rules and shows itself as a session of GPT-Live does.

    What it does not have is refused, and the message says what to do: whoever asks is
    in another process, and has nothing else.
    """
    call = here.start(LIVE, id="live-1", metadata={"do": "live"})
    call.say("Good evening.")
    call.note("The caller has a reservation.")
    call.instruct("Be brief.")
    snapshot = live.LiveSnapshot.from_dict(call.snapshot())
    rows = looked(lambda: here.fleet.calls(timeout=0.2), 1)
    tools, transcript = call.tools(), call.transcript()
    watched = looked(lambda: here.fleet.rows(timeout=0.2), 1)
    with pytest.raises(CommandFailed, match="session.say"):
        call.respond(instructions="Say hello.")
    with pytest.raises(CommandFailed, match="session.instruct"):
        call.interrupt()
    with pytest.raises(CommandFailed, match="nothing to say"):
        call.say(" ")
    call.hang_up()
    result = call.result(START)

    assert "active" == snapshot.state
    assert [("live-1", LIVE, "open")] == [(r.id, r.model, r.state) for r in rows]
    assert [("live-1", "live")] == [(row.id, row.protocol) for row in watched]
    assert [] == tools
    assert isinstance(transcript, list)
    assert ("hung up", ["call live-1", True]) == (result.ended, result.value)
    assert "EUR" == result.currency


def test_call_of_realtime_is_told_in_its_own_way(here: Here) -> None:
    """
    A note is a message there; a rule is refused, and the message names the update.

    A program that expects the other protocol fails where it reads the session, and a
    value that no broker carries fails with its size: else nothing would be written
    down, and whoever asks would wait.
    """
    call = here.start()
    call.note("The caller has a reservation.")
    items = call.snapshot()["items"]
    with pytest.raises(CommandFailed, match="session.update"):
        call.instruct("Be brief.")
    call.hang_up()
    wrong, much = (here.fleet.start(metadata={"do": each}) for each in WRONG)
    other = here.fleet.start(LIVE, metadata={"do": "ask"})
    errors = [each.result(START).error for each in (wrong, much, other)]

    assert "hung up" == call.result(START).ended
    assert ["system"] == [item["role"] for item in items]
    assert errors[0].startswith("LocalProtocolError: ")
    assert "call.session is its session" in errors[0]
    assert "1,048,576 bytes of JSON at most, not 1,048,578" in errors[1]
    assert "call.live is its session" in errors[2]


WRONG = ("wrong", "much")


def test_call_that_reaches_a_limit_says_goodbye_and_ends(here: Here) -> None:
    """It is ended for it when that takes too long; the result tells which it was."""
    limits: dict[str, Any] = {
        "tokens": Limits(tokens=1),
        "cost": {"cost": 0.5, "seconds": None},
        "seconds": {"seconds": 0.1, "tokens": 1e9},
    }
    ended = {"tokens": "budget", "cost": "budget", "seconds": "too long"}
    calls = {
        (limit, leaves): here.fleet.start(
            id=f"{limit}-{leaves}",
            limits=limits[limit],
            metadata={"do": "ask" if limit != "seconds" else "wait", "leaves": leaves},
        )
        for limit in limits
        for leaves in (False, True)
    }
    results = {key: call.result(START) for key, call in calls.items()}

    for (limit, leaves), result in results.items():
        assert limit == result.limit
        assert ("hung up" if leaves else ended[limit]) == result.ended
        assert (result.tokens > 0) is (limit != "seconds")
        assert result.cost is not None and "EUR" == result.currency
        assert (result.cost > 0) is (limit != "seconds")
    assert {f"{limit}-{leaves} {limit}" for limit, leaves in calls} == set(here.said)
    assert len(calls) == len(here.said)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"limits": {"seconds": 601}}, "takes 600 s at most, not 601"),
        ({"limits": {"money": 1}}, "no limit of 'money'"),
        ({"limits": {"tokens": -1}}, "tokens must be a number"),
        ({"limits": {"cost": float("nan")}}, "cost must be a number"),
        ({"limits": 7}, "limits are a mapping"),
        ({"model": "other", "limits": {"cost": 1}}, "nobody has said what other costs"),
        (
            {"accept": {"model": "other"}, "call_id": "rtc_1", "limits": {"cost": 1}},
            "nobody has said what other costs",
        ),
        ({"metadata": {"text": "x" * (1 << 20)}}, "in 1,048,576 bytes, not"),
    ],
)
def test_order_that_cannot_be_kept_is_refused_where_it_is_given(
    arguments: dict[str, Any], complaint: str
) -> None:
    """Not in a worker, when the caller is on the line."""
    with fleet_in_memory("http://127.0.0.1:9/v1", []) as fleet:
        with pytest.raises(ConfigurationError, match=complaint):
            fleet.start(**arguments)


def line_of(call: RemoteCall) -> tuple[socket.socket, bytes]:
    """A connection of Asterisk's, and the UUID that it begins with."""
    place, _, key = call.stream_url(START).removeprefix("tcp://").rpartition("/")
    host, _, port = place.partition(":")
    line = socket.create_connection((host, int(port)), START)
    return line, bytes.fromhex(key.replace("-", ""))


def framed(kind: int, held: bytes = b"") -> bytes:
    """A message of AudioSocket."""
    return bytes((kind,)) + len(held).to_bytes(2, "big") + held


def kinds_of(line: socket.socket) -> Iterator[int]:
    """The kinds of messages that come, until the end."""
    with line.makefile("rb") as stream:
        while head := stream.read(3):
            stream.read(int.from_bytes(head[1:], "big"))
            yield head[0]


def ends(line: socket.socket) -> bool:
    """Whether the other side closes a connection without a word."""
    try:
        return b"" == line.recv(1)
    except ConnectionResetError:
        return True  # It had not read everything.


@contextmanager
def tellers(
    call: RemoteCall, count: int, patch: pytest.MonkeyPatch
) -> Iterator[list[type[Exception]]]:
    """
    So many who tell a call something that is being opened, each held up by that.

    Gives what their commands failed with, once all are over.
    """
    held_up, failures = threading.Semaphore(0), list[type[Exception]]()
    wait_open = Call.wait_open

    def waiting(call: Call, timeout: float) -> None:
        held_up.release()
        # However long the test takes to let it go on.
        wait_open(call, START)

    def tell() -> None:
        try:
            call.say("Good evening.", timeout=START)
        except FleetError as exc:
            failures.append(type(exc))

    patch.setattr(Call, "wait_open", waiting)
    threads = [threading.Thread(target=tell, name="teller") for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert held_up.acquire(timeout=START)
    yield failures
    for thread in threads:
        thread.join(START)


def test_worker_whose_commands_all_wait_is_not_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its calls are not given up because one of them is being opened."""
    monkeypatch.setattr("realtime_sync.contrib.celery.control.ANSWERERS", 3)
    with serve(agent=answer, workers=1) as model:
        with fleet_in_memory(model.url, []) as fleet, working(fleet, "here"):
            call = Here(model, fleet, []).start(stream=True)
            with tellers(call, 3, monkeypatch) as failures:
                workers = looked(lambda: fleet.workers(timeout=0.2), 1)
                line, name = line_of(call)
                line.sendall(framed(1, name))
            with line:
                call.hang_up()
                result = call.result(START)

    assert [1] == [row.calls for row in workers]
    assert [] == failures
    assert "hung up" == result.ended


def test_command_that_waits_for_a_call_that_is_hung_up_says_that_it_is_over(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hanging up waits for nobody, and ends the others' waiting."""
    call = here.start(stream=True)
    with tellers(call, 5, monkeypatch) as failures:
        call.hang_up()
    result = call.result(START)

    assert [CallOver] * 5 == failures
    assert "hung up" == result.ended


@pytest.mark.parametrize("model", [MODEL, LIVE])
def test_audiosocket_brings_the_sound_to_the_worker(here: Here, model: str) -> None:
    """The worker listens for its UUID over TCP, and carries both ways."""
    call = here.start(model, stream=True)
    line, name = line_of(call)
    with line:
        # However it is cut on the way.
        line.sendall(framed(1, name)[:5])
        line.sendall(framed(1, name)[5:] + framed(0x10, bytes(320)))
        call.say("Good evening.")
        kinds = kinds_of(line)
        heard = next(kinds)
        call.interrupt()
        call.hang_up()
        rest = list(kinds)

    assert 0x10 == heard
    assert 0 == rest[-1]
    assert "hung up" == call.result(START).ended


def test_call_ends_when_its_audiosocket_does(here: Here) -> None:
    """Whether Asterisk says so, or is gone. Nobody gets in who knows no UUID."""
    call = here.start(stream=True)
    for first in (framed(1, bytes(16)), b"GET / HTTP/1.1\r\n\r\nHost: x"):
        stranger, _ = line_of(call)
        with stranger:
            stranger.sendall(first)
            assert ends(stranger)
    stranger, name = line_of(call)
    with stranger:
        stranger.sendall(framed(1, name)[:4])
        stranger.shutdown(socket.SHUT_WR)
        assert ends(stranger)
    results = []
    for last in (framed(0), b""):
        line, name = line_of(call)
        with line:
            line.sendall(framed(1, name) + framed(0x10, bytes(320)) + last)
        results.append(call.result(START))
        call = here.start(stream=True)
    call.hang_up()

    assert [("closed", True)] * 2 == [(each.ended, each.value) for each in results]
    assert "hung up" == call.result(START).ended


def test_line_of_a_switchboard_places_no_calls() -> None:
    """Asterisk dials by itself; there is no account to ask."""
    with pytest.raises(ConfigurationError, match="AudioSocket places no calls"):
        Line(
            carrier=AUDIOSOCKET,
            account=lambda: call_control.TwilioAccount(
                account_sid="AC1", auth_token="none"
            ),
        )
