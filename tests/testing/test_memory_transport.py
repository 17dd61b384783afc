"""The transport in memory: a whole session in one thread, without a wait."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Session, connect, events
from realtime_sync.errors import ConnectionLost, WaitTimeout, WouldDeadlock
from realtime_sync.server import ManualClock, open_engine
from realtime_sync.testing import (
    Close,
    MemoryTransport,
    Scenario,
    frames,
    silence,
    tone,
)


def opened(transport: MemoryTransport, **options: Any) -> Session:
    """A session over a transport, with short waits."""
    options = {"dispatch": "inline", "timeout": 0.2, "connect_timeout": 0.5, **options}
    session: Session = connect(transport=transport, **options)
    return session


def test_session_opens_speaks_and_closes_without_a_thread() -> None:
    """All of it happens in the calling thread."""
    before = set(threading.enumerate())
    with opened(MemoryTransport()) as session:
        during = set(threading.enumerate())
        session.input_audio_buffer.append(bytes(480))

    assert before == during == set(threading.enumerate())
    assert "sess_test" == session.id
    assert (1000, True) == (session.close_report.code, session.close_report.complete)


def test_configuration_is_acknowledged_by_itself() -> None:
    """``connect(config=...)`` needs no script."""
    transport = MemoryTransport()
    session = opened(transport, config={"instructions": "Be brief."})
    session.update(voice="marin").acknowledged()

    assert "Be brief." == session.config.instructions
    assert "marin" == session.config.audio.output.voice
    assert ["session.update"] * 2 == [frame["type"] for frame in transport.sent]


def test_what_was_sent_can_be_looked_at() -> None:
    """Decoded, in order; by type; since the last look."""
    transport = MemoryTransport()
    session = opened(transport)
    session.conversation.add_message("Hello")
    session.response.cancel()

    assert 2 == len(transport.sent)
    assert ["response.cancel"] == [
        frame["type"] for frame in transport.commands("response.cancel")
    ]
    assert 2 == len(transport.take())
    assert [] == transport.take() == transport.sent


@pytest.mark.parametrize(
    "message",
    [
        {"type": "response.output_text.delta", "delta": "Hi"},
        '{"type": "response.output_text.delta", "delta": "Hi"}',
        b'{"type": "response.output_text.delta", "delta": "Hi"}',
        events.ResponseTextDelta(delta="Hi"),
    ],
    ids=["mapping", "text", "bytes", "event"],
)
def test_server_can_be_made_to_say_something(message: Any) -> None:
    """Frames, text, bytes, events; handlers have run when `feed` returns."""
    transport = MemoryTransport()
    session = opened(transport)
    heard: list[Any] = []
    session.on("response.text.delta", lambda event: heard.append(event.delta))
    transport.feed(message)

    assert ["Hi"] == heard


@pytest.mark.parametrize(
    ("answer", "types"),
    [
        (None, []),
        ({"type": "vendor.a"}, ["vendor.a"]),
        ([{"type": "vendor.a"}, {"type": "vendor.b"}], ["vendor.a", "vendor.b"]),
        ('{"type": "vendor.a"}', ["vendor.a"]),
    ],
)
def test_replies_can_be_scripted(answer: Any, types: list[str]) -> None:
    """`on_send` gives the answer to each command, in whatever form."""
    transport = MemoryTransport(on_send=lambda frame: answer)
    session = opened(transport)
    heard: list[str] = []
    session.on("*", lambda event: heard.append(event.type))
    session.input_audio_buffer.commit()

    assert types == heard


def test_answer_is_there_when_the_command_returns() -> None:
    """Nothing waits, so an answer waited for is there or never comes."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = opened(transport)
    handle = session.conversation.add_message("Hello")

    assert handle.done()
    with pytest.raises(WaitTimeout):
        session.wait_for("response.done", timeout=0.01)


def test_answers_to_handlers_come_behind_what_is_being_read() -> None:
    """The order is that of a wire, however deep calls are nested."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = opened(transport)
    seen: list[str] = []

    @session.on("vendor.first", unknown=True)
    def act(event: Any) -> None:
        handle = session.conversation.add_message("Hello")
        seen.append("sent")
        with pytest.raises(WouldDeadlock):
            handle.acknowledged()

    session.on("*", lambda event: seen.append(event.type))
    transport.feed({"type": "vendor.first"}, {"type": "vendor.second"})

    assert ["sent", "vendor.first", "vendor.second"] == seen[:3]
    assert "conversation.item.added" == seen[3]


def test_connection_can_be_cut() -> None:
    """Everything that waits fails, and nothing can be sent any more."""
    transport = MemoryTransport()
    session = opened(transport)
    handle = session.conversation.add_message("Hello")
    transport.cut(1011, "overloaded")

    with pytest.raises(ConnectionLost, match="overloaded"):
        handle.acknowledged()
    with pytest.raises(ConnectionLost):
        session.conversation.add_message("Still there?")
    with pytest.raises(ConnectionLost):
        transport.feed({"type": "vendor.late"})
    assert (1011, "overloaded") == transport.closed
    assert 1011 == session.close_report.code


def test_nothing_comes_behind_a_close() -> None:
    """As on a wire."""
    transport = MemoryTransport()
    session = opened(transport)
    heard: list[str] = []
    session.on("*", lambda event: heard.append(event.type))
    transport.feed({"type": "vendor.a"}, Close(1000), {"type": "vendor.b"})

    assert ["vendor.a"] == heard
    assert session.closed


def test_sending_can_be_made_to_fail() -> None:
    """For programs that must survive it."""
    transport = MemoryTransport()
    session = opened(transport)
    transport.send_error = WaitTimeout("the server takes nothing")

    with pytest.raises(WaitTimeout, match="takes nothing"):
        session.response.create()
    transport.send_error = None
    session.response.create()


def test_session_reconnects_over_the_same_transport() -> None:
    """The conversation is rebuilt within the call that cut the connection."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = opened(transport, reconnect=ReconnectPolicy(base=0.0))
    restored: list[Any] = []
    session.on("connection.restored", lambda event: restored.append(event.report))
    session.conversation.add_message("Remember me")
    transport.cut()

    assert 2 == transport.connections
    assert session.is_open
    assert ["Remember me"] == [item.text for item in session.snapshot.items]
    assert 1 == len(restored[0].restored)


def test_without_greeting_the_test_greets() -> None:
    """For sessions that begin in an odd way."""
    transport = MemoryTransport(greeting=False)
    session = opened(transport, wait_created=False)

    assert session.id is None
    transport.feed(frames.session_created(id="sess_late"))
    assert "sess_late" == session.id


def test_refusal_is_an_exception_of_connect() -> None:
    """What the server says instead of the greeting is told."""
    from realtime_sync.errors import AuthenticationFailed

    refusal = frames.error("no such key", code="invalid_api_key")({})
    scenario = Scenario(greeting=[*refusal, Close(3000, "invalid_request_error")])

    with pytest.raises(AuthenticationFailed, match="no such key"):
        opened(MemoryTransport(scenario))


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_engine_of_the_server_answers_without_a_port(dialect: Any) -> None:
    """The protocol's whole truth, in one thread."""
    engine = open_engine("echo", dialect=dialect, seed=1)
    session = opened(MemoryTransport(engine, dialect=dialect), dialect=dialect)
    reply = session.ask("Hello there")

    assert ("completed", "Hello there") == (reply.status, reply.text)
    assert 2 == len(session.snapshot.items)
    assert () == session.snapshot.anomalies


def test_time_passes_when_the_test_says_so() -> None:
    """An idle user is spoken to after as long as was configured."""
    clock = ManualClock()
    engine = open_engine("echo", now=clock.now())
    transport = MemoryTransport(engine, clock=clock)
    session = opened(transport)
    vad = {"type": "server_vad", "idle_timeout_ms": 5000}
    session.update(turn_detection=vad)
    heard: list[str] = []
    session.on("input_audio_buffer.*", lambda event: heard.append(event.type))
    session.input_audio_buffer.append(tone(0.5) + silence(0.7))
    begun = list(heard)
    transport.advance(6.0)

    assert "input_audio_buffer.committed" == begun[-1]
    assert "input_audio_buffer.timeout_triggered" in heard[len(begun) :]


def test_time_cannot_pass_without_a_clock() -> None:
    """The mistake is named."""
    with pytest.raises(TypeError, match="clock"):
        MemoryTransport().advance(1.0)


def test_session_with_a_dispatcher_works_too() -> None:
    """Handlers in a thread of their own, messages from several."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = opened(transport, dispatch="thread", timeout=5)
    heard: list[str] = []
    session.on("conversation.item.added", lambda event: heard.append(event.item.id))
    threads = [
        threading.Thread(target=session.conversation.add_message, args=(f"m{n}",))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.flush()
    session.close()

    assert sorted(heard) == sorted(item.id for item in session.snapshot.items)
    assert 8 == len(heard)


def test_close_in_a_handler_ends_the_session() -> None:
    """It returns at once; the end comes behind the event."""
    transport = MemoryTransport()
    session = opened(transport)
    session.on("vendor.bye", lambda event: session.close(), unknown=True)
    transport.feed({"type": "vendor.bye"})

    assert session.closed
    assert (1000, "") == transport.closed


def test_repr_says_how_it_stands() -> None:
    """For the debugger."""
    transport = MemoryTransport()

    assert "new" in repr(transport)
    session = opened(transport)
    assert "open" in repr(transport)
    session.close()
    assert "closed" in repr(transport)
