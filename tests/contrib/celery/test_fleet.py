"""Calls in workers, from their start to their end."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

import pytest
from celery import Celery
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.worker import WorkController
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_to

from realtime_sync import RealtimeClient, read_recording
from realtime_sync.contrib.celery import (
    CallLost,
    CallOver,
    Fleet,
    Line,
    NoAnswer,
    RemoteEvents,
)
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Server
from realtime_sync.web import Board, WebHost

from .conftest import TWILIO_BEGIN, Broker, Running, Start, looked

Load = Callable[[Broker], Fleet]
WAIT = 30.0

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="workers of Unix: signals, process groups"
)


def test_call_is_told_from_another_process(running: Running) -> None:
    """Every command reaches the one worker that has the call, and is answered."""
    model, worker, fleet, _ = running
    asked = {"do": "talk", "question": "Table seven?"}
    call = fleet.start(id="one", metadata=asked)
    name = call.wait_started(WAIT)
    worker.wait_for("(talked one)")
    call.respond(instructions="Say hello.")
    worker.wait_for("(answered in one)")
    call.say("Good evening.")
    worker.wait_for("(answered in one)")
    rows = looked(lambda: fleet.calls(timeout=0.4), 1)
    workers = looked(lambda: fleet.workers(timeout=0.4), 1)
    transcript = call.transcript()
    snapshot = call.snapshot()
    call.interrupt()
    tools = call.tools()
    call.hang_up()
    result = call.result(WAIT)

    assert [("one", name, asked)] == [
        (row.id, row.worker, row.metadata) for row in rows
    ]
    assert [(name, 1, 3, False)] == [
        (row.worker, row.calls, row.free, row.draining) for row in workers
    ]
    assert ("user", "Table seven?") == transcript[0]
    assert ("assistant", "Table seven?") == transcript[1]
    assert len(snapshot["items"]) >= 2
    assert [] == tools
    assert ("hung up", "waited", name) == (result.ended, result.value, result.worker)
    assert result.tokens > 0
    with pytest.raises(CallOver):
        call.transcript()
    model.wait_idle()
    assert 1000 == model.sessions[-1].close_code


def test_result_says_how_it_ended(running: Running) -> None:
    """What the function returned or raised arrives where the call was started."""
    orders: list[dict[str, object]] = [
        {"do": "ask", "question": "Seven?"},
        {"do": "return", "value": {"seats": 3}},
        {"do": "raise"},
        {"do": "object"},
        {"do": "exit"},
    ]
    calls = [running.fleet.start(metadata=order) for order in orders]
    results = [call.result(WAIT) for call in calls]

    assert [
        ("returned", "Seven?", ""),
        ("returned", {"seats": 3}, ""),
        ("failed", None, "ValueError: no such table"),
        ("failed", None, "TypeError: Object of type object is not JSON serializable"),
        ("failed", None, "SystemExit: 3"),
    ] == [(each.ended, each.value, each.error) for each in results]


def test_call_of_one_id_runs_once(running: Running) -> None:
    """A webhook that comes twice, or a message that does, starts nothing."""
    model, worker, fleet, _ = running
    before = len(model.sessions)
    for _ in range(3):
        call = fleet.start(id="rtc_1")
    call.wait_started(WAIT)
    worker.wait_for("(rtc_1 was begun before)")
    worker.wait_for("(rtc_1 was begun before)")
    call.hang_up()
    result = call.result(WAIT)
    again = fleet.start(id="rtc_1").result(WAIT)
    worker.wait_for("(rtc_1 was begun before)")

    assert "hung up" == result.ended
    assert result == again
    assert before + 1 == len(model.sessions)


def test_worker_that_ends_lets_its_calls_end(
    model: Server, tmp_path: Path, start_worker: Start, load: Load
) -> None:
    """
    A call may say goodbye, go on for a while, and be told things meanwhile.

    They are recorded at a URL, whatever their ids are. The broker is a folder.
    """
    broker = Broker(tmp_path, None)
    fleet = load(broker)
    place = (tmp_path / "kept" / "calls").as_uri()
    worker = start_worker(broker, drain=6.0, recordings=place).ready()
    calls = [
        fleet.start(id="leaves", metadata={"leaves": True}),
        fleet.start(id="told"),
        fleet.start(id="sip:stays@pbx"),
        fleet.start(id="hangs", metadata={"hangs": True}),
    ]
    for call in calls:
        call.transcript()
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_for("(draining told)")
    calls[1].hang_up()
    results = [call.result(WAIT) for call in calls]

    assert ["hung up", "hung up", "drained", "drained"] == [
        each.ended for each in results
    ]
    assert 0 == worker.wait(), worker.text
    assert [1000] * 4 == [session.close_code for session in model.sessions]
    assert f"{place}/leaves.jsonl" == results[0].recording
    for each in results:
        assert each.recording is not None and "sip" not in each.recording
        kept = read_recording(Path(each.recording.removeprefix("file://")))
        assert ("ga", "realtime") == (kept.dialect, kept.session_type)


@pytest.mark.parametrize(
    "quits",
    [
        "close",
        pytest.param("before", marks=pytest.mark.deep),
        pytest.param("after", marks=pytest.mark.deep),
        pytest.param("drain", marks=pytest.mark.deep),
    ],
)
def test_sigquit_ends_calls_at_once_wherever_a_warm_end_has_got_to(
    model: Server, tmp_path: Path, start_worker: Start, load: Load, quits: str
) -> None:
    """
    Before the fleet hears of SIGTERM or after, before Celery waits for calls or then.

    The calls would have a quarter of an hour.
    """
    broker = Broker(tmp_path, None)
    fleet = load(broker)
    worker = start_worker(broker, drain=900.0, quits=quits).ready()
    call = fleet.start()
    call.transcript()
    worker.process.send_signal(signal.SIGTERM)
    result = call.result(WAIT)
    worker.wait()

    assert "drained" == result.ended
    assert [1000] == [session.close_code for session in model.sessions]


def test_worker_that_is_killed_loses_its_calls_and_no_others(
    broker: Broker, start_worker: Start, load: Load
) -> None:
    """
    Whoever waits for one is told so; what there was no room for stays in the queue.

    A worker whose calls have no time ends them at once.
    """
    fleet = load(broker)
    workers = [start_worker(broker, calls=1, drain=0.0) for _ in range(2)]
    for worker in workers:
        worker.ready()
    lost, kept = fleet.start(id="lost"), fleet.start(id="kept")
    names = lost.wait_started(WAIT), kept.wait_started(WAIT)
    queued = fleet.start(id="queued")
    for call in (lost, kept):
        call.transcript()
    full = looked(lambda: fleet.workers(timeout=0.4), 2)
    before = looked(lambda: fleet.rows(timeout=0.4), 2)
    waiting = queued.state
    victim = workers[int(names[0][1])]
    victim.kill()
    with pytest.raises(CallLost, match="lost") as caught:
        lost.result(WAIT)
    rows = looked(lambda: fleet.calls(timeout=0.4), 1)
    watched = looked(lambda: fleet.rows(timeout=0.4), 2)
    hung_up = fleet.hang_up("lost")
    assert fleet.hang_up("kept")
    queued.transcript()
    code = workers[int(names[1][1])].end()

    assert ([(1, 0)] * 2, "waiting") == ([(r.calls, r.free) for r in full], waiting)
    assert names[0] != names[1]
    assert "lost" == caught.value.call_id
    assert [("kept", names[1])] == [(row.id, row.worker) for row in rows]
    assert {"lost", "kept"} == {row.id for row in before if row.worker}
    assert {"lost": "lost", "kept": "waiting"} == {row.id: row.state for row in watched}
    assert ([], False) == (fleet.transcript("lost"), hung_up)
    assert ["hung up", "drained"] == [
        each.result(WAIT).ended for each in (kept, queued)
    ]
    assert 0 == code


def test_carrier_brings_the_sound_to_the_worker(running: Running) -> None:
    """The worker listens for each call at a path of its own, and carries both ways."""
    fleet = running.fleet
    call = fleet.start(id="line", stream=True)
    url = call.stream_url(WAIT)
    with pytest.raises(ConnectionClosed), connect_to(url + "x") as stranger:
        stranger.recv(WAIT)
    with connect_to(url) as carrier:
        for message in TWILIO_BEGIN:
            carrier.send(json.dumps(message))
        call.respond(instructions="Say hello.")
        heard = json.loads(carrier.recv(WAIT))
        carrier.send(json.dumps({"event": "stop", "streamSid": "MZ1"}))
        result = call.result(WAIT)
    second = fleet.start(id="second", stream=True)
    with connect_to(second.stream_url(WAIT)) as carrier:
        for message in TWILIO_BEGIN:
            carrier.send(json.dumps(message))
        second.transcript()
        second.hang_up()
        with pytest.raises(ConnectionClosed):
            while True:
                carrier.recv(WAIT)

    assert "media" == heard["event"]
    assert "MZ1" == heard["streamSid"]
    assert ("closed", "waited") == (result.ended, result.value)
    assert "hung up" == second.result(WAIT).ended


def test_sip_call_is_accepted_and_hung_up_by_the_worker(running: Running) -> None:
    """The call rings until a worker has taken it; its webhook may come twice."""
    model, _, fleet, _ = running
    sessions = len(model.sessions)
    ringing = model.calls.find(model.ring())
    assert ringing is not None
    accept = {"type": "realtime", "model": "gpt-realtime-2.1"}
    before = ringing.status
    for _ in range(2):
        call = fleet.start(call_id=ringing.id, accept=accept)
    call.say("Good evening.")
    accepted = ringing.status
    call.hang_up()
    result = call.result(WAIT)

    assert ("ringing", ringing.id) == (before, call.id)
    assert "active" == accepted
    assert "ended" == ringing.status
    assert "hung up" == result.ended
    assert sessions + 1 == len(model.sessions)


def test_sip_call_that_fails_is_hung_up(running: Running) -> None:
    """Nobody is left on the line with a model that no program looks after."""
    model, _, fleet, _ = running
    accept = {"type": "realtime", "model": "gpt-realtime-2.1"}
    fails = model.calls.find(model.ring())
    assert fails is not None
    result = fleet.start(
        call_id=fails.id, accept=accept, metadata={"do": "raise"}
    ).result(WAIT)

    assert ("failed", "ended") == (result.ended, fails.status)


def broken() -> RealtimeClient:
    """A client that cannot be made."""
    raise ValueError("no key for the service")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"client": broken}, "no key for the service"),
        ({"client": lambda: "one"}, "gives a RealtimeClient, not 'one'"),
        ({"recordings": __file__}, "nothing can be recorded to"),
        ({"line": Line(host="203.0.113.1")}, "Cannot assign requested address"),
    ],
)
def test_worker_that_can_take_no_call_ends_and_says_why(
    arguments: dict[str, Any], complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not take call after call from the queue only to fail each."""
    app = Celery(
        "none", broker="memory://", backend="cache+memory://", set_as_current=False
    )
    Fleet(app, name="none", **{"client": RealtimeClient, **arguments})
    worker = WorkController(app, queues=["none"], hostname="none@test")
    worker.start()

    assert worker.exitcode
    assert complaint in caplog.text
    assert "ready." not in caplog.text


@pytest.mark.parametrize(
    ("backend", "queues", "complaint"),
    [
        (None, ["a"], "needs a result backend"),
        ("cache+memory://", ["a", "b"], "one fleet, not of a and b"),
    ],
)
def test_worker_that_cannot_keep_its_word_is_not_made(
    backend: Optional[str], queues: list[str], complaint: str
) -> None:
    """The bound of a fleet holds in a process that has one fleet."""
    app = Celery("none", backend=backend, set_as_current=False)
    Fleet(app, client=RealtimeClient, name="a", calls_per_process=4)
    Fleet(app, client=RealtimeClient, name="b", calls_per_process=100)

    with pytest.raises(ConfigurationError, match=complaint):
        WorkController(app, queues=queues, pool="prefork", concurrency=9)


def test_bound_holds_whatever_the_command_line_says() -> None:
    """Other pools cannot run calls, and a pool that grows has no bound."""
    app = Celery("none", backend="cache+memory://", set_as_current=False)
    Fleet(app, client=RealtimeClient, name="a", calls_per_process=4)
    worker = WorkController(
        app, queues=["a"], pool="prefork", concurrency=9, autoscale=(50, 9)
    )

    assert (ThreadPool, 4, None) == (
        worker.pool_cls,
        worker.concurrency,
        worker.autoscale,
    )


def test_fleet_of_a_name_that_is_taken_is_refused() -> None:
    """Its calls would be those of the first one."""
    app = Celery("none", set_as_current=False)
    Fleet(app, client=RealtimeClient)

    with pytest.raises(ConfigurationError, match="has a fleet 'calls' already"):
        Fleet(app, client=RealtimeClient)


def test_broker_that_is_away_is_said_in_time() -> None:
    """A page that starts a call has somebody who waits; a call unknown is not over."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
    app = Celery("none", broker=url, backend=url, set_as_current=False)
    fleet = Fleet(app, client=RealtimeClient)

    with pytest.raises(NoAnswer, match="broker cannot be reached"):
        fleet.start(timeout=0.2)
    with pytest.raises(NoAnswer, match="broker cannot be reached"):
        fleet.calls(timeout=0.2)
    with pytest.raises(NoAnswer, match="result backend is away"):
        fleet.call("one").say("Good evening.", timeout=0.2)
    assert "away" == fleet.call("one").state


def test_broker_that_is_silent_is_not_waited_for_without_an_end() -> None:
    """It takes the connection, as one does that was stopped, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        app = Celery(
            "none", broker=url, backend="cache+memory://", set_as_current=False
        )
        fleet = Fleet(app, client=RealtimeClient)

        with pytest.raises(NoAnswer, match="broker cannot be reached"):
            fleet.calls(timeout=0.2)
        with pytest.raises(NoAnswer, match="broker cannot be reached"):
            fleet.start(timeout=0.2)


def test_command_whose_worker_has_left_says_that_the_call_is_over() -> None:
    """Whoever was sent to a worker with its last call asks the backend again."""
    app = Celery(
        "none", broker="memory://", backend="cache+memory://", set_as_current=False
    )
    fleet = Fleet(app, client=RealtimeClient)
    call = fleet.call("last")
    app.backend.store_result("calls:last", {"worker": "w"}, "STARTED")
    name = call.wait_started(1.0)
    app.backend.store_result(
        "calls:last", {"id": "last", "ended": "drained"}, "SUCCESS"
    )

    assert "w" == name
    with pytest.raises(CallOver, match="call last has ended"):
        call.say("Good evening.", timeout=0.1)


async def coroutine(call: object) -> None:
    """Would run nothing."""


def generator(call: object) -> Iterator[int]:
    """Would run nothing either."""
    yield 1


def nobody() -> None:
    """Takes no call."""


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (coroutine, "is a coroutine function"),
        (generator, "has a yield in it"),
        (nobody, "is called with the Call: too many"),
        ("no function", "called with the Call, not"),
    ],
)
def test_function_that_cannot_have_a_call_fails_at_the_decorator(
    function: object, complaint: str
) -> None:
    """Not in a worker, with a caller on the line."""
    fleet = Fleet(Celery("none", set_as_current=False), client=RealtimeClient)

    for decorator in (fleet.on_call, fleet.on_drain):
        with pytest.raises(TypeError, match=complaint):
            decorator(function)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"name": "a b"}, "cannot name a fleet"),
        ({"calls_per_process": 0}, "1 at least"),
        ({"calls_per_process": True}, "no number"),
        ({"drain_timeout": -1}, "drain_timeout must be seconds"),
        ({"longest_call": float("inf")}, "longest_call must be seconds"),
        ({"longest_call": float("nan")}, "longest_call must be seconds"),
        ({"drain_timeout": "5"}, "drain_timeout must be seconds, not '5'"),
        ({"tokens": -1}, "tokens must be a number"),
        ({"tokens": float("nan")}, "tokens must be a number"),
        ({"threads": 8}, "threads is called in each worker"),
        ({"client": None}, "client is called in each worker"),
        ({"recordings": "nowhere://here"}, "nothing can be written to nowhere"),
    ],
)
def test_argument_that_will_not_do_fails_where_it_is_given(
    arguments: dict[str, object], complaint: str
) -> None:
    """A worker on another machine is no place to find it out."""
    app = Celery("none", set_as_current=False)

    with pytest.raises(ConfigurationError, match=complaint):
        Fleet(app, **{"client": RealtimeClient, **arguments})  # type: ignore[arg-type]


def test_start_that_will_not_do_fails_where_it_is_asked_for() -> None:
    """Nothing is sent."""
    app = Celery("none", backend="cache+memory://", set_as_current=False)
    fleet = Fleet(app, client=RealtimeClient)

    with pytest.raises(ConfigurationError, match="go together"):
        fleet.start(to="+14155550123")
    with pytest.raises(ConfigurationError, match="give the fleet a line"):
        fleet.start(stream=True)
    for odd in ("a\nb", "../up", "a/b", " ", "x" * 201):
        with pytest.raises(ConfigurationError, match="is no id of a call"):
            fleet.start(id=odd)
    for wrong in (float("nan"), float("inf"), -1, "soon", True):
        with pytest.raises(ConfigurationError, match="expires must be seconds"):
            fleet.start(expires=wrong)  # type: ignore[arg-type]
    for wrong in (float("nan"), -1, "soon", True):
        for asked in (fleet.start, fleet.calls, fleet.workers, fleet.call("x").result):
            with pytest.raises(ConfigurationError, match="timeout must be seconds"):
                asked(timeout=wrong)  # type: ignore[operator]
    for name in ("accept", "config", "metadata"):
        with pytest.raises(ConfigurationError, match=f"{name} must be a mapping"):
            fleet.start(**{name: 7})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="model must be text, not 7"):
        fleet.start(7)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="ordered in JSON"):
        fleet.start(metadata={"what": object()})
    with pytest.raises(ConfigurationError, match="needs a result backend"):
        Fleet(Celery("none", set_as_current=False), client=RealtimeClient).start()


def test_events_are_published_to_whoever_subscribes(running: Running) -> None:
    """From when he does, of the kind that he wants, until the call is over."""
    call = running.fleet.start(id="two")
    call.transcript()
    with call.events("response.done") as done, call.events() as every:
        call.respond(instructions="Say hello.")
        first = next(done)
        kinds = [str(event["type"]) for event in takewhile_not_done(every)]
        call.hang_up()
        rest = list(done)
        list(every)
    with pytest.raises(CallOver):
        call.events().__enter__()

    assert "response.done" == first["type"]
    assert [] == rest
    assert "response.created" in kinds
    assert (0, 0) == (done.dropped, every.dropped)


def takewhile_not_done(every: RemoteEvents) -> Iterator[Mapping[str, Any]]:
    """Events up to the end of the response."""
    for event in every:
        yield event
        if event["type"] == "response.done":
            return


def test_worker_places_a_call(running: Running) -> None:
    """It dials, and the carrier connects to the very worker that has."""
    orders = running.carrier.orders
    call = running.fleet.start(id="out", to="+14155550123", caller="+14155550199")
    call.transcript()
    call.hang_up()
    result = call.result(WAIT)
    running.carrier.streams.pop().join(WAIT)

    assert ["+14155550123"] == orders
    assert "hung up" == result.ended


def test_board_shows_the_fleet_and_ends_its_calls(running: Running) -> None:
    """A fleet is a source of rows: what is said, where, and a way to end it."""
    fleet = running.fleet
    call = fleet.start(id="shown", metadata={"do": "talk", "question": "Seven?"})
    running.worker.wait_for("(talked shown)")
    with WebHost() as host:
        board = Board(host, fleet)
        rows = looked(
            lambda: [r for r in board.changes(0)["rows"] if r["state"] != "ended"], 1
        )
        said = fleet.transcript("shown")
        board.close()
    ended = fleet.hang_up("shown")
    result = call.result(WAIT)

    assert [("shown", result.worker)] == [(row["id"], row["worker"]) for row in rows]
    assert rows[0]["last_line"].endswith("Seven?")
    assert ("assistant", "Seven?") == said[-1]
    assert (True, "hung up") == (ended, result.ended)


def test_broker_gives_no_message_out_while_its_call_goes_on() -> None:
    """Unless the application says otherwise; what it says beside that is kept."""
    app = Celery("none", set_as_current=False)
    app.conf.broker_transport_options = {"socket_keepalive": True}
    app.conf.result_backend_transport_options = {"global_keyprefix": "x"}
    Fleet(app, client=RealtimeClient, longest_call=1000, drain_timeout=100)
    late = Celery("late", set_as_current=False)
    Fleet(late, client=RealtimeClient, longest_call=5000, drain_timeout=100)
    own = Celery("own", set_as_current=False)
    own.conf.broker_transport_options = {"visibility_timeout": 60}
    Fleet(own, client=RealtimeClient)

    assert {"socket_keepalive": True, "visibility_timeout": 1710} == (
        app.conf.broker_transport_options
    )
    assert "x" == app.conf.result_backend_transport_options["global_keyprefix"]
    assert 5710 == late.conf.broker_transport_options["visibility_timeout"]
    assert 60 == own.conf.broker_transport_options["visibility_timeout"]
