"""An hour of a live session: what it keeps does not grow with the audio."""

from __future__ import annotations

import gc
import tracemalloc
from base64 import b64encode

import pytest

from realtime_sync.session.live import LiveConfig, Responses, backend
from realtime_sync.state.live import reduce
from realtime_sync.testing import MemoryTransport

from .live_session import LiveServer, delegated, live_session, said

FRAMES_A_MINUTE = 600
WORDS_A_MINUTE = 150
BYTES_A_WORD = 1200
"""What a piece of the transcript may take: text, times, id and its object."""


def minutes(count: int) -> int:
    """Bytes that so many minutes leave behind, beyond what the first tenth did."""
    server = LiveServer()
    sound = b64encode(bytes(4800)).decode()
    frame = {"type": "session.output_audio.delta", "delta": sound}
    pcm = bytes(4800)
    used: list[int] = []
    with live_session(server, idle_audio=None) as (session, _):
        heard = 0

        @session.on("session.output_audio.delta")
        def play(event: object) -> None:
            nonlocal heard
            heard += 1

        tracemalloc.start()
        try:
            for minute in range(count):
                for number in range(FRAMES_A_MINUTE):
                    session.input_audio.append(pcm)
                    server.feed(frame)
                    if number % 4 == 0:
                        start = minute * 60_000 + number * 100
                        who = "user" if number % 8 else "assistant"
                        name = f"e{start}"
                        server.feed(said(who, f" word{start}", start, event_id=name))
                session.note("Still here.").acknowledged()
                server.transport.take()
                gc.collect()
                used.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        snapshot = session.snapshot

    assert heard == count * FRAMES_A_MINUTE
    assert snapshot.audio.received_bytes == heard * 4800
    assert snapshot.clock_ms == count * 60_000
    assert len(snapshot.said.all()) == count * WORDS_A_MINUTE
    return used[-1] - used[max(0, count // 10 - 1)]


def most(count: int) -> int:
    """What the words of so many minutes may take; the audio nothing at all."""
    return 200_000 + count * WORDS_A_MINUTE * BYTES_A_WORD


@pytest.mark.parametrize("count", [6, pytest.param(60, marks=pytest.mark.deep)])
def test_minutes_leave_nothing_but_their_words(count: int) -> None:
    """Of an hour, nine thousand pieces of text, and none of hundreds of megabytes."""
    assert minutes(count) < most(count)


def handed_on(count: int, start: int = 0) -> list[dict[str, object]]:
    """So many delegations to the backend, each with a call and an answer."""
    frames: list[dict[str, object]] = []
    for number in range(start, start + count):
        name, response = f"item_{number}", {"id": f"resp_{number}", "model": "m"}
        item = {"type": "function_call", "call_id": f"call_{number}", "name": "f"}
        item = {**item, "arguments": "{}", "status": "completed"}
        inner: list[dict[str, object]] = [
            {"type": "response.created", "response": response},
            {"type": "response.output_item.done", "item": item},
            {"type": "response.output_text.delta", "delta": "It rains."},
            {"type": "response.failed", "response": response},
        ]
        frames.append(delegated(name, "responses"))
        frames += [
            {"type": "response.event", "delegation_id": name, "event": each}
            for each in inner
        ]
    return frames


def left_by_delegations(count: int) -> int:
    """Bytes that so many leave behind once the mirror has as many as it keeps."""
    config = LiveConfig(delegation=Responses(model="m"))
    used: list[int] = []
    with live_session(config=config, idle_audio=None) as (session, server):
        for frame in handed_on(backend.MOST_NAMED):
            server.feed(frame)
        tracemalloc.start()
        try:
            for start in range(
                backend.MOST_NAMED, backend.MOST_NAMED + count, count // 4
            ):
                for frame in handed_on(count // 4, start):
                    server.feed(frame)
                server.transport.take()
                gc.collect()
                used.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        snapshot = session.snapshot

    assert reduce.MOST == len(snapshot.delegations)
    return used[-1] - used[0]


def test_delegations_beyond_the_bounds_leave_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bounds made small, so that they are reached at once."""
    monkeypatch.setattr(reduce, "MOST", 20)
    monkeypatch.setattr(reduce, "TOLD", 20)
    monkeypatch.setattr(backend, "MOST_NAMED", 40)
    assert left_by_delegations(400) < 50_000


@pytest.mark.deep
def test_thousands_of_delegations_leave_nothing() -> None:
    """What is known of them has a bound in every place."""
    assert left_by_delegations(8_000) < 500_000


def test_transport_in_memory_forgets_what_was_taken() -> None:
    """Else the test above would measure that."""
    transport = MemoryTransport()
    transport.sent.append({})

    assert [{}] == transport.take()
    assert [] == transport.sent
