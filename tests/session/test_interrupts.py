"""Ctrl-C in any blocking call leaves the session usable."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import Router, Session, connect
from realtime_sync.server import serve
from tests.rawserver import Peer, RawServer

LONG = 10.0

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="needs signals to one thread"
)


def interrupted(action: Callable[[], Any], *, after: float = 0.05) -> None:
    """Run something that blocks, and interrupt it as Ctrl-C does."""
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(after, signal.pthread_kill, args=(main, signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            action()
    finally:
        timer.cancel()
        timer.join()


@pytest.fixture(params=["thread", "manual"])
def held(request: Any) -> Iterator[tuple[Session, threading.Event]]:
    """A session whose server answers only when it is let go."""
    go = threading.Event()

    def agent(prompt: Any) -> str:
        go.wait(LONG)
        return "late"

    with serve(agent=agent) as server:
        session = connect(
            "m",
            base_url=server.url,
            router=Router(),
            dispatch=request.param,
            config={"output_modalities": ["text"]},
            timeout=LONG,
        )
        yield session, go
        go.set()
        session.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda session: session.wait_for("error"),
        lambda session: session.ask("hello"),
        lambda session: session.ask("hello", conversation="none"),
        lambda session: session.response.create().result(),
        lambda session: list(session.response.create().text_deltas()),
        lambda session: next(session.events("error")),
        lambda session: session.wait_changed(10_000),
        lambda session: session.run_forever(),
    ],
    ids=[
        "wait_for",
        "ask",
        "ask-out-of-band",
        "result",
        "text_deltas",
        "events",
        "wait_changed",
        "run_forever",
    ],
)
def test_an_interrupted_call_leaves_the_session_usable(
    held: tuple[Session, threading.Event], call: Callable[[Session], Any]
) -> None:
    """The next question is answered, and the session closes as usual."""
    session, go = held
    interrupted(lambda: call(session))
    go.set()

    assert "late" == session.ask("again").text
    assert session.close().complete


def test_an_interrupted_flush_leaves_the_session_usable() -> None:
    """Although a handler is still at it."""
    release = threading.Event()
    with serve(agent="echo") as server:
        with connect("m", base_url=server.url, router=Router()) as session:
            session.on("conversation.item.added", lambda event: release.wait(LONG))
            session.conversation.add_message("hello").acknowledged()
            interrupted(session.flush)
            release.set()
            session.flush()

            assert session.conversation.add_message("again").acknowledged()


def test_an_interrupted_send_is_finished_or_not_begun() -> None:
    """A server that reads nothing, then everything: it gets whole messages."""
    go = threading.Event()
    got: list[str] = []

    def script(peer: Peer) -> None:
        peer.greet()
        go.wait(LONG)
        while True:
            command = peer.hear()
            got.append(command["type"])
            if command["type"] == "input_audio_buffer.clear":
                peer.say({"type": "input_audio_buffer.cleared", "event_id": "e"})

    with RawServer(script, receive_buffer=1 << 16) as server:
        session = connect("m", base_url=server.url, router=Router())
        interrupted(lambda: session.input_audio_buffer.append(bytes(40 << 20)))
        go.set()
        session.input_audio_buffer.clear().acknowledged(LONG)
        report = session.close()

    assert "input_audio_buffer.clear" == got[-1]
    assert {"input_audio_buffer.append"} >= set(got[:-1])
    assert 0 == report.unsent


def test_an_interrupted_connect_leaves_nothing_behind() -> None:
    """No thread, no socket; another attempt works."""
    patient = threading.Event()

    def script(peer: Peer) -> None:
        if patient.is_set():
            peer.greet()
            peer.answer_close()
        else:
            patient.set()
            peer.rest()

    with RawServer(script) as server:
        interrupted(
            lambda: connect("m", base_url=server.url, router=Router()), after=0.1
        )
        session = connect("m", base_url=server.url, router=Router())

        assert session.close().complete


def test_an_interrupted_wait_for_the_greeting_leaves_nothing_behind() -> None:
    """The upgrade went well, ``session.created`` does not come."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.answer_close()

    with RawServer(script) as server:
        interrupted(lambda: connect("m", base_url=server.url, router=Router()))


def test_an_interrupted_close_can_be_repeated() -> None:
    """The second one ends it."""
    with RawServer(lambda peer: (peer.greet(), peer.rest()) and None) as server:
        session = connect("m", base_url=server.url, router=Router(), close_timeout=2.0)
        interrupted(session.close)
        report = session.close()

    assert report.complete
