"""Sessions at the end of a process, and in a forked child."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from realtime_sync import RealtimeClient, Session, connect
from realtime_sync.deadline import Deadline
from realtime_sync.errors import ForkedSession, LocalProtocolError
from realtime_sync.protocol import registry
from realtime_sync.recording.recorder import Recording
from realtime_sync.server import Server
from realtime_sync.testing import MemoryTransport
from realtime_sync.transport.log_writer import LogWriter, hand_to_log_writer

pytestmark = pytest.mark.usefixtures("arrangement")

ROOT = Path(__file__).parents[2]
LONG = 20.0


def run(
    program: str, *arguments: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a program of its own; the result and the seconds it took to end."""
    started = monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    return done, monotonic() - started


LEAVE = """
    import sys
    from realtime_sync import connect
    session = connect("m", base_url=sys.argv[1], {options})
    {then}
"""


@pytest.mark.parametrize(
    ("then", "status"),
    [("pass", 0), ("sys.exit(3)", 3), ("1 / 0", 1)],
    ids=["end of the script", "sys.exit", "exception"],
)
def test_leaving_the_interpreter_closes_cleanly(
    server: Server, then: str, status: int
) -> None:
    """The server gets a close frame with 1000, and nothing is printed."""
    done, _ = run(LEAVE.format(options="", then=then), server.url)
    session = server.sessions[0]
    server.wait_closed(session)

    assert status == done.returncode
    assert "realtime_sync" not in done.stderr.replace("ZeroDivisionError", "")
    assert 1000 == session.close_code


@pytest.mark.parametrize("mode", ["thread", "manual", "inline"])
def test_leaving_is_quick_in_every_mode(server: Server, mode: str) -> None:
    """Handlers that are still busy do not hold the process up."""
    then = """
    import threading
    @session.on("response.*")
    def stuck(event):
        threading.Event().wait(60)
    session.on("session.updated", lambda event: seen.set(), inline=True)
    seen = threading.Event()
    if session._parts.dispatcher.mode == "thread":
        session.response.create()
    session.update(instructions="x")
    seen.wait(5)
    """
    done, took = run(LEAVE.format(options=f"dispatch={mode!r}", then=then), server.url)

    assert "" == done.stderr
    assert 0 == done.returncode
    assert took < 10


def test_leaving_does_not_wait_long_for_a_silent_server(server: Server) -> None:
    """A server that does not answer the close costs a second."""
    server.faults = [*_faults("half_open:2")]
    done, took = run(LEAVE.format(options="", then="pass"), server.url)

    assert "" == done.stderr
    assert 0 == done.returncode
    assert took < 10


def test_leaving_during_a_reconnect_is_quick(server: Server) -> None:
    """A session that is being reconnected is given up."""
    server.faults = [*_faults("drop_after:1")]
    then = """
    import threading
    lost = threading.Event()
    session.on("connection.lost", lambda event: lost.set(), inline=True)
    session._parts.connection.over.wait(5)
    """
    options = (
        "reconnect=__import__('realtime_sync').ReconnectPolicy(base=60, cap=60),"
        "wait_created=True"
    )
    done, took = run(LEAVE.format(options=options, then=then), server.url)

    assert "" == done.stderr
    assert 0 == done.returncode
    assert took < 10


def _faults(*names: str) -> list[Any]:
    from realtime_sync.server.host.fault_injector import Fault

    return [Fault.parse(name) for name in names]


# -- fork --------------------------------------------------------------------


def in_child(action: Callable[[], Any]) -> str:
    """What an action returns, or the name of what it raises, in a forked child."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            told = repr(action())
        except BaseException as exc:
            told = type(exc).__name__
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(child, 0)
    return told


def used_up(recording: Recording) -> None:
    """Everything that a program does with a recording."""
    recording.note({"type": "said"})
    recording.flush()
    recording.close()


@pytest.mark.shared
@pytest.mark.timeout(30)
def test_a_recording_of_the_parent_is_not_the_childs(tmp_path: Path) -> None:
    """Nobody writes there, so nobody is waited for; the parent's goes on."""
    path = tmp_path / "call.jsonl"
    memory = MemoryTransport()
    with connect("m", transport=memory) as session:
        recording = session.record(path)
        recording.flush()
        told = in_child(lambda: used_up(recording))
        memory.feed({"type": "response.sparkle"})
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert "None" == told
    assert "response.sparkle" in [line.get("frame", {}).get("type") for line in lines]
    assert "recording.ended" == lines[-1]["note"]["type"]
    assert "said" not in [line.get("note", {}).get("type") for line in lines]


def prepared(path: Path) -> tuple[Session, MemoryTransport]:
    """A session that is to be recorded and is not open yet."""
    memory = MemoryTransport()
    session = RealtimeClient(api_key="k").session("m", transport=memory, threads=None)
    session.record(path)
    return session, memory


def kinds_in_recording(path: Path) -> list[str]:
    """What the lines of a recording are, in order."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        (line.get("frame") or line.get("note") or {"type": "head"})["type"]
        for line in lines
    ]


def test_what_was_prepared_before_a_fork_is_recorded_in_the_child(
    tmp_path: Path,
) -> None:
    """As in a server that makes its workers by forking."""
    path = tmp_path / "call.jsonl"
    session, memory = prepared(path)

    def serve_in_child() -> None:
        with session:
            memory.feed({"type": "response.sparkle"})

    told = in_child(serve_in_child)
    session.close()

    assert "None" == told
    found = kinds_in_recording(path)
    assert ["head", "recording.ended"] == [found[0], found[-1]]
    assert {"session.created", "response.sparkle"} < set(found)
    assert 1 == found.count("head")


def test_a_child_that_closes_what_was_prepared_writes_nothing(tmp_path: Path) -> None:
    """The parent may still open it, and begin the recording."""
    path = tmp_path / "call.jsonl"
    session, _ = prepared(path)
    told = in_child(lambda: session.close().code)
    before = path.read_bytes()
    with session:
        pass
    found = kinds_in_recording(path)

    assert ("None", b"") == (told, before)
    assert 1 == found.count("head") == found.count("recording.ended")


def uses(session: Session) -> dict[str, Callable[[], Any]]:
    """Everything that needs the connection."""
    return {
        "send": lambda: session.send({"type": "response.create"}),
        "append": lambda: session.input_audio_buffer.append(bytes(960)),
        "create": lambda: session.conversation.item.create(
            {"type": "message", "role": "user", "content": []}
        ),
        "ask": lambda: session.ask("Anybody there?"),
        "wait_for": lambda: session.wait_for("response.done"),
        "expect": lambda: session.expect("response.done").result(),
        "events": lambda: next(iter(session.events("*"))),
        "flush": lambda: session.flush(),
        "wait_changed": lambda: session.wait_changed(10**9),
        "update": lambda: session.update(instructions="x"),
        "open": lambda: session.open(),
        "run_forever": lambda: session.run_forever(),
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
class TestFork:
    """A child has the parent's sockets and none of its threads."""

    def test_the_child_gives_no_record_to_a_thread_that_is_not_there(
        self, server: Server
    ) -> None:
        """A thread of the child may have the ident that a loop has in the parent."""
        record = logging.LogRecord("x", logging.INFO, __file__, 1, "said", None, None)
        writer = LogWriter("log of a loop")
        with connect("m", base_url=server.url):
            writer.begin()
            try:
                told = in_child(lambda: hand_to_log_writer(record, lambda record: None))
                assert hand_to_log_writer(record, lambda record: None)
            finally:
                writer.end()
        assert writer.join(Deadline(10.0))

        assert "False" == told

    @pytest.mark.shared
    def test_using_a_session_in_the_child_says_so(self, server: Server) -> None:
        """At once, whatever is called; the parent does not notice anything."""
        with connect("m", base_url=server.url) as session:
            told = {name: in_child(use) for name, use in uses(session).items()}

            assert {name: ForkedSession.__name__ for name in told} == told
            assert session.ask("Still there?").text

    def test_closing_in_the_child_is_harmless(self, server: Server) -> None:
        """The parent's connection stays open, also when the child is collected."""

        def leave() -> bool:
            with session:
                pass
            return session.close().complete

        with connect("m", base_url=server.url) as session:
            assert "False" == in_child(leave)
            assert session.ask("Still there?").text

        assert 1 == len(server.sessions)

    def test_the_child_may_open_a_session_of_its_own(self, server: Server) -> None:
        """Nothing of the parent's session is in the way."""

        def talk() -> str:
            # Threads that are shared are the parent's as well.
            with connect("m", base_url=server.url, threads=None) as own:
                return own.ask("Hello").text

        with connect("m", base_url=server.url) as session:
            ours = session.ask("Hello").text

            assert repr(ours) == in_child(talk)
            assert ours == session.ask("Hello").text

    def test_a_wait_that_began_before_the_fork_is_the_parents(
        self, server: Server
    ) -> None:
        """What another thread waits for arrives there."""
        with connect("m", base_url=server.url) as session:
            found: list[Any] = []
            expectation = session.expect("session.updated")
            thread = threading.Thread(
                target=lambda: found.append(expectation.result(LONG))
            )
            thread.start()
            told = in_child(lambda: expectation.result(LONG))
            session.update(instructions="x")
            thread.join(LONG)

            assert ForkedSession.__name__ == told
            assert 1 == len(found)

    def test_pumping_in_the_child_says_so(self, server: Server) -> None:
        """In manual mode as well."""
        with connect("m", base_url=server.url, dispatch="manual") as session:
            assert ForkedSession.__name__ == in_child(lambda: session.pump(1.0))

    def test_a_session_that_is_not_open_yet_is_the_childs_as_well(
        self, server: Server
    ) -> None:
        """It has no socket to share."""
        from realtime_sync import RealtimeClient

        client = RealtimeClient(base_url=server.url, threads=None)
        session = client.session("m")

        def talk() -> str:
            with session:
                return session.ask("Hello").text

        assert "Hello" in in_child(talk)


def test_a_fork_waits_for_event_classes_that_are_being_loaded(server: Server) -> None:
    """A module that is half loaded at the fork would stay so in the child."""
    loaded: list[str] = []
    inside = threading.Event()

    def load() -> None:
        with registry.loading:
            inside.set()
            threading.Event().wait(0.05)
            loaded.append("all")

    with connect("m", base_url=server.url):
        thread = threading.Thread(target=load)
        thread.start()
        inside.wait(LONG)

        assert "['all']" == in_child(lambda: loaded)
        assert "'ResponseDone'" == in_child(
            lambda: registry.event_class("response.done").__name__
        )
        thread.join()


def test_a_session_is_opened_once(server: Server) -> None:
    """A second open() is a mistake of the program."""
    with connect("m", base_url=server.url) as session:
        with pytest.raises(LocalProtocolError):
            session.open()
