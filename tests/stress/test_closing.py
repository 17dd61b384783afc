"""
Closing while a connection is being made or replaced, over TCP and over TLS.

What happens when a session has its connection is in ``tests/session/test_close.py``,
and what happens at the end of a process in ``tests/session/test_process_hooks.py``.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any, Optional

import pytest

from realtime_sync import ReconnectPolicy, Session
from realtime_sync.errors import ConnectFailed, ConnectionClosed, ConnectionLost
from realtime_sync.session.close_report import CloseReport
from tests.rawserver import Peer
from tests.stress.sequenced_server import LONG, Place, library_threads, wait_until

pytestmark = pytest.mark.usefixtures("arrangement")

CLOSE = 1.0
"""Seconds that closing may take in these tests."""

SLACK = 1.5
"""Seconds for a busy machine."""


class Slowest(random.Random):
    """Chance that always waits as long as it may."""

    def uniform(self, a: float, b: float) -> float:
        """The upper bound."""
        return b


def greeting(peer: Peer) -> None:
    """Greet, and drop when something is said."""
    peer.greet()
    peer.read()


def no_answer(peer: Peer) -> None:
    """Take the connection, and say nothing: not TLS, nor HTTP."""
    peer.rest()


no_answer.bare = True  # type: ignore[attr-defined]


def no_upgrade(peer: Peer) -> None:
    """Read the request, and say nothing."""
    peer.read_head()
    peer.rest()


def no_greeting(peer: Peer) -> None:
    """Upgrade, and say nothing."""
    peer.upgrade()
    peer.rest()


def no_obedience(peer: Peer) -> None:
    """Greet, and acknowledge nothing."""
    peer.greet()
    peer.rest()


def deaf(peer: Peer) -> None:
    """Greet, and read nothing: a half-open connection."""
    peer.greet()
    peer.hold()


STAGES: dict[str, Optional[Callable[[Peer], None]]] = {
    "in the backoff": None,
    "before TLS or HTTP": no_answer,
    "in the upgrade": no_upgrade,
    "before the greeting": no_greeting,
    "in the restore": no_obedience,
    "half open": deaf,
}


@pytest.fixture(params=[False, True], ids=["ws", "wss"])
def secure(request: Any) -> bool:
    """Over TLS or not."""
    return bool(request.param)


@pytest.fixture(params=STAGES)
def stage(request: Any) -> str:
    """How far the second connection comes."""
    return str(request.param)


class Losing:
    """A session that has lost its connection and is getting no other."""

    def __init__(self, stage: str, secure: bool, mode: str = "thread") -> None:
        second = STAGES[stage]
        slow = {"base": 60.0, "cap": 60.0, "rng": Slowest()}
        quick = {"base": 0.001, "cap": 0.001}
        self._threads = set(library_threads())
        self.place = Place(greeting, second or no_answer, secure=secure)
        self.session = self.place.open(
            dispatch=mode,
            reconnect=ReconnectPolicy(**(quick if second else slow)),
            close_timeout=CLOSE,
            connect_timeout=LONG,
        )
        self.lost = threading.Event()
        self.session.on("connection.lost", lambda event: self.lost.set(), inline=True)
        self.session.input_audio_buffer.clear()
        assert self.lost.wait(LONG)
        if second is not None:
            wait_until(lambda: self.place.connections == 2, "a second connection")

    def hold_a_command(self) -> Any:
        """Give a command that waits for a connection."""
        return self.session.conversation.add_message("in vain")

    def check(self, took: float) -> CloseReport:
        """It ended in time, wholly, and says what was lost."""
        assert took < CLOSE + SLACK
        report = self.session.close_report
        assert report.complete
        assert report.code == 1006
        assert isinstance(report.error, ConnectionLost)
        wait_until(
            lambda: not set(library_threads()) - self._threads, "the end of threads", 3
        )
        return report


def timed(action: Callable[[], Any]) -> float:
    """Seconds that something takes."""
    started = monotonic()
    action()
    return monotonic() - started


@pytest.fixture
def losing(stage: str, secure: bool) -> Iterator[Losing]:
    """The same, for a test."""
    made = Losing(stage, secure)
    yield made
    made.session.close()
    made.place.server.stop()


def test_close_from_the_main_thread(losing: Losing) -> None:
    """What was held is handed back."""
    handle = losing.hold_a_command()
    report = losing.check(timed(losing.session.close))

    assert ["conversation.item.create"] == [c.type for c in report.unsent_commands]
    with pytest.raises(ConnectionClosed):
        handle.acknowledged(LONG)


def test_close_from_five_threads_at_once(losing: Losing) -> None:
    """Each returns in time."""
    barrier = threading.Barrier(5)
    times: list[float] = []

    def close() -> None:
        barrier.wait(LONG)
        times.append(timed(losing.session.close))

    threads = [threading.Thread(target=close) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)

    assert 5 == len(times)
    losing.check(max(times))


@pytest.mark.parametrize("inline", [False, True], ids=["queued", "inline"])
def test_close_from_a_handler(losing: Losing, inline: bool) -> None:
    """Of a command that is being held."""
    times: list[float] = []
    losing.session.on(
        "client.conversation.item.create",
        lambda event: times.append(timed(losing.session.close)),
        inline=inline,
    )
    started = monotonic()
    losing.hold_a_command()
    wait_until(lambda: losing.session.closed, "the end")
    took = monotonic() - started
    losing.session.close()

    losing.check(max(took, *times))


def test_close_while_somebody_waits(losing: Losing) -> None:
    """The wait ends with the close, not with its timeout."""
    ended: list[BaseException] = []
    waiting = threading.Event()

    def wait() -> None:
        with losing.session.expect("response.done") as never:
            waiting.set()
            try:
                never.result(None)
            except ConnectionClosed as exc:
                ended.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(LONG)
    took = timed(losing.session.close)
    thread.join(LONG)
    losing.check(took)

    assert 1 == len(ended)


@pytest.mark.parametrize("mode", ["manual", "inline"])
@pytest.mark.parametrize("stage", ["in the backoff", "in the upgrade"])
def test_close_in_other_modes(stage: str, secure: bool, mode: str) -> None:
    """In manual mode the closing thread makes the deliveries."""
    losing = Losing(stage, secure, mode)
    seen: list[str] = []
    losing.session.on("connection.closed", lambda event: seen.append(event.type))
    took = timed(losing.session.close)
    losing.check(took)
    losing.place.server.stop()

    assert ["connection.closed"] == seen


@pytest.mark.shared
def test_close_in_the_hook_of_the_policy(secure: bool) -> None:
    """It runs on the reader and must not wait for it."""
    sessions: list[Session] = []
    times: list[float] = []

    def hook(attempt: Any) -> None:
        times.append(timed(sessions[0].close))

    with Place(greeting, secure=secure) as place:
        policy = ReconnectPolicy(base=0.001, cap=0.001, hook=hook)
        session = place.open(reconnect=policy, close_timeout=CLOSE)
        sessions.append(session)
        session.input_audio_buffer.clear()
        wait_until(lambda: session.closed, "the end")
        report = session.close()

        assert report.complete
        assert 1 == place.connections
        assert times[0] < SLACK


@pytest.mark.parametrize(
    "script", [no_answer, no_upgrade, no_greeting], ids=lambda s: s.__name__
)
def test_close_while_it_is_being_opened(secure: bool, script: Any) -> None:
    """Whoever opens it is told at once."""
    failures: list[BaseException] = []
    with Place(script, secure=secure) as place:
        session = place.session(close_timeout=CLOSE)

        def open_it() -> None:
            try:
                session.open()
            except (ConnectFailed, ConnectionClosed) as exc:
                failures.append(exc)

        thread = threading.Thread(target=open_it)
        thread.start()
        wait_until(lambda: place.connections, "a connection")
        if script is no_greeting:
            wait_until(lambda: session.is_open, "an upgrade")
        took = timed(session.close)
        thread.join(CLOSE + SLACK)

        assert not thread.is_alive()
        assert took < CLOSE + SLACK
        assert 1 == len(failures)
        wait_until(lambda: not library_threads(), "the end of threads", 3)


@pytest.mark.parametrize("rounds", [20])
def test_close_at_any_moment_of_a_reconnect(secure: bool, rounds: int) -> None:
    """Wherever it hits the change of connections, everything ends."""
    rng = random.Random(7)
    pause = threading.Event()

    def fickle(peer: Peer) -> None:
        peer.greet()
        peer.read()

    with Place(fickle, secure=secure) as place:
        for _ in range(rounds):
            policy = ReconnectPolicy(base=0.0, cap=0.0, attempts=10**6)
            session = place.open(reconnect=policy, close_timeout=2.0)
            session.input_audio_buffer.clear()
            pause.wait(rng.uniform(0.0, 0.05))
            report = session.close()

            assert report.complete
            assert session.closed
        wait_until(lambda: not library_threads(), "the end of threads", 3)


LEAVING = """
import ssl, sys
from realtime_sync import connect
trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
session = connect("m", base_url=sys.argv[1], api_key="k", ssl_context=trusting)
"""


@pytest.mark.parametrize("answers", [True, False], ids=["polite", "silent"])
def test_leaving_the_interpreter(secure: bool, answers: bool) -> None:
    """The server is told, over TLS as well; a silent one costs a second."""
    told: list[bytes] = []

    def listen(peer: Peer) -> None:
        peer.greet()
        if answers:
            told.append(peer.answer_close())
        else:
            told.append(peer.read()[1])
            peer.rest()

    with Place(listen, secure=secure) as place:
        started = monotonic()
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", LEAVING, place.url],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        took = monotonic() - started

    assert ("", 0) == (done.stderr, done.returncode)
    assert [(1000).to_bytes(2, "big")] == told
    assert took < LONG / 2
