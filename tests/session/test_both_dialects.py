"""One program, unchanged but for ``dialect=``, behaves the same."""

from __future__ import annotations

from typing import Any

from realtime_sync import connect
from realtime_sync.protocol.registry import ROWS
from realtime_sync.server import serve
from realtime_sync.server.agents.base import Call, Prompt

COMMON = {
    row.name for row in ROWS if row.direction == "server" and row.beta is not None
} - {"conversation.created", "rate_limits.updated"}
"""Events of both dialects; the place of rate limits is not the same in both."""

LOUD = (b"\x00\x40" * 12 + b"\x00\xc0" * 12) * 1000
QUIET = bytes(48 * 1000)


def model(prompt: Prompt) -> Any:
    """Speak, write, and call a tool once."""
    last = prompt.items[-1]
    if last["type"] == "function_call_output":
        return "It is " + last["output"]
    if "weather" in str(last["content"]):
        return Call("get_weather", {"city": "Lima"})
    return "Good day to you."


def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"mild in {city}"


def program(url: str, dialect: Any) -> tuple[list[str], Any, Any]:
    """Text, a tool and a spoken turn; what handlers saw, and what remained."""
    calls: list[str] = []
    with connect("m", base_url=url, dialect=dialect, tools=[get_weather]) as session:

        @session.on("*")
        def note(event: Any) -> None:
            if event.type in COMMON:
                calls.append(event.type)

        @session.on("response.audio.delta")
        def hear(event: Any) -> None:
            calls.append(f"{len(event.delta)} bytes")

        session.ask("Hello", timeout=10)
        session.ask("How is the weather?", timeout=10)
        with session.expect("response.done") as done:
            with session.expect(
                "conversation.item.input_audio_transcription.completed"
            ) as heard:
                session.update(input_audio_transcription={"model": "whisper-1"})
                session.input_audio_buffer.append(LOUD + QUIET)
                heard.result(10)
        done.result(10)
        session.flush()
        snapshot = session.snapshot
    items = [
        (item.type, item.role, item.status, item.text, item.name, item.arguments)
        for item in snapshot.items
    ]
    return calls, snapshot.transcript(), items


def test_the_same_program_does_the_same_in_both_dialects() -> None:
    """Same handler calls in the same order, same transcript, same items."""
    with serve(agent=model, seed=1) as server:
        ga = program(server.url, "ga")
    with serve(agent=model, seed=1) as server:
        beta = program(server.url, "beta")

    assert ga[0] == beta[0]
    assert [line.text for line in ga[1]] == [line.text for line in beta[1]]
    assert [line.role for line in ga[1]] == [line.role for line in beta[1]]
    assert ga[2] == beta[2]
    assert 8 == len(ga[2])
