"""The life of a session, as far as its parts meet: open, send, switch, end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from realtime_sync import RealtimeClient, ReconnectPolicy, Router, Session, connect
from realtime_sync.deadline import Deadline
from realtime_sync.errors import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
    LocalProtocolError,
)
from realtime_sync.server import Server
from realtime_sync.transport import log_writer
from tests.rawserver import Peer, obliging
from tests.stress.sequenced_server import (
    LONG,
    Place,
    library_threads,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("arrangement")


def unopened(url: str, **options: Any) -> Session:
    """A session with no handlers but its own."""
    return RealtimeClient(base_url=url).session("m", router=Router(), **options)


def test_a_session_that_was_never_opened_can_be_closed(server: Server) -> None:
    """Nothing happens, and it can still be opened."""
    session = unopened(server.url)
    report = session.close()
    with session:
        assert session.is_open

    assert (None, False) == (report.code, report.complete)


def test_before_it_is_open_nothing_can_be_sent(server: Server) -> None:
    """The error says what to call."""
    with pytest.raises(LocalProtocolError, match="open()"):
        unopened(server.url).response.create()


def test_an_attempt_that_ran_out_of_time_leaves_no_loop() -> None:
    """The time for its end is not that for the attempt."""
    with Place(Peer.hold) as place:
        session = place.session(connect_timeout=0.05)
        with pytest.raises(ConnectFailed):
            session.open()
        left = [name for name in library_threads() if name.endswith(" loop")]

    assert [] == left


def test_a_session_that_could_not_be_opened_may_be_tried_again() -> None:
    """Nothing was there yet."""

    def refuse(peer: Peer) -> None:
        peer.refuse("503 Service Unavailable")

    def greet(peer: Peer) -> None:
        peer.greet()
        peer.answer_close()

    with Place(refuse, greet) as place:
        session = place.session()
        with pytest.raises(ConnectFailed):
            session.open()
        with session.open():
            assert session.is_open


def test_handlers_see_the_opening(server: Server) -> None:
    """Those that were registered before it."""
    session = unopened(server.url)
    seen: list[str] = []
    session.on("connection.opened", lambda event: seen.append(event.type), inline=True)
    with session:
        pass

    assert ["connection.opened"] == seen


def test_routers_let_go_of_a_session_that_is_over(server: Server) -> None:
    """Their handlers are somebody else's then."""
    router = Router()
    seen: list[Any] = []
    session = connect("m", base_url=server.url, router=router)
    session.close()
    router.on("response.done", seen.append)
    with connect("m", base_url=server.url, router=router) as other:
        other.ask("Hello", output_modalities=["text"])
        other.flush()

    assert 1 == len(seen)


def test_the_report_names_the_response_in_flight() -> None:
    """It is not finished, and nobody will hear of it again."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        response = {"id": "resp_1", "status": "in_progress", "output": []}
        peer.say({"type": "response.created", "response": response})
        peer.answer_close()

    with Place(script) as place:
        session = place.open()
        with session.expect("response.created") as created:
            session.response.create()
        created.result(LONG)
        report = session.close(code=1001, reason="going home")

        assert "resp_1" == report.active_response_id


def test_code_and_reason_reach_the_server() -> None:
    """As they were given to close()."""
    told: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.greet()
        told.append(peer.answer_close())

    with Place(script) as place:
        place.open().close(code=4123, reason="done here")

    assert [(4123).to_bytes(2, "big") + b"done here"] == told


def test_a_close_that_meets_the_change_of_connections_ends_the_new_one(
    server: Server,
) -> None:
    """`close` may see the old connection when the new one is taken over."""
    policy = ReconnectPolicy(base=0.0, cap=0.0)
    session = connect(
        "m", base_url=server.url, router=Router(), reconnect=policy, close_timeout=2.0
    )
    switch, met = session._lifecycle.switch_to, threading.Event()

    def switch_late(connection: Any) -> bool:
        met.set()
        session._lifecycle.asked._event.wait(LONG)
        return switch(connection)

    session._lifecycle.switch_to = switch_late  # type: ignore[method-assign]
    server.sessions[-1].drop()
    assert met.wait(LONG)
    report = session.close()

    assert report.complete
    wait_until(lambda: not server.open_sessions(), "the end of the new connection")


def test_a_connection_that_dies_while_it_takes_over_is_replaced() -> None:
    """Whoever notices: the thread that takes over, or its reader."""

    def drop(peer: Peer) -> None:
        peer.greet()
        peer.read()

    with Place(drop, obliging) as place:
        policy = ReconnectPolicy(base=0.0, cap=0.0)
        session = place.open(reconnect=policy)
        switch, tried = session._lifecycle.switch_to, []

        def switch_dead(connection: Any) -> bool:
            tried.append(connection)
            if len(tried) == 1:
                connection.abort()
                assert connection.over.wait(LONG)
            return switch(connection)

        session._lifecycle.switch_to = switch_dead  # type: ignore[method-assign]
        with session.expect("connection.restored") as restored:
            session.input_audio_buffer.clear()
        restored.result(LONG)

        assert 2 == len(tried)
        assert session._parts.connection is tried[1]
        session.close()


def test_held_commands_wait_again_when_the_new_connection_dies() -> None:
    """They go to the one after it, in their order."""
    heard: list[str] = []

    def drop(peer: Peer) -> None:
        peer.greet()
        peer.read()

    def oblige(peer: Peer) -> None:
        peer.greet()
        while True:
            command = peer.hear()
            peer.oblige(command)
            if command["type"] != "session.update":
                heard.append(command["type"])

    go_on = threading.Event()
    with Place(drop, oblige) as place:
        policy = ReconnectPolicy(
            base=0.0, cap=0.0, hook=lambda attempt: go_on.wait(LONG) and None
        )
        session = place.open(reconnect=policy)
        lost = threading.Event()
        session.on("connection.lost", lambda event: lost.set(), inline=True)
        send_held, closed = session._parts.sender.send_held, []

        def send_held_to_a_dead_one(connection: Any) -> None:
            closed.append(connection)
            if len(closed) == 1:
                connection.abort()
                assert connection.over.wait(LONG)
            send_held(connection)

        session._parts.sender.send_held = (  # type: ignore[method-assign]
            send_held_to_a_dead_one
        )
        session.input_audio_buffer.clear()
        assert lost.wait(LONG)
        session.send({"type": "vendor.one"})
        session.send({"type": "vendor.two"})
        go_on.set()
        wait_until(lambda: len(heard) == 2, "the held commands")

        assert ["vendor.one", "vendor.two"] == heard
        assert 2 == len(closed)
        session.close()


@pytest.mark.shared
def test_the_session_ends_even_if_its_end_fails(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong on the way, nobody waits for ever."""
    session = connect("m", base_url=server.url, router=Router())

    def fail(connection: Any) -> None:
        raise ZeroDivisionError

    session._lifecycle._replace_or_finish = fail  # type: ignore[method-assign]
    with session.expect("response.done") as never:
        server.sessions[-1].drop()
    with pytest.raises(ConnectionClosed):
        never.result(None)
    report = session.close()

    assert isinstance(report.error, ConnectionLost)
    log_writer.flush_log_writers(Deadline(5.0))
    assert "the end of the connection failed" in caplog.text


def test_run_forever_raises_what_ended_the_session(server: Server) -> None:
    """And returns after a clean close."""
    session = connect("m", base_url=server.url, router=Router())
    server.sessions[-1].drop()
    with pytest.raises(ConnectionLost):
        session.run_forever()
    session.close()
    other = connect("m", base_url=server.url, router=Router(), dispatch="manual")
    other.on("session.updated", lambda event: other.close())
    other.update(instructions="x")

    other.run_forever()
    assert other.close().complete
