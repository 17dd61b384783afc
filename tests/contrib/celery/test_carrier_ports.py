"""What takes the sockets of carriers, on a machine that has run out of something."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from queue import SimpleQueue
from typing import Any
from uuid import UUID

import pytest

from realtime_sync.contrib.celery import carrier_ports
from realtime_sync.contrib.celery.carrier_ports import (
    THREAD,
    CarrierSocket,
    CarrierTcpPort,
)

WAIT = 20.0

Spoil = Callable[[pytest.MonkeyPatch], None]


def once(real: Callable[..., Any], exc: Exception) -> Callable[..., Any]:
    """What fails the first time, and works from then on."""
    left = [exc]

    def call(*arguments: Any, **options: Any) -> Any:
        if left:
            raise left.pop()
        return real(*arguments, **options)

    return call


def no_socket(patch: pytest.MonkeyPatch) -> None:
    """The process has as many files open as it may."""
    full = OSError(errno.EMFILE, "Too many open files")
    patch.setattr(socket.socket, "accept", once(socket.socket.accept, full))


def gone_already(patch: pytest.MonkeyPatch) -> None:
    """The peer has reset a connection that nobody had taken yet."""
    gone = ConnectionAbortedError(errno.ECONNABORTED, "Software caused")
    patch.setattr(socket.socket, "accept", once(socket.socket.accept, gone))


def no_selector(patch: pytest.MonkeyPatch) -> None:
    """The socket was the last file that it may open."""
    full = OSError(errno.EMFILE, "Too many open files")
    patch.setattr(
        carrier_ports, "DefaultSelector", once(carrier_ports.DefaultSelector, full)
    )


def no_thread(patch: pytest.MonkeyPatch) -> None:
    """There are as many threads as there may be."""
    start = threading.Thread.start
    full = [RuntimeError("can't start new thread")]

    def refuse(thread: threading.Thread) -> None:
        if thread.name == THREAD and full:
            raise full.pop()
        start(thread)

    patch.setattr(threading.Thread, "start", refuse)


@pytest.mark.parametrize("spoil", [no_socket, gone_already, no_selector, no_thread])
def test_port_that_could_not_take_a_socket_takes_the_next(
    monkeypatch: pytest.MonkeyPatch, spoil: Spoil, caplog: pytest.LogCaptureFixture
) -> None:
    """Else all calls of a worker would wait in vain from then on."""
    taken: SimpleQueue[str] = SimpleQueue()

    def take(key: str, line: CarrierSocket) -> None:
        taken.put(key)

    spoil(monkeypatch)
    with closing(CarrierTcpPort("127.0.0.1", 0, take)) as port:
        key = port.key()
        hello = b"\x01\x00\x10" + UUID(key).bytes
        found = ""
        while not found:
            with socket.create_connection(("127.0.0.1", port.number), WAIT) as line:
                try:
                    line.sendall(hello)
                    line.recv(1)
                except ConnectionError:
                    continue  # It was closed at once.
                found = "" if taken.empty() else taken.get()

    assert key == found
    assert 1 == caplog.text.count("a socket could not be taken")
