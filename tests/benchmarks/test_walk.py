"""How many files one frame and one command walk through."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import realtime_sync
from realtime_sync.testing import MemoryTransport

ROOT = str(Path(realtime_sync.__file__).parent)


class Walk(NamedTuple):
    """What was entered: files, calls, and returns to a file already left."""

    files: int
    calls: int
    returns: int


def walked(act: Callable[[], Any]) -> Walk:
    """
    The walk of the library's own code, the transport of the tests apart.

    Counts do not depend on the machine, unlike times.
    """
    visits: list[str] = []
    calls = 0

    def watch(frame: FrameType, kind: str, argument: object) -> None:
        nonlocal calls
        name = frame.f_code.co_filename
        ours = name.startswith(ROOT) and "/testing/" not in name
        if kind == "call" and ours and "/server/" not in name:
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
        walk = walked(lambda: wire.feed(delta))

    assert 4 == len(got)
    assert walk.files <= DELTA.files, walk
    assert walk.calls <= DELTA.calls, walk


def test_a_command_walks_through_few_files() -> None:
    """From the caller to the transport, when everything is warm."""
    wire = MemoryTransport()
    with realtime_sync.connect(transport=wire, dispatch="inline") as session:
        item = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "hello"}],
        }
        for _ in range(3):
            session.conversation.item.create(item)
        walk = walked(lambda: session.conversation.item.create(item))

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


DELTA = Walk(files=14, calls=30, returns=0)
CREATE = Walk(files=19, calls=72, returns=22)
APPEND = Walk(files=15, calls=37, returns=11)
