"""What holds for every test: no leftover threads, no keys, no network."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from realtime_sync import Threads, open_sessions
from realtime_sync.deadline import Deadline
from realtime_sync.session.options import SessionOptions
from realtime_sync.transport.loop import Loop
from tests.clock import Clock

if TYPE_CHECKING:
    from realtime_sync.server import Server

# No bound by the clock: a machine that stands still for a moment breaks it.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

GRACE = 5.0
"""Seconds, for all of them together, in which the threads of a test must end."""

GUARDED = ("OPENAI_", "AZURE_OPENAI_", "XAI_", "DASHSCOPE_")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy")


@pytest.fixture(scope="session", autouse=True)
def no_keys() -> Iterator[None]:
    """
    Hide the credentials and proxies of whoever runs the tests.

    A test that forgot to name its server would otherwise reach a vendor with a
    real key, or pass on one machine only.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(GUARDED) or name.lower() in PROXIES:
                patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard() -> None:
    """
    Hear Ctrl-C whoever runs the tests.

    What a shell starts in the background ignores it, and so would every program that
    a test starts.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect
    connect_ex = socket.socket.connect_ex

    def guarded(sock: socket.socket, address: Any) -> None:
        refuse_strangers(sock, address)
        connect(sock, address)

    def guarded_ex(sock: socket.socket, address: Any) -> int:
        refuse_strangers(sock, address)
        return connect_ex(sock, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        yield


def refuse_strangers(sock: socket.socket, address: Any) -> None:
    """Raise unless `address` is on this machine; datagrams carry nothing here."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    if sock.type & socket.SOCK_DGRAM:
        return
    host = address[0]
    if host == "localhost" or ipaddress.ip_address(host).is_loopback:
        return
    raise ConnectionRefusedError(f"tests use loopback only, not {host}")


@pytest.fixture(autouse=True)
def no_leftover_threads() -> Iterator[None]:
    """
    Fail a test that leaves a thread behind, with its name and where it is.

    Threads of fixtures with a wider scope are there before the test and do not
    count; what such a fixture starts on behalf of the test does.
    """
    before = set(threading.enumerate())
    yield
    left = survivors(before, grace=GRACE)
    if left:
        pytest.fail(
            "threads left behind:\n" + "\n".join(map(describe, left)), pytrace=False
        )


@pytest.fixture
def server() -> Iterator[Server]:
    """A local server that says things back."""
    # The core's tests run where there is no server.
    from realtime_sync.server import serve

    with serve(agent="echo") as running:
        yield running


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Shared threads, which have ended after the test."""
    with Threads() as shared:
        yield shared
    assert shared.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A running loop, whose thread has ended after the test."""
    loop = Loop("test loop")
    loop.start()
    yield loop
    loop.stop()
    assert loop.join(Deadline(10.0))


@pytest.fixture
def clock() -> Clock:
    """The clock of the test."""
    return Clock()


@pytest.fixture
def no_other_sessions() -> None:
    """For who looks at all sessions: one in memory stays open while it is held."""
    for session in open_sessions():
        session.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """
    Run what uses `arrangement` twice: with threads of each session's own, and shared.

    The second time in the default suite where the test is marked ``shared``, else in
    ``deep``.
    """
    if "arrangement" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker("shared")
        shared = pytest.param("shared", marks=() if marked else pytest.mark.deep)
        metafunc.parametrize("arrangement", ["private", shared], indirect=True)


@pytest.fixture
def arrangement(
    request: pytest.FixtureRequest,
    no_leftover_threads: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """
    Whose threads the sessions of a test use that do not say so.

    One default for all of them, so that a suite is the same in both arrangements.
    """
    if request.param == "private":
        yield "private"
        return
    # Ended before it is looked for threads that were left behind.
    with Threads(workers=4, dialers=4) as threads:
        defaults: dict[str, Any] = SessionOptions.__init__.__kwdefaults__
        monkeypatch.setitem(defaults, "threads", threads)
        yield "shared"
        monkeypatch.undo()
        left = threads.stats.sessions
    assert (0, True) == (left, threads.close())


def survivors(before: set[threading.Thread], *, grace: float) -> list[threading.Thread]:
    """Threads that are new since `before` and still run after `grace` seconds."""
    deadline = time.monotonic() + grace
    new = [thread for thread in threading.enumerate() if thread not in before]
    for thread in new:
        # One that is just being started is listed, and cannot be joined yet.
        while thread.ident is None and time.monotonic() < deadline:
            threading.Event().wait(0.001)
        if thread is not threading.current_thread():
            with suppress(RuntimeError):
                thread.join(max(0.0, deadline - time.monotonic()))
    return [thread for thread in new if thread.is_alive()]


def describe(thread: threading.Thread) -> str:
    """Name of a thread and the innermost places of its stack."""
    frame = sys._current_frames().get(thread.ident or 0)
    stack = traceback.format_stack(frame)[-3:] if frame else []
    return f"- {thread.name}\n" + "".join(stack).rstrip()
