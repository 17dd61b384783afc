"""
Ctrl-C in each call that blocks: it raises, and the session goes on.

The signal is sent when the main thread is seen to wait, not after some time.
"""

from __future__ import annotations

import linecache
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Router, Session, connect
from realtime_sync.server import Server, serve
from realtime_sync.server.agents.base import Prompt
from realtime_sync.transport import outbox
from tests.blocked import until_blocked
from tests.rawserver import Peer
from tests.stress.sequenced_server import LONG, Place

pytestmark = pytest.mark.usefixtures("arrangement")

BIG = 30_000_000
MAIN = threading.main_thread().ident or 0


class Interrupter:
    """Sends SIGINT once the main thread has been seen waiting for a while."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Interrupter:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._thread.join(LONG)

    def _run(self) -> None:
        until_blocked(MAIN)
        os.kill(os.getpid(), signal.SIGINT)


def interrupted(action: Callable[[], Any]) -> None:
    """An action is interrupted, and says so."""
    with Interrupter():
        with pytest.raises(KeyboardInterrupt):
            action()


@pytest.fixture
def gate() -> threading.Event:
    """Lets the model speak."""
    return threading.Event()


@pytest.fixture
def server(gate: threading.Event) -> Iterator[Server]:
    """A server whose model waits at a gate, if the question is 'wait'."""

    def model(prompt: Prompt) -> str:
        last = prompt.items[-1] if prompt.items else {}
        if "wait" in str(last.get("content")):
            assert gate.wait(LONG)
        return "done"

    with serve(agent=model) as running:
        yield running
        gate.set()


CALLS: dict[str, Callable[[Session], Any]] = {
    "wait_for": lambda s: s.wait_for("response.done", timeout=LONG),
    "expect": lambda s: s.expect("response.done").result(LONG),
    "events": lambda s: next(iter(s.events("response.done"))),
    "ask": lambda s: s.ask("wait", timeout=LONG, output_modalities=["text"]),
    "result": lambda s: waiting_response(s).result(LONG),
    "text_deltas": lambda s: next(waiting_response(s).text_deltas(timeout=LONG)),
    "wait_changed": lambda s: s.wait_changed(10**9, timeout=LONG),
    "run_forever": lambda s: s.run_forever(),
}


def waiting_response(session: Session) -> Any:
    """A response that does not come."""
    session.conversation.add_message("wait")
    return session.response.create(output_modalities=["text"])


@pytest.mark.parametrize("mode", ["thread", "manual"])
@pytest.mark.parametrize("call", CALLS)
def test_a_wait_is_interrupted(
    server: Server, gate: threading.Event, call: str, mode: Any
) -> None:
    """And the session answers the next question."""
    with connect("m", base_url=server.url, router=Router(), dispatch=mode) as session:
        interrupted(lambda: CALLS[call](session))
        gate.set()

        assert "done" == session.ask("still there?", output_modalities=["text"]).text
        assert session.close().complete


def test_acknowledged_is_interrupted(server: Server) -> None:
    """The acknowledgement of a command that the server does not get to."""
    server.faults = [*_faults("delay:session.updated:0.5")]
    with connect("m", base_url=server.url, router=Router()) as session:
        handle = session.update(instructions="x")
        interrupted(lambda: handle.acknowledged(LONG))

        assert "x" == handle.acknowledged(LONG).session.instructions


@pytest.mark.shared
def test_flush_is_interrupted(server: Server) -> None:
    """While a handler is busy."""
    release = threading.Event()
    with connect("m", base_url=server.url, router=Router()) as session:
        session.on("session.updated", lambda event: release.wait(LONG))
        session.update(instructions="x").acknowledged(LONG)
        interrupted(lambda: session.flush(LONG))
        release.set()
        session.flush(LONG)

        assert session.ask("still there?", output_modalities=["text"]).text


def test_pump_is_interrupted(server: Server) -> None:
    """Waiting for the first delivery, and in a handler."""

    def interrupt(event: Any) -> None:
        raise KeyboardInterrupt

    with connect(
        "m", base_url=server.url, router=Router(), dispatch="manual"
    ) as session:
        session.pump(0.0)
        interrupted(lambda: session.pump(LONG))
        subscription = session.on("session.updated", interrupt)
        session.update(instructions="x")
        with pytest.raises(KeyboardInterrupt):
            while True:
                session.pump(LONG)
        subscription.cancel()

        assert session.ask("still there?", output_modalities=["text"]).text
        session.flush(LONG)
        assert 0 == session.stats.queued


def test_close_is_interrupted_and_can_be_called_again(server: Server) -> None:
    """The second call finishes the work."""
    release = threading.Event()
    session = connect("m", base_url=server.url, router=Router(), close_timeout=LONG)
    session.on("session.updated", lambda event: release.wait(LONG))
    session.update(instructions="x").acknowledged(LONG)
    interrupted(session.close)
    release.set()

    assert session.close().complete


def test_connect_is_interrupted() -> None:
    """It leaves neither connection nor thread."""

    def silent(peer: Peer) -> None:
        peer.upgrade()
        peer.rest()

    with Place(silent) as place:
        interrupted(lambda: place.open(connect_timeout=LONG, close_timeout=0.2))


def test_a_send_that_waits_for_a_new_connection_is_interrupted(server: Server) -> None:
    """The held command is acknowledged later, the wait for it is not needed."""
    go_on = threading.Event()
    policy = ReconnectPolicy(base=0.0, hook=lambda attempt: go_on.wait(LONG) and None)
    with connect(
        "m", base_url=server.url, router=Router(), reconnect=policy
    ) as session:
        lost = threading.Event()
        session.on("connection.lost", lambda event: lost.set(), inline=True)
        server.sessions[-1].drop()
        assert lost.wait(LONG)
        handle = session.conversation.add_message("held")
        interrupted(lambda: handle.acknowledged(LONG))
        go_on.set()

        assert handle.acknowledged(LONG)


# -- in the middle of a frame ------------------------------------------------


class Listener:
    """A server that reads nothing until it is told to, then everything."""

    def __init__(self) -> None:
        self.read = threading.Event()
        self.heard: list[Any] = []

    def __call__(self, peer: Peer) -> None:
        peer.greet()
        assert self.read.wait(LONG)
        while True:
            command = peer.hear()
            self.heard.append((command["type"], len(command.get("filler", ""))))
            peer.oblige(command)


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_a_send_of_30_mb_is_interrupted(secure: bool) -> None:
    """The frame that was begun is finished; the next one comes whole behind it."""
    listener = Listener()
    with Place(listener, secure=secure) as place:
        with place.open(timeout=LONG) as session:
            big = {"type": "vendor.big", "filler": "x" * BIG}
            interrupted(lambda: session.send(big))
            listener.read.set()
            session.update(instructions="x").acknowledged(LONG)

            assert [("vendor.big", BIG), ("session.update", 0)] == listener.heard


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_interrupts_at_random_moments_tear_no_frame(secure: bool) -> None:
    """Forty of them in a stream of large and small commands, over TLS as well."""
    listener = Listener()
    listener.read.set()
    rng, pause, armed = random.Random(3), threading.Event(), threading.Event()
    sizes = [10, 3_000_000, 100, 700_000]

    def strike() -> None:
        for _ in range(40):
            assert armed.wait(LONG)
            pause.wait(rng.uniform(0.0, 0.02))
            armed.clear()
            os.kill(os.getpid(), signal.SIGINT)

    with Place(listener, secure=secure) as place, place.open(timeout=LONG) as session:
        striker = threading.Thread(target=strike)
        striker.start()
        for _ in range(40):
            with pytest.raises(KeyboardInterrupt):
                armed.set()
                while True:
                    filler = "x" * rng.choice(sizes)
                    session.send({"type": "vendor.big", "filler": filler})
        striker.join(LONG)
        session.update(instructions="x").acknowledged(LONG)
        heard = {size for kind, size in listener.heard if kind == "vendor.big"}

        assert heard <= set(sizes)
        assert session.is_open


def _faults(*names: str) -> list[Any]:
    from realtime_sync.server.host.fault_injector import Fault

    return [Fault.parse(name) for name in names]


# -- at every line -----------------------------------------------------------


ELSEWHERE = frozenset({outbox.__file__})


def interrupted_at(number: int, action: Callable[[], object]) -> bool:
    """
    Run something, with a Ctrl-C at so many lines of the library.

    Not in the outbox, which has a test of its own; not at a ``with`` or a ``try``,
    where the interpreter looks for no signal before the lock is free again, or what
    follows is tried; and not where an object is dropped, from where nothing comes out.

    Returns:
        Whether it had as many lines; then the `KeyboardInterrupt` has come out.
    """
    lines, struck = 0, False

    def at_line(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines, struck
        code = frame.f_code
        line = linecache.getline(code.co_filename, frame.f_lineno).lstrip()
        if event == "line" and not line.startswith(("with ", "try:")):
            lines += 1
            if lines == number:
                struck = True
                raise KeyboardInterrupt
        return at_line

    def at_call(frame: FrameType, event: str, arg: object) -> Any:
        name = frame.f_code.co_filename
        ours = f"{os.sep}realtime_sync{os.sep}" in name
        dropped = frame.f_code.co_name == "forget"
        return at_line if ours and not (dropped or name in ELSEWHERE) else None

    before = sys.gettrace()
    sys.settrace(at_call)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    assert not struck
    return False


def expected(session: Session) -> None:
    """Expect something, and leave it be."""
    with session.expect("session.updated"):
        pass


def streamed(session: Session) -> None:
    """Begin to listen, and end it."""
    with session.events("session.updated"):
        pass


ACTIONS: dict[str, Callable[[Session], object]] = {
    "update": lambda s: s.update(instructions="x"),
    "acknowledged": lambda s: s.update(instructions="x").acknowledged(LONG),
    "append": lambda s: s.input_audio_buffer.append(bytes(480)),
    "clear": lambda s: s.input_audio_buffer.clear(),
    "mapping": lambda s: s.send({"type": "input_audio_buffer.clear"}),
    "expect": expected,
    "events": streamed,
}


@pytest.mark.shared
@pytest.mark.parametrize("name", ACTIONS)
def test_an_interrupt_at_any_line_leaves_the_session_usable(
    server: Server, name: str
) -> None:
    """It comes out as itself, and the next answer goes to the next command."""
    action = ACTIONS[name]
    with connect("m", base_url=server.url, router=Router()) as session:
        number = 1
        while interrupted_at(number, lambda: action(session)):
            words = f"after {number}"
            handle = session.update(instructions=words)
            assert words == handle.acknowledged(LONG).session.instructions
            number += 1

        assert number > 20
        assert session.close().complete
