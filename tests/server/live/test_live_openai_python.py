"""The official SDK's live clients, unmodified, against the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Callable

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from realtime_sync.server import Call, Delegate, Prompt, Say, Server

from ..sounds import b64, silence
from .live_talk import QUESTION, RESPONSES, check

pytestmark = pytest.mark.filterwarnings(
    "ignore:connect.. must be used as a context manager:DeprecationWarning"
)
SDP = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


class Peer:
    """A connection of the SDK; what it receives is held against the types first."""

    def __init__(self, connection: Any, role: str = "primary") -> None:
        self.connection = connection
        self.role = role

    def close(self) -> list[Any]:
        """Close the session; returns what comes until it is."""
        self.connection.session.close()
        return self.until("session.closed")

    def receive(self) -> Any:
        data = self.connection.recv_bytes()
        check(json.loads(data), self.role)
        return self.connection.parse_event(data)

    def until(self, kind: str) -> list[Any]:
        """Receive up to and including the first event of a type, or nested one."""
        events = [self.receive()]
        while kind not in (events[-1].type, _nested(events[-1]).get("type")):
            events.append(self.receive())
        return events

    def hear(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), 4800):
            self.connection.session.input_audio.append(audio=b64(pcm[at : at + 4800]))


def _nested(event: Any) -> dict[str, Any]:
    found: dict[str, Any] = getattr(event, "event", None) or {}
    return found if isinstance(found, dict) else {}


def said(events: list[Any]) -> str:
    """What the model said."""
    kind = "session.output_transcript.delta"
    return "".join(event.delta for event in events if event.type == kind)


@contextmanager
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(api_key="sk-test", base_url=server.url, max_retries=0) as one:
        yield one


@contextmanager
def connected(server: Server, **session: Any) -> Iterator[Peer]:
    with client(server) as one, one.live.connect() as connection:
        peer = Peer(connection)
        connection.session.start(session={"model": "gpt-live-1", **session})

        assert "session.started" == peer.receive().type
        yield peer


def test_a_question_a_client_delegation_and_the_answer_spoken(
    start: Callable[..., Server],
) -> None:
    """Audio in, work handed to the client, its words spoken, a clean close."""
    server = start(agent=[Delegate("One moment.")])
    with connected(server) as peer:
        peer.hear(QUESTION)
        work = peer.until("session.delegation.created")[-1].delegation
        peer.connection.session.thinking.append(
            content="Asking.", delegation_id=work.id, event_id="t"
        )
        peer.connection.session.commentary.append(
            content="Gate B12, on time.", delegation_id=work.id, event_id="c"
        )
        peer.hear(silence(4000))
        events = peer.until("session.commentary.appended")
        closed = peer.close()
        with pytest.raises(Exception, match="1000"):
            peer.receive()

    assert "client" == work.target
    assert "c" == events[-1].client_event_id
    assert "Gate B12, on time." in said(events + closed)
    assert "close_requested" == closed[-1].reason


def test_a_responses_delegation_with_two_parallel_calls(
    start: Callable[..., Server],
) -> None:
    """Two outputs, one continuation, its text spoken by the voice."""

    def agent(prompt: Prompt) -> Any:
        outputs = [i for i in prompt.items if i["type"] == "function_call_output"]
        if outputs:
            return " and ".join(item["output"] for item in outputs)
        return [Call("get_weather", {"city": city}) for city in ("Lima", "Oslo")]

    with connected(start(agent=agent), delegation=RESPONSES) as peer:
        peer.hear(QUESTION)
        events = peer.until("response.completed")
        done = [
            event.event["item"]
            for event in events
            if event.type == "response.event"
            and event.event["type"] == "response.output_item.done"
        ]
        for item in done:
            city = json.loads(item["arguments"])["city"]
            peer.connection.response.item.create(
                item={
                    "type": "function_call_output",
                    "call_id": item["call_id"],
                    "output": f"sunny in {city}",
                }
            )
        peer.connection.response.create()
        peer.until("response.completed")
        peer.hear(silence(4000))
        closed = peer.close()

    assert ["get_weather"] * 2 == [item["name"] for item in done]
    assert "sunny in Lima and sunny in Oslo" == said(closed)


def test_a_sideband_sees_everything_and_acts(start: Callable[..., Server]) -> None:
    """Audio of both sides with times, and commands that the primary sees answered."""
    server = start(agent=["Hello there."], replay_seconds=60.0)
    with connected(server) as peer, client(server) as other:
        session_id = server.sessions[0].id
        with other.live.sideband.connect(
            session_id=session_id, graceful_close=True
        ) as connection:
            side = Peer(connection, "attached")
            first = side.receive()
            connection.session.input_audio.mute(event_id="m")
            muted = [side.until("session.input_audio.muted")[-1]]
            muted.append(peer.until("session.input_audio.muted")[-1])
            connection.session.input_audio.unmute()
            side.until("session.input_audio.unmuted")
            peer.hear(QUESTION + silence(3000))
            heard = side.until("session.output_transcript.delta")
            connection.session.close()
            closed = [side.until("session.closed")[-1]]
            closed.append(peer.until("session.closed")[-1])
            with pytest.raises(Exception, match="1000"):
                side.receive()

    audio = [e for e in heard if e.type == "session.output_audio.delta"]

    assert "session.started" == first.type
    assert ["m", "m"] == [event.client_event_id for event in muted]
    assert 1 == len({event.event_id for event in closed})
    assert "session.input_audio.append" in {event.type for event in heard}
    assert all(each.end_ms == each.start_ms + 200 for each in audio)


def test_a_stored_session_goes_on_as_a_fork(start: Callable[..., Server]) -> None:
    """A new id, no input shown, and what was said is known."""

    def agent(prompt: Prompt) -> Any:
        return str(len(prompt.items))

    server = start(agent=agent)
    with connected(server, store=True) as peer:
        peer.hear(QUESTION + silence(2000))
        peer.until("session.output_transcript.delta")
        source = server.sessions[0].id
        peer.close()
    with client(server) as one:
        with one.live.forks.connect(session_id=source) as connection:
            fork = Peer(connection)
            connection.session.start(session={})
            session = fork.receive().session
            fork.hear(QUESTION + silence(2000))
            answer = fork.until("session.output_transcript.delta")[-1].delta
            fork.close()
        recording = one.live.sessions.download_recording(source).content

    assert session.id != source
    assert [] == session.input
    assert session.store
    assert "3" == answer
    assert recording.startswith(b"RIFF")


def test_calls_and_sessions_over_rest(start: Callable[..., Server]) -> None:
    """Create, control and hang up; accept, reject and refer; what is gone is 404."""
    server = start()
    with client(server) as one:
        created = one.live.create(
            session={"model": "gpt-live-1", "store": True},
            transport={"type": "webrtc", "sdp": SDP},
        )
        forked = one.live.sessions.fork(
            created.session.id, transport={"type": "webrtc", "sdp": SDP}
        )
        with one.live.sideband.connect(session_id=created.session.id) as connection:
            side = Peer(connection, "attached")
            side.until("session.output_audio.delta")
            one.live.sessions.hangup(created.session.id)
            closed = side.until("session.closed")[-1]
        with pytest.raises(openai.NotFoundError) as again:
            one.live.sessions.hangup(created.session.id)
        rings = [server.ring_live() for _ in range(2)]
        config = {"type": "live", "model": "gpt-live-1"}
        one.live.sessions.accept(rings[0], session=config)  # type: ignore[arg-type]
        one.live.sessions.refer(rings[0], target_uri="tel:+1")
        one.live.sessions.reject(rings[1], status_code=486)
        with pytest.raises(openai.BadRequestError) as decided:
            one.live.sessions.accept(rings[1], session=config)  # type: ignore[arg-type]

    assert "close_requested" == closed.reason
    assert forked.session.id != created.session.id
    assert "m=audio 0" in forked.transport.sdp
    assert "session_id_not_found" == again.value.code
    assert "decision_already_made" == decided.value.code


def test_attaching_to_nothing_is_refused_with_404(start: Callable[..., Server]) -> None:
    """As an HTTP answer, before any socket."""
    with client(start()) as one:
        for connect in (one.live.sideband.connect, one.live.forks.connect):
            with pytest.raises(Exception, match="404"):
                with connect(session_id="live_nobody"):
                    pass


@asynccontextmanager
async def async_connected(server: Server, **session: Any) -> AsyncIterator[Any]:
    async with AsyncOpenAI(
        api_key="sk-test", base_url=server.url, max_retries=0
    ) as one:
        async with one.live.connect() as connection:
            await connection.session.start(session={"model": "gpt-live-1", **session})
            yield one, connection


async def async_until(connection: Any, kind: str, role: str = "primary") -> list[Any]:
    """Receive up to and including the first event of a type."""
    events: list[Any] = []
    while not events or events[-1].type != kind:
        data = await connection.recv_bytes()
        check(json.loads(data), role)
        events.append(connection.parse_event(data))
    return events


def test_the_async_client_speaks_delegates_attaches_and_closes(
    start: Callable[..., Server],
) -> None:
    """The same flows with the other client of the SDK."""
    server = start(agent=[[Say("Let me see."), Delegate()]], replay_seconds=60.0)

    async def talk() -> tuple[list[Any], list[Any], list[Any]]:
        async with async_connected(server, store=True) as (one, connection):
            session = (await async_until(connection, "session.started"))[-1].session
            append = connection.session.input_audio.append
            for at in range(0, len(QUESTION), 4800):
                await append(audio=b64(QUESTION[at : at + 4800]))
            work = await async_until(connection, "session.delegation.created")
            async with one.live.sideband.connect(session_id=session.id) as side:
                await async_until(side, "session.started", "attached")
                await side.session.commentary.append(
                    content="Gate 12.", delegation_id=work[-1].delegation.id
                )
                # Two sockets have no order: the update is answered after the words.
                await side.session.update(session={})
                seen = await async_until(side, "session.updated", "attached")
                await append(audio=b64(silence(3000)))
                spoken = await async_until(connection, "session.commentary.appended")
                await connection.session.close()
                spoken += await async_until(connection, "session.closed")
                seen += await async_until(side, "session.closed", "attached")
            async with one.live.forks.connect(session_id=session.id) as fork:
                await fork.session.start(session={})
                await async_until(fork, "session.started")
        return work, spoken, seen

    work, spoken, seen = asyncio.run(talk())

    assert "client" == work[-1].delegation.target
    assert "Let me see. Gate 12." == said(work + spoken)
    assert "close_requested" == seen[-1].reason


def test_the_async_client_calls_a_tool_and_uses_rest(
    start: Callable[..., Server],
) -> None:
    """The flows that remain, with the other client of the SDK."""
    server = start(agent=[Call("get_weather", {"city": "Lima"}), "It is sunny."])

    async def talk() -> tuple[list[Any], Any, str]:
        async with async_connected(server, delegation=RESPONSES) as (one, connection):
            await async_until(connection, "session.started")
            await connection.session.input_audio.append(audio=b64(QUESTION))
            events: list[Any] = []
            while not events or _nested(events[-1]).get("type") != "response.completed":
                events += await async_until(connection, "response.event")
            (item,) = [
                _nested(event)["item"]
                for event in events
                if _nested(event).get("type") == "response.output_item.done"
            ]
            await connection.response.item.create(
                item={
                    "type": "function_call_output",
                    "call_id": item["call_id"],
                    "output": "sunny",
                }
            )
            await connection.response.create()
            await connection.session.input_audio.append(audio=b64(silence(3000)))
            spoken: list[Any] = []
            while "It is sunny." not in said(spoken):
                spoken += await async_until(
                    connection, "session.output_transcript.delta"
                )
            created = await one.live.create(
                session={"model": "gpt-live-1"},
                transport={"type": "webrtc", "sdp": SDP},
            )
            await one.live.sessions.hangup(created.session.id)
            try:
                await one.live.sessions.hangup(created.session.id)
            except openai.NotFoundError as exc:
                code = str(exc.code)
            await connection.session.close()
            spoken += await async_until(connection, "session.closed")
        return spoken, created, code

    spoken, created, code = asyncio.run(talk())

    assert "close_requested" == spoken[-1].reason
    assert created.session.id.startswith("live_")
    assert "session_id_not_found" == code


def test_handlers_of_the_sdk_are_called(start: Callable[..., Server]) -> None:
    """Its own loop of events ends with the session's socket."""
    server = start(agent=["Hello."])
    heard: list[str] = []
    with client(server) as one, one.live.connect() as connection:
        connection.on(
            "session.output_transcript.delta", lambda e: heard.append(e.delta)
        )
        connection.on(
            "session.started",
            lambda e: connection.session.input_audio.append(
                audio=b64(QUESTION + silence(2000))
            ),
        )
        connection.on(
            "session.output_transcript.delta", lambda e: connection.session.close()
        )
        connection.session.start(session={"model": "gpt-live-1"})
        connection.dispatch_events()

    assert ["Hello."] == heard
