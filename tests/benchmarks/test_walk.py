"""How many files one frame and one command walk through."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import realtime_sync
from realtime_sync.server import serve
from realtime_sync.testing import MemoryTransport

ROOT = str(Path(realtime_sync.__file__).parent)
TESTING = "/testing/"
APART = "apart"


class Walk(NamedTuple):
    """What was entered: files, calls, and returns to a file already left."""

    files: int
    calls: int
    returns: int


def walked(act: Callable[[], Any]) -> Walk:
    """
    The walk of the library's own code on this thread.

    What the transport of the tests does with a command, to answer it, is apart.
    Counts do not depend on the machine, unlike times.
    """
    visits: list[str] = []
    calls = 0
    callers: list[str] = []

    def watch(frame: FrameType, kind: str, argument: object) -> None:
        nonlocal calls
        if kind == "return" and callers:
            callers.pop()
        if kind != "call":
            return
        name = frame.f_code.co_filename
        before = callers[-1] if callers else ""
        ours = before.startswith(ROOT) and TESTING not in before
        if before == APART or (ours and TESTING in name):
            name = APART  # And whatever is called from there.
        callers.append(name if name.startswith((ROOT, APART)) else before)
        if name.startswith(ROOT) and TESTING not in name:
            calls += 1
            if not visits or visits[-1] != name:
                visits.append(name)

    sys.setprofile(watch)
    try:
        act()
    finally:
        sys.setprofile(None)
    files = len(set(visits))
    return Walk(files, calls, len(visits) - files)


def test_a_text_delta_walks_through_few_files() -> None:
    """From the frame to the handler, when everything is warm."""
    wire = MemoryTransport()
    with realtime_sync.connect(transport=wire, dispatch="inline") as session:
        got: list[Any] = []
        session.on("response.output_text.delta", got.append)
        names = {"response_id": "r", "item_id": "i"}
        delta = {
            "type": "response.output_text.delta",
            "event_id": "e",
            "output_index": 0,
            "content_index": 0,
            "delta": "word",
            **names,
        }
        for _ in range(3):
            wire.feed(delta)
        text = json.dumps(delta)
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


ITEM = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "hello"}],
}

DELTA = Walk(files=12, calls=17, returns=0)
CREATE = Walk(files=13, calls=52, returns=8)
APPEND = Walk(files=9, calls=25, returns=6)
CREATE_REAL = Walk(files=17, calls=90, returns=21)
APPEND_REAL = Walk(files=13, calls=62, returns=18)
