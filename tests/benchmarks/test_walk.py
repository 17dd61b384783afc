"""How many files one frame and one command walk through."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any, NamedTuple

import realtime_sync
from realtime_sync.server import serve
from realtime_sync.testing import MemoryTransport
from realtime_sync.transport.websocket import WebSocketTransport
from tests.rawserver import Peer, RawServer

ROOT = str(Path(realtime_sync.__file__).parent)
TESTING = "/testing/"
APART = "apart"
READ = WebSocketTransport._read.__name__


class Walk(NamedTuple):
    """What was entered: files, calls, and returns to a file already left."""

    files: int
    calls: int
    returns: int


class Watcher:
    """
    Notes the library's own code that a thread enters, from `start` to `stop`.

    What the transport of the tests does with a command, to answer it, is apart.
    Counts do not depend on the machine, unlike times.

    Args:
        first: the function that a walk begins with; what was entered before the
            last call of it is forgotten.
    """

    def __init__(self, first: str = "") -> None:
        self._first = first
        self._visits: list[str] = []
        self._calls = 0
        self._callers: list[str] = []

    def start(self) -> None:
        """From now on, on this thread."""
        sys.setprofile(self._watch)

    def stop(self) -> Walk:
        """What was entered."""
        sys.setprofile(None)
        files = len(set(self._visits))
        return Walk(files, self._calls, len(self._visits) - files)

    def _watch(self, frame: FrameType, kind: str, argument: object) -> None:
        if kind == "return" and self._callers:
            self._callers.pop()
        if kind != "call":
            return
        name = frame.f_code.co_filename
        before = self._callers[-1] if self._callers else ""
        ours = before.startswith(ROOT) and TESTING not in before
        if before == APART or (ours and TESTING in name):
            name = APART  # And whatever is called from there.
        self._callers.append(name if name.startswith((ROOT, APART)) else before)
        if frame.f_code.co_name == self._first:
            self._visits, self._calls = [], 0
        if name.startswith(ROOT) and TESTING not in name:
            self._calls += 1
            if not self._visits or self._visits[-1] != name:
                self._visits.append(name)


def walked(act: Callable[[], Any]) -> Walk:
    """The walk of one call on this thread."""
    watcher = Watcher()
    watcher.start()
    try:
        act()
    finally:
        walk = watcher.stop()
    assert walk.calls, "nothing was entered"
    return walk


def test_a_text_delta_walks_through_few_files() -> None:
    """From the frame to the handler, when everything is warm."""
    wire = MemoryTransport()
    with realtime_sync.connect(transport=wire, dispatch="inline") as session:
        got: list[Any] = []
        session.on("response.output_text.delta", got.append)
        for _ in range(3):
            wire.feed(SAID)
        text = json.dumps(SAID)
        walk = walked(lambda: wire.feed(text))

    assert 4 == len(got)
    assert walk.files <= DELTA.files, walk
    assert walk.calls <= DELTA.calls, walk


def test_a_command_walks_through_few_files() -> None:
    """From the caller to the transport, when everything is warm."""
    wire = MemoryTransport()
    with realtime_sync.connect(transport=wire, dispatch="inline") as session:
        for _ in range(3):
            session.conversation.item.create(ITEM)
        walk = walked(lambda: session.conversation.item.create(ITEM))

    assert walk.files <= CREATE.files, walk
    assert walk.calls <= CREATE.calls, walk
    assert walk.returns <= CREATE.returns, walk


def test_an_append_walks_through_few_files() -> None:
    """Fifty of them go out a second."""
    wire = MemoryTransport()
    with realtime_sync.connect(transport=wire, dispatch="inline") as session:
        for _ in range(3):
            session.input_audio_buffer.append(bytes(960))
        walk = walked(lambda: session.input_audio_buffer.append(bytes(960)))

    assert walk.files <= APPEND.files, walk
    assert walk.calls <= APPEND.calls, walk


def test_a_text_delta_walks_through_few_files_from_the_socket() -> None:
    """From the read that brings it; waiting for the socket is not counted."""
    watcher, walks = Watcher(READ), list[Walk]()
    got, heard = list[Any](), Event()

    def on_delta(event: Any) -> None:
        got.append(event)
        if len(got) == 4:
            walks.append(watcher.stop())
        if len(got) == 3:
            watcher.start()
        heard.set()

    def script(peer: Peer) -> None:
        peer.greet()
        while True:
            peer.hear()
            peer.say(SAID)

    with RawServer(script) as server, realtime_sync.connect(
        "any", base_url=server.url, api_key="key", dispatch="inline"
    ) as session:
        session.on("response.output_text.delta", on_delta, inline=True)
        for _ in range(4):
            heard.clear()
            session.input_audio_buffer.clear()
            assert heard.wait(5.0)

    assert 0 < walks[0].files <= DELTA_REAL.files, walks
    assert walks[0].calls <= DELTA_REAL.calls, walks
    assert walks[0].returns <= DELTA_REAL.returns, walks


def test_a_websocket_adds_few_files() -> None:
    """Masking, framing, the queue of what goes out, and the socket."""
    with serve(agent="echo") as server, realtime_sync.connect(
        "any", base_url=server.url
    ) as session:
        for _ in range(3):
            session.input_audio_buffer.append(bytes(960))
            session.conversation.item.create(ITEM).acknowledged()
        create = walked(lambda: session.conversation.item.create(ITEM))
        append = walked(lambda: session.input_audio_buffer.append(bytes(960)))

    assert create.files <= CREATE_REAL.files, create
    assert create.calls <= CREATE_REAL.calls, create
    assert create.returns <= CREATE_REAL.returns, create
    assert append.files <= APPEND_REAL.files, append
    assert append.calls <= APPEND_REAL.calls, append
    assert append.returns <= APPEND_REAL.returns, append


SAID = {
    "type": "response.output_text.delta",
    "event_id": "e",
    "response_id": "r",
    "item_id": "i",
    "output_index": 0,
    "content_index": 0,
    "delta": "word",
}

ITEM = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "hello"}],
}

DELTA = Walk(files=10, calls=14, returns=0)
DELTA_REAL = Walk(files=12, calls=17, returns=2)
CREATE = Walk(files=12, calls=48, returns=7)
APPEND = Walk(files=7, calls=17, returns=4)
CREATE_REAL = Walk(files=14, calls=80, returns=8)
APPEND_REAL = Walk(files=9, calls=48, returns=6)
