"""What one client can make the server keep: bounded, all of it."""

from __future__ import annotations

from typing import Any, Callable

from realtime_sync.server import Server
from realtime_sync.server.host import server as host
from realtime_sync.server.host.sessions import SessionFrameLog, session_frame_size

from .clients import client, opened
from .sounds import b64, silence
from .talking import Talk, error, types


def test_a_client_that_asks_for_much_and_reads_nothing(
    start: Callable[..., Server],
) -> None:
    """Its answers are not piled up: it is read again when it reads."""
    server = start()
    one = opened(server)
    one.receive()
    pcm = b64(silence(20_000))
    part = {"type": "input_audio", "audio": pcm}
    item = {"id": "big", "type": "message", "role": "user", "content": [part]}
    one.send("conversation.item.create", item=item)
    one.until("conversation.item.done")
    for _ in range(100):
        one.send("conversation.item.retrieve", item_id="big")
    with client(server) as other:
        other.receive()
        other.say("hello")
        other.until("conversation.item.done")
    piled = len(server.sessions[0].connection.wire.buffer)
    one.socket.shutdown()

    assert piled < (8 << 20) + 2 * len(pcm)


def test_the_conversations_audio_is_bounded() -> None:
    """By commit, by turn and by item."""
    talk = Talk(options={"max_audio_bytes": 48 * 500})
    talk.update(audio={"input": {"turn_detection": None}})
    talk.hear(silence(400))
    first = talk.send("input_audio_buffer.commit")
    talk.hear(silence(400))
    second = talk.send("input_audio_buffer.commit")

    assert "conversation.item.added" in types(first)
    assert "rate_limit_exceeded" == error(second)["code"]
    assert 1 == len(talk.engine.conversation)


def test_logs_are_bounded_by_count_and_by_bytes() -> None:
    """The newest frames stay."""
    log = SessionFrameLog(3, size=100)
    for number in range(5):
        log.append(number, 10)
    by_count = list(log)
    log.append("big", 90)

    assert [2, 3, 4] == by_count
    assert [4, "big"] == list(log)
    assert (2, 4, ["big"]) == (len(log), log[0], log[1:])


def test_frames_are_sized_by_their_audio() -> None:
    """In deltas and in retrieved items."""
    item: dict[str, Any] = {"content": [{"audio": "x" * 5000}, {}]}

    assert 700 == session_frame_size({"type": "x", "delta": "y" * 500})
    assert 6000 == session_frame_size({"type": "x", "item": item})
    assert 1000 == session_frame_size({"type": "x"})


def test_ended_sessions_are_forgotten_in_time(
    start: Callable[..., Server], monkeypatch: Any
) -> None:
    """The last few can still be looked at."""
    monkeypatch.setattr(host, "_ENDED_SESSIONS", 2)
    server = start()
    for number in range(5):
        with client(server) as one:
            one.receive()
            session = server.sessions[-1]
        server.wait_closed(session)
    server.wait_for_sessions(5)

    assert 2 == len(server.sessions)
